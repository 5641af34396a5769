"""Which call asked for which tool use, and which call was the last one here.

Calls tell it at their end. A tool that the application runs afterwards, in whatever thread, finds the call that asked
for it by the id of the tool use; one whose id nobody said, and an event, go by the last call of their context.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from claude_telemetry.record.tool_use import ToolUse

REMEMBERED: Final = 4096
"""Tool uses that are remembered, the latest: a tool is run within seconds of being asked for, or not at all."""
RECENT_S: Final = 300.0
"""For so long a call is the last one here. A server's thread goes on to another request, which may make none."""


_Ids = tuple[int, int]
"""Trace id and span id, as they are at hand while a call runs: they are written out when somebody asks."""


@dataclass(frozen=True, slots=True)
class CallRef:
    """Which call: enough to say that something belongs to it, in another thread or later on."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""

    @classmethod
    def of(cls, ids: _Ids) -> CallRef:
        return cls(format(ids[0], "032x"), format(ids[1], "016x"))


class Asking:
    """A call, as whoever comes after it in its context finds it. Not frozen: it ends where it was begun, whatever
    thread its answer was read in."""

    __slots__ = ("at_s", "call", "tool_uses")

    def __init__(self, call: _Ids, tool_uses: Sequence[ToolUse] | None) -> None:
        self.call = call
        self.tool_uses = tool_uses
        """`None` while the call goes on."""
        self.at_s = time.monotonic()

    def ended(self, tool_uses: Sequence[ToolUse]) -> None:
        """The call has ended, and its answer asked for `tool_uses`, which may be none."""
        self.tool_uses = tool_uses
        self.at_s = time.monotonic()
        for tool_use in tool_uses:
            if tool_use.tool_use_id is not None:
                _askers[tool_use.tool_use_id] = self.call
                _order.append(tool_use.tool_use_id)
                if len(_order) > REMEMBERED:
                    _askers.pop(_order.popleft(), None)


# Without a lock: a stream that the garbage collector ends may tell of its call in the middle of another's telling.
# Each step on these is atomic.
_askers: dict[str, _Ids] = {}
_order: deque[str] = deque()
_last: ContextVar[Asking | None] = ContextVar("claude_telemetry_last_call", default=None)


def remember_tool_uses(trace_id: int, span_id: int, tool_uses: Sequence[ToolUse]) -> None:
    """A call has ended, of which nobody told that it began, and its answer asked for `tool_uses`."""
    remember_call(trace_id, span_id).ended(tool_uses)


def remember_call(trace_id: int, span_id: int) -> Asking:
    """A call goes out from here: what happens now is about this one, and no longer about the one before. What is given
    back is to be told when it has ended."""
    asking = Asking((trace_id, span_id), None)
    _last.set(asking)
    return asking


def last_call() -> CallRef | None:
    """The Claude call that goes on here, else the last one that was made here: in this thread or task, in the last 5
    minutes. `None` when there was none, or none recorded."""
    last = _recent()
    return CallRef.of(last.call) if last is not None else None


def asker_of(tool_use_id: str) -> CallRef | None:
    """The call whose answer asked for this tool use, if it is one of the latest of this process. One that no ended call
    asked for is taken for the ask of the call that goes on here: the SDK can run tools while it reads a stream."""
    ids = _askers.get(tool_use_id)
    if ids is not None:
        return CallRef.of(ids)
    last = _recent()
    return CallRef.of(last.call) if last is not None and last.tool_uses is None else None


def asked_here(name: str) -> tuple[CallRef | None, str | None]:
    """The last call here and the id of its tool use, when it asked for the tool `name`. Of several uses of the same
    tool nobody can tell which one is run: then the id is `None`."""
    last = _recent()
    if last is None or last.tool_uses is None:
        return None, None
    ids = [use.tool_use_id for use in last.tool_uses if use.name == name and use.type in (None, "tool_use")]
    return (CallRef.of(last.call), ids[0] if len(ids) == 1 else None) if ids else (None, None)


def _recent() -> Asking | None:
    last = _last.get()
    return last if last is not None and time.monotonic() - last.at_s < RECENT_S else None
