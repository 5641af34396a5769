"""Protobuf's wire format, as far as it is needed to take a body apart without reading what is in it.

A parsed message can take ninety times the memory of its bytes: two bytes are an empty span. A large body is therefore
taken apart here first, and parsed in pieces.
Source: https://protobuf.dev/programming-guides/encoding/, read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are not protobuf."""


class Field(NamedTuple):
    """One field of a message, by where it lies."""

    number: int
    start: int
    """Where its tag begins."""
    content: int
    """Where what it holds begins; of a field that is a number, its end."""
    end: int
    is_bytes: bool
    """Whether it is a text, bytes or a message."""


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message in `data[start:end]`, in order. Raises `WireError`. Groups, which OTLP does not
    have, are an error."""
    at = start
    while at < end:
        began = at
        tag, at = _varint(data, at, end)
        wire_type = tag & 7
        if wire_type == _BYTES:
            size, at = _varint(data, at, end)
            content, at = at, at + size
        elif wire_type == _VARINT:
            _, at = _varint(data, at, end)
            content = at
        elif wire_type in (_FIXED64, _FIXED32):
            at += 8 if wire_type == _FIXED64 else 4
            content = at
        else:
            raise WireError
        if at > end or tag < 8:
            raise WireError
        yield Field(tag >> 3, began, content, at, wire_type == _BYTES)


def field(number: int, content: bytes) -> bytes:
    """`content` as the text, bytes or message in field `number`, which is below 16."""
    return b"".join((bytes((number << 3 | _BYTES,)), _as_varint(len(content)), content))


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            break
    raise WireError


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
