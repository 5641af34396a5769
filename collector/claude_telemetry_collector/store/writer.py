"""The one writer: calls land once, whatever is delivered twice and whenever the process dies.

One `land` is one transaction. It holds the calls with their attempts and tool uses, the position in the segments that
they came from, and the hashes of their bodies: after a crash, either all of it is there or nothing is, and reading
goes on behind the position that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from claude_telemetry.record import Attempt, Call, ToolUse
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.segments import Position
from claude_telemetry_collector.store.arrow import Values, arrow_table, columns_in, json_text, stored, values_of
from claude_telemetry_collector.store.tables import ATTEMPTS, CALLS, SEEN_BODIES, TOOL_USES, Table, TableColumn

SpanKey = tuple[str, str]
"""Trace id and span id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What one `land` did."""

    calls: int
    duplicates: int
    """Calls that were there before, or came twice at once. The first copy stays."""


class Writer:
    """Lands calls through `connection`. For one thread: there is one writer."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()

    def land(
        self, calls: Iterable[LandedCall], *, position: Position | None = None, body_hashes: Collection[bytes] = ()
    ) -> Landed:
        """All of it, or, with an exception, nothing. A call whose trace and span id are there changes nothing."""
        told = list(calls)
        first_copies: dict[SpanKey, LandedCall] = {}
        for call in told:
            first_copies.setdefault(_key(call), call)
        with self._transaction():
            there = self._keys_there(first_copies)
            fresh = [call for key, call in first_copies.items() if key not in there]
            self._insert_calls(fresh)
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

    def _keys_there(self, calls: dict[SpanKey, LandedCall]) -> set[SpanKey]:
        """Those keys of `calls` that have landed before."""
        if not calls:
            return set()
        times = [stored(one.record.call.started_at) for one in calls.values()]
        traces, spans = zip(*calls, strict=True)
        with self._incoming(pa.table({"trace_id": pa.array(traces), "span_id": pa.array(spans)})):
            # A span that comes again has the same start: the bounds let DuckDB skip all other row groups.
            rows = self._cursor.execute(
                "SELECT trace_id, span_id FROM calls SEMI JOIN incoming USING (trace_id, span_id) "
                "WHERE started_at BETWEEN $first AND $last",
                {"first": min(times), "last": max(times)},
            ).fetchall()
        return {(trace_id, span_id) for trace_id, span_id in rows}

    def _insert_calls(self, calls: Sequence[LandedCall]) -> None:
        if not calls:
            return
        known_here: Values = {
            "source": [one.source for one in calls],
            "attributes": [json_text(one.attributes) for one in calls],
            "received_at": [stored(one.received_at) for one in calls],
        }
        self._insert(CALLS, values_of([one.record.call for one in calls], Call) | known_here)
        self._insert_parts(calls, ATTEMPTS, Attempt, "attempt", lambda one: one.record.attempts)
        self._insert_parts(calls, TOOL_USES, ToolUse, "position", lambda one: one.record.tool_uses)

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


def _read(column: TableColumn) -> str:
    return f'CAST(CAST("{column.name}" AS JSON) AS VARIANT)' if column.sql_type == "VARIANT" else f'"{column.name}"'
