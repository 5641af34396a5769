"""Hours that are added up before anybody asks: which are *stale*, and how they are rolled up again.

Whoever changes rows of `calls` notes, in the same transaction, the hours that they are in (`note_hours`). From then on
nobody reads what was rolled up of these hours, but their calls, until `Rollups.roll` has rolled them up again. It lets
go of just those notes that it sees, in the transaction in which it reads the calls: a landing that it does not see has
a note that it does not see, and the hour stays stale. So an answer from roll-ups is always the one that the calls would
give, whatever comes late, twice, or changed, and nobody waits for anybody.

Whole days are rolled up from their hours in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import duckdb

from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.tables import Table, TableColumn, required
from claude_telemetry_collector.store.transaction import transaction

STALE_HOURS = Table(name="stale_hours", columns=(required("hour", "TIMESTAMP"),))
"""A row for each time that something in the hour has changed since it was rolled up."""

STALE_DAYS = Table(name="stale_days", columns=(required("day", "TIMESTAMP"),))
"""The same of days, for each time that one of their hours was rolled up again."""

ROLLUP_SHAPE = Table(name="rollup_shape", columns=(TableColumn(name="shape", sql_type="VARCHAR"),))
"""What is rolled up, as a hash. No row before anything is."""

TABLES: tuple[Table, ...] = (STALE_HOURS, STALE_DAYS, ROLLUP_SHAPE)

HOURS, DAYS = "rolled_hours", "rolled_days"

BASE = 1.02
"""Each bin of a spread reaches that much further than the one before, so that its middle is within 1% of all in it."""
_EXACT_BELOW = 50
"""Below it each whole number has a bin of its own: it is finer than the others would be."""

_GRACE = timedelta(minutes=2)
"""How long after its end an hour is waited with: most of what is late has come by then."""


def spreads_of(table: str, level: int) -> str:
    """The table of spreads of a level beside `HOURS` or `DAYS`."""
    return f"{table}_spread_{level}"


def bin_of(column: str) -> str:
    """The bin of a whole number, as SQL."""
    above = f"{_EXACT_BELOW} + floor(ln({column} / {_EXACT_BELOW}.0) / ln({BASE}))"
    return f"CAST(CASE WHEN {column} < {_EXACT_BELOW} THEN greatest({column}, -1) ELSE {above} END AS INTEGER)"


def value_of(column: str) -> str:
    """The number that stands for all in a bin, as SQL: at most 1% from each of them."""
    middle = f"{_EXACT_BELOW} * pow({BASE}, {column} - {_EXACT_BELOW} + 0.5)"
    return f"CASE WHEN {column} < {_EXACT_BELOW} THEN {column}::DOUBLE ELSE {middle} END"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is rolled up. All of it is SQL on a row of `calls`, or over a group of them."""

    counted: str
    """The calls that are in it."""
    labels: Mapping[str, str]
    """What hours are told apart by."""
    parts: Mapping[str, tuple[str, Literal["sum", "max"]]]
    """By column: the aggregate, and what makes one of two."""
    spread_levels: tuple[tuple[str, ...], ...]
    """Those of the labels that spreads are told apart by: of each level, the coarser ones before the finer."""
    spreads: Mapping[int, tuple[str, str]]
    """By number: a column of whole numbers, and the calls whose numbers are counted."""

    @cached_property
    def hash(self) -> str:
        """Another one for whatever differs."""
        told = repr((self.counted, self.labels, self.parts, self.spread_levels, self.spreads, BASE, _EXACT_BELOW))
        return blake2b(told.encode(), digest_size=16).hexdigest()


def note_hours(cursor: duckdb.DuckDBPyConnection, source: str) -> None:
    """Notes, within the transaction that is open there, the hours of the rows of `source`: what stands after FROM, and
    has `started_at`."""
    cursor.execute(f"INSERT INTO stale_hours SELECT DISTINCT date_trunc('hour', started_at) FROM {source}")  # noqa: S608


def note_hours_of(cursor: duckdb.DuckDBPyConnection, times: Sequence[datetime]) -> None:
    """The same of rows that are there no more, by the times at which they started, as they were stored."""
    if times:
        hours = {at.replace(minute=0, second=0, microsecond=0) for at in times}
        cursor.execute("INSERT INTO stale_hours SELECT unnest($hours::TIMESTAMP[])", {"hours": sorted(hours)})


