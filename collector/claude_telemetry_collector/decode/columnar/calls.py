"""The calls of a batch of bodies as columns, where our own capture wrote them and nothing about them is out of the way.

That is nearly all that comes. Whatever is not, the reference reads, span by span: it is the judge of what is read here
(`tests/collector/test_columnar.py`). Bodies are taken to be such as protobuf's own parser reads, since the receiver
lets no others in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode.columnar import frame, known, rest, texts
from claude_telemetry_collector.decode.columnar.attempts import Attempts, attempts_in
from claude_telemetry_collector.decode.columnar.bodies import Body, Found, found_in
from claude_telemetry_collector.decode.columnar.columns import Reader, Told
from claude_telemetry_collector.decode.columnar.pairs import pairs
from claude_telemetry_collector.decode.columnar.tool_uses import tool_uses_in
from claude_telemetry_collector.decode.columnar.wire import BYTES, Data, Flags, Ints, one_each, walk
from claude_telemetry_collector.decode.identity import OURS
from claude_telemetry_collector.decode.span import EPOCH

_US = timedelta(microseconds=1)
_ELSEWHERE = ("execute_tool", AGENT_MODEL_REQUEST)
"""Operations of what is no call, or is told within another's."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What belongs to calls, as columns."""

    table: pa.Table
    call: Ints
    """By row: which call it is of. In order."""

    def of(self, kept: Flags) -> Parts:
        """Those of the calls that are `kept`."""
        mine = kept[self.call]
        place = np.cumsum(kept) - 1
        return Parts(self.table.filter(texts.flags(mine)), place[self.call[mine]])


@dataclass(frozen=True, slots=True)
class Columns:
    """Calls as columns, without those of their parts' columns that say whose they are."""

    calls: pa.Table
    attempts: Parts
    tool_uses: Parts
    started_us: Ints
    key: Ints
    """By call: 64 bits of its ids."""
    spans: Spans

    def __len__(self) -> int:
        return len(self.calls)

    def only(self, kept: Flags) -> Columns:
        """Those calls that are `kept`."""
        if kept.all():
            return self
        return Columns(
            calls=self.calls.filter(texts.flags(kept)),
            attempts=self.attempts.of(kept),
            tool_uses=self.tool_uses.of(kept),
            started_us=self.started_us[kept],
            key=self.key[kept],
            spans=self.spans.only(kept),
        )

    def bodies(self, wanted: Flags) -> list[Body]:
        """Requests with the spans of those calls that are `wanted`, for the reference."""
        return self.spans.only(wanted).bodies()


@dataclass(frozen=True, slots=True)
class Spans:
    """Where spans lie."""

    data: Data
    found: Found
    place: Ints
    start: Ints
    end: Ints

    def only(self, kept: Flags) -> Spans:
        return Spans(self.data, self.found, self.place[kept], self.start[kept], self.end[kept])

    def bodies(self) -> list[Body]:
        """Requests with these spans, those of one place together."""
        spans: dict[int, list[bytes]] = {}
        for place, start, end in zip(self.place.tolist(), self.start.tolist(), self.end.tolist(), strict=True):
            spans.setdefault(place, []).append(self.data.raw[start:end])
        return [(self.found.places[at].body(listed), self.found.places[at].received_at) for at, listed in spans.items()]


def columns_in(bodies: Sequence[Body]) -> tuple[Columns | None, list[Body]]:
    """The calls in `bodies` (traces, as protobuf), and requests with everything else for the reference."""
    data, found = found_in(bodies)
    if not any(map(len, found.starts)):
        return None, found.others
    spans = Spans(data, found, found.place_of(), np.concatenate(found.starts), np.concatenate(found.ends))
    columns, odd = _Batch(data, found, spans).read()
    if not odd.any():
        return columns, found.others
    return columns.only(~odd), [*found.others, *spans.only(odd).bodies()]


