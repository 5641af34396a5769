"""The one writer of incidents, notices and rule states.

Notices are an outbox: written in the same transaction as what they tell of, and taken off only when somebody has taken
them. So a restart forgets nothing, and tells nothing twice.

Everything here goes through one lock and one cursor of its own, in transactions of a few rows: nothing can conflict,
and landing calls is never held up.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any

import duckdb

from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.incidents import (
    INCIDENT_COLUMNS,
    Incident,
    Notice,
    RuleState,
    Told,
    incident_from,
    notice_from,
    row_of,
)
from claude_telemetry_collector.store.transaction import transaction

_CHANGING = (
    "worst, trace_id, span_id, last_value, last_calls, last_unknown, last_unpriced, last_unpriced_usd, looked_at, "
    "looks_within, closed_at, closed_why"
)


class IncidentLog:
    """The incidents and notices in the store's database. Thread-safe. Raises what DuckDB raises."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()
        self._lock = threading.Lock()
        self._last_news: list[dict[str, object]] | None = None

    def close(self) -> None:
        with self._lock:
            self._cursor.close()

    def open_incidents(self) -> list[Incident]:
        """The incidents that have not closed, oldest first."""
        found = self._rows(
            f"SELECT {INCIDENT_COLUMNS} FROM incidents WHERE closed_at IS NULL ORDER BY opened_at, incident_id"  # noqa: S608
        )
        return [incident_from(row) for row in found]

    def opened(self, incident: Incident, channels: Sequence[str]) -> None:
        """Keeps a new incident, and what is to be told about it."""
        row = row_of(incident)
        with self._transaction() as cursor:
            _insert(cursor, "incidents", row)
            _insert_notices(cursor, incident, "opened", incident.opened_at, channels)

    def kept(self, incident: Incident) -> None:
        """Keeps what changes about an open incident from look to look."""
        with self._transaction() as cursor:
            _update(cursor, incident)

    def closed(self, incident: Incident, channels: Sequence[str]) -> None:
        """Keeps that an incident has closed, and what is to be told about it."""
        if incident.closed_at is None:
            raise ValueError(f"incident {incident.incident_id} has no time at which it closed")
        with self._transaction() as cursor:
            _update(cursor, incident)
            _insert_notices(cursor, incident, "closed", incident.closed_at, channels)

    def pending(self) -> list[Notice]:
        """For each incident and channel the oldest notice that nobody has taken yet, oldest first: what comes after
        it waits its turn."""
        columns = ", ".join(f"i.{field.name}" for field in fields(Incident))
        found = self._rows(
            f"SELECT n.notice_id, n.told, n.channel, n.created_at, n.tries, n.next_try_at, {columns}"  # noqa: S608
            " FROM notices n JOIN incidents i ON i.incident_id = n.incident_id WHERE n.state = 'pending'"
            # 'opened' sorts behind 'closed', and both may bear the same time.
            " QUALIFY row_number() OVER (PARTITION BY n.incident_id, n.channel ORDER BY n.created_at, n.told DESC) = 1"
            " ORDER BY n.created_at, n.notice_id"
        )
        return [notice_from(row) for row in found]

    def sent(self, notice: Notice, at: datetime) -> None:
        """Nobody is told `notice` again."""
        self._settle(notice, "sent", at)

    def given_up(self, notice: Notice, at: datetime, trouble: str) -> None:
        """`notice` is not tried again, though nobody took it."""
        self._settle(notice, "given_up", at, trouble)

    def failed(self, notice: Notice, *, next_try_at: datetime, trouble: str) -> None:
        """`notice` is to be tried again."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE notices SET tries = tries + 1, next_try_at = $next, trouble = $trouble"
                " WHERE notice_id = $notice_id",
                {"next": stored(next_try_at), "trouble": trouble, "notice_id": notice.notice_id},
            )

    def retry_now(self, at: datetime) -> None:
        """Makes every pending notice due: who restarts a collector may just have mended the channel."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE notices SET next_try_at = $at WHERE state = 'pending'", {"at": stored(at)})

    def looked(self, states: Sequence[RuleState]) -> None:
        """Keeps what each rule came to, all at one time. Rules that are not among them are no more."""
        rows = [row_of(state) for state in states]
        news = [{name: value for name, value in row.items() if name != "looked_at"} for row in rows]
        with self._transaction() as cursor:
            if rows and news == self._last_news:
                # On a quiet day only the time changes. Rewriting the rows every few seconds would grow DuckDB's log,
                # and so the next start, six times as fast.
                cursor.execute("UPDATE rule_states SET looked_at = $looked_at", {"looked_at": rows[0]["looked_at"]})
                return
            cursor.execute("DELETE FROM rule_states")
            for row in rows:
                _insert(cursor, "rule_states", row)
        self._last_news = news

    def _settle(self, notice: Notice, state: str, at: datetime, trouble: str | None = None) -> None:
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE notices SET state = $state, settled_at = $at, trouble = $trouble WHERE notice_id = $notice_id",
                {"state": state, "at": stored(at), "trouble": trouble, "notice_id": notice.notice_id},
            )

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        with self._lock:
            self._cursor.execute(sql)
            names = [str(column[0]) for column in self._cursor.description or ()]
            # All of it: a result that is left open keeps DuckDB from ever folding its log into the file.
            return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    @contextmanager
    def _transaction(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._lock, transaction(self._cursor):
            yield self._cursor


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, object]) -> None:
    places = ", ".join(f"${name}" for name in row)
    cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608


def _update(cursor: duckdb.DuckDBPyConnection, incident: Incident) -> None:
    row = row_of(incident)
    names = _CHANGING.split(", ")
    assignments = ", ".join(f"{name} = ${name}" for name in names)
    cursor.execute(
        f"UPDATE incidents SET {assignments} WHERE incident_id = $incident_id",  # noqa: S608
        {name: row[name] for name in (*names, "incident_id")},
    )


def _insert_notices(
    cursor: duckdb.DuckDBPyConnection, incident: Incident, told: Told, at: datetime, channels: Sequence[str]
) -> None:
    for channel in channels:
        row = {
            "notice_id": f"{incident.incident_id}-{told}-{channel}",
            "incident_id": incident.incident_id,
            "told": told,
            "channel": channel,
            "state": "pending",
            "created_at": stored(at),
            "tries": 0,
            "next_try_at": stored(at),
        }
        _insert(cursor, "notices", row)
