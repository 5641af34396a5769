"""Protobuf in lock-step: one step reads the next field of every message at once, so that Python is asked once for all.

What is read is what encoders write. Whatever is not (a length that takes more than four bytes, a group, a field that
goes on behind the end of its message) makes its message *odd*, and somebody more patient reads it.

Source: https://protobuf.dev/programming-guides/encoding/, read 2026-11-20.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_PADDING = 512
"""Behind the end, so that a look ahead needs no question whether it may: no key that is looked at is longer."""
_MOST_FIELDS = 512
"""Of one message. One with more is not worth a step for all."""


class Data:
    """The bytes of many messages, one behind the other."""

    def __init__(self, parts: list[bytes]) -> None:
        self.raw = b"".join((*parts, bytes(_PADDING)))
        self.bytes: Bytes = np.frombuffer(self.raw, dtype=np.uint8)
        # The eight bytes from each place on: not aligned, which costs less than eight reads.
        self.words: Words = np.ndarray((len(self.raw) - 7,), dtype="<u8", buffer=self.raw, strides=(1,))


@dataclass(frozen=True, slots=True)
class Fields:
    """What is in some messages, field by field: the first of each message, then the second of each, and so on."""

    owner: Ints
    """Of which message it is."""
    number: Ints
    wire: Ints
    start: Ints
    """Of the value. Of a number this is all that is known: `end` says where the next field begins."""
    end: Ints
    steps: Ints
    """Where each step's fields begin."""
    odd: Flags
    """By message."""

    def of(self, number: int, wire: int) -> Ints:
        """Which of these are field `number`. Marks messages odd where it is of another wire type than `wire`."""
        chosen = np.flatnonzero(self.number == number)
        other = self.wire[chosen] != wire
        if other.any():
            self.odd[self.owner[chosen[other]]] = True
            chosen = chosen[~other]
        return chosen

    def one(self, number: int, wire: int) -> Ints:
        """By message: which of these is its field `number`, or -1. Marks messages odd that have several."""
        chosen = self.of(number, wire)
        return one_each(chosen, self.owner[chosen], self.odd)

    def starts(self, found: Ints) -> Ints:
        """Where the values of `found` begin; 0 for -1."""
        return _where(self.start, found)

    def ends(self, found: Ints) -> Ints:
        """Where the values of `found` end; 0 for -1."""
        return _where(self.end, found)


def _where(places: Ints, found: Ints) -> Ints:
    there = found >= 0
    return np.where(there, places.take(found.clip(0)), 0) if there.any() else np.zeros(len(found), dtype=np.int64)


def one_each(chosen: Ints, owners: Ints, odd: Flags) -> Ints:
    """By owner: which of `chosen` is its own, or -1. Marks owners odd that have several."""
    found = np.full(len(odd), -1, dtype=np.int64)
    found[owners] = chosen
    if len(chosen) and (several := found[owners] != chosen).any():
        odd[owners[several]] = True
    return found


def walk(data: Data, start: Ints, end: Ints) -> Fields:
    """The fields of the messages that lie from `start` to `end` each."""
    odd = np.zeros(len(start), dtype=np.bool_)
    owner: Ints = np.flatnonzero(start < end)
    at, until = start[owner], end[owner]
    found: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
    while len(owner):
        if len(found) == _MOST_FIELDS:
            odd[owner] = True
            break
        number, wire, value, following, bad = _field(data.bytes, at)
        bad |= following > until
        if bad.any():
            odd[owner[bad]] = True
            good = ~bad
            owner, until, number, wire = owner[good], until[good], number[good], wire[good]
            value, following = value[good], following[good]
        found.append((owner, number, wire, value, following))
        at = following
        left = at < until
        if not left.all():
            owner, at, until = owner[left], at[left], until[left]
    sizes = [len(step[0]) for step in found]
    columns = zip(*found, strict=True) if found else iter(5 * [[NONE]])
    owner, number, wire, value, following = (np.concatenate(list(column)) for column in columns)
    return Fields(owner, number, wire, value, following, np.cumsum([0, *sizes]), odd)


