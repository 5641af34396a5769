"""How bodies lie in a segment, byte by byte.

    segment   header, header again, frame, frame, …, zeros up to the preallocated size
    header    magic, version, mark, crc of these
    frame     head, body, crc of both
    head      mark, length of the body, signal, encoding, when it was received, crc of these

The *mark* is eight random bytes, drawn for each segment, with which every frame begins: after damage, reading goes on
at the next mark. Being random, it cannot be put into a body beforehand, so no body can pass for a frame.
A frame's crc stands behind its body and is never zero. While it is zero, the frame is still being written, or its
writer died on it: a *torn* frame, which was never acknowledged. A wrong crc that is not zero is damage.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

Signal = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]

MAGIC = b"CTSEGMNT"
VERSION = 1
MARK_BYTES = 8

_SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
_ENCODINGS: tuple[Encoding, ...] = ("protobuf", "json")
_HEADER = struct.Struct("<8sI8s")
_HEAD = struct.Struct("<8sIBBxxq")
_CRC = struct.Struct("<I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[0-9]{16}\.segment")

HEADER_BYTES = 2 * (_HEADER.size + _CRC.size)
"""The header is there twice, so that one damaged byte does not cost a whole segment."""
HEAD_BYTES = _HEAD.size + _CRC.size
CRC_BYTES = _CRC.size
FRAME_OVERHEAD_BYTES = HEAD_BYTES + CRC_BYTES


class Position(NamedTuple):
    """A place in the segments. Everything before it is landed, nothing from it on."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A valid request body, decompressed, that is to be kept."""

    signal: Signal
    encoding: Encoding
    received_at: datetime
    """Aware; kept to the microsecond."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A body read back, whole."""

    position: Position
    next_position: Position
    """Where reading goes on once this frame is landed."""
    signal: Signal
    encoding: Encoding
    received_at: datetime
    """UTC."""
    body: bytes
    """Decompressed."""


class Head(NamedTuple):
    """What a frame says about itself before its body."""

    body_bytes: int
    signal: Signal
    encoding: Encoding
    received_at: datetime


class HeaderError(Exception):
    """The file does not begin like a segment of this version."""


def segment_path(folder: Path, number: int) -> Path:
    """The file of segment `number`."""
    return folder / f"{number:016d}.segment"


def segment_numbers(folder: Path) -> list[int]:
    """The segments in `folder`, oldest first; none when there is no such folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(name.partition(".")[0]) for name in names if _NAME.fullmatch(name))


def header(mark: bytes) -> bytes:
    """The first bytes of a segment whose frames begin with `mark`."""
    facts = _HEADER.pack(MAGIC, VERSION, mark)
    return 2 * (facts + _CRC.pack(crc32(facts)))


def mark_of(head: bytes) -> bytes:
    """The mark of the segment that begins with `head`. Raises `HeaderError`."""
    half = _HEADER.size + _CRC.size
    for copy in (head[:half], head[half : 2 * half]):
        if len(copy) == half and copy[_HEADER.size :] == _CRC.pack(crc32(copy[: _HEADER.size])):
            magic, version, mark = _HEADER.unpack_from(copy)
            if magic != MAGIC:
                continue
            if version != VERSION:
                raise HeaderError(f"it is of version {version}, and version {VERSION} is read here")
            return bytes(mark)
    raise HeaderError("its header is damaged")


def encoded(arrival: Arrival, mark: bytes) -> bytes:
    """The frame of `arrival`."""
    received_ns = (arrival.received_at - _EPOCH) // timedelta(microseconds=1) * 1000
    signal, encoding = _SIGNALS.index(arrival.signal), _ENCODINGS.index(arrival.encoding)
    facts = _HEAD.pack(mark, len(arrival.body), signal, encoding, received_ns)
    head = facts + _CRC.pack(crc32(facts))
    return b"".join((head, arrival.body, frame_crc(head, arrival.body)))


def decoded_head(data: bytes, mark: bytes) -> Head | None:
    """The head in `data`, or `None` when `data` is too short or is none."""
    if len(data) != HEAD_BYTES or not data.startswith(mark):
        return None
    if data[_HEAD.size :] != _CRC.pack(crc32(data[: _HEAD.size])):
        return None
    _, body_bytes, signal, encoding, received_ns = _HEAD.unpack_from(data)
    if signal >= len(_SIGNALS) or encoding >= len(_ENCODINGS):
        return None
    return Head(
        body_bytes, _SIGNALS[signal], _ENCODINGS[encoding], _EPOCH + timedelta(microseconds=received_ns // 1000)
    )


def frame_crc(head: bytes, body: bytes) -> bytes:
    """The crc at the end of a frame; never zeros, which stand for a frame that is not complete."""
    return _CRC.pack(crc32(body, crc32(head)) or 1)
