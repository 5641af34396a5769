"""October 2026 of a made-up company: a million requests to eight models, and the bill for them.

What our calls say is made by DuckDB, from the number of each request; the bill is made here, by other arithmetic from
the same numbers. Prices are written out by hand, in USD per million tokens, as they are in the price list of the month.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import duckdb

from claude_telemetry_collector.store.billed import BilledCost, BilledLog, BilledUsage, Pulled

FIRST, AFTER = date(2026, 10, 1), date(2026, 11, 1)
REQUESTS = 1_000_000

INPUT, OUTPUT, READ = "uncached_input_tokens", "output_tokens", "cache_read_input_tokens"
FIVE, HOUR = "cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"
SEARCHES = "web_search_requests"

MODELS = (
    "claude-fable-5-1",
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-8",
    "claude-sonnet-5-5",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-haiku-4-5-20251001",
)
OPUS_5_5, SONNET_4_6, HAIKU = 1, 6, 7
LIST = {
    # input, output, cache read, 5-minute write, 1-hour write
    "claude-fable-5-1": ("10", "50", "0.25", "12.50", "20"),
    "claude-opus-5-5": ("4", "20", "0.20", "5", "8"),
    "claude-opus-5": ("5", "25", "0.50", "6.25", "10"),
    "claude-opus-4-8": ("5", "25", "0.50", "6.25", "10"),
    "claude-sonnet-5-5": ("2", "10", "0.20", "2.50", "4"),
    "claude-sonnet-5": ("2", "10", "0.20", "2.50", "4"),
    "claude-sonnet-4-6": ("3", "15", "0.30", "3.75", "6"),
    "claude-haiku-4-5-20251001": ("1", "5", "0.10", "1.25", "2"),
}
"""What our calls were priced at. The read price of Sonnet 5.5 was halved on 7 October, and they do not know it."""

PAID = {
    "claude-fable-5-1": "1",
    "claude-opus-5-5": "0.9",
    "claude-opus-5": "0.85",
    "claude-opus-4-8": "0.875",
    "claude-sonnet-5-5": "0.92",
    "claude-sonnet-5": "0.8",
    "claude-sonnet-4-6": "0.95",
    "claude-haiku-4-5-20251001": "0.7",
}
"""What is left of the list price by contract. From 16 October on, Opus 5 is at 0.8."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token stands on the bill."""

    day: int
    model: int
    tier: str
    speed: str
    geo: str | None
    key: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What there is to find, worked out beside what is to find it."""

    tokens: int
    unseen: int
    list_usd: Fraction
    unseen_usd: Fraction
    unseen_by_model: dict[str, int]
    unseen_by_day: dict[date, int]
    searches: int
    unseen_searches: int


def billed_list(place: Place, kind: str) -> Fraction:
    """USD of one token at list price, as the bill has it."""
    if kind == SEARCHES:
        return Fraction(1, 100)
    model = MODELS[place.model]
    rate = Fraction(LIST[model][(INPUT, OUTPUT, READ, FIVE, HOUR).index(kind)])
    if model == "claude-sonnet-5-5" and kind == READ and place.day >= 7:
        rate = Fraction("0.10")
    if model == "claude-opus-4-8" and kind == OUTPUT and place.day >= 15:
        rate = Fraction(22)
    if place.speed == "fast":
        rate *= 2
    if place.tier == "batch":
        rate *= Fraction("0.6") if model == "claude-sonnet-5" else Fraction("0.5")
    if place.geo == "us":
        rate *= Fraction("1.1")
    return rate / 10**6


def paid(place: Place, kind: str) -> Fraction:
    """What is left of the list price."""
    if kind == SEARCHES:
        return Fraction(1)
    model = MODELS[place.model]
    return Fraction("0.8") if model == "claude-opus-5" and place.day >= 16 else Fraction(PAID[model])


def bill(log: BilledLog) -> Sums:
    """Puts the bill of the month into the store; what telemetry can and cannot find of it."""
    every: defaultdict[Place, list[int]] = defaultdict(lambda: [0] * 6)
    unseen: defaultdict[Place, list[int]] = defaultdict(lambda: [0] * 6)
    places: dict[tuple[int, ...], Place] = {}
    for n in range(REQUESTS):
        if n % 100 == 99:
            continue
        model = n // 31 % 8
        batch = n // 248 % 10 == 0
        fast = model == OPUS_5_5 and not batch and n % 17 == 6
        us = model != HAIKU and n % 13 == 4
        where = (n % 31, model, batch, fast, us, n % 6)
        place = places.get(where)
        if place is None:
            geo = None if model == HAIKU else "us" if us else "global"
            place = places[where] = Place(
                n % 31 + 1, model, "batch" if batch else "standard", "fast" if fast else "standard", geo, n % 6
            )
        counts = [
            200 + n * 7919 % 3000,
            50 + n * 104_729 % 800,
            n * 31_337 % 20_000 if n % 3 == 0 else 0,
            n * 17 % 4000 if n % 5 == 1 else 0,
            n * 13 % 3000 if n % 11 == 2 else 0,
            1 + n % 3 if n % 40 == 5 else 0,
        ]
        for sums in (every, unseen) if n % 50 == 7 else (every,):
            row = sums[place]
            for at in range(6):
                row[at] += counts[at]
            if model == SONNET_4_6 and not batch and n % 5 == 3:
                advised = sums[Place(place.day, OPUS_5_5, "standard", "standard", place.geo, place.key)]
                advised[0] += 40 + n % 100
                advised[1] += 10 + n % 50
    _store(log, every)
    return _sums(every, unseen)


def _sums(every: dict[Place, list[int]], unseen: dict[Place, list[int]]) -> Sums:
    by_model: defaultdict[str, int] = defaultdict(int)
    by_day: defaultdict[date, int] = defaultdict(int)
    for place, row in unseen.items():
        by_model[MODELS[place.model]] += sum(row[:5])
        by_day[FIRST + timedelta(days=place.day - 1)] += sum(row[:5])
    return Sums(
        tokens=sum(sum(row[:5]) for row in every.values()),
        unseen=sum(by_model.values()),
        list_usd=_money(every),
        unseen_usd=_money(unseen),
        unseen_by_model=dict(by_model),
        unseen_by_day=dict(by_day),
        searches=sum(row[5] for row in every.values()),
        unseen_searches=sum(row[5] for row in unseen.values()),
    )


_KINDS = (INPUT, OUTPUT, READ, FIVE, HOUR, SEARCHES)


def _money(rows: dict[Place, list[int]]) -> Fraction:
    return sum(
        (
            tokens * billed_list(place, kind)
            for place, row in rows.items()
            for kind, tokens in zip(_KINDS, row, strict=True)
        ),
        Fraction(0),
    )


def _store(log: BilledLog, every: dict[Place, list[int]]) -> None:
    usage: list[BilledUsage] = []
    costs: list[BilledCost] = []
    for place, row in every.items():
        starting_at = datetime(2026, 10, place.day, tzinfo=UTC)
        group = {
            "starting_at": starting_at,
            "ending_at": starting_at + timedelta(days=1),
            "model": MODELS[place.model],
            "service_tier": place.tier,
            "speed": place.speed,
            "inference_geo": place.geo,
            "context_window": None,
            "api_key_id": f"apikey_{place.key}",
            "workspace_id": f"wrkspc_{place.key % 3}",
        }
        for kind, tokens in zip(_KINDS, row, strict=True):
            if not tokens:
                continue
            list_usd = tokens * billed_list(place, kind)
            usage.append(BilledUsage(**group, token_type=kind, amount=tokens, requests=None))  # type: ignore[arg-type]
            costs.append(
                BilledCost(
                    **group,  # type: ignore[arg-type]
                    cost_type="web_search" if kind == SEARCHES else "tokens",
                    token_type=None if kind == SEARCHES else kind,
                    description=None,
                    currency="USD",
                    amount_usd=_cents(list_usd * paid(place, kind)),
                    list_usd=_cents(list_usd),
                )
            )
    fetched_at = datetime(2026, 11, 1, 0, 10, tzinfo=UTC)
    log.replace(
        Pulled(
            family="analytics",
            since=FIRST,
            until=AFTER,
            usage=tuple(usage),
            costs=tuple(costs),
            refreshed_at=datetime(2026, 11, 1, 0, 5, tzinfo=UTC),
            fetched_at=fetched_at,
        )
    )


def _cents(usd: Fraction) -> Decimal:
    """As the report says it: cents with ten places."""
    return Decimal(round(usd * 10**12)).scaleb(-12)


def land_calls(connection: duckdb.DuckDBPyConnection) -> None:
    """What telemetry recorded of the month, as it stands in the store."""
    connection.execute("CREATE TEMP TABLE price (model VARCHAR, i DOUBLE, o DOUBLE, r DOUBLE, f DOUBLE, h DOUBLE)")
    for model, rates in LIST.items():
        connection.execute("INSERT INTO price VALUES (?, ?, ?, ?, ?, ?)", [model, *map(float, rates)])
    connection.execute(_CALLS, {"models": list(MODELS)})
    connection.execute(_ATTEMPTS)
    connection.execute("DROP TABLE price")


# A dollar is a million times a price per million tokens, so costs are whole numbers of 10**-12 USD here as well.
_CALLS = """
INSERT INTO calls (started_at, duration_ms, provider, platform, operation, request_model, model, status, billed,
    trace_id, span_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens,
    cache_write_1h_tokens, web_search_requests, service_tier, speed, inference_geo, workspace_id, api_key_alias,
    attempts, cost_usd, cost_status, cost_breakdown, price_version, usage, source, whole, received_at)