def _field(data: Bytes, at: Ints) -> tuple[Ints, Ints, Ints, Ints, Flags]:
    """Number, wire type, value and end of the field at each of `at`, and whether it cannot be read here."""
    tag = data.take(at).astype(np.int64)
    number, wire = tag >> 3, tag & 7
    value = at + 1
    bad = number == 0
    two = tag >= 0x80
    if two.any():
        second = data.take(value).astype(np.int64)
        bad |= two & (second >= 0x80)
        number = np.where(two, (number & 15) | (second << 4), number)
        value = value + two
    if (wire == BYTES).all():
        size, value, long = lengths(data, value)
        return number, wire, value, value + size, bad | long
    following = value + np.array([0, 8, 0, 0, 0, 4, 0, 0]).take(wire)
    bad |= ~np.array([True, True, True, False, False, True, False, False]).take(wire)
    sized = np.flatnonzero(wire == BYTES)
    if len(sized):
        size, begin, long = lengths(data, value[sized])
        value[sized], following[sized] = begin, begin + size
        bad[sized] |= long
    counted = np.flatnonzero(wire == VARINT)
    if len(counted):
        behind = _behind_number(data, value[counted])
        following[counted] = behind
        bad[counted] |= behind > value[counted] + 10
    return number, wire, value, following, bad


def lengths(data: Bytes, at: Ints) -> tuple[Ints, Ints, Flags]:
    """The length that stands at each of `at`, where it ends, and whether it is too long to be read here."""
    size = data.take(at).astype(np.int64)
    more: Ints = np.flatnonzero(size >= 0x80)
    behind = at + 1
    long = np.zeros(len(at), dtype=np.bool_)
    shift = 7
    if len(more):
        size[more] &= 0x7F
    while len(more):
        if shift > 21:
            long[more] = True
            break
        byte = data.take(behind[more]).astype(np.int64)
        size[more] |= (byte & 0x7F) << shift
        behind[more] += 1
        more = more[byte >= 0x80]
        shift += 7
    return size, behind, long


def _behind_number(data: Bytes, at: Ints) -> Ints:
    """Where the number at each of `at` ends; more than ten bytes further where it does not."""
    behind = at + 1
    more: Ints = np.flatnonzero(data.take(at) >= 0x80)
    for _ in range(10):
        if not len(more):
            break
        byte = data.take(behind[more])
        behind[more] += 1
        more = more[byte >= 0x80]
    behind[more] += 10
    return behind


def numbers(data: Data, start: Ints, end: Ints) -> tuple[Ints, Flags]:
    """The numbers that fill `start` to `end` each, and which of them are more than 56 bits or no numbers at all."""
    size = end - start
    odd = (size < 1) | (size > 8)
    size = np.where(odd, 1, size)
    word = data.words[start] & _LOW[size]
    # All bytes but the last say that another follows.
    odd |= (word & _MARKS) != _ALL_BUT_LAST[size]
    value = np.zeros(len(start), dtype=np.uint64)
    for place in range(int(size.max()) if len(size) else 0):
        value |= (word >> np.uint64(place)) & np.uint64(0x7F << (7 * place))
    return value.astype(np.int64), odd


NONE: Ints = np.zeros(0, dtype=np.int64)
_LOW = np.array([(1 << (8 * size)) - 1 for size in range(9)], dtype=np.uint64)
"""By size in bytes: which bits of a word are meant."""
_MARKS = np.uint64(0x8080808080808080)
_ALL_BUT_LAST = np.array(
    [0, *(0x8080808080808080 & ((1 << (8 * (size - 1))) - 1) for size in range(1, 9))], dtype=np.uint64
)
LOW_BYTES = _LOW
