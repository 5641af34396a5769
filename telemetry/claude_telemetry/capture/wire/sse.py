"""Server-sent events, read along.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, read 2026-11-20.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one line that are kept waiting for its end. Beyond it the body is not what we think it is."""

_DELTA = b"content_block_delta"
_DELTA_EVENT = b"event: content_block_delta\n"

CONTENT_BLOCK_DELTA: Mapping[str, Any] = {"type": "content_block_delta"}
_ONE_DELTA = (CONTENT_BLOCK_DELTA,)


class SseBody:
    """Yields the events of a stream of the Messages API as decoded JSON objects.

    The text of the answer is what most of the bytes are, and nothing in it is recorded: a `content_block_delta` is
    not decoded but stands as `{"type": "content_block_delta"}`.
    """

    __slots__ = ("_after_cr", "_data", "_event", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._event = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterable[Mapping[str, Any]]:
        """The events that `chunk` completes. Raises `ValueError` for what is no event stream of JSON."""
        return _ONE_DELTA if self._between_events() and _is_one_delta(chunk) else self._events(chunk)

    def _between_events(self) -> bool:
        return not (self._rest or self._event or self._data or self._after_cr)

    def _events(self, chunk: bytes) -> Iterator[Mapping[str, Any]]:
        *lines, self._rest = (self._rest + self._unix(chunk)).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise ValueError("a line of the event stream does not end")
        for line in lines:
            if line:
                self._take(line)
            elif self._data or self._event:
                event = self._dispatch()
                if event is not None:
                    yield event

    def end(self) -> Iterator[Mapping[str, Any]]:
        """What is left at the end of the body: an event without its empty line is none, by the format."""
        return iter(())

    def _unix(self, chunk: bytes) -> bytes:
        """`chunk` with every kind of line end as `\\n`, also where `\\r\\n` is cut between two chunks."""
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return chunk
        self._after_cr = chunk[-1:] == b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._event = value
        elif field == b"data":
            self._data.append(value)

    def _dispatch(self) -> Mapping[str, Any] | None:
        name, data = self._event, b"\n".join(self._data)
        self._event, self._data = b"", []
        if name == _DELTA:
            return CONTENT_BLOCK_DELTA
        if not data:
            return None
        decoded: object = json.loads(data)
        return cast("Mapping[str, Any]", decoded) if isinstance(decoded, dict) else None


def _is_one_delta(chunk: bytes) -> bool:
    """Whether `chunk` is one whole `content_block_delta`: as most of a stream comes, and not worth splitting."""
    return (
        chunk.startswith(_DELTA_EVENT)
        and chunk.find(b"\n\n") == len(chunk) - 2
        and chunk.find(b"\nevent:") < 0
        and b"\r" not in chunk
    )
