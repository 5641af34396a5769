"""What people wrote and what Claude answered: recorded only for an application that asks for it.

Off by default. When it is on, the question becomes attributes when it is asked, since the application may change its
lists afterwards, and the answer when it has ended. Both are cut to size, the newest kept, after they were redacted.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from claude_telemetry.capture.blocks import field_of, is_list, object_of
from claude_telemetry.capture.content_parts import Redact, Redaction, definition_of, parts_of
from claude_telemetry.capture.content_room import Room
from claude_telemetry.capture.policies import CONTENT_VARIABLE as VARIABLE
from claude_telemetry.guard import guarded

log = logging.getLogger("claude_telemetry")

INPUT = "gen_ai.input.messages"
OUTPUT = "gen_ai.output.messages"
SYSTEM = "gen_ai.system_instructions"
TOOLS = "gen_ai.tool.definitions"
TRUNCATED = "anthropic.content.truncated"
"""On a call that lost content to the limit, as the SDK's own tracing has it."""

DEFAULT_BYTES = 131_072

Attributes = dict[str, str | bool]

# Whether on spans, and whether on events. Source: opentelemetry-util-genai, `ContentCapturingMode`, read 2026-11-20;
# `true` and `false` are what its releases before that enumeration took.
_MODES = {
    "NO_CONTENT": (False, False),
    "SPAN_ONLY": (True, False),
    "EVENT_ONLY": (False, True),
    "SPAN_AND_EVENT": (True, True),
    "TRUE": (True, False),
    "FALSE": (False, False),
}

