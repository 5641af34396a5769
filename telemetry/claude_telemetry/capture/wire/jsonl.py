"""JSON lines, read along: the results of a batch of messages.

The API sends them as `application/x-jsonl`; until the summer of 2026 it sent no content type with them at all
(https://github.com/anthropics/anthropic-sdk-ruby/issues/208, read 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from claude_telemetry.capture.wire.json_body import object_of

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one line that are kept waiting for its end: more than the largest message has."""


class JsonLines:
    """Yields the object of each line. A line ends with `\\n`, `\\r\\n` or `\\r`, as for the SDK."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterable[Mapping[str, Any]]:
        """The lines that `chunk` completes. Raises `ValueError` for a line that is no JSON or does not end."""
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        self._rest += chunk[:end] if end else chunk
        if not end:
            if len(self._rest) > LONGEST_LINE:
                self._rest = bytearray()
                raise ValueError("a line of the body does not end")
            return ()
        lines, self._rest = self._rest.splitlines(), bytearray(chunk[end:])
        return _objects(lines)

    def end(self) -> Iterator[Mapping[str, Any]]:
        """The last line, when nothing ended it. Raises `ValueError` when it was cut short."""
        lines, self._rest = [self._rest], bytearray()
        return _objects(lines)


def _objects(lines: Iterable[bytearray]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        if line and not line.isspace():
            decoded = object_of(line)
            if decoded is not None:
                yield decoded
