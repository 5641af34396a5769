"""What one request, one session and one user of each feature cost, and how that has changed."""

from __future__ import annotations

import pyarrow as pa

from claude_telemetry_collector.queries.metrics.conditions import MAY_COST, NO_PRICE
from claude_telemetry_collector.queries.window import Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

_MOST = 20
_MOST_COUNTED = 200_000
"""Among more calls than this, counting different users takes longer than anybody waits for a page."""

_UNITS = {"session": "session_id", "user": "user_id"}


def unit_economics(reader: Reader, window: Window, before: Window, segment: Segment) -> pa.Table:
    """One row per feature, the dearest first, at most 20: `feature` (VARCHAR, NULL for calls without), `calls`
    (BIGINT), `cost_usd`, `per_request_usd`, `per_session_usd`, `per_user_usd` (DECIMAL); of each of these the share by
    which it differs from `before`, as `per_…_change` (DOUBLE); `unpriced` and `groups` (BIGINT), the latter how many
    features there are.

    Per session and per user are over the calls that name one; among more than 200,000 calls, how many there are is
    estimated to within a few percent. NULL where no call with a price does, and for a change
    where there is nothing to compare with.
    """
    where, parameters = calls_in(Window(before.start, window.end), segment)
    calls = reader.ask(f"SELECT count(*) AS calls FROM calls WHERE {where}", parameters).to_pylist()[0]["calls"]  # noqa: S608
    distinct = "count(DISTINCT {})" if calls <= _MOST_COUNTED else "approx_count_distinct({})"
    parameters |= {"now_start": microseconds(window.start), "before_end": microseconds(before.end)}
    sql = (
        "WITH asked AS (SELECT feature, session_id, user_id, cost_usd AS cost,"  # noqa: S608
        f" started_at >= make_timestamp($now_start) AS is_now, {MAY_COST} AND {NO_PRICE} AS no_price FROM calls"
        f" WHERE {where} AND (started_at < make_timestamp($before_end) OR started_at >= make_timestamp($now_start))),"
        f" told AS (SELECT feature, count(*) FILTER (WHERE is_now) AS calls, {_sums('now', 'is_now', distinct)},"
        f" {_sums('before', 'NOT is_now', distinct)}, count(*) FILTER (WHERE is_now AND no_price) AS unpriced"
        " FROM asked GROUP BY feature)"
        f" SELECT feature, calls, cost_now AS cost_usd, {_each()}, unpriced, count(*) OVER () AS groups FROM told"
        f" WHERE calls > 0 ORDER BY cost_now DESC NULLS LAST, calls DESC, feature LIMIT {_MOST}"
    )
    return reader.ask(sql, parameters)


def _sums(period: str, when: str, distinct: str) -> str:
    """The cost of a period, its calls with a price, and both for those that name a session or a user."""
    parts = [
        f"sum(cost) FILTER (WHERE {when}) AS cost_{period}",
        f"count(cost) FILTER (WHERE {when}) AS requests_{period}",
    ]
    for unit, column in _UNITS.items():
        parts += [
            f"sum(cost) FILTER (WHERE {when} AND {column} IS NOT NULL) AS {unit}_cost_{period}",
            f"{distinct.format(column)} FILTER (WHERE {when} AND cost IS NOT NULL) AS {unit}s_{period}",
        ]
    return ", ".join(parts)


def _each() -> str:
    """What one of each costs, and how that has changed."""
    parts: list[str] = []
    for unit, cost, units in (
        ("request", "cost", "requests"),
        *((unit, f"{unit}_cost", f"{unit}s") for unit in _UNITS),
    ):
        now, before = (f"{cost}_{period}::DOUBLE / nullif({units}_{period}, 0)" for period in ("now", "before"))
        parts.append(f"({cost}_now / nullif({units}_now, 0))::DECIMAL(38, 12) AS per_{unit}_usd")
        parts.append(f"({now}) / nullif({before}, 0) - 1 AS per_{unit}_change")
    return ", ".join(parts)
