"""Messages as the API writes them: one JSON body, or the events of a stream.

What goes where in a stream (observed on the wire and in the SDK's types, see `MessageDeltaUsage`): `message_start`
carries the input counts, the split of cache writes, tier and geo, and a placeholder for the output; `message_delta`
carries cumulative counts, without split, tier and geo.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_ALPHABET = string.ascii_letters + string.digits
_ONLY_AT_THE_END = ("output_tokens_details", "server_tool_use", "iterations", "fallback_credit")
_ONLY_AT_THE_START = ("cache_creation", "service_tier", "inference_geo", "speed")
_OUTPUT_PLACEHOLDER = 1
_WORDS_PER_DELTA = 4
_JSON_PER_DELTA = 24


def new_id(prefix: str) -> str:
    """Such as `msg_01…`, unique over restarts."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(22))


def message(
    *,
    message_id: str,
    model: str,
    content: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any],
    stop_reason: str | None,
    stop_details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of an answer that is no stream."""
    return {
        "model": model,
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": stop_details,
        "usage": dict(usage),
    }


def error(kind: str, text: str, request_id: str) -> dict[str, Any]:
    """The envelope of every error, as a body and as an event of a stream."""
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}


def events(whole: Mapping[str, Any], started_usage: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """The events that `whole`, a message, is streamed as."""
    usage: Mapping[str, Any] = whole["usage"]
    started = started_usage if started_usage is not None else _at_the_start(usage)
    blank: dict[str, Any] = {"content": [], "stop_reason": None, "stop_details": None, "usage": dict(started)}
    yield {"type": "message_start", "message": {**whole, **blank}}
    for index, block in enumerate(whole["content"]):
        bare, deltas = _taken_apart(block)
        yield {"type": "content_block_start", "index": index, "content_block": bare}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    yield {"type": "message_delta", "delta": stop, "usage": _at_the_end(usage)}
    yield {"type": "message_stop"}


def frame(event: Mapping[str, Any], line_end: str = "\n") -> bytes:
    """One event in the format of server-sent events."""
    data = json.dumps(event, separators=(",", ":"))
    return f"event: {event['type']}{line_end}data: {data}{line_end}{line_end}".encode()


def _at_the_start(usage: Mapping[str, Any]) -> dict[str, Any]:
    start = {name: value for name, value in usage.items() if name not in _ONLY_AT_THE_END}
    return {**start, "output_tokens": _OUTPUT_PLACEHOLDER} if "output_tokens" in usage else start


def _at_the_end(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in usage.items() if name not in _ONLY_AT_THE_START}


def _taken_apart(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A content block as it starts, and the deltas that complete it."""
    match block["type"]:
        case "text":
            pieces = text_pieces(block["text"])
            return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
        case "thinking":
            thought = [{"type": "thinking_delta", "thinking": piece} for piece in text_pieces(block["thinking"])]
            signature = {"type": "signature_delta", "signature": block.get("signature", "")}
            return {**block, "thinking": "", "signature": ""}, [*thought, signature]
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            text = json.dumps(block["input"])
            pieces = ["", *(text[at : at + _JSON_PER_DELTA] for at in range(0, len(text), _JSON_PER_DELTA))]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        case "compaction":
            return {**block, "content": None}, [{"type": "compaction_delta", "content": block.get("content")}]
        case _:
            # Results of server tools come whole, in `content_block_start`.
            return dict(block), []


def text_pieces(text: str) -> list[str]:
    """A text as it is streamed, a few words at a time."""
    words = text.split(" ")
    groups = [" ".join(words[at : at + _WORDS_PER_DELTA]) for at in range(0, len(words), _WORDS_PER_DELTA)]
    return [group if at == 0 else " " + group for at, group in enumerate(groups)] if text else []
