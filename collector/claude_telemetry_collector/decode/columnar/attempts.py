"""Attempts: events of a call's span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claude_telemetry.record.attributes import ATTEMPT_EVENT
from claude_telemetry_collector.decode.columnar import frame
from claude_telemetry_collector.decode.columnar.wire import BYTES, FIXED64, Data, Fields, Flags, Ints, walk
from claude_telemetry_collector.decode.reading import MAX_ATTEMPTS

_AT, _NAME, _ATTRIBUTES = 1, 2, 3
"""Fields of an event."""
_EVENT = ATTEMPT_EVENT.encode()
_FIRST, _LAST = (np.uint64(int.from_bytes(part, "little")) for part in (_EVENT[:8], _EVENT[-8:]))


@dataclass(frozen=True, slots=True)
class Attempts:
    """Those of some spans, in their order."""

    call: Ints
    """Of which span each is."""
    started_us: Ints
    owner: Ints
    start: Ints
    end: Ints
    """Their attributes: of which attempt each is, and where it lies."""

    def __len__(self) -> int:
        return len(self.call)

    def numbers(self) -> Ints:
        """Of each attempt: how many came before it."""
        return np.arange(len(self.call)) - np.searchsorted(self.call, self.call)


def attempts_in(data: Data, spans: Fields, received_us: Ints) -> Attempts:
    """The attempts that `spans` tell of. Marks those spans odd of which one cannot be read or believed."""
    events = spans.of(frame.EVENTS, BYTES)
    events = events[np.argsort(spans.start[events], kind="stable")]
    call = spans.owner[events]
    fields = walk(data, spans.start[events], spans.end[events])
    named = _is_attempt(data, fields)
    at = fields.one(_AT, FIXED64)
    there = at >= 0
    places = fields.starts(at)
    at_ns, believed = frame.times(data, places, received_us[call], there)
    spans.odd[call[fields.odd | (named & ~believed)]] = True
    spans.odd[np.bincount(call[named], minlength=len(spans.odd)) > MAX_ATTEMPTS] = True
    told = fields.of(_ATTRIBUTES, BYTES)
    told = told[named[fields.owner[told]]]
    place = np.cumsum(named) - 1
    return Attempts(
        call=call[named],
        started_us=at_ns[named] // 1000,
        owner=place[fields.owner[told]],
        start=fields.start[told],
        end=fields.end[told],
    )


def _is_attempt(data: Data, fields: Fields) -> Flags:
    """Which events are attempts, by their name."""
    found = fields.one(_NAME, BYTES)
    start = fields.starts(found)
    named: Flags = (found >= 0) & (fields.ends(found) - start == len(_EVENT))
    named &= data.words[start] == _FIRST
    named &= data.words[start + len(_EVENT) - 8] == _LAST
    return named
