"""Each call once, whoever tells of it, and whenever: what lands is put together with what is there.

What comes is looked up by what it shares with what is there (a request, an answer, a trace, the same counts in the
same process), then what was found is, until nothing more is found. All that hangs together is grouped anew
(`decode.identity`) from what was told, and the rows that come out otherwise are written. So it does not matter in which
order, in how many requests and how often the parts of a call come.

Calls that our own delivery tells of, and nobody else, are found to be alone without a look.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from claude_telemetry_collector.decode import LandedCall, LandedPart, SpanLink
from claude_telemetry_collector.decode.columnar import Columns, Flags
from claude_telemetry_collector.decode.grouping import Group, group
from claude_telemetry_collector.decode.identity import (
    OURS,
    takes_part,
)
from claude_telemetry_collector.decode.merged import carrier_of, merged, same_but_money
from claude_telemetry_collector.decode.span import EPOCH
from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.likeness import (
    BOOKKEEPING_SQL,
    CALLS_TOTAL,
    REACH,
    Names,
    components,
    shares,
    spells,
    who_is_met,
)
from claude_telemetry_collector.store.pieces import (
    Key,
    PartRow,
    Piece,
    call_columns,
    call_from,
    key_of,
    piece_from,
    start_of,
)

log = logging.getLogger(__name__)


_US = timedelta(microseconds=1)
MOST = 20_000
"""What hangs together is read and grouped in one go. A sender that gives everything one trace id is not followed."""


@dataclass(slots=True)
class Changes:
    """What is to be written, so that the tables say what was found."""

    gone: list[Key] = field(default_factory=list[Key])
    """Rows of `calls` that are no more, or are other ones now."""
    calls: list[LandedCall] = field(default_factory=list[LandedCall])
    gone_parts: list[Key] = field(default_factory=list[Key])
    parts: list[PartRow] = field(default_factory=list[PartRow])


@dataclass(slots=True)
class _Found:
    """What is there of some calls."""

    pieces: dict[Key, Piece] = field(default_factory=dict[Key, Piece])
    rows: dict[Key, LandedCall] = field(default_factory=dict[Key, LandedCall])
    """The rows of `calls` that these pieces make up."""
    parts: dict[Key, tuple[str, bool, Key | None]] = field(default_factory=dict[Key, tuple[str, bool, Key | None]])
    """The rows of `call_parts`: role, whether it carries the numbers, and the call."""


class Regrouping:
    """Finds what belongs together, through `cursor`, within the transaction that is open there."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._hours: list[int] | None = None

    def changes(self, calls: Sequence[LandedCall], parts: Sequence[LandedPart], links: Sequence[SpanLink]) -> Changes:
        """What `calls`, `parts` and `links`, none of which is there, change. `links` are in their table already."""
        alone = [call for call in calls if not takes_part(call)]
        fresh: dict[Key, Piece] = {key_of(call): call for call in calls if takes_part(call)}
        fresh.update({key_of(part): part for part in parts if key_of(part) not in fresh})
        starts = [start_of(piece) for piece in fresh.values()] + [link.started_at for link in links]
        if not self._meets_others(fresh.values(), starts):
            return Changes(calls=list(calls))
        found = self._found(fresh, links)
        if found is None:
            log.warning("more than %d parts hang together with %d calls that came: these stay alone", MOST, len(fresh))
            return Changes(calls=list(calls), parts=[(part, part.role, False, None) for part in parts])
        pieces = {**found.pieces, **fresh}
        changes = Changes(calls=alone)
        touched = {link.trace_id for link in links}
        together: list[list[Piece]] = []
        for component in components(pieces.values()):
            if len(component) == 1 and isinstance(component[0], LandedCall) and key_of(component[0]) in fresh:
                changes.calls.append(component[0])
            elif any(key_of(piece) in fresh or key_of(piece)[0] in touched for piece in component):
                together.append(component)
        between = self._links([piece for component in together for piece in component])
        for component in together:
            traces = {key_of(piece)[0] for piece in component}
            self._regroup(component, [link for trace in traces for link in between.get(trace, ())], found, changes)
        return changes

    def met(self, columns: Columns, calls: Sequence[LandedCall], parts: Sequence[LandedPart]) -> Flags:
        """Which of `columns`, all of our own delivery, somebody else may have told of too: among what is there, or
        among `calls` and `parts`, which come with them. The others are alone."""
        others: list[Piece] = [call for call in calls if call.source != OURS]
        others += parts
        at = [EPOCH + int(us) * _US for us in (columns.started_us.min(), columns.started_us.max())]
        met = np.zeros(len(columns), dtype=np.bool_)
        if not self._meets_others(others, at):
            return met
        met[who_is_met(self._cursor, columns.calls, others, at)] = True
        return met

    def has_parts(self) -> bool:
        """Whether anybody but our own delivery is known to have told of a call."""
        return bool(self._hours_of_others())

    def _meets_others(self, fresh: Iterable[Piece], starts: Sequence[datetime]) -> bool:
        """Whether anybody but our own delivery has told of anything at about that time. Remembers that somebody has."""
        hours = self._hours_of_others()
        for hour in {_hour(start_of(piece)) for piece in fresh if piece.source != OURS}:
            place = bisect_left(hours, hour)
            if place == len(hours) or hours[place] != hour:
                hours.insert(place, hour)
        if not hours or not starts:
            return False
        place = bisect_left(hours, _hour(min(starts) - REACH))
        return place < len(hours) and hours[place] <= _hour(max(starts) + REACH)

    def _hours_of_others(self) -> list[int]:
        """The hours, since 1970, in which others have told of something, in order. A span of long ago adds one."""
        if self._hours is None:
            rows = self._cursor.execute(
                "SELECT DISTINCT CAST(epoch(started_at) // 3600 AS BIGINT) FROM ("
                " SELECT started_at FROM call_parts UNION ALL SELECT started_at FROM calls WHERE source <> $ours)"
                " ORDER BY 1",
                {"ours": OURS},
            ).fetchall()
            self._hours = [int(hour) for (hour,) in rows]
        return self._hours

    def _found(self, fresh: Mapping[Key, Piece], links: Sequence[SpanLink]) -> _Found | None:
        """What is there of the calls of `fresh`, and of those below `links`; `None` for more than can be looked at."""
        found = _Found()
        frontier: list[Piece] = list(fresh.values())
        traces = {link.trace_id: link.started_at for link in links}
        while frontier or traces:
            # A span of long ago must not make all that lies between be looked through.
            looked_for = [Names(*spell) for spell in spells(frontier, traces)]
            taken = [piece for names in looked_for for piece in self._taken(self._looked_up(names), found)]
            frontier, traces = [piece for piece in taken if key_of(piece) not in fresh], {}
            if len(found.pieces) > MOST:
                return None
        self._rows_of(found)
        return found

    def _taken(self, rows: tuple[list[dict[str, Any]], list[dict[str, Any]]], found: _Found) -> list[Piece]:
        """The pieces in `rows` that were not found before."""
        taken: list[Piece] = []
        lone, parts = rows
        for row in lone:
            call = call_from(row)
            if key_of(call) not in found.pieces:
                found.pieces[key_of(call)] = found.rows[key_of(call)] = call
                taken.append(call)
        for row in parts:
            piece = piece_from(row)
            of = None if row["call_trace_id"] is None else (row["call_trace_id"], row["call_span_id"])
            if key_of(piece) not in found.parts:
                found.parts[key_of(piece)] = (row["role"], row["carries"], of)
                found.pieces[key_of(piece)] = piece
                taken.append(piece)
        return taken

    def _looked_up(self, names: Names) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        with names.registered(self._cursor):
            lone = self._rows(
                f"SELECT {call_columns()} FROM calls WHERE sources IS NULL AND {shares(CALLS_TOTAL)}"  # noqa: S608
                f" AND {names.not_of} AND coalesce(operation, '') NOT IN ({BOOKKEEPING_SQL}) AND custom_id IS NULL",
                names.bounds,
            )
            parts = self._rows(f"SELECT * FROM call_parts WHERE {shares('total_input_tokens')}", names.bounds)  # noqa: S608
        return lone, parts

    def _rows_of(self, found: _Found) -> None:
        """Fetches the rows of `calls` that the parts which were found make up."""
        keys = sorted({of for _, _, of in found.parts.values() if of is not None})
        if not keys:
            return
        starts = [start_of(piece) for piece in found.pieces.values()]
        traces, spans = zip(*keys, strict=True)
        self._cursor.register("wanted_calls", pa.table({"trace_id": pa.array(traces), "span_id": pa.array(spans)}))
        try:
            rows = self._rows(
                f"SELECT {call_columns()} FROM calls SEMI JOIN wanted_calls USING (trace_id, span_id)"  # noqa: S608
                " WHERE started_at BETWEEN $first AND $last",
                {"first": stored(min(starts) - REACH), "last": stored(max(starts) + REACH)},
            )
        finally:
            self._cursor.unregister("wanted_calls")
        for row in rows:
            call = call_from(row)
            found.rows[key_of(call)] = call

    def _rows(self, sql: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        found = self._cursor.execute(sql, dict(parameters))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _regroup(self, component: Sequence[Piece], links: Sequence[SpanLink], found: _Found, changes: Changes) -> None:
        calls = [piece for piece in component if isinstance(piece, LandedCall)]
        parts = [piece for piece in component if isinstance(piece, LandedPart)]
        grouping = group((replace(call, sources=None) for call in calls), parts, links)
        new_rows: dict[Key, LandedCall] = {}
        new_parts: dict[Key, PartRow] = {}
        for one in grouping.groups:
            row = merged(one)
            new_rows[key_of(row)] = row
            if row.sources is not None:
                new_parts.update(_part_rows(one, key_of(row)))
        for call in grouping.wrappers:
            new_parts[key_of(call)] = (call, "wrapper", False, None)
        for part in parts:
            new_parts.setdefault(key_of(part), (part, part.role, False, None))
        self._differ(component, found, new_rows, new_parts, changes)

    def _differ(
        self,
        component: Sequence[Piece],
        found: _Found,
        new_rows: Mapping[Key, LandedCall],
        new_parts: Mapping[Key, PartRow],
        changes: Changes,
    ) -> None:
        """Notes what of the new rows differs from those that are there."""
        keys = {key_of(piece) for piece in component}
        old_rows = {key: row for key, row in found.rows.items() if key in keys}
        for key, row in new_rows.items():
            old = old_rows.pop(key, None)
            if old is not None and same_but_money(old, row):
                continue
            if old is not None:
                changes.gone.append(key)
            changes.calls.append(row)
        changes.gone.extend(old_rows)
        for key in keys:
            there, wanted = found.parts.get(key), new_parts.get(key)
            if wanted is not None and there == wanted[1:] and found.pieces.get(key) == wanted[0]:
                continue
            if there is not None:
                changes.gone_parts.append(key)
            if wanted is not None:
                changes.parts.append(wanted)

    def _links(self, pieces: Sequence[Piece]) -> dict[str, list[SpanLink]]:
        """What lies between the spans of `pieces`, by trace."""
        links: dict[str, list[SpanLink]] = {}
        if not pieces:
            return links
        starts = [start_of(piece) for piece in pieces]
        traces = sorted({key_of(piece)[0] for piece in pieces})
        self._cursor.register("wanted_traces", pa.table({"trace_id": pa.array(traces)}))
        try:
            rows = self._cursor.execute(
                "SELECT DISTINCT trace_id, span_id, parent_span_id, started_at FROM span_links"
                " SEMI JOIN wanted_traces USING (trace_id) WHERE started_at BETWEEN $first AND $last ORDER BY ALL",
                {"first": stored(min(starts) - REACH), "last": stored(max(starts) + REACH)},
            ).fetchall()
        finally:
            self._cursor.unregister("wanted_traces")
        for trace_id, span_id, parent, at in rows:
            link = SpanLink(trace_id=trace_id, span_id=span_id, parent_span_id=parent, started_at=aware(at))
            links.setdefault(trace_id, []).append(link)
        return links


def _hour(at: datetime) -> int:
    return int(at.timestamp() // 3600)


def _part_rows(one: Group, of: Key) -> dict[Key, PartRow]:
    carrier = carrier_of(one)
    rows: dict[Key, PartRow] = {key_of(call): (call, "call", call is carrier, of) for call in one.members}
    rows.update({key_of(part): (part, part.role, False, of) for part in one.details})
    return rows


def aware(at: datetime) -> datetime:
    """A time of the tables, which are in UTC without saying so."""
    return at.replace(tzinfo=UTC)