# The API's words in those of the conventions. Others stand as they are.
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPolicy:
    """What of the content of calls is recorded, where, and how it is redacted."""

    on_spans: bool = False
    on_events: bool = False
    redact: Redact | None = None
    content_bytes: int = DEFAULT_BYTES
    """Of each call, in UTF-8: at most half of it for the question, and half for the answer."""

    @classmethod
    def from_environ(
        cls,
        capture_content: bool | str | None = None,
        *,
        redact: Redact | None = None,
        content_bytes: int = DEFAULT_BYTES,
        environ: Mapping[str, str] | None = None,
    ) -> ContentPolicy:
        """The policy that `capture_content` names, else OpenTelemetry's variable, else none.

        A name that nobody knows is no consent: it is told once here, and nothing is recorded.
        """
        given = (os.environ if environ is None else environ).get(VARIABLE) if capture_content is None else None
        text = str(capture_content if given is None else given).strip().upper()
        if text in ("", "NONE"):
            text = "NO_CONTENT"
        if text not in _MODES:
            log.warning("no content of calls is recorded: it is asked for with a word that is none of %s", list(_MODES))
        on_spans, on_events = _MODES.get(text, (False, False))
        return cls(on_spans=on_spans, on_events=on_events, redact=redact, content_bytes=content_bytes)

    @property
    def on(self) -> bool:
        return self.on_spans or self.on_events

    def question(self, body: object) -> Attributes:
        """The attributes of a request's body. Empty when nothing is to be recorded. Never raises.

        What the SDK alone may read, such as a generator of messages, is not recorded.
        """
        if not self.on or not isinstance(body, dict):
            return {}
        with guarded("record the content of a question"):
            return self._question(cast("dict[str, Any]", body))
        return {}

    def collector(self) -> OutputCollector:
        """For one answer. Only of use when the policy is `on`."""
        return OutputCollector(self.redact, self.content_bytes // 2)

    def _question(self, body: Mapping[str, Any]) -> Attributes:
        room = Room(self.content_bytes // 2)
        found: Attributes = {}
        messages, system, tools = body.get("messages"), body.get("system"), body.get("tools")
        # The newest message has first call on the room, tools the last: those are the same in every call.
        if is_list(messages):
            found[INPUT] = _json_list(reversed(list(self._messages(messages, room))))
        if isinstance(system, str) or is_list(system):
            shown = room.newest(parts_of(system, Redaction(self.redact, SYSTEM)))
            if shown:
                found[SYSTEM] = _json_list(shown)
        if is_list(tools):
            definitions = list(self._definitions(tools, room))
            if definitions:
                found[TOOLS] = _json_list(definitions)
        if room.cut:
            found[TRUNCATED] = True
        return found

    def _messages(self, messages: Sequence[object], room: Room) -> Iterator[str]:
        """Newest first, as far as there is room."""
        redaction = Redaction(self.redact, INPUT)
        for message in reversed(messages):
            if room.cut:
                return
            role = str(field_of(message, "role") or "user")
            shown = room.message(role, parts_of(field_of(message, "content"), redaction))
            if shown is not None:
                yield shown

    def _definitions(self, tools: Sequence[object], room: Room) -> Iterator[str]:
        redaction = Redaction(self.redact, TOOLS)
        for tool in tools:
            if room.cut:
                return
            definition = definition_of(tool, redaction)
            shown = None if definition is None else room.take(definition)
            if shown is not None:
                yield shown


class OutputCollector:
    """Gathers an answer from its decoded body or events. One call has one reader at a time."""

    __slots__ = ("_blocks", "_finish_reason", "_lost", "_pieces", "_redact", "_room_bytes", "_started")

    def __init__(self, redact: Redact | None, room_bytes: int) -> None:
        self._redact = redact
        self._room_bytes = room_bytes
        self._start()
        self._started = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes in a decoded body or event; those that have no content are passed over. Never raises."""
        with guarded("gather the content of an answer"):
            self._take(event)

    def attributes(self) -> Attributes:
        """The attributes of what was there of the answer, its end or not. Empty when there was none. Never raises."""
        with guarded("record the content of an answer"):
            return self._attributes() if self._started else {}
        return {}

    def _start(self) -> None:
        """Begins an answer. Again when a middleware of the application asks again: the last one counts."""
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, _Pieces] = {}
        self._finish_reason: str | None = None
        self._lost = False
        self._started = True

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        if kind == "content_block_delta":
            pieces = self._pieces.get(event.get("index", 0))
            if pieces is not None:
                pieces.add(event.get("delta"))
        elif kind == "content_block_start":
            self._begin(event.get("index", 0), event.get("content_block"))
        elif kind == "message_delta":
            self._finish(field_of(event.get("delta"), "stop_reason"))
        elif kind == "message_start":
            self._start()
        elif kind == "message":
            self._start()
            content = event.get("content")
            for index, block in enumerate(content if is_list(content) else ()):
                self._begin(index, block)
            self._finish(event.get("stop_reason"))

    def _begin(self, index: int, block: object) -> None:
        known = object_of(block)
        if known is not None:
            self._blocks[index], self._pieces[index] = known, _Pieces(self._room_bytes)

    def _finish(self, stop_reason: object) -> None:
        if isinstance(stop_reason, str):
            self._finish_reason = _FINISH_REASONS.get(stop_reason, stop_reason)

    def _attributes(self) -> Attributes:
        room = Room(self._room_bytes)
        blocks = [self._pieces[index].onto(block) for index, block in sorted(self._blocks.items())]
        shown = room.message("assistant", parts_of(blocks, Redaction(self._redact, OUTPUT)), self._finish_reason)
        found: Attributes = {} if shown is None else {OUTPUT: f"[{shown}]"}
        if room.cut or any(pieces.cut for pieces in self._pieces.values()):
            found[TRUNCATED] = True
        return found


_FIELD_OF_DELTA = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class _Pieces:
    """The deltas of one content block, no more of them than can be recorded."""

    __slots__ = ("_field", "_left", "_texts", "cut")

    def __init__(self, most: int) -> None:
        self._field = ""
        self._left = most
        self._texts: list[str] = []
        self.cut = False

    def add(self, delta: object) -> None:
        field = _FIELD_OF_DELTA.get(str(field_of(delta, "type")))
        text = field_of(delta, field) if field is not None else None
        if field is None or not isinstance(text, str):
            return
        self._field = field
        self.cut = self.cut or len(text) > self._left
        self._texts.append(text[: self._left])
        self._left -= len(self._texts[-1])

    def onto(self, block: dict[str, Any]) -> dict[str, Any]:
        """`block` as it was when the last of the deltas was in."""
        if not self._texts:
            return block
        text = "".join(self._texts)
        if self._field != "partial_json":
            begun = block.get(self._field)
            return {**block, self._field: begun + text if isinstance(begun, str) else text}
        try:
            return {**block, "input": json.loads(text)}
        except ValueError:
            return {**block, "input": text}  # the answer ended within it


def _json_list(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"
