"""How requests lie in a file of the spool.

    file    frame, frame, …
    frame   head, body
    head    magic, state, signal, calls, length of the body, number, target, crc of all but the state and of the body

A file is only ever appended to, so the one place that a killed writer can leave half done is its end, where the crc
does not fit: what is there is not believed. The *state* is the exception: one byte that is overwritten once the frame
has been delivered, and that the crc leaves out.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zlib import crc32

Signal = Literal["traces", "logs"]

_MAGIC = b"CTS1"
_SIGNALS: tuple[Signal, ...] = ("traces", "logs")
_HEAD = struct.Struct("<4sBBxxIIQ8sI")
_CRC = struct.Struct("<I")
_STATE_OFFSET = len(_MAGIC)
_WAITING, _DONE = 0, 1
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A request read back, whole, that waits to be delivered."""

    path: Path
    offset: int
    signal: Signal
    calls: int
    number: int
    """Grows with each frame of a process."""
    target: str
    """Where it is to go, as `target_of` names it."""
    body: bytes
    """Protobuf, gzipped."""


def target_of(url: str) -> str:
    """A name for the place behind `url` that tells nothing about it: 16 hexadecimal digits.

    User, password and query are no part of the place, since they may change, and may be secrets.
    """
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme)
    place = f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}{parts.path}"
    return blake2b(place.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def encoded(*, signal: Signal, calls: int, number: int, target: str, body: bytes) -> bytes:
    """The frame of one request, waiting."""
    facts = _HEAD.pack(_MAGIC, _WAITING, _SIGNALS.index(signal), calls, len(body), number, bytes.fromhex(target), 0)
    return facts[: -_CRC.size] + _crc(facts, body) + body


def waiting_frames(path: Path) -> list[Frame]:
    """The frames of a file that are whole and wait to be delivered, in order; none when the file is gone.

    Raises `OSError` when it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return list(_frames(path, data))


def mark_done(path: Path, offset: int) -> None:
    """The frame there is delivered. Not synced: after a power cut it may be delivered once more."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.pwrite(descriptor, bytes([_DONE]), offset + _STATE_OFFSET)
    finally:
        os.close(descriptor)


def _frames(path: Path, data: bytes) -> Iterator[Frame]:
    offset = 0
    while offset + _HEAD.size <= len(data):
        head = data[offset : offset + _HEAD.size]
        facts: tuple[bytes, int, int, int, int, int, bytes, int] = _HEAD.unpack(head)
        magic, state, signal, calls, body_bytes, number, target, _ = facts
        end = offset + _HEAD.size + body_bytes
        if magic != _MAGIC or signal >= len(_SIGNALS) or end > len(data):
            return
        body = data[offset + _HEAD.size : end]
        if head[-_CRC.size :] != _crc(head, body):
            return
        if state == _WAITING:
            yield Frame(
                path=path,
                offset=offset,
                signal=_SIGNALS[signal],
                calls=calls,
                number=number,
                target=target.hex(),
                body=body,
            )
        offset = end


def _crc(head: bytes, body: bytes) -> bytes:
    facts = head[:_STATE_OFFSET] + head[_STATE_OFFSET + 1 : -_CRC.size]
    return _CRC.pack(crc32(body, crc32(facts)))