WITH numbered AS (
    SELECT n, n // 31 % 8 AS m, n // 248 % 10 = 0 AS batch, n % 100 = 99 AS failed,
        TIMESTAMP '2026-10-01' + to_days((n % 31)::INTEGER) + to_seconds(n % 80000) AS asked_at,
        200 + n * 7919 % 3000 AS i, 50 + n * 104729 % 800 AS o,
        CASE WHEN n % 3 = 0 THEN n * 31337 % 20000 ELSE 0 END AS r,
        CASE WHEN n % 5 = 1 THEN n * 17 % 4000 ELSE 0 END AS f,
        CASE WHEN n % 11 = 2 THEN n * 13 % 3000 ELSE 0 END AS h,
        CASE WHEN n % 40 = 5 THEN 1 + n % 3 ELSE 0 END AS s
    FROM range(1000000) numbers(n) WHERE n % 50 <> 7
),
named AS (
    SELECT *, $models[m + 1] AS model, CASE WHEN m = 1 AND NOT batch AND n % 17 = 6 THEN 'fast' ELSE 'standard' END
        AS speed,
        CASE WHEN m = 7 THEN 'not_available' WHEN n % 13 = 4 THEN 'us' ELSE 'global' END AS geo,
        m = 6 AND NOT batch AND n % 5 = 3 AS advised
    FROM numbered
),
priced AS (
    SELECT named.*, (CASE WHEN batch THEN 0.5 ELSE 1 END) * (CASE WHEN speed = 'fast' THEN 2 ELSE 1 END)
        * (CASE WHEN geo = 'us' THEN 1.1 ELSE 1 END) AS times,
        round(named.i * price.i * times * 1e6)::BIGINT AS ci, round(named.o * price.o * times * 1e6)::BIGINT AS co,
        round(named.r * price.r * times * 1e6)::BIGINT AS cr, round(named.f * price.f * times * 1e6)::BIGINT AS cf,
        round(named.h * price.h * times * 1e6)::BIGINT AS ch, s * 10000000000 AS cs,
        (ci + co + cr + cf + ch + cs)::DECIMAL(30, 12) / 1000000000000 AS cost
    FROM named JOIN price USING (model)
)
SELECT asked_at, 900, 'anthropic', 'anthropic', 'chat', model, CASE WHEN NOT failed THEN model END,
    CASE WHEN failed THEN 'error' ELSE 'ok' END, NOT failed, format('{:032x}', n + 1), format('{:016x}', n + 1),
    CASE WHEN NOT failed THEN i END, CASE WHEN NOT failed THEN o END, CASE WHEN NOT failed THEN r END,
    CASE WHEN NOT failed THEN f + h END, CASE WHEN NOT failed THEN f END, CASE WHEN NOT failed THEN h END,
    CASE WHEN NOT failed THEN s END, CASE WHEN failed THEN NULL WHEN batch THEN 'batch' ELSE 'standard' END,
    CASE WHEN NOT failed THEN speed END, CASE WHEN NOT failed THEN geo END, 'wrkspc_' || n % 3, 'production',
    CASE WHEN n % 20 = 3 OR failed THEN 2 ELSE 1 END, CASE WHEN failed THEN 0 ELSE cost END, 'priced',
    CASE WHEN NOT failed THEN to_json({
        'input': (ci::DECIMAL(18, 0) * 0.000000000001::DECIMAL(12, 12))::VARCHAR,
        'output': (co::DECIMAL(18, 0) * 0.000000000001::DECIMAL(12, 12))::VARCHAR,
        'cache_read': (cr::DECIMAL(18, 0) * 0.000000000001::DECIMAL(12, 12))::VARCHAR,
        'cache_write_5m': (cf::DECIMAL(18, 0) * 0.000000000001::DECIMAL(12, 12))::VARCHAR,
        'cache_write_1h': (ch::DECIMAL(18, 0) * 0.000000000001::DECIMAL(12, 12))::VARCHAR,
        'web_search': (cs::DECIMAL(18, 0) * 0.000000000001::DECIMAL(12, 12))::VARCHAR}) END,
    '2026-10-01.stale',
    CASE WHEN NOT failed THEN to_json({
        'input_tokens': i, 'output_tokens': o, 'cache_read_input_tokens': r, 'cache_creation_input_tokens': f + h,
        'cache_creation': {'ephemeral_5m_input_tokens': f, 'ephemeral_1h_input_tokens': h},
        'server_tool_use': {'web_search_requests': s},
        'service_tier': CASE WHEN batch THEN 'batch' ELSE 'standard' END, 'speed': speed, 'inference_geo': geo,
        'iterations': CASE WHEN advised THEN [
            {'type': 'message', 'model': NULL, 'input_tokens': i, 'output_tokens': o, 'cache_read_input_tokens': r,
             'cache_creation_input_tokens': f + h,
             'cache_creation': {'ephemeral_5m_input_tokens': f, 'ephemeral_1h_input_tokens': h}},
            {'type': 'advisor_message', 'model': 'claude-opus-5-5', 'input_tokens': 40 + n % 100,
             'output_tokens': 10 + n % 50, 'cache_read_input_tokens': 0, 'cache_creation_input_tokens': 0,
             'cache_creation': {'ephemeral_5m_input_tokens': 0, 'ephemeral_1h_input_tokens': 0}}] END}) END,
    'claude_telemetry', FALSE, asked_at + to_seconds(2)
FROM priced
"""

_ATTEMPTS = """
INSERT INTO attempt_rows (trace_id, span_id, attempt, started_at, http_status, error_type)
SELECT trace_id, span_id, 0, started_at, 529, 'overloaded_error' FROM calls WHERE attempts = 2
"""
