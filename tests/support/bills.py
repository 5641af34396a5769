"""Bills made by hand, as a pull leaves them in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import duckdb

from claude_telemetry_collector.store.billed import BilledCost, BilledLog, BilledUsage, Family, Pulled

DAY = date(2026, 11, 18)
NEXT = DAY + timedelta(days=1)
AFTER = DAY + timedelta(days=2)

INPUT, OUTPUT, READ = "uncached_input_tokens", "output_tokens", "cache_read_input_tokens"
FIVE, HOUR = "cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"
SEARCHES = "web_search_requests"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was used of one kind on a day, and what it costs: USD at list price for all of it, `None` for no money."""

    tokens: int
    usd: str | None
    kind: str = INPUT
    model: str = "claude-sonnet-5-5"
    day: date = DAY
    paid: str = "1"
    """What is left of the list price."""
    tier: str = "standard"
    speed: str | None = "standard"
    geo: str | None = "global"
    context_window: str | None = None
    key: str | None = None
    workspace: str | None = None
    cost_type: str = "tokens"


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def pulled(
    connection: duckdb.DuckDBPyConnection,
    *lines: Line,
    since: date = DAY,
    until: date = NEXT,
    family: Family = "analytics",
    refreshed_at: datetime | None = None,
    fetched_at: datetime | None = None,
) -> None:
    """Puts a bill of these days into the store. It is complete, unless `refreshed_at` says otherwise."""
    complete = midnight(until) + timedelta(hours=2)
    BilledLog(connection).replace(
        Pulled(
            family=family,
            since=since,
            until=until,
            usage=tuple(_usage(lines)),
            costs=tuple(_costs(lines, family)),
            refreshed_at=None if family == "admin" else refreshed_at or complete,
            fetched_at=fetched_at or complete,
        )
    )


def _usage(lines: Iterable[Line]) -> Iterable[BilledUsage]:
    for line in lines:
        if line.cost_type in ("tokens", "web_search") and line.tokens:
            yield BilledUsage(
                starting_at=midnight(line.day),
                ending_at=midnight(line.day + timedelta(days=1)),
                model=line.model,
                token_type=line.kind,
                service_tier=line.tier,
                speed=line.speed,
                inference_geo=line.geo,
                context_window=line.context_window,
                api_key_id=line.key,
                workspace_id=line.workspace,
                amount=line.tokens,
                requests=None,
            )


def _costs(lines: Iterable[Line], family: Family) -> Iterable[BilledCost]:
    for line in lines:
        if line.usd is None:
            continue
        yield BilledCost(
            starting_at=midnight(line.day),
            ending_at=midnight(line.day + timedelta(days=1)),
            model=line.model,
            cost_type=line.cost_type,
            token_type=line.kind if line.cost_type == "tokens" else None,
            service_tier=line.tier,
            speed=None if family == "admin" else line.speed,
            inference_geo=line.geo,
            context_window=line.context_window,
            api_key_id=line.key,
            workspace_id=line.workspace,
            description=None,
            currency="USD",
            amount_usd=Decimal(line.usd) * Decimal(line.paid),
            list_usd=None if family == "admin" else Decimal(line.usd),
        )
