"""What an answer says of itself, gathered from its body: usage, model, ids, stop reason, the tools it asks for.

A JSON body is one object. A stream says it in pieces: `message_start` has the input side with the split of cache
writes, the tier and the place, and an output count that is a placeholder; each `message_delta` has counts so far, which
replace those before; a null there replaces nothing. (Read in anthropic 2.10, `lib/streaming`, and on the wire.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from claude_telemetry.record import ToolUse

_TOOL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


@dataclass(slots=True)
class Answer:
    """What is known of the answer so far. `None` means that nothing said it yet."""

    message_id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None
    """The API's usage object, as received and merged."""
    refusal_category: str | None = None
    """The policy that a refusal named."""
    declined: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    """Models that handed over to a fallback, and the category that made them."""
    content_blocks: int = 0
    """Without the marks of a handover, which are no content."""
    tool_uses: list[ToolUse] = field(default_factory=list[ToolUse])
    output_known: bool = False
    """Whether the usage has the true output count, and not only the placeholder that a stream starts with."""
    complete: bool = False
    """Whether the answer was there to its end."""
    counted_tokens: int | None = None
    """What a count of tokens came to: free, and no usage of a model."""
    error_type: str | None = None
    """The type in an `error` event of a stream."""

    def take(self, event: Mapping[str, Any]) -> bool:
        """Takes in a decoded body or event. Whether it said something that a reader of the call would want to know."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return False
        if kind == "message_start":
            self._start(event.get("message"))
        elif kind == "content_block_start":
            return self._block(event.get("content_block"))
        elif kind == "message_delta":
            self._delta(event)
        elif kind == "message_stop":
            self.complete = True
            return False
        elif kind == "message":
            self._whole(event)
        elif kind == "completion":
            return self._completion(event)
        elif kind == "error":
            self._error(event)
        elif "input_tokens" in event and kind is None:
            self.complete = True
            counted = event.get("input_tokens")
            self.counted_tokens = counted if isinstance(counted, int) else None
        else:
            return False
        return True

    @property
    def empty_refusal(self) -> bool:
        """Refused before there was any content: shown in the usage, and not billed."""
        return self.stop_reason == "refusal" and self.content_blocks == 0

    def _start(self, message: object) -> None:
        message = _object(message)
        self.message_id = _text(message.get("id"))
        self.model = _text(message.get("model"))
        self._merge(message.get("usage"))

    def _block(self, block: object) -> bool:
        block = _object(block)
        kind = _text(block.get("type"))
        if kind == "fallback":
            self._handover(block)
            return True
        self.content_blocks += 1
        if kind not in _TOOL_BLOCKS:
            return False
        self.tool_uses.append(ToolUse(tool_use_id=_text(block.get("id")), name=_text(block.get("name")), type=kind))
        return True

    def _delta(self, event: Mapping[str, Any]) -> None:
        self._merge(event.get("usage"))
        if isinstance(_object(event.get("usage")).get("output_tokens"), int):
            self.output_known = True
        delta = _object(event.get("delta"))
        self.stop_reason = _text(delta.get("stop_reason")) or self.stop_reason
        self._refusal(delta)

    def _whole(self, message: Mapping[str, Any]) -> None:
        self._start(message)
        self.stop_reason = _text(message.get("stop_reason"))
        self._refusal(message)
        content = message.get("content")
        if isinstance(content, Sequence) and not isinstance(content, str | bytes):
            for block in cast("Sequence[object]", content):
                self._block(block)
        self.output_known = self.usage is not None
        self.complete = True

    def _completion(self, event: Mapping[str, Any]) -> bool:
        """A legacy text completion, whole or a piece of a stream. It never says what it used."""
        self.message_id = _text(event.get("id")) or self.message_id
        self.model = _text(event.get("model")) or self.model
        self.stop_reason = _text(event.get("stop_reason")) or self.stop_reason
        self.complete = self.stop_reason is not None
        return self.complete

    def _refusal(self, message: Mapping[str, Any]) -> None:
        self.refusal_category = _text(_object(message.get("stop_details")).get("category")) or self.refusal_category

    def _handover(self, block: Mapping[str, Any]) -> None:
        model = _text(_object(block.get("from")).get("model"))
        if model is not None:
            self.declined[model] = _text(_object(block.get("trigger")).get("category"))

    def _error(self, event: Mapping[str, Any]) -> None:
        self.error_type = error_type_of(event) or "api_error"

    def _merge(self, usage: object) -> None:
        if not isinstance(usage, dict | Mapping):
            return
        said = cast("Mapping[str, Any]", usage)
        if self.usage is None:
            self.usage = {}
        for name, value in said.items():
            if value is not None:
                self.usage[name] = value


def error_type_of(body: object) -> str | None:
    """The type in the API's error envelope, `{"type": "error", "error": {"type": …}}`, or `None`."""
    return _text(_object(_object(body).get("error")).get("type"))


def _object(value: object) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict | Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
