"""Server-sent events, read along.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from claude_telemetry.capture.wire.json_body import object_of

LONGEST_EVENT = 16 * 1024 * 1024
"""Bytes of one event that are kept waiting for its end. Beyond it the body is not what we think it is."""

CONTENT_BLOCK_DELTA: Mapping[str, Any] = {"type": "content_block_delta"}
ONE_DELTA = (CONTENT_BLOCK_DELTA,)
"""What `SseBody.feed` answers to a chunk that is one delta: this very tuple."""

# How the API begins every delta. Whatever begins otherwise, or goes on with a second line, is looked at line by line.
_DELTA = b"event: content_block_delta\ndata:"
_LENGTH = len(_DELTA)
_NEXT_DELTA = b"\n\n" + _DELTA
DELTA_START = b"event: content_block_delta\n"
EVENT_END = b"\n\n"
"""Of a chunk that begins with the one and has the other at its end only: it is one delta, and no more is to be seen in
it, in a stream whose lines end as the API ends them."""

# As numbers: `13 in chunk` takes a sixth of the time of `b"\r" in chunk`.
_LF, _CR = b"\n\r"
_MANY = 4096


class SseBody:
    """Yields the events of a stream of the Messages API, or of a session, as decoded JSON objects.

    The text of the answer is what most of the bytes are, and usually nothing in it is recorded: a
    `content_block_delta` is not decoded but stands as `{"type": "content_block_delta"}`, unless `deltas` are wanted.
    """

    __slots__ = ("_after_cr", "_clean", "_rest", "_skip")

    def __init__(self, *, deltas: bool = False) -> None:
        self._skip = not deltas
        self._rest: bytes | bytearray = b""  # the start of an event, its end yet to come
        self._after_cr = False
        self._clean = self._skip  # nothing is left from the chunks before, and deltas are skipped

    def feed(self, chunk: bytes) -> Iterable[Mapping[str, Any]]:
        """The events that `chunk` completes. It or iterating raises `ValueError` for what is no stream of JSON."""
        if (
            self._clean
            and chunk[:_LENGTH] == _DELTA
            and chunk.find(_LF, _LENGTH) == len(chunk) - 2
            and chunk[-1] == _LF
            and _CR not in chunk
        ):
            return ONE_DELTA
        if self._after_cr or _CR in chunk:
            chunk = self._unix(chunk)
        rest, looked_at = self._rest, 0
        if rest:
            looked_at = len(rest) - 1  # half of an empty line, maybe
            rest += chunk
        else:
            rest = chunk
        end = rest.rfind(b"\n\n", looked_at)
        if end < 0:
            return self._wait(rest)
        self._rest = after = rest[end + 2 :]
        self._clean = self._skip and not after and not self._after_cr
        text = rest[:end]
        if not self._skip:
            return self._decoded(text.split(b"\n\n"))
        return ONE_DELTA if text[:_LENGTH] == _DELTA and text.find(_LF, _LENGTH) < 0 else self._but_deltas(text)

    @property
    def between_deltas(self) -> bool:
        """Whether a chunk that is one delta, by its `DELTA_START` and `EVENT_END`, need not be fed."""
        return self._clean

    def end(self) -> tuple[()]:
        """Nothing: an event without its empty line is none, by the format."""
        return ()

    def _unix(self, chunk: bytes) -> bytes:
        """`chunk` with every kind of line end as `\\n`, also where `\\r\\n` is cut between two chunks."""
        if not chunk:
            return chunk
        if self._after_cr and chunk[0] == _LF:
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _wait(self, rest: bytes | bytearray) -> tuple[()]:
        if len(rest) > LONGEST_EVENT:
            self._rest = b""
            raise ValueError("an event of the stream does not end")
        # Each chunk is added to what is there: to many bytes in place, or the time would grow with their square.
        self._rest = bytearray(rest) if len(rest) > _MANY and isinstance(rest, bytes) else rest
        self._clean = self._skip and not rest and not self._after_cr
        return ()

    def _but_deltas(self, text: bytes | bytearray) -> Iterator[Mapping[str, Any]]:
        first, *deltas = (b"\n\n" + text).split(_NEXT_DELTA)
        yield from self._decoded(first.split(b"\n\n"))
        for delta in deltas:
            if _LF not in delta:
                yield CONTENT_BLOCK_DELTA
            else:
                yield from self._decoded((_DELTA + delta).split(b"\n\n"))

    def _decoded(self, blocks: Iterable[bytes | bytearray]) -> Iterator[Mapping[str, Any]]:
        for block in blocks:
            event = self._event(block) if block else None
            if event is not None:
                yield event

    def _event(self, block: bytes | bytearray) -> Mapping[str, Any] | None:
        name: bytes | bytearray = b""
        data: list[bytes | bytearray] = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        if data and self._skip and name == b"content_block_delta":
            return CONTENT_BLOCK_DELTA
        joined = b"\n".join(data)
        return object_of(joined) if joined else None
