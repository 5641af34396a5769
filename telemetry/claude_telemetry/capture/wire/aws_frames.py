"""Amazon's event-stream frames, read along: how Bedrock streams an answer.

A frame is a prelude (its length, its headers' length, their checksum), headers, a payload and a checksum of it all.
The payload of a `chunk` is JSON, and its `bytes` are one event of the Messages API in base64.
The format and its limits are those of botocore 1.44.5 (`eventstream.py`), which the SDK reads Bedrock with.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from claude_telemetry.capture.wire.json_body import object_of
from claude_telemetry.capture.wire.sse import CONTENT_BLOCK_DELTA

LARGEST_FRAME = 24 * 1024 * 1024 + 128 * 1024 + 16
"""Bytes: the format's limits for payload and headers, and what surrounds them."""

_PRELUDE = struct.Struct("!III")
_CHECKSUM = struct.Struct("!I")
_AROUND = _PRELUDE.size + _CHECKSUM.size

_IS_EVENT = b"\x0d:message-type\x07\x00\x05event"
# As far as base64 of `{"type":"content_block_delta"` is the same whatever follows: whole groups of three bytes.
_DELTA = b'{"bytes":"' + binascii.b2a_base64(b'{"type":"content_block_delt', newline=False)

_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type. Types 6 and 7, byte arrays and strings, say their length themselves."""


class AwsFrames:
    """Yields the events in the frames of a Bedrock stream, as `SseBody` yields them from an event stream.

    An exception or error frame is `{"type": "error", "error": {"type": …}}`, with the type that AWS gives it.
    """

    __slots__ = ("_needed", "_rest", "_skip")

    def __init__(self, *, deltas: bool = False) -> None:
        self._skip = not deltas
        self._rest = bytearray()
        self._needed = _PRELUDE.size

    def feed(self, chunk: bytes) -> Iterable[Mapping[str, Any]]:
        """The events of the frames that `chunk` completes. Raises `ValueError` for what are no such frames."""
        self._rest += chunk
        return self._events() if len(self._rest) >= self._needed else ()

    def end(self) -> tuple[()]:
        """Nothing. Raises `ValueError` when the last frame was cut short."""
        if self._rest:
            self._rest = bytearray()
            raise ValueError("the last frame of the stream is cut short")
        return ()

    def _events(self) -> Iterator[Mapping[str, Any]]:
        data, at = bytes(self._rest), 0
        self._rest = bytearray()
        while True:
            self._needed = _length_at(data, at)
            if len(data) - at < self._needed:
                break
            event = self._event(data[at : at + self._needed])
            at += self._needed
            if event is not None:
                yield event
        self._rest += data[at:]

    def _event(self, frame: bytes) -> Mapping[str, Any] | None:
        if zlib.crc32(frame[:-4]) != _CHECKSUM.unpack_from(frame, len(frame) - 4)[0]:
            raise ValueError("a frame of the stream does not match its checksum")
        payload_at = _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]
        if self._skip and frame.startswith(_DELTA, payload_at):
            return CONTENT_BLOCK_DELTA
        headers = frame[_PRELUDE.size : payload_at]
        if _IS_EVENT not in headers:
            return _error(headers)
        packed = (object_of(frame[payload_at:-4] or b"{}") or {}).get("bytes")
        if not isinstance(packed, str):
            return None
        event = object_of(binascii.a2b_base64(packed))
        return CONTENT_BLOCK_DELTA if self._skip and event and event.get("type") == "content_block_delta" else event


def _length_at(data: bytes, at: int) -> int:
    """Of the frame that begins there; of its prelude as long as that is not there."""
    if len(data) - at < _PRELUDE.size:
        return _PRELUDE.size
    length, headers_length, checksum = _PRELUDE.unpack_from(data, at)
    if zlib.crc32(data[at : at + 8]) != checksum or not headers_length + _AROUND <= length <= LARGEST_FRAME:
        raise ValueError("the body is no stream of frames")
    return int(length)


def _error(headers: bytes) -> Mapping[str, Any] | None:
    """What a frame of such headers says went wrong; `None` for a message of no known kind."""
    said = _strings_in(headers)
    if said.get(":message-type") not in ("exception", "error"):
        return None
    kind = said.get(":exception-type") or said.get(":error-code") or "api_error"
    return {"type": "error", "error": {"type": kind}}


def _strings_in(headers: bytes) -> dict[str, str]:
    """The headers that are strings. Raises `ValueError` when they do not end where they should."""
    strings: dict[str, str] = {}
    at = 0
    while at < len(headers):
        name_ends = at + 1 + headers[at]
        kind = headers[name_ends] if name_ends < len(headers) else -1
        value_at = name_ends + 1
        if kind in (6, 7):
            value_at += 2
            value_ends = value_at + int.from_bytes(headers[name_ends + 1 : value_at])
        elif kind in _SIZES:
            value_ends = value_at + _SIZES[kind]
        else:
            value_ends = len(headers) + 1
        if value_ends > len(headers):
            raise ValueError("a frame of the stream has broken headers")
        if kind == 7:
            strings[headers[at + 1 : name_ends].decode()] = headers[value_at:value_ends].decode()
        at = value_ends
    return strings
