"""What a span holds in its structure: which it is, when it was, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from claude_telemetry_collector.decode.columnar.texts import Array, hexadecimal, picked
from claude_telemetry_collector.decode.columnar.wire import (
    BYTES,
    FIXED64,
    VARINT,
    Data,
    Fields,
    Flags,
    Ints,
    Words,
    walk,
)
from claude_telemetry_collector.decode.reading import STATUS_OF
from claude_telemetry_collector.decode.span import AHEAD, EPOCH, FIRST, LONGEST, STATUSES

TRACE_ID, SPAN_ID, PARENT_SPAN_ID, STARTED, ENDED, ATTRIBUTES, EVENTS, STATUS = 1, 2, 4, 7, 8, 9, 11, 15
"""Fields of a span."""
_CODE = 3
"""Of a status."""

_US = timedelta(microseconds=1)
_FIRST_US, _AHEAD_US, _LONGEST_US = (FIRST - EPOCH) // _US, AHEAD // _US, LONGEST // _US
_NO_TIME = 2**62
"""In ns. Whatever is said to be later is no time at all."""

_STATUS_NAMES = pa.array([STATUS_OF[status] for status in STATUSES])


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of what the structure says, and the same as numbers."""

    trace_id: Array
    span_id: Array
    parent_span_id: Array
    status: Array
    started_us: Ints
    duration_ms: Ints
    has_duration: Flags
    key: Ints
    """Of the ids, 64 bits that differ as they do."""


def frame_of(data: Data, fields: Fields, received_us: Ints) -> Frame:
    """The frame of each span. Marks those odd that have no ids or no time that can be used."""
    trace = _ids(data, fields, TRACE_ID, 16)
    span = _ids(data, fields, SPAN_ID, 8)
    parent, has_parent = _parents(data, fields)
    start_ns, started = _times(data, fields, STARTED, received_us)
    end_ns, ended = _times(data, fields, ENDED, received_us)
    fields.odd[~started] = True
    length_us = end_ns // 1000 - start_ns // 1000
    ended &= (length_us >= 0) & (length_us <= _LONGEST_US)
    high, low, own = data.words[trace], data.words[trace + 8], data.words[span]
    return Frame(
        trace_id=hexadecimal(data, trace, 16),
        span_id=hexadecimal(data, span, 8),
        parent_span_id=hexadecimal(data, parent, 8, has_parent),
        status=_statuses(data, fields),
        started_us=start_ns // 1000,
        duration_ms=np.where(ended, (end_ns - start_ns + 500_000) // 1_000_000, 0),
        has_duration=ended,
        key=mixed(high, low, own),
    )


def mixed(high: Words, low: Words, own: Words) -> Ints:
    """64 bits of ids that are given as numbers of 64 bits, as they stand in memory."""
    mixture: Words = own ^ (high * np.uint64(0x9E3779B97F4A7C15)) ^ (low * np.uint64(0xC2B2AE3D27D4EB4F))
    mixture = (mixture ^ (mixture >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixture ^= mixture >> np.uint64(32)
    return mixture.astype(np.uint64).view(np.int64)


def _ids(data: Data, fields: Fields, number: int, size: int) -> Ints:
    """Where each span has this id. Odd are those that have none that can be used."""
    found = fields.one(number, BYTES)
    at = fields.starts(found)
    wrong = (found < 0) | (fields.ends(found) - at != size)
    fields.odd[wrong | ((data.words[at] == 0) & (data.words[at + size - 8] == 0))] = True
    return at


def _parents(data: Data, fields: Fields) -> tuple[Ints, Flags]:
    found = fields.one(PARENT_SPAN_ID, BYTES)
    at = fields.starts(found)
    there = (found >= 0) & (fields.ends(found) - at == 8) & (data.words[at] != 0)
    return at, there


def _times(data: Data, fields: Fields, number: int, received_us: Ints) -> tuple[Ints, Flags]:
    """The time in field `number` of each span, in ns, and whether it is to be believed."""
    found = fields.one(number, FIXED64)
    return times(data, fields.starts(found), received_us, found >= 0)


def times(data: Data, at: Ints, received_us: Ints, there: Flags) -> tuple[Ints, Flags]:
    """The times, in ns, that stand at each of `at`, and which of them are to be believed: what is not comes to 0."""
    words = data.words[at]
    told = np.where(words < np.uint64(_NO_TIME), words, np.uint64(0)).astype(np.int64)
    believed = there & (told // 1000 >= _FIRST_US) & (told // 1000 <= received_us + _AHEAD_US)
    return np.where(believed, told, 0), believed


def _statuses(data: Data, fields: Fields) -> Array:
    """How each call went. Odd are those whose status is none that is known."""
    codes = np.zeros(len(fields.odd), dtype=np.int64)
    found = fields.one(STATUS, BYTES)
    rows = np.flatnonzero(found >= 0)
    if len(rows):
        at = found[rows]
        status = walk(data, fields.start[at], fields.end[at])
        code = status.one(_CODE, VARINT)
        told = np.flatnonzero(code >= 0)
        if len(told):
            codes[rows[told]] = data.bytes.take(status.start.take(code[told]))
        fields.odd[rows[status.odd]] = True
    wrong = codes >= len(STATUSES)
    fields.odd[wrong] = True
    codes[wrong] = 0
    return picked(_STATUS_NAMES, codes)