class Rollups:
    """Rolls up through `connection`. For one thread: there is one who rolls up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, shape: Shape) -> None:
        self._cursor = connection.cursor()
        self._shape = shape
        self._prepare()

    def roll(self, now: datetime) -> bool:
        """Rolls up the stale hours of one day, the newest first, or a day, if there is any that is over. Whether there
        was."""
        finished = stored(now - _GRACE).replace(minute=0, second=0, microsecond=0)
        with transaction(self._cursor):
            return self._roll_hours(finished) or self._roll_day(finished)

    def close(self) -> None:
        self._cursor.close()

    def _prepare(self) -> None:
        """Makes the tables, and everything stale, unless that was done for this shape."""
        with transaction(self._cursor):
            rows = self._cursor.execute("SELECT shape FROM rollup_shape").fetchall()
            if rows == [(self._shape.hash,)]:
                return
            for name, rolled in self._rolled().items():
                self._cursor.execute(f"CREATE OR REPLACE TABLE {name} AS {rolled.format(where='FALSE')}")
            for name, (like, _) in self._merged().items():
                self._cursor.execute(f"CREATE OR REPLACE TABLE {name} AS FROM {like} WHERE FALSE")
            for table in (STALE_HOURS, STALE_DAYS, ROLLUP_SHAPE):
                self._cursor.execute(f"DELETE FROM {table.name}")  # noqa: S608
            note_hours(self._cursor, "calls")
            self._cursor.execute("INSERT INTO rollup_shape VALUES ($shape)", {"shape": self._shape.hash})

    def _roll_hours(self, finished: datetime) -> bool:
        rows = self._cursor.execute(
            "WITH stale AS (SELECT DISTINCT hour FROM stale_hours WHERE hour < $finished)"
            " SELECT hour FROM stale WHERE hour >= (SELECT date_trunc('day', max(hour)) FROM stale) ORDER BY hour",
            {"finished": finished},
        ).fetchall()
        if not rows:
            return False
        hours: list[datetime] = [hour for (hour,) in rows]
        lot = {"hours": hours}
        within = {"first": hours[0], "end": hours[-1] + timedelta(hours=1), **lot}
        # The bounds let DuckDB skip all other row groups.
        where = (
            f"{self._shape.counted} AND calls.started_at >= $first AND calls.started_at < $end"
            " AND date_trunc('hour', calls.started_at) IN (SELECT unnest($hours))"
        )
        for name, rolled in self._rolled().items():
            self._cursor.execute(f"DELETE FROM {name} WHERE started_at IN (SELECT unnest($hours))", lot)  # noqa: S608
            self._cursor.execute(f"INSERT INTO {name} {rolled.format(where=where)}", within)
        self._cursor.execute("DELETE FROM stale_hours WHERE hour IN (SELECT unnest($hours))", lot)
        day = hours[0].replace(hour=0)
        self._cursor.execute("INSERT INTO stale_days VALUES ($day)", {"day": day})
        return True

    def _roll_day(self, finished: datetime) -> bool:
        rows = self._cursor.execute(
            "SELECT max(day) FROM stale_days WHERE day < date_trunc('day', $finished::TIMESTAMP)"
            " AND day NOT IN (SELECT date_trunc('day', hour) FROM stale_hours)",
            {"finished": finished},
        ).fetchall()
        day: datetime | None = rows[0][0]
        if day is None:
            return False
        bounds = {"day": day, "end": day + timedelta(days=1)}
        for name, (source, merged) in self._merged().items():
            self._cursor.execute(f"DELETE FROM {name} WHERE started_at = $day", {"day": day})  # noqa: S608
            self._cursor.execute(
                f"INSERT INTO {name} SELECT $day, {merged} FROM {source}"  # noqa: S608
                " WHERE started_at >= $day AND started_at < $end GROUP BY ALL",
                bounds,
            )
        self._cursor.execute("DELETE FROM stale_days WHERE day = $day", {"day": day})
        return True

    def _rolled(self) -> dict[str, str]:
        """What is rolled up of calls, by table: hours. Of which calls stands in braces."""
        levels = enumerate(self._shape.spread_levels)
        return {HOURS: self._parts()} | {spreads_of(HOURS, level): self._spreads(labels) for level, labels in levels}

    def _merged(self) -> dict[str, tuple[str, str]]:
        """What is rolled up of hours, by table: days. From where, and what."""
        parts = ", ".join(f"{merge}({name})" for name, (_, merge) in self._shape.parts.items())
        return {DAYS: (HOURS, f"{', '.join(self._shape.labels)}, {parts}")} | {
            spreads_of(DAYS, level): (spreads_of(HOURS, level), f"{', '.join(labels)}, spread, bin, sum(calls)")
            for level, labels in enumerate(self._shape.spread_levels)
        }

    def _parts(self) -> str:
        labels = ", ".join(f"{sql} AS {name}" for name, sql in self._shape.labels.items())
        parts = ", ".join(f"{sql} AS {name}" for name, (sql, _) in self._shape.parts.items())
        hour = "date_trunc('hour', calls.started_at) AS started_at"
        return f"SELECT {hour}, {labels}, {parts} FROM calls WHERE {{where}} GROUP BY ALL"  # noqa: S608

    def _spreads(self, level: Sequence[str]) -> str:
        labels = ", ".join(f"{self._shape.labels[name]} AS {name}" for name in level)
        hour = "date_trunc('hour', calls.started_at) AS started_at"
        return " UNION ALL ".join(
            f"SELECT {hour}, {labels}, {number} AS spread, {bin_of(column)} AS bin, count(*) AS calls"  # noqa: S608
            f" FROM calls WHERE {{where}} AND {condition} GROUP BY ALL"
            for number, (column, condition) in self._shape.spreads.items()
        )
