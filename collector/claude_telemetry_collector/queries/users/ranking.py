"""The users or sessions that take most, and how many users there are each day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import pyarrow as pa

from claude_telemetry_collector.queries.buckets import buckets
from claude_telemetry_collector.queries.metrics import METRICS
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.queries.zones import UTC_NAME
from claude_telemetry_collector.store import Reader

Who = Literal["user_id", "session_id"]

_OTHER: Mapping[Who, Who] = {"user_id": "session_id", "session_id": "user_id"}
_RANKED_BY = {"cost_usd", "requests", "total_tokens", "failed_calls"}
_MEASURED = ("requests", "cost_usd", "total_tokens", "failed_calls", "duration_p95_ms")


def ranking(
    reader: Reader, window: Window, segment: Segment, who: Who, *, by: str = "cost_usd", limit: int = 20
) -> pa.Table:
    """A row for each user or session, the largest first, at most `limit`. Calls without one are left out.

    `who` under its own name, `requests`, `cost_usd` (DECIMAL; NULL where no call has a price), `unpriced`,
    `total_tokens`, `failed_calls` (BIGINT), `duration_p95_ms` (DOUBLE), `share` (DOUBLE: of `by` over all calls, those
    without a user or session too; NULL when it comes to nothing), `others` (BIGINT: different sessions of a user, or
    users of a session), `features`, `first_at`, `last_at` (TIMESTAMP), `groups` (BIGINT: how many there are).
    `by` is `cost_usd`, `requests`, `total_tokens` or `failed_calls`; raises `ValueError` for any other.
    """
    if by not in _RANKED_BY:
        raise ValueError(f"nobody is ranked by {by!r}: give one of {', '.join(sorted(_RANKED_BY))}")
    where, parameters = calls_in(window, segment)
    parameters["most"] = limit
    values = ", ".join(f"{METRICS[name].sql} AS {name}" for name in _MEASURED)
    # First who, by the one number that decides it; all else only of those few.
    # Totals are of all calls, so that a share of users who are named is not taken for a share of everybody.
    sql = (
        f"WITH each AS (SELECT {who} AS who, {METRICS[by].sql} AS size, count(*) AS calls FROM calls WHERE {where}"  # noqa: S608
        " GROUP BY who),"
        " ranked AS MATERIALIZED (SELECT who, size, calls, count(*) OVER () AS groups FROM each WHERE who IS NOT NULL"
        " ORDER BY size DESC NULLS LAST, calls DESC, who LIMIT $most),"
        f" told AS (SELECT {who} AS who, {values}, {METRICS['cost_usd'].counts['unpriced'].sql} AS unpriced,"
        f" count(DISTINCT {_OTHER[who]}) AS others, count(DISTINCT feature) AS features,"
        f" min(started_at) AS first_at, max(started_at) AS last_at FROM calls WHERE {where}"
        f" AND {who} IN (SELECT who FROM ranked) GROUP BY {who})"
        f" SELECT told.* RENAME (who AS {who}), groups, size::DOUBLE"
        f" / nullif((SELECT {METRICS[by].sql} FROM calls WHERE {where})::DOUBLE, 0) AS share"
        " FROM ranked JOIN told USING (who) ORDER BY size DESC NULLS LAST, calls DESC, who"
    )
    return reader.ask(sql, parameters)


def number_of(reader: Reader, window: Window, segment: Segment, who: Who) -> int:
    """How many different users or sessions the calls name."""
    where, parameters = calls_in(window, segment)
    sql = f"SELECT count(DISTINCT {who}) AS number FROM calls WHERE {where}"  # noqa: S608 - conditions from here
    return int(reader.ask(sql, parameters).to_pylist()[0]["number"])


def users_over_time(
    reader: Reader, window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME
) -> pa.Table:
    """How many different users there were: one row per bucket, oldest first, also for those without: `bucket`
    (TIMESTAMP, on the clocks of `zone`), `users` (BIGINT). One who comes in two buckets counts in both."""
    where, parameters = calls_in(window, segment)
    steps = buckets(window, step, zone)
    sql = (
        f"WITH came AS (SELECT DISTINCT {steps.number} AS number, user_id FROM calls"  # noqa: S608
        f" WHERE {where} AND user_id IS NOT NULL),"
        " found AS (SELECT number, count(*) AS users FROM came GROUP BY number)"
        " SELECT bucket, coalesce(users, 0) AS users"
        f" FROM {steps.every} AS every LEFT JOIN found ON found.number = every.number ORDER BY bucket"
    )
    return reader.ask(sql, parameters | steps.parameters)
