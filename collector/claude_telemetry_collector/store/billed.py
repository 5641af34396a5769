"""What Anthropic says was used and what it bills, as it is stored beside the calls that it is held against.

A *pull* fetches one *family* of its reports (`analytics`, or the older `admin`) for whole UTC days. `billed_days` says
which days have been pulled, and how fresh that was: a day with a row there and no other was quiet, of any other day
nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

import duckdb

from claude_telemetry_collector.store.arrow import arrow_table, stored
from claude_telemetry_collector.store.tables import Table, TableColumn, required
from claude_telemetry_collector.store.transaction import transaction

Family = Literal["analytics", "admin"]
"""`analytics` is the Usage and Cost Analytics API, `admin` the Usage and Cost Admin API before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledUsage:
    """What was used of one kind, by one group of requests within one UTC day. Times are UTC.

    `None` in a dimension: the report has no value there (a request without a key, a model without a choice of place,
    and, in the family `admin`, the default workspace), or is not asked for it.
    """

    starting_at: datetime
    ending_at: datetime
    model: str | None
    token_type: str
    """Anthropic's word: `uncached_input_tokens`, `output_tokens`, `cache_read_input_tokens`,
    `cache_creation.ephemeral_5m_input_tokens`, `cache_creation.ephemeral_1h_input_tokens`, `web_search_requests`."""
    service_tier: str | None
    speed: str | None
    inference_geo: str | None
    context_window: str | None
    api_key_id: str | None
    workspace_id: str | None
    amount: int
    """Tokens, or searches."""
    requests: int | None
    """API requests of the group. Said once a group, on its `uncached_input_tokens` (which is there for it even when it
    is 0), so that a sum counts each request once. `None` on other rows, and everywhere in the family `admin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledCost:
    """What is billed for one part of that. Times are UTC; `None` as in `BilledUsage`."""

    starting_at: datetime
    ending_at: datetime
    model: str | None
    cost_type: str | None
    """`tokens`, `web_search`, `code_execution` or `session_usage`."""
    token_type: str | None
    """As in `BilledUsage`; `None` for what is no tokens."""
    service_tier: str | None
    speed: str | None
    inference_geo: str | None
    context_window: str | None
    api_key_id: str | None
    workspace_id: str | None
    description: str | None
    """How the bill words it. Only the family `admin` says it."""
    currency: str
    amount_usd: Decimal
    """After discounts, before credits."""
    list_usd: Decimal | None
    """Before discounts; `None` where the family does not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """All that one family says about the days from `since` up to, and without, `until`."""

    family: Family
    since: date
    until: date
    usage: tuple[BilledUsage, ...]
    costs: tuple[BilledCost, ...]
    refreshed_at: datetime | None
    """Up to when Anthropic's numbers are complete: the oldest of what the answers said. `None` in the family `admin`,
    which does not say it, and is usually 5 minutes behind."""
    fetched_at: datetime
    """When the pull began."""
    fallback_reason: str | None = None
    """Why it is not the family `analytics`, where that was to be preferred."""


def _maybe(*names: str, sql_type: str = "VARCHAR") -> tuple[TableColumn, ...]:
    return tuple(TableColumn(name=name, sql_type=sql_type) for name in names)


_GROUP = _maybe("service_tier", "speed", "inference_geo", "context_window", "api_key_id", "workspace_id")
_PERIOD = (required("family", "VARCHAR"), required("starting_at", "TIMESTAMP"), required("ending_at", "TIMESTAMP"))
_FRESHNESS = (*_maybe("refreshed_at", sql_type="TIMESTAMP"), required("fetched_at", "TIMESTAMP"))

BILLED_USAGE = Table(
    name="billed_usage",
    columns=(
        *_PERIOD,
        *_maybe("model"),
        required("token_type", "VARCHAR"),
        *_GROUP,
        required("amount", "BIGINT"),
        *_maybe("requests", sql_type="BIGINT"),
        *_FRESHNESS,
    ),
)

BILLED_COSTS = Table(
    name="billed_costs",
    columns=(
        *_PERIOD,
        *_maybe("model", "cost_type", "token_type"),
        *_GROUP,
        *_maybe("description"),
        required("currency", "VARCHAR"),
        required("amount_usd", "DECIMAL(38,12)"),
        *_maybe("list_usd", sql_type="DECIMAL(38,12)"),
        *_FRESHNESS,
    ),
)

BILLED_DAYS = Table(name="billed_days", columns=(required("family", "VARCHAR"), required("day", "DATE"), *_FRESHNESS))
"""One row for each family and UTC day that has been pulled."""

TABLES: tuple[Table, ...] = (BILLED_USAGE, BILLED_COSTS, BILLED_DAYS)


class BilledLog:
    """The one writer of these tables. Raises what DuckDB raises. For one thread at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def replace(self, pulled: Pulled) -> None:
        """Puts `pulled` in the place of all that the same family has said before about the same days, at once: what
        came late is corrected by pulling again. No other process sees half of it, and landing goes on meanwhile."""
        cursor = self._connection.cursor()
        try:
            with transaction(cursor):
                self._forget(cursor, pulled)
                self._write(cursor, pulled)
        finally:
            cursor.close()

    def _forget(self, cursor: duckdb.DuckDBPyConnection, pulled: Pulled) -> None:
        days: dict[str, object] = {"family": pulled.family, "since": pulled.since, "until": pulled.until}
        within = "family = $family AND {0} >= $since AND {0} < $until"
        for table, column in ((BILLED_USAGE, "starting_at"), (BILLED_COSTS, "starting_at"), (BILLED_DAYS, "day")):
            cursor.execute(f"DELETE FROM {table.name} WHERE {within.format(column)}", days)  # noqa: S608

    def _write(self, cursor: duckdb.DuckDBPyConnection, pulled: Pulled) -> None:
        days = [pulled.since + timedelta(days=n) for n in range((pulled.until - pulled.since).days)]
        _insert(cursor, BILLED_USAGE, _values_of(pulled.usage, BilledUsage), len(pulled.usage), pulled)
        _insert(cursor, BILLED_COSTS, _values_of(pulled.costs, BilledCost), len(pulled.costs), pulled)
        _insert(cursor, BILLED_DAYS, {"day": days}, len(days), pulled)


def day_start(day: date) -> datetime:
    """Midnight UTC at which `day` begins."""
    return datetime.combine(day, time(), UTC)


def _values_of(rows: Sequence[BilledUsage] | Sequence[BilledCost], record: type) -> dict[str, Sequence[object]]:
    values: dict[str, Sequence[object]] = {}
    for field in fields(record):
        column = [getattr(row, field.name) for row in rows]
        values[field.name] = [stored(at) for at in column] if field.name.endswith("_at") else column
    return values


def _insert(
    cursor: duckdb.DuckDBPyConnection, table: Table, values: Mapping[str, Sequence[object]], rows: int, pulled: Pulled
) -> None:
    refreshed_at = None if pulled.refreshed_at is None else stored(pulled.refreshed_at)
    same = {"family": pulled.family, "refreshed_at": refreshed_at, "fetched_at": stored(pulled.fetched_at)}
    arrow = arrow_table(table, {**values, **{name: [value] * rows for name, value in same.items()}})
    names = ", ".join(arrow.column_names)
    cursor.register("billed_arrow", arrow)
    try:
        cursor.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM billed_arrow")  # noqa: S608
    finally:
        cursor.unregister("billed_arrow")
