"""One column of facts after the other, as their attributes tell them, and as the reference believes them.

A value that the reference would have to think about makes its owner *odd*: one of another type, a negative count, a
text that is longer than names are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from claude_telemetry.record import Column
from claude_telemetry.record.attributes import PICODOLLARS_PER_USD
from claude_telemetry_collector.decode.columnar import texts
from claude_telemetry_collector.decode.columnar.pairs import DOUBLE, FLAG, NUMBER, TEXT, Pairs
from claude_telemetry_collector.decode.columnar.wire import NONE, Data, Flags, Ints, numbers
from claude_telemetry_collector.decode.door import MAX_TEXT
from claude_telemetry_collector.decode.facts import MAX_SIMPLE, MAX_USD, simple_object

_NAME, _LONG_NAME = r'"[\w.:/-]+"', r'"[\w.:/-]{1,100}"'
_SHORT = 256
"""No name in a text of this length is longer than names may be."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one attribute says, owner by owner."""

    present: Flags
    values: texts.Array
    counts: Ints = field(default_factory=lambda: NONE)
    """The values of whole numbers; of flags 1 and 0."""

    def without(self, forgotten: Flags) -> Told:
        """The same, and not told where it is `forgotten`."""
        kept = texts.picked(self.values, np.arange(len(forgotten)), ~forgotten)
        return Told(self.present & ~forgotten, kept, self.counts)

    def or_else(self, other: Told) -> Told:
        """The same, and what `other` tells where nothing is told."""
        return Told(self.present | other.present, pc.coalesce(self.values, other.values))


class Reader:
    """Reads the attributes of some owners."""

    def __init__(self, data: Data, pairs: Pairs, odd: Flags) -> None:
        self.data = data
        self.pairs = pairs
        self.odd = odd
        """By owner. Grows with each column that is read."""

    def column(self, column: Column, found: Ints) -> Told | None:
        """What `column` is by the attributes `found`, one for each owner or -1; `None` when nobody says it."""
        present = found >= 0
        if not present.any():
            return None
        at = found.clip(0)
        kind = self.pairs.kind.take(at)
        if column.type is str:
            return self._texts(column, at, present, present & (kind != TEXT))
        if column.type is bool:
            return self._flags(at, present, present & (kind != FLAG))
        if column.type is float:
            return self._doubles(at, present, kind == DOUBLE, kind == NUMBER)
        if column.type in (int, Decimal):
            return self._numbers(column, at, present, present & (kind != NUMBER))
        raise TypeError(f"{column.name} is a {column.type.__name__}, which no attribute is read as")

    def are_names(self, found: Ints) -> Flags:
        """Which of the attributes `found` are texts that are no longer than names are."""
        if not (found >= 0).any():
            return np.zeros(len(found), dtype=np.bool_)
        at = found.clip(0)
        size = self.pairs.end.take(at) - self.pairs.value.take(at)
        named: Flags = size <= MAX_TEXT
        named &= self.pairs.kind.take(at) == TEXT
        return named

    def _doubt(self, owners: Flags) -> None:
        self.odd |= owners

    def _texts(self, column: Column, at: Ints, present: Flags, wrong: Flags) -> Told:
        start, end = self.pairs.value.take(at), self.pairs.end.take(at)
        wrong |= present & (end - start > (MAX_SIMPLE if column.sql_type == "JSON" else MAX_TEXT))
        self._doubt(wrong)
        present = present & ~wrong & (start < end)
        array = texts.texts(self.data, start, end, present)
        for row in texts.not_plain(array).tolist():
            self.odd[row] |= not _is_storable(self.data.raw[start[row] : end[row]])
        if column.sql_type == "JSON":
            self._doubt(present & ~_are_simple_objects(array, end - start))
        return Told(present, array)

    def _flags(self, at: Ints, present: Flags, wrong: Flags) -> Told:
        start = self.pairs.value.take(at)
        value = self.data.bytes.take(start)
        self._doubt(wrong | (present & ((self.pairs.end.take(at) - start != 1) | (value > 1))))
        values = (value == 1) & present
        return Told(present, texts.flags(values, present), values.astype(np.int64))

    def _numbers(self, column: Column, at: Ints, present: Flags, wrong: Flags) -> Told:
        values, odd = numbers(self.data, self.pairs.value.take(at), self.pairs.end.take(at))
        self._doubt(wrong | (present & odd))
        values[~present] = 0
        if column.type is int:
            return Told(present, texts.integers(values, present), values)
        self._doubt(values >= MAX_USD * PICODOLLARS_PER_USD)
        return Told(present, texts.money(values, present), values)

    def _doubles(self, at: Ints, present: Flags, double: Flags, whole: Flags) -> Told:
        start, end = self.pairs.value.take(at), self.pairs.end.take(at)
        counts, odd = numbers(self.data, start, end)
        self._doubt(present & ~(double | (whole & ~odd)))
        words = np.where(present & double, self.data.words[start], np.uint64(0)).view(np.float64)
        values = np.where(present & double & (end - start == 8), words, counts.astype(np.float64))
        self._doubt(present & ((double & (end - start != 8)) | ~np.isfinite(values)))
        held = np.where(present, values, 0.0).view(np.int64)
        return Told(present, texts.integers(held, present, pa.float64()))


def _is_storable(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


_SIMPLE = f"^{simple_object(_NAME)}$"
_SIMPLE_AND_LONG = f"^{simple_object(_LONG_NAME)}$"


def _are_simple_objects(array: texts.Array, sizes: Ints) -> Flags:
    """Which texts are JSON objects that nothing has to be taken out of."""
    simple: Flags = _matches(array, _SIMPLE)
    long = np.flatnonzero(simple & (sizes > _SHORT))
    if len(long):
        simple[long] = _matches(texts.picked(array, long), _SIMPLE_AND_LONG)
    return simple


def _matches(array: texts.Array, pattern: str) -> Flags:
    return texts.flags_of(pc.match_substring_regex(array, pattern))
