"""Blocks of the API as message parts of OpenTelemetry's GenAI conventions, for an application that records content.

The shapes are those of https://github.com/open-telemetry/semantic-conventions-genai (`docs/gen-ai/*.json`, read
2026-11-20), and of the SDK's own tracing in its content mode (anthropic 2.10, `lib/_tracing/_content.py`), which knows
more kinds of blocks than the conventions. Of an image or a document the bytes never become part of anything.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from claude_telemetry.capture.blocks import field_of, is_list, object_of, source_of
from claude_telemetry.guard import guarded

Part = dict[str, Any]

Redact = Callable[[str, str], str | None]
"""`redact(text, where)` gives the text to record instead, or `None` for nothing. `where` is the attribute's name."""

_FILES = ("image", "document")
_READABLE_RESULTS = ("text", "search_result", "web_search_result")
_TOOL_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_OF_TOOL_CALLS = {"toolset_name": "anthropic_toolset_name", "server_name": "anthropic_mcp_server_name"}


class Redaction:
    """What an application wants done to texts before they are recorded in one attribute.

    A hook that fails gives nothing: what it was to hide is dropped, and the slip is counted.
    """

    __slots__ = ("_hook", "_where")

    def __init__(self, hook: Redact | None, where: str) -> None:
        self._hook = hook
        self._where = where

    def text(self, text: str) -> str | None:
        hook = self._hook
        if hook is None:
            return text
        with guarded("redact content"):
            redacted = cast("object", hook(text, self._where))
            if redacted is None or isinstance(redacted, str):
                return redacted
            raise TypeError("a redaction hook gives text or None")
        return None

    def data(self, data: object) -> Any:
        """The same for a JSON value. The hook gets its JSON, so that numbers and keys are seen as well."""
        if self._hook is None or data is None:
            return data
        text = self.text(json_of(data))
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            return text


def json_of(value: object) -> str:
    """Compact JSON. What JSON cannot hold becomes its `str()`, as in the SDK's own tracing."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def parts_of(content: object, redaction: Redaction) -> list[Part]:
    """The parts of a text or of a list of blocks. Empty for what cannot be looked at."""
    if isinstance(content, str):
        return _text_part("text", content, redaction)
    parts: list[Part] = []
    for item in content if is_list(content) else ():
        block = object_of(item)
        if block is not None:
            parts += _parts_of_block(block, redaction)
    return parts


def definition_of(tool: object, redaction: Redaction) -> Part | None:
    """A tool's definition. `None` for what cannot be looked at."""
    fields = object_of(tool)
    if fields is None:
        return None
    kind = fields.get("type") or "custom"
    name = fields.get("name") or fields.get("mcp_server_name")
    if kind == "custom":
        description, schema = fields.get("description"), fields.get("input_schema")
        said: Part = {
            "description": redaction.text(description) if isinstance(description, str) else None,
            "parameters": redaction.data(schema),
        }
        return {"type": "function", "name": name, **{key: value for key, value in said.items() if value is not None}}
    rest = {key: value for key, value in fields.items() if key not in ("type", "name", "cache_control")}
    shown = redaction.data(rest)
    return {"type": kind, "name": name, **(shown if isinstance(shown, dict) else {})}


def _parts_of_block(block: Mapping[str, Any], redaction: Redaction) -> list[Part]:
    kind, text = block.get("type"), block.get("text")
    if kind == "text" and isinstance(text, str):
        return _text_part("text", text, redaction)
    if kind == "thinking" and isinstance(block.get("thinking"), str):
        return _text_part("reasoning", block["thinking"], redaction)
    if kind in _TOOL_CALLS:
        call: Part = {"type": "tool_call", "id": block.get("id"), "name": block.get("name")}
        call["arguments"] = redaction.data(block.get("input"))
        call.update({ours: block[theirs] for theirs, ours in _OF_TOOL_CALLS.items() if block.get(theirs)})
        return [call]
    if isinstance(kind, str) and (kind == "tool_result" or kind.endswith("_tool_result")):
        response = _response(block.get("content"), redaction)
        return [{"type": "tool_call_response", "id": block.get("tool_use_id"), "response": response}]
    name = f"anthropic_{kind}" if isinstance(kind, str) else "anthropic_unknown"
    return [{"type": name, **(_file_facts(block) if kind in _FILES else {})}]


def _text_part(kind: str, text: str, redaction: Redaction) -> list[Part]:
    redacted = redaction.text(text)
    return [] if redacted is None else [{"type": kind, "content": redacted}]


def _response(content: object, redaction: Redaction) -> object:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not is_list(content):
        return redaction.data(_readable(content)) if object_of(content) is not None else []
    return [shown for item in content if (shown := _response_block(item, redaction)) is not None]


def _response_block(item: object, redaction: Redaction) -> Any:
    kind, text = field_of(item, "type"), field_of(item, "text")
    if kind == "text" and isinstance(text, str):
        redacted = redaction.text(text)
        return None if redacted is None else {"type": "text", "text": redacted}
    if kind in _READABLE_RESULTS:
        return redaction.data(_readable(item))
    block = object_of(item)
    if kind in _FILES and block is not None:
        return {"type": kind, **_file_facts(block)}
    return {"type": kind if isinstance(kind, str) else "unknown"}


def _readable(value: object) -> object:
    """`value` without the bytes of files, and without what only the API can read."""
    if is_list(value):
        return [_readable(item) for item in value]
    fields = object_of(value)
    if fields is None:
        return value
    kind = fields.get("type")
    if kind in _FILES:
        return {"type": kind, **_file_facts(fields)}
    of_file = fields.get("file_type") in ("image", "pdf")
    return {
        key: _readable(item)
        for key, item in fields.items()
        if not (key.startswith("encrypted_") or key == "cache_control" or (key == "content" and of_file))
    }


def _file_facts(block: Mapping[str, Any]) -> Part:
    """Media type, size and SHA-256 of a file that is in the request. Of one that is elsewhere, at most its type."""
    source = source_of(block) or {}
    media_type, data = source.get("media_type"), source.get("data")
    facts: Part = {"mime_type": media_type} if isinstance(media_type, str) else {}
    if isinstance(data, str):
        raw = data.encode("utf-8", "surrogatepass")
        try:
            raw = base64.b64decode(raw) if source.get("type") == "base64" else raw
        except binascii.Error:
            return facts
        facts.update(size_bytes=len(raw), sha256=hashlib.sha256(raw, usedforsecurity=False).hexdigest())
    return facts