class _Batch:
    """Reads what spans say, column by column."""

    def __init__(self, data: Data, found: Found, spans: Spans) -> None:
        self._data, self._found, self._spans = data, found, spans
        self._count = len(spans.start)
        self._fields = walk(data, spans.start, spans.end)
        self.odd = self._fields.odd
        received = [(place.received_at - EPOCH) // _US for place in found.places]
        self._received_us = np.array(received)[spans.place]

    def read(self) -> tuple[Columns, Flags]:
        """The columns of all spans, and which of these are not to be believed."""
        own = self._fields.of(frame.ATTRIBUTES, BYTES)
        attempts = attempts_in(self._data, self._fields, self._received_us)
        of_spans = (self._fields.owner[own], self._fields.start[own], self._fields.end[own])
        of_attempts = (attempts.owner, attempts.start, attempts.end)
        found = pairs(self._data, *(np.concatenate(both) for both in zip(of_spans, of_attempts, strict=True)))
        groups, unknown = known.KEYS.groups(self._data, found, np.searchsorted(own, self._fields.steps))
        self.odd[found.owner[: len(own)][found.odd[: len(own)]]] = True
        self.odd[attempts.call[found.owner[len(own) :][found.odd[len(own) :]]]] = True
        mine = [group[group < len(own)] for group in groups]
        reader = Reader(self._data, found, self.odd)
        each = {name: one_each(mine[at], found.owner[mine[at]], self.odd) for name, at in known.NUMBERS.items()}
        tool_uses, tool_use_of = tool_uses_in(reader, {name: each[name] for name in known.TOOL_USE})
        calls, framed = self._calls(reader, each)
        others = np.sort(np.concatenate((unknown[unknown < len(own)], mine[known.MARK])))
        calls["attributes"] = self._attributes(reader, others, own)
        of_attempt = [group[group >= len(own)] for group in groups]
        columns = Columns(
            calls=pa.table(calls),
            attempts=self._attempts(reader, attempts, of_attempt),
            tool_uses=Parts(tool_uses, tool_use_of),
            started_us=framed.started_us,
            key=framed.key,
            spans=self._spans,
        )
        return columns, self.odd

    def _calls(self, reader: Reader, each: dict[str, Ints]) -> tuple[dict[str, texts.Array], frame.Frame]:
        framed = frame.frame_of(self._data, self._fields, self._received_us)
        mark = each[known.NAMES[known.MARK]]
        # One that the door keeps out is no mark.
        self.odd |= (mark < 0) | ~reader.are_names(mark)
        for name in known.DOUBTFUL:
            self.odd |= each[name] >= 0
        told: dict[str, Told] = {}
        for name, column in known.CALL.items():
            if name not in known.DOUBTFUL and (said := reader.column(column, each[name])) is not None:
                told[column.name] = said
        self._judge(told, each)
        columns = {name: one.values for name, one in told.items()}
        whole = reader.column(known.WHOLE_COLUMN, each[known.WHOLE])
        none = np.zeros(self._count, dtype=np.bool_)
        columns |= {
            "started_at": texts.integers(framed.started_us, of=_TIME),
            "duration_ms": texts.integers(framed.duration_ms, framed.has_duration),
            "status": framed.status,
            "trace_id": framed.trace_id,
            "span_id": framed.span_id,
            "parent_span_id": framed.parent_span_id,
            "source": texts.repeated(pa.array([OURS]), np.zeros(self._count, dtype=np.int64)),
            "whole": texts.flags(none if whole is None else whole.counts == 1),
            "received_at": texts.integers(self._received_us, of=_TIME),
            **self._of_resources(told),
        }
        return columns, framed

    def _judge(self, told: dict[str, Told], each: dict[str, Ints]) -> None:
        """What the record's reader does with facts that belong together (`claude_telemetry.record.attributes`)."""
        nothing = np.zeros(self._count, dtype=np.bool_)
        # Without an attempt, it may be that nothing was sent.
        self.odd |= ~(told["attempts"].present if "attempts" in told else nothing)
        if (operation := told.get("operation")) is not None:
            self.odd |= texts.one_of(operation.values, _ELSEWHERE)
        for name in ("service", "environment"):
            # An empty one is not told, and hides what the resource says.
            empty = told[name].present if name in told else nothing
            self.odd |= (each[known.ATTRIBUTES[name]] >= 0) & ~empty
        net, cost = told.get("net_cost_usd"), told.get("cost_usd")
        if cost is not None:
            told["net_cost_usd"] = cost if net is None else net.or_else(cost)
        stopped = told.get("stop_reason")
        refused = nothing if stopped is None else texts.one_of(stopped.values, ["refusal"])
        _forget(told, ("empty_refusal",), ~refused)
        status = told.get("cost_status")
        if status is not None and (unknown := texts.one_of(status.values, ["unknown"])).any():
            _forget(told, ("cost_usd", "net_cost_usd", "cost_breakdown"), unknown)
            if (billed := told.get("billed")) is not None:
                _forget(told, ("billed",), unknown & (billed.counts == 0))
        split = [told[name] for name in _SPLIT if name in told]
        if split and (written := told.get("cache_write_tokens")) is not None:
            total = sum((part.counts for part in split), np.zeros(self._count, dtype=np.int64))
            _forget(told, _SPLIT, written.present & (total != written.counts))

    def _of_resources(self, told: dict[str, Told]) -> dict[str, texts.Array]:
        """Columns that are told by the resource, where the span does not tell them."""
        resources = [place.resource for place in self._found.places]
        place = self._spans.place
        columns: dict[str, texts.Array] = {}
        for name in ("service", "environment", "instance"):
            named = pa.array([getattr(resource, name) for resource in resources], pa.string())
            own = told.get(name)
            if own is None:
                columns[name] = texts.repeated(named, place)
            elif own.present.all():
                columns[name] = own.values
            else:
                columns[name] = pc.coalesce(own.values, texts.picked(named, place))
        return columns

    def _attributes(self, reader: Reader, others: Ints, own: Ints) -> texts.Array:
        groups: dict[bytes, int] = {}
        first = [groups.setdefault(place.group, len(groups)) for place in self._found.places]
        combinations = rest.Combinations(self._data, np.array(first)[self._spans.place])
        steps = np.searchsorted(self._fields.steps, own[others], side="right")
        bounds = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(others)]
        for begin, end in pairwise(bounds):
            step = others[begin:end]
            if len(step):
                combinations.add(
                    *(column[step] for column in (reader.pairs.owner, reader.pairs.start, reader.pairs.end))
                )
        attributes, odd = rest.attributes_of(combinations, self._found.places, self._spans.place)
        self.odd |= odd
        return attributes

    def _attempts(self, reader: Reader, attempts: Attempts, groups: list[Ints]) -> Parts:
        odd = np.zeros(len(attempts), dtype=np.bool_)
        of_attempts = Reader(self._data, reader.pairs, odd)
        started_at = texts.integers(attempts.started_us, of=_TIME)
        columns = {"attempt": texts.integers(attempts.numbers()), "started_at": started_at}
        for name, column in known.ATTEMPT.items():
            group = groups[known.NUMBERS[name]]
            said = of_attempts.column(column, one_each(group, reader.pairs.owner[group], odd))
            if said is not None:
                columns[column.name] = said.values
        self.odd[attempts.call[odd]] = True
        return Parts(pa.table(columns), attempts.call)


_TIME = pa.timestamp("us")
_SPLIT = ("cache_write_5m_tokens", "cache_write_1h_tokens")


def _forget(told: dict[str, Told], names: Iterable[str], forgotten: Flags) -> None:
    """Makes unknown what `names` are where it is `forgotten`."""
    if not forgotten.any():
        return
    for name in names:
        if name in told:
            told[name] = told[name].without(forgotten)
