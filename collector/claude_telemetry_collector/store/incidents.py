"""What became of the alert rules, kept: incidents, the notices about them, and each rule's last reading.

An *incident* is a rule that is broken, from when to when. A *notice* is what people are told about it: one when it
opens, one when it closes, on every channel. Notices are an outbox: written in the same transaction as what they tell
of, and taken off only when somebody has taken them. So a restart forgets nothing, and tells nothing twice.

Everything here goes through one lock and one cursor of its own, in transactions of a few rows: nothing can conflict,
and landing calls is never held up.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import duckdb

Direction = Literal["above", "below"]
ClosedWhy = Literal["within", "no_calls", "rule_off"]
Told = Literal["opened", "closed"]
State = Literal["within", "beyond", "too_few_calls", "unknown", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One row of `incidents`. Times are UTC, values in the metric's unit, `None` where there was nothing to read."""

    incident_id: str
    rule: str
    title: str
    """The rule's, as it was called when it opened."""
    metric: str
    segment: Mapping[str, str]
    """The labels that its calls share; empty for all calls."""
    window_s: int | None
    """The rule's window in seconds; `None` for the UTC day so far."""
    direction: Direction
    threshold: Decimal
    opened_at: datetime
    value: Decimal | None
    """The reading that opened it."""
    calls: int
    unknown: int
    worst: Decimal | None
    """The reading furthest beyond the threshold so far."""
    trace_id: str | None
    """The one call that the worst reading is about, for a rule about single calls."""
    span_id: str | None
    last_value: Decimal | None
    last_calls: int
    last_unknown: int
    looked_at: datetime
    looks_within: int
    """How many looks in a row have found it within the threshold."""
    closed_at: datetime | None = None
    closed_why: ClosedWhy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is still to be told about an incident on one channel."""

    notice_id: str
    told: Told
    channel: str
    created_at: datetime
    tries: int
    """How often it has failed."""
    next_try_at: datetime
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """One row of `rule_states`: a rule, and what it came to when it was last looked at."""

    rule: str
    title: str
    metric: str
    segment: Mapping[str, str]
    window_s: int | None
    direction: Direction
    threshold: Decimal
    min_calls: int
    value: Decimal | None
    calls: int
    unknown: int
    state: State
    looked_at: datetime


TABLES: tuple[str, ...] = (
    """CREATE TABLE IF NOT EXISTS incidents (
        incident_id VARCHAR NOT NULL, rule VARCHAR NOT NULL, title VARCHAR NOT NULL, metric VARCHAR NOT NULL,
        segment VARCHAR NOT NULL, window_s BIGINT, direction VARCHAR NOT NULL, threshold DECIMAL(38, 12) NOT NULL,
        opened_at TIMESTAMP NOT NULL, value DECIMAL(38, 12), calls BIGINT NOT NULL, unknown BIGINT NOT NULL,
        worst DECIMAL(38, 12), trace_id VARCHAR, span_id VARCHAR, last_value DECIMAL(38, 12),
        last_calls BIGINT NOT NULL, last_unknown BIGINT NOT NULL, looked_at TIMESTAMP NOT NULL,
        looks_within INTEGER NOT NULL, closed_at TIMESTAMP, closed_why VARCHAR)""",
    """CREATE TABLE IF NOT EXISTS notices (
        notice_id VARCHAR NOT NULL, incident_id VARCHAR NOT NULL, told VARCHAR NOT NULL, channel VARCHAR NOT NULL,
        state VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL, tries INTEGER NOT NULL,
        next_try_at TIMESTAMP NOT NULL, settled_at TIMESTAMP, trouble VARCHAR)""",
    """CREATE TABLE IF NOT EXISTS rule_states (
        rule VARCHAR NOT NULL, title VARCHAR NOT NULL, metric VARCHAR NOT NULL, segment VARCHAR NOT NULL,
        window_s BIGINT, direction VARCHAR NOT NULL, threshold DECIMAL(38, 12) NOT NULL, min_calls BIGINT NOT NULL,
        value DECIMAL(38, 12), calls BIGINT NOT NULL, unknown BIGINT NOT NULL, state VARCHAR NOT NULL,
        looked_at TIMESTAMP NOT NULL)""",
)
"""The tables, as DDL. A notice's `state` is `pending`, `sent` or `given_up`."""

INCIDENT_COLUMNS = ", ".join(field.name for field in fields(Incident))
RULE_STATE_COLUMNS = ", ".join(field.name for field in fields(RuleState))

_CHANGING = (
    "worst, trace_id, span_id, last_value, last_calls, last_unknown, looked_at, looks_within, closed_at, closed_why"
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

    def open_incidents(self) -> dict[str, Incident]:
        """The incidents that have not closed, by rule."""
        found = self._rows(f"SELECT {INCIDENT_COLUMNS} FROM incidents WHERE closed_at IS NULL")  # noqa: S608
        return {incident.rule: incident for incident in map(incident_from, found)}

    def opened(self, incident: Incident, channels: Sequence[str]) -> None:
        """Keeps a new incident, and what is to be told about it."""
        row = _row(incident)
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
        return [_notice_from(row) for row in found]

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
                {"next": _naive(next_try_at), "trouble": trouble, "notice_id": notice.notice_id},
            )

    def retry_now(self, at: datetime) -> None:
        """Makes every pending notice due: who restarts a collector may just have mended the channel."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE notices SET next_try_at = $at WHERE state = 'pending'", {"at": _naive(at)})

    def looked(self, states: Sequence[RuleState]) -> None:
        """Keeps what each rule came to, all at one time. Rules that are not among them are no more."""
        rows = [_row(state) for state in states]
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
                {"state": state, "at": _naive(at), "trouble": trouble, "notice_id": notice.notice_id},
            )

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        with self._lock:
            self._cursor.execute(sql)
            names = [str(column[0]) for column in self._cursor.description or ()]
            # All of it: a result that is left open keeps DuckDB from ever folding its log into the file.
            return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    @contextmanager
    def _transaction(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._lock:
            self._cursor.execute("BEGIN")
            try:
                yield self._cursor
                self._cursor.execute("COMMIT")
            except BaseException:
                self._cursor.execute("ROLLBACK")
                raise


def incident_from(row: Mapping[str, Any]) -> Incident:
    """The incident that a row of `incidents` is."""
    return Incident(**{field.name: _fact(field.name, row[field.name]) for field in fields(Incident)})


def rule_state_from(row: Mapping[str, Any]) -> RuleState:
    """The rule that a row of `rule_states` is."""
    return RuleState(**{field.name: _fact(field.name, row[field.name]) for field in fields(RuleState)})


def _notice_from(row: Mapping[str, Any]) -> Notice:
    own = {field.name: _fact(field.name, row[field.name]) for field in fields(Notice) if field.name != "incident"}
    return Notice(**own, incident=incident_from(row))


def _fact(name: str, value: Any) -> Any:
    if name == "segment":
        return json.loads(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _row(fact: Incident | RuleState) -> dict[str, object]:
    return {field.name: _bound(getattr(fact, field.name)) for field in fields(fact)}


def _bound(value: object) -> object:
    if isinstance(value, datetime):
        return _naive(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value


def _naive(moment: datetime) -> datetime:
    """UTC without a zone, as the tables hold it: with a zone, DuckDB would move it to the session's."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, object]) -> None:
    places = ", ".join(f"${name}" for name in row)
    cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608


def _update(cursor: duckdb.DuckDBPyConnection, incident: Incident) -> None:
    row = _row(incident)
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
            "created_at": _naive(at),
            "tries": 0,
            "next_try_at": _naive(at),
        }
        _insert(cursor, "notices", row)
