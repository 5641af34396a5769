"""Attributes in lock-step: which of them has which key, and what kind of value.

Keys are told by their length, their first eight bytes and their last sixteen, and then by all their bytes: nobody can
make another key pass for one that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from claude_telemetry_collector.decode.columnar.wire import LOW_BYTES, Bytes, Data, Flags, Ints, Words, lengths

TEXT, FLAG, NUMBER, DOUBLE, LIST = 0x0A, 0x10, 0x18, 0x21, 0x2A
"""Kinds of values: the first byte of an `AnyValue`."""

_KEY, _VALUE = 0x0A, 0x12
"""The tags of a `KeyValue`."""
_LONGEST_KEY = _LONGEST_IN_A_BYTE = 127
_SLOT_BITS = 14
_SLOTS = 1 << _SLOT_BITS
_TRIES = 1000
_UNSEEN = -2


@dataclass(frozen=True, slots=True)
class Pairs:
    """Attributes of some owners. Places are in the data."""

    owner: Ints
    start: Ints
    end: Ints
    """Of all of it."""
    key: Ints
    key_size: Ints
    kind: Bytes
    value: Ints
    """Where the value itself begins: of a text or a list behind its length. It goes up to `end`."""
    odd: Flags
    """Whether it is written as nobody writes it."""


def pairs(data: Data, owner: Ints, start: Ints, end: Ints) -> Pairs:
    """The attributes that lie from `start` to `end` each."""
    key, key_size = start + 2, data.bytes.take(start + 1).astype(np.int64)
    odd = (data.bytes.take(start) != _KEY) | (key_size > _LONGEST_KEY)
    tagged = key + key_size
    odd |= data.bytes.take(tagged) != _VALUE
    begin, wrong = _content(data.bytes, tagged + 1, end)
    odd |= wrong | (begin >= end)
    begin = np.where(odd, start, begin)
    kind = data.bytes.take(begin)
    value = begin + 1
    sized: Ints = np.flatnonzero((kind == TEXT) | (kind == LIST))
    value[sized], wrong = _content(data.bytes, value[sized], end[sized])
    odd[sized[wrong]] = True
    return Pairs(owner, start, end, key, key_size, kind, value, odd)


def _content(data: Bytes, at: Ints, end: Ints) -> tuple[Ints, Flags]:
    """Where what begins with its length at `at` lies, and whether it does not go up to `end`."""
    size = end - at - 1
    wrong: Flags = data.take(at) != size
    long: Ints = np.flatnonzero(size > _LONGEST_IN_A_BYTE)
    begin = at + 1
    if len(long):
        told, begin[long], beyond = lengths(data, at[long])
        wrong[long] = beyond | (begin[long] + told != end[long])
    return begin, wrong


class Keys:
    """Keys that are known, by their number. Two that end alike and are as long as each other differ in their head."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [name.encode() for name in names]
        self._sizes = np.array([len(name) for name in self._names], dtype=np.int64)
        self._ends = tuple(
            np.array([_word(piece) for piece in pieces], dtype=np.uint64)
            for pieces in zip(*(_pieces(name) for name in self._names), strict=True)
        )
        self._multiplier, self._slots = self._table()

    def of(self, data: Data, found: Pairs, steps: Ints) -> Ints:
        """The number of each key of `found`, or -1 for one that is not known. Only its ends are looked at.

        `steps`: where stretches begin in which most keys are alike, so that all can be held against the first.
        """
        size = found.key_size
        first = data.words[found.key] & LOW_BYTES.take(np.minimum(size, 8))
        last = np.where(size > 8, data.words[found.key + np.maximum(size, 8) - 8], first)
        before = np.where(size > 16, data.words[found.key + np.maximum(size, 16) - 16], first)
        ends = (first, before, last)
        number: Ints = np.full(len(size), _UNSEEN, dtype=np.int64)
        for begin, until in pairwise([*steps.tolist(), len(size)]):
            if begin < until:
                same = size[begin:until] == size[begin]
                for words in ends:
                    same &= words[begin:until] == words[begin]
                (usual,) = self._numbers(tuple(words[begin : begin + 1] for words in ends), size[begin : begin + 1])
                number[begin:until][same] = usual
        unusual: Ints = np.flatnonzero(number == _UNSEEN)
        number[unusual] = self._numbers(tuple(words[unusual] for words in ends), size[unusual])
        number[found.odd] = -1
        return number

    def _numbers(self, ends: tuple[Words, ...], size: Ints) -> Ints:
        number: Ints = self._slots.take(_slot(ends, size, self._multiplier))
        known = number.clip(0)
        same = (number >= 0) & (self._sizes.take(known) == size)
        for mine, its in zip(self._ends, ends, strict=True):
            same &= mine.take(known) == its
        return np.where(same, number, -1)

    def groups(self, data: Data, found: Pairs, steps: Ints) -> tuple[list[Ints], Ints]:
        """Which of `found` have which key, by its number, and which have none that is known."""
        number = self.of(data, found, steps)
        order = np.argsort((number + 1).astype(np.uint8), kind="stable")
        bounds = np.searchsorted(number[order], np.arange(-1, len(self._names) + 1))
        groups: list[Ints] = []
        unknown = [order[: bounds[1]]]
        for at, name in enumerate(self._names):
            group: Ints = order[bounds[at + 1] : bounds[at + 2]]
            if len(group) and len(name) > 24:
                same = self._is_same(data, found.key[group], name)
                if not same.all():
                    unknown.append(group[~same])
                    group = group[same]
            groups.append(group)
        return groups, np.sort(np.concatenate(unknown))

    def _is_same(self, data: Data, key: Ints, name: bytes) -> Flags:
        """Whether the middle of each key is that of `name`: its ends are."""
        same = np.ones(len(key), dtype=np.bool_)
        for at in range(8, len(name) - 16, 8):
            same &= data.words[key + at] == np.uint64(_word(name[at : at + 8]))
        return same

    def _table(self) -> tuple[np.uint64, Ints]:
        """A multiplier by which no two keys share a slot, and the number of the key in each."""
        for odd in range(1, _TRIES, 2):
            multiplier = np.uint64((0x9E3779B97F4A7C15 * odd) % 2**64)
            slots = _slot(self._ends, self._sizes, multiplier)
            if len(set(slots.tolist())) == len(self._names):
                table = np.full(_SLOTS, -1, dtype=np.int64)
                table[slots] = np.arange(len(self._names))
                return multiplier, table
        raise AssertionError("no multiplier keeps the keys apart: more slots are needed")


def _slot(ends: tuple[Words, ...], size: Ints, multiplier: np.uint64) -> Ints:
    first, before, last = ends
    mixed: Words = (first ^ (before << np.uint64(1)) ^ (last << np.uint64(2)) ^ size.astype(np.uint64)) * multiplier
    slot: Words = mixed >> np.uint64(64 - _SLOT_BITS)
    return slot.astype(np.int64)


def _pieces(name: bytes) -> tuple[bytes, bytes, bytes]:
    """The ends of a key: what is shorter than an end stands for it."""
    first = name[:8]
    return first, name[-16:-8] if len(name) > 16 else first, name[-8:] if len(name) > 8 else first


def _word(text: bytes) -> int:
    return int.from_bytes(text.ljust(8, b"\0"), "little")
