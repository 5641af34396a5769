"""The one writer: everything lands once, whatever is delivered twice and whenever the process dies.

One `land` is one transaction. It holds the calls with their attempts and tool uses, the runs of tools and the events,
the position in the segments that they came from, and the hashes of their bodies: after a crash, either all of it is
there or nothing is, and reading goes on behind the position that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from claude_telemetry.record import Attempt, Call, ToolUse
from claude_telemetry.record.event import Event
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry_collector.decode import LandedCall, LandedEvent, LandedPart, LandedToolRun, SpanLink
from claude_telemetry_collector.segments import Position
from claude_telemetry_collector.store.arrow import Values, arrow_table, columns_in, json_text, stored, values_of
from claude_telemetry_collector.store.batches import label_results
from claude_telemetry_collector.store.copies import PART_RANK_SQL, RANK_SQL, Rank, rank_of, reach_of
from claude_telemetry_collector.store.pieces import BESIDE, part_values
from claude_telemetry_collector.store.regrouping import Changes, Regrouping
from claude_telemetry_collector.store.tables import (
    ATTEMPTS,
    CALL_PARTS,
    CALLS,
    EVENTS,
    SEEN_BODIES,
    SPAN_LINKS,
    TOOL_RUNS,
    TOOL_USES,
    Table,
    TableColumn,
)

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
    ) -> Landed:
        """All of it, or, with an exception, nothing. What is there, by its trace and span id, is added no second time;
        a copy of a call that knows more takes the place of the one that is there."""
        told = list(calls)
        with self._transaction():
            fresh, better = self._sorted_out(told)
            self._remove(better)
            self._insert_links(links)
            self._write(self._regrouping.changes([*fresh, *better], self._fresh_parts(parts), links))
            self._insert_parts_of([*fresh, *better])
            label_results(self._cursor, [one.record.call for one in (*fresh, *better)])
            self._insert_tool_runs(tool_runs)
            self._insert_events(events)
            if body_hashes:
                now = stored(datetime.now(UTC))
                self._insert(SEEN_BODIES, {"hash": list(body_hashes), "seen_at": [now] * len(body_hashes)})
            if position is not None:
                self._move_to(position)
        return Landed(calls=len(fresh), duplicates=len(told) - len(fresh))

    def position(self) -> Position | None:
        """Everything before it is landed. `None` before the first landing."""
        rows = self._cursor.execute('SELECT segment, "offset" FROM segment_position').fetchall()
        return Position(*rows[0]) if rows else None

    def seen(self, body_hashes: Collection[bytes]) -> set[bytes]:
        """Those of `body_hashes` that are landed."""
        rows = self._cursor.execute(
            "SELECT hash FROM seen_bodies WHERE hash IN (SELECT unnest($hashes))", {"hashes": list(body_hashes)}
        ).fetchall()
        return {bytes(value) for (value,) in rows}

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

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._cursor.execute("BEGIN")
        try:
            yield
            self._cursor.execute("COMMIT")
        except BaseException:
            # After a failed COMMIT there is no transaction left to roll back.
            with suppress(duckdb.Error):
                self._cursor.execute("ROLLBACK")
            raise

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
            there.update(self._there(CALLS, times, reach, RANK_SQL))
            if self._regrouping.has_parts():
                # Those of a call that several tell of are there each by itself.
                there.update(self._there(CALL_PARTS, times, reach, PART_RANK_SQL))
        fresh = [one for key, one in best.items() if key not in there]
        better = [one for key, one in best.items() if key in there and rank_of(one) > there[key]]
        return fresh, better

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
        with self._incoming(_key_table(times)):
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
        with self._incoming(_key_table(keys)):
            self._cursor.execute(
                f'DELETE FROM "{table.name}" USING incoming WHERE "{table.name}".trace_id = incoming.trace_id '  # noqa: S608
                f'AND "{table.name}".span_id = incoming.span_id'
            )

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
            self._insert(SPAN_LINKS, values)

    def _write(self, changes: Changes) -> None:
        for table, keys in ((CALLS, changes.gone), (CALL_PARTS, changes.gone_parts)):
            if keys:
                self._delete(table, keys)
        self._insert_calls(changes.calls)
        if changes.parts:
            self._insert(CALL_PARTS, part_values(changes.parts))

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
        self._insert(CALLS, values_of([one.record.call for one in calls], Call) | known_here)

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
            self._insert(TOOL_RUNS, values_of([one.run for one in fresh], ToolRun) | known_here)

    def _insert_events(self, told: Iterable[LandedEvent]) -> None:
        fresh = self._fresh(EVENTS, told, lambda one: ((one.event.trace_id, one.event.span_id), one.event.happened_at))
        if fresh:
            known_here: Values = {
                "attributes": [json_text(one.attributes) for one in fresh],
                "received_at": [stored(one.received_at) for one in fresh],
            }
            self._insert(EVENTS, values_of([one.event for one in fresh], Event) | known_here)

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
        self._insert(table, values_of([part for _, _, part in numbered], record) | keys)

    def _insert(self, table: Table, values: Values) -> None:
        columns = columns_in(table, values)
        names = ", ".join(f'"{column.name}"' for column in columns)
        read = ", ".join(_read(column) for column in columns)
        with self._incoming(arrow_table(table, values)):
            self._cursor.execute(f'INSERT INTO "{table.name}" ({names}) SELECT {read} FROM incoming')  # noqa: S608

    @contextmanager
    def _incoming(self, rows: pa.Table) -> Generator[None]:
        """Makes `rows` the table `incoming` for a while."""
        self._cursor.register("incoming", rows)
        try:
            yield
        finally:
            self._cursor.unregister("incoming")

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


def _read(column: TableColumn) -> str:
    return f'CAST(CAST("{column.name}" AS JSON) AS VARIANT)' if column.sql_type == "VARIANT" else f'"{column.name}"'
