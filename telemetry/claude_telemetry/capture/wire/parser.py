"""Which parser reads which kind of body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from claude_telemetry.capture.wire.aws_frames import AwsFrames
from claude_telemetry.capture.wire.json_body import JsonBody
from claude_telemetry.capture.wire.jsonl import JsonLines
from claude_telemetry.capture.wire.sse import SseBody

_LINES = frozenset(
    {
        "application/x-jsonl",
        "application/jsonl",
        "application/x-ndjson",
        "application/ndjson",
        # What the SDK asks for when it fetches a batch's results, and what storage answers for a `.jsonl` file.
        "application/binary",
        "binary/octet-stream",
    }
)


class BodyParser(Protocol):
    """Takes a body in, chunk by chunk, with its content encoding undone. Not thread-safe; keeps little of it.

    What is yielded must be taken before the next chunk is fed. After a `ValueError` the parser is of no more use.
    """

    def feed(self, chunk: bytes) -> Iterable[Mapping[str, Any]]:
        """The events that `chunk` completes. It or iterating over them raises `ValueError` for what cannot be read."""
        ...

    def end(self) -> Iterable[Mapping[str, Any]]:
        """The events that the end of the body completes. It or iterating raises `ValueError` for a body cut short."""
        ...


def parser_for(content_type: str, *, deltas: bool = False) -> BodyParser:
    """What reads a body of the `content-type` along. Raises `ValueError` for one that is not known here, or empty.

    With `deltas`, the pieces of content in a stream are decoded too; else each is `{"type": "content_block_delta"}`.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "text/event-stream":
        return SseBody(deltas=deltas)
    if media_type == "application/json" or media_type.endswith("+json"):
        return JsonBody()
    if media_type == "application/vnd.amazon.eventstream":
        return AwsFrames(deltas=deltas)
    if media_type in _LINES:
        return JsonLines()
    raise ValueError("the body is of no media type that is read along")
