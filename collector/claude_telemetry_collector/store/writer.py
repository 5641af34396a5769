"""The one writer: everything lands once, whatever is delivered twice and whenever the process dies.

One `land` is one transaction. It holds the calls with their attempts and tool uses, the runs of tools and the events,
the position in the segments that they came from, and the hashes of their bodies: after a crash, either all of it is
there or nothing is, and reading goes on behind the position that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from claude_telemetry.record import Attempt, Call, ToolUse
from claude_telemetry.record.event import Event
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry_collector.decode import LandedCall, LandedEvent, LandedPart, LandedToolRun, SpanLink, decode
from claude_telemetry_collector.decode.columnar import Columns, integers
from claude_telemetry_collector.segments import Position
from claude_telemetry_collector.store.arrow import Values, json_text, stored, values_of
from claude_telemetry_collector.store.batches import label_results
from claude_telemetry_collector.store.copies import PART_RANK_SQL, RANK_SQL, Rank, rank_of, reach_of
from claude_telemetry_collector.store.inserting import incoming, insert, insert_arrow
from claude_telemetry_collector.store.landed_keys import LandedBodies
from claude_telemetry_collector.store.lone_attempts import lone_attempts_apart
from claude_telemetry_collector.store.newness import Newness
from claude_telemetry_collector.store.pieces import BESIDE, part_values
from claude_telemetry_collector.store.regrouping import Changes, Regrouping
from claude_telemetry_collector.store.rollups import note_hours_of
from claude_telemetry_collector.store.tables import (
    ATTEMPTS,
    CALL_PARTS,
    CALLS,
    EVENTS,
    LONE_ATTEMPTS,
    SEEN_BODIES,
    SPAN_LINKS,
    TOOL_RUNS,
    TOOL_USES,
    Table,
)
from claude_telemetry_collector.store.transaction import transaction

SpanKey = tuple[str, str]
"""Trace id and span id."""
Row = TypeVar("Row", LandedCall, LandedPart, LandedToolRun, LandedEvent)

_TIME = {
    CALLS.name: "started_at",
    CALL_PARTS.name: "started_at",
    TOOL_RUNS.name: "started_at",
    EVENTS.name: "happened_at",
}
"""The column that says when it was: with the key, what tells one row from another."""


MOST_LINKS = 5_000_000
"""An application may send all its traces here. Beyond this many, the older half of what tells nothing is let go of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What one `land` did."""

    calls: int
    duplicates: int
    """Calls that were there before, or came twice at once."""


class Writer:
    """Lands calls through `connection`. For one thread: there is one writer."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()
        self._regrouping = Regrouping(self._cursor)
        self._newness = Newness(self._cursor, self._regrouping, self._copies_there)
        self._bodies: LandedBodies | None = None

    def land(
        self,
        calls: Iterable[LandedCall],
        *,
        parts: Iterable[LandedPart] = (),
        links: Sequence[SpanLink] = (),
        tool_runs: Iterable[LandedToolRun] = (),
        events: Iterable[LandedEvent] = (),
        position: Position | None = None,
        body_hashes: Collection[bytes] = (),
        columns: Columns | None = None,
    ) -> Landed:
        """All of it, or, with an exception, nothing. What is there, by its trace and span id, is added no second time;
        a copy of a call that knows more takes the place of the one that is there.

        `columns` are calls as well. Those of which it is certain that nobody has told of them before, nor tells of them
        here, land as they are; the others are read again, one by one.
        """
        told, told_parts = list(calls), list(parts)
        with transaction(self._cursor):
            if columns is not None:
                alone = self._newness.alone(columns, told, told_parts)
                told += [call for body in columns.bodies(~alone) for call in decode("traces", "protobuf", *body).calls]
                columns = columns.only(alone)
            self._newness.remember(columns, told, told_parts)
            fresh, better = self._sorted_out(told)
            self._remove(better)
            self._insert_links(links)
            self._write(self._regrouping.changes([*fresh, *better], self._fresh_parts(told_parts), links))
            self._insert_parts_of([*fresh, *better])
            if columns is not None:
                self._insert_columns(columns)
            label_results(self._cursor, [one.record.call for one in (*fresh, *better)])
            self._insert_tool_runs(tool_runs)
            self._insert_events(events)
            if body_hashes:
                self._bodies_there().add(body_hashes)
                now = stored(datetime.now(UTC))
                insert(self._cursor, SEEN_BODIES, {"hash": list(body_hashes), "seen_at": [now] * len(body_hashes)})
            if position is not None:
                self._move_to(position)
        as_columns = len(columns) if columns is not None else 0
        return Landed(calls=len(fresh) + as_columns, duplicates=len(told) - len(fresh))

    def position(self) -> Position | None:
        """Everything before it is landed. `None` before the first landing."""
        rows = self._cursor.execute('SELECT segment, "offset" FROM segment_position').fetchall()
        return Position(*rows[0]) if rows else None

    def seen(self, body_hashes: Collection[bytes]) -> set[bytes]:
        """Those of `body_hashes` that are landed."""
        maybe = self._bodies_there().maybe(body_hashes)
        if not maybe:
            return set()
        rows = self._cursor.execute(
            "SELECT hash FROM seen_bodies WHERE hash IN (SELECT unnest($hashes))", {"hashes": maybe}
        ).fetchall()
        return {bytes(value) for (value,) in rows}

    def _bodies_there(self) -> LandedBodies:
        if self._bodies is None:
            self._bodies = LandedBodies(self._cursor)
        return self._bodies

    def forget_bodies(self, before: datetime) -> None:
        """Lets go of the hashes from before. A body that comes again after that still adds no call."""
        self._cursor.execute("DELETE FROM seen_bodies WHERE seen_at < $before", {"before": stored(before)})

    def forget_links(self, before: datetime) -> None:
        """Lets go of the places of spans that came before: whatever is below them is there."""
        self._cursor.execute("DELETE FROM span_links WHERE received_at < $before", {"before": stored(before)})
        rows = self._cursor.execute("SELECT count(*), quantile_disc(received_at, 0.5) FROM span_links").fetchall()
        count, middle = rows[0]
        if count > MOST_LINKS:
            self._cursor.execute("DELETE FROM span_links WHERE received_at <= $middle", {"middle": middle})

    def close(self) -> None:
        self._cursor.close()

    def _sorted_out(self, told: Iterable[LandedCall]) -> tuple[list[LandedCall], list[LandedCall]]:
        """Of each call in `told` the copy that knows most: those that are not there yet, and those that know more than
        the copy that is."""
        best: dict[SpanKey, LandedCall] = {}
        for one in told:
            known = best.setdefault(_key(one), one)
            if known is not one and rank_of(one) > rank_of(known):
                best[_key(one)] = one
        near: dict[timedelta, dict[SpanKey, datetime]] = {}
        for key, one in best.items():
            near.setdefault(reach_of(one.record.call), {})[key] = one.record.call.started_at
        there: dict[SpanKey, Rank] = {}
        for reach, times in near.items():
            there.update(self._copies_there(times, reach))
        fresh = [one for key, one in best.items() if key not in there]
        better = [one for key, one in best.items() if key in there and rank_of(one) > there[key]]
        return fresh, better

    def _copies_there(self, times: Mapping[SpanKey, datetime], reach: timedelta) -> dict[SpanKey, Rank]:
        """The rank of what is there of the keys of `times`, begun within `reach` of the time given."""
        there: dict[SpanKey, Rank] = self._there(CALLS, times, reach, RANK_SQL)
        if self._regrouping.has_parts():
            # Those of a call that several tell of are there each by itself.
            there.update(self._there(CALL_PARTS, times, reach, PART_RANK_SQL))
        return there

    def _fresh(
        self, table: Table, rows: Iterable[Row], identity: Callable[[Row], tuple[SpanKey, datetime]]
    ) -> list[Row]:
        """The first copy of each of `rows` that has not landed before."""
        first_copies: dict[SpanKey, Row] = {}
        times: dict[SpanKey, datetime] = {}
        for row in rows:
            key, at = identity(row)
            if first_copies.setdefault(key, row) is row:
                times[key] = at
        there = self._there(table, times, timedelta(0), "TRUE")
        return [row for key, row in first_copies.items() if key not in there]

    def _there(
        self, table: Table, times: Mapping[SpanKey, datetime], reach: timedelta, facts_sql: str
    ) -> dict[SpanKey, tuple[Any, ...]]:
        """What is there of the keys of `times`, begun within `reach` of the time given, with `facts_sql` of each."""
        if not times:
            return {}
        with incoming(self._cursor, _key_table(times)):
            # The bounds let DuckDB skip all other row groups.
            found = self._cursor.execute(
                f'SELECT trace_id, span_id, {facts_sql} FROM "{table.name}" '  # noqa: S608
                f"SEMI JOIN incoming USING (trace_id, span_id) WHERE {_TIME[table.name]} BETWEEN $first AND $last",
                {"first": stored(min(times.values()) - reach), "last": stored(max(times.values()) + reach)},
            ).fetchall()
        return {(trace_id, span_id): tuple(facts) for trace_id, span_id, *facts in found}

    def _remove(self, calls: Sequence[LandedCall]) -> None:
        if calls:
            for table in (CALLS, ATTEMPTS, TOOL_USES):
                self._delete(table, [_key(one) for one in calls])

    def _delete(self, table: Table, keys: Sequence[SpanKey]) -> None:
        with incoming(self._cursor, _key_table(keys)):
            sql = (
                f'DELETE FROM "{table.name}" USING incoming WHERE "{table.name}".trace_id = incoming.trace_id '  # noqa: S608
                f'AND "{table.name}".span_id = incoming.span_id'
            )
            if table is CALLS:
                rows = self._cursor.execute(f"{sql} RETURNING calls.started_at").fetchall()
                note_hours_of(self._cursor, [at for (at,) in rows])
            else:
                self._cursor.execute(sql)

    def _fresh_parts(self, parts: Iterable[LandedPart]) -> list[LandedPart]:
        return self._fresh(CALL_PARTS, parts, lambda one: ((one.trace_id, one.span_id), one.started_at))

    def _insert_links(self, links: Sequence[SpanLink]) -> None:
        if links:
            now = stored(datetime.now(UTC))
            values: Values = {
                "trace_id": [link.trace_id for link in links],
                "span_id": [link.span_id for link in links],
                "parent_span_id": [link.parent_span_id for link in links],
                "started_at": [stored(link.started_at) for link in links],
                "received_at": [now] * len(links),
            }
            insert(self._cursor, SPAN_LINKS, values)

    def _write(self, changes: Changes) -> None:
        self._give_rows_to_attempts_of(changes.gone)
        for table, keys in ((CALLS, changes.gone), (CALL_PARTS, changes.gone_parts)):
            if keys:
                self._delete(table, keys)
        self._insert_calls(changes.calls)
        if changes.parts:
            insert(self._cursor, CALL_PARTS, part_values(changes.parts))

    def _give_rows_to_attempts_of(self, calls: Sequence[SpanKey]) -> None:
        """What others tell of a call is no part of its attempt, which then stands for itself."""
        if calls:
            with incoming(self._cursor, _key_table(calls)):
                self._cursor.execute(
                    f"INSERT INTO {ATTEMPTS.name} SELECT * FROM ({LONE_ATTEMPTS}) SEMI JOIN incoming"  # noqa: S608
                    " USING (trace_id, span_id)"
                )

    def _insert_calls(self, calls: Sequence[LandedCall]) -> None:
        if not calls:
            return
        known_here: Values = {
            "source": [one.source for one in calls],
            "attributes": [json_text(one.attributes) for one in calls],
            "whole": [one.whole for one in calls],
            "received_at": [stored(one.received_at) for one in calls],
            **{name: [getattr(one, name) for one in calls] for name in BESIDE},
        }
        insert(self._cursor, CALLS, values_of([one.record.call for one in calls], Call) | known_here)

    def _insert_columns(self, columns: Columns) -> None:
        if not len(columns):
            return
        calls, attempts = lone_attempts_apart(columns)
        insert_arrow(self._cursor, CALLS, calls)
        for table, parts in ((ATTEMPTS, attempts), (TOOL_USES, columns.tool_uses)):
            if len(parts.table):
                whose = calls.select(["trace_id", "span_id"]).take(integers(parts.call))
                names = [*whose.column_names, *parts.table.column_names]
                insert_arrow(self._cursor, table, pa.table([*whose.columns, *parts.table.columns], names=names))

    def _insert_parts_of(self, calls: Sequence[LandedCall]) -> None:
        self._insert_parts(calls, ATTEMPTS, Attempt, "attempt", lambda one: one.record.attempts)
        self._insert_parts(calls, TOOL_USES, ToolUse, "position", lambda one: one.record.tool_uses)

    def _insert_tool_runs(self, told: Iterable[LandedToolRun]) -> None:
        fresh = self._fresh(TOOL_RUNS, told, lambda one: ((one.run.trace_id, one.run.span_id), one.run.started_at))
        if fresh:
            known_here: Values = {
                "source": [one.source for one in fresh],
                "received_at": [stored(one.received_at) for one in fresh],
            }
            insert(self._cursor, TOOL_RUNS, values_of([one.run for one in fresh], ToolRun) | known_here)

    def _insert_events(self, told: Iterable[LandedEvent]) -> None:
        fresh = self._fresh(EVENTS, told, lambda one: ((one.event.trace_id, one.event.span_id), one.event.happened_at))
        if fresh:
            known_here: Values = {
                "attributes": [json_text(one.attributes) for one in fresh],
                "received_at": [stored(one.received_at) for one in fresh],
            }
            insert(self._cursor, EVENTS, values_of([one.event for one in fresh], Event) | known_here)

    def _insert_parts(
        self,
        calls: Sequence[LandedCall],
        table: Table,
        record: type,
        number: str,
        parts_of: Callable[[LandedCall], Sequence[object]],
    ) -> None:
        numbered = [(_key(one), place, part) for one in calls for place, part in enumerate(parts_of(one))]
        if not numbered:
            return
        keys: Values = {
            "trace_id": [trace_id for (trace_id, _), _, _ in numbered],
            "span_id": [span_id for (_, span_id), _, _ in numbered],
            number: [place for _, place, _ in numbered],
        }
        insert(self._cursor, table, values_of([part for _, _, part in numbered], record) | keys)

    def _move_to(self, position: Position) -> None:
        place = {"segment": position.segment, "offset": position.offset}
        moved = self._cursor.execute('UPDATE segment_position SET segment = $segment, "offset" = $offset', place)
        if moved.fetchall() == [(0,)]:
            self._cursor.execute("INSERT INTO segment_position VALUES ($segment, $offset)", place)


def _key(call: LandedCall) -> SpanKey:
    return call.record.call.trace_id, call.record.call.span_id


def _key_table(keys: Iterable[SpanKey]) -> pa.Table:
    traces, spans = zip(*keys, strict=True)
    return pa.table({"trace_id": pa.array(traces), "span_id": pa.array(spans)})
