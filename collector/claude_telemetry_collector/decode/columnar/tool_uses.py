"""Tool uses: parallel lists among a call's attributes, one for each field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from claude_telemetry_collector.decode.columnar import known, texts
from claude_telemetry_collector.decode.columnar.columns import Reader
from claude_telemetry_collector.decode.columnar.pairs import LIST, TEXT
from claude_telemetry_collector.decode.columnar.wire import BYTES, Ints, lengths, walk
from claude_telemetry_collector.decode.door import MAX_ITEMS, MAX_TEXT

_VALUES = 1
"""The field of an `ArrayValue`."""


@dataclass(frozen=True, slots=True)
class _Items:
    """The texts of some lists, in their order."""

    call: Ints
    start: Ints
    end: Ints


def tool_uses_in(reader: Reader, found: dict[str, Ints]) -> tuple[pa.Table, Ints]:
    """The tool uses of each call, and which call each is of. `found`: by attribute, the one of each call or -1. Marks
    those calls odd whose lists are not all there, and of one length."""
    lists = {name: _items(reader, found[name]) for name in known.TOOL_USE}
    counts = [np.bincount(items.call, minlength=len(reader.odd)) for items in lists.values()]
    for name, count in zip(lists, counts, strict=True):
        reader.odd |= (count != counts[0]) | (count > MAX_ITEMS) | ((count == 0) & (found[name] >= 0))
    columns: dict[str, texts.Array] = {}
    call: Ints = np.zeros(0, dtype=np.int64)
    for name, items in lists.items():
        # Only with the odd ones left out do the lists go side by side.
        kept = ~reader.odd[items.call]
        call, start, end = items.call[kept], items.start[kept], items.end[kept]
        columns[known.TOOL_USE[name].name] = texts.texts(reader.data, start, end, start < end)
    columns["position"] = texts.integers(np.arange(len(call)) - np.searchsorted(call, call))
    return pa.table(columns), call


def _items(reader: Reader, found: Ints) -> _Items:
    data, pairs = reader.data, reader.pairs
    rows = np.flatnonzero(found >= 0)
    at = found[rows]
    listed = pairs.kind.take(at) == LIST if len(at) else np.zeros(0, dtype=np.bool_)
    reader.odd[rows[~listed]] = True
    rows, at = rows[listed], at[listed]
    fields = walk(data, pairs.value[at], pairs.end[at])
    values = fields.of(_VALUES, BYTES)
    if len(values) != len(fields.number):
        reader.odd[rows[fields.owner[fields.number != _VALUES]]] = True
    values = values[np.argsort(fields.start[values], kind="stable")]
    call, start, end = rows[fields.owner[values]], fields.start[values], fields.end[values]
    reader.odd[rows[fields.odd]] = True
    size, begin, long = lengths(data.bytes, start + 1)
    text = (data.bytes.take(start) == TEXT) & ~long & (begin + size == end) & (size <= MAX_TEXT)
    reader.odd[call[~text]] = True
    call, begin, end = call[text], begin[text], end[text]
    array = texts.texts(data, begin, end, begin < end)
    reader.odd[call[texts.not_plain(array)]] = True
    return _Items(call, begin, end)
