"""The calls of this process: those that run, those that wait to be added up, and the sums.

What a call costs is worked out when somebody asks, or on the thread that delivers, which works it out anyway: until
then an ended call is only put aside, since each microsecond here is part of somebody's request. A call may end where
the garbage collector finds its stream, in the midst of anything, so nothing that a call comes to waits for a lock.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Hashable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Protocol, overload
from weakref import WeakKeyDictionary

from claude_telemetry.guard import guarded
from claude_telemetry.spending.adding import NOT_WORKED_OUT, By, Sums, part_of, values_of
from claude_telemetry.spending.amounts import Totals

ROOM: Final = 1024
"""Ended calls that may wait to be added up, where nothing is delivered. Beyond it each call that ends adds some."""
AT_ONCE: Final = 2
"""How many: more than one, so that there is room again, and few, so that no call pays for all."""
REMEMBERED: Final = 100_000
"""Calls told within the body of another that are known when they are told again: as many as a batch has at most."""
_STILL_S: Final = 1.0
"""The longest that a fork waits for what is being added up."""


class Ended(Protocol):
    """A call that has ended."""

    @property
    def ids(self) -> tuple[int, int, int | None]: ...

    def facts(self) -> Mapping[str, Any]:
        """What is known of it, by the names of columns; what takes long to write may be missing."""
        ...


Begun = tuple[Mapping[str, Any] | None, tuple[Hashable, ...]]
"""The columns that are known of a call from its beginning, or `None` for one that was told, maybe not for the first
time; and the blocks in which it was begun."""

here: ContextVar[tuple[Hashable, ...]] = ContextVar("claude_telemetry_blocks", default=())
"""The blocks around what runs in this context."""


class Process:
    """What one process knows. The child of a fork has one of its own: what was before is its parent's."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """For all below it."""
        self.running: dict[int, Begun] = {}
        """By the identity of the call. Each step on it is atomic, as on the next."""
        self.waiting: deque[tuple[Ended, Begun]] = deque()
        self._adding = False
        self._sums = Sums()
        self._by_block: WeakKeyDictionary[Hashable, Sums] = WeakKeyDictionary()
        self._told: set[tuple[int, int]] = set()
        self._told_first: deque[tuple[int, int]] = deque()

    def add_waiting(self, most: int | None = None) -> None:
        """Adds up what waits, the oldest first: at most as many as wait now, so that it ends while others come.

        Asked for by a signal's handler or a finalizer that runs in the midst of this, it leaves it to what goes on.
        """
        if self._adding:
            return
        self._adding = True
        try:
            for _ in range(len(self.waiting) if most is None else most):
                try:
                    call, begun = self.waiting.popleft()
                except IndexError:
                    return
                with guarded("add up what calls cost"):
                    self._add(call, begun)
        finally:
            self._adding = False

    def _add(self, ended: Ended, begun: Begun) -> None:
        known, blocks = begun
        if known is None and self._knows(ended.ids[:2]):
            return
        part, values = NOT_WORKED_OUT, values_of(known or {})
        with guarded("work out what a call adds"):
            facts = ended.facts()
            part, values = part_of(facts), values_of(facts)
        self._sums.add(part, values)
        for block in set(blocks):
            self._of(block).add(part, values)

    def _knows(self, ids: tuple[int, int]) -> bool:
        if ids in self._told:
            return True
        self._told.add(ids)
        self._told_first.append(ids)
        if len(self._told_first) > REMEMBERED:
            self._told.discard(self._told_first.popleft())
        return False

    def _of(self, block: Hashable | None) -> Sums:
        return self._sums if block is None else self._by_block.setdefault(block, Sums())

    def _running(self, block: Hashable | None) -> list[Mapping[str, str]]:
        begun = list(self.running.values())
        return [values_of(known or {}) for known, blocks in begun if block is None or block in blocks]

    def totals(self, block: Hashable | None) -> Totals:
        with self.lock:
            self.add_waiting()
            return self._of(block).totals(running=len(self._running(block)), recording=_recording)

    def totals_by(self, block: Hashable | None, by: str) -> dict[str | None, Totals]:
        with self.lock:
            self.add_waiting()
            return self._of(block).totals_by(by, running=self._running(block), recording=_recording)


# What calls come to


def began(call: object, facts: Mapping[str, Any]) -> None:
    """A call has begun, of which `facts` are known, by the names of columns. `ended` is told the same object."""
    this.running[id(call)] = (facts, here.get())


def ended(call: Ended) -> None:
    """A call has ended. Nothing, for one that began in the parent of a fork."""
    process = this
    begun = process.running.pop(id(call), None)
    if begun is not None:
        _put_aside(process, call, begun)


def told(call: Ended) -> None:
    """A call was told within the body of another, maybe not for the first time."""
    _put_aside(this, call, (None, here.get()))


def _put_aside(process: Process, call: Ended, begun: Begun) -> None:
    process.waiting.append((call, begun))
    if len(process.waiting) > ROOM:
        count_waiting(AT_ONCE)


def count_waiting(most: int | None = None) -> None:
    """Adds up calls that wait, unless another thread does."""
    process = this
    if process.waiting and process.lock.acquire(blocking=False):
        try:
            process.add_waiting(most)
        finally:
            process.lock.release()


def say_recording(*, recording: bool) -> None:
    """Whether calls are recorded from now on."""
    global _recording
    _recording = recording


# What is asked


@overload
def totals() -> Totals: ...


@overload
def totals(*, by: By) -> Mapping[str | None, Totals]: ...


def totals(*, by: By | None = None) -> Totals | Mapping[str | None, Totals]:
    """What all calls of this process have come to so far: each that has ended is in it, whatever has been delivered.

    With `by`, the same for each value of a label, or for each model, `None` for the calls without one. Of one label
    the first 10,000 values are told apart; the calls of all further ones are under `"_other"`. The entries add up to
    the whole.

    A result of a batch, or a request of a managed agent, is counted once, when it is first read here. What was counted
    stays: `uninstrument()` and another `instrument()` change nothing about it. The child of a fork begins with nothing.
    Thread-safe. Raises `LabelError` for a `by` that there is not.
    """
    return totals_of(None, by)


def totals_of(block: Hashable | None, by: By | None) -> Totals | Mapping[str | None, Totals]:
    """The same of the calls that began in `block`; of all with `None`."""
    return this.totals(block) if by is None else this.totals_by(block, by)


this = Process()
_recording = False


# A fork copies the lock as it is, and nobody is there in the child to let go of it. Worse, working out a cost takes
# locks elsewhere, such as that of the prices: so a fork waits until nobody is in the midst of that.


def _before_fork() -> None:
    process = this
    if process.lock.acquire(timeout=_STILL_S):
        _held[threading.get_ident()] = process


def _after_fork_in_parent() -> None:
    held = _held.pop(threading.get_ident(), None)
    if held is not None:
        held.lock.release()


def _after_fork_in_child() -> None:
    global this
    _held.clear()
    this = Process()


_held: dict[int, Process] = {}
"""By the thread that forks."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
