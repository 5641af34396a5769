"""What asking again cost and what it saved."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from claude_telemetry_collector.queries.errors.tries import AGAIN, UNSEEN, newest_tries_in, retried_in
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

_MOST_ROWS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryCost:
    """Calls that were asked more than once. `None` is not known, or nothing to say it of."""

    calls: int
    """All calls, retried or not."""
    attempts_unknown: int
    """Of `calls`: those of which nobody says how many attempts they took."""
    retried: int
    saved: int
    """Retried calls that went well in the end."""
    lost: int
    """Retried calls that failed all the same."""
    cancelled: int
    """Retried calls that the application stopped."""
    retries: int
    """Attempts after the first ones."""
    told: int
    """Of `retries`: those of which an attempt before them is told, and so its time."""
    waited_ms: int | None
    """The pauses before retries, together."""
    failed_ms: int | None
    """The time in attempts that were then repeated, together."""
    unseen: int
    """Repeated attempts whose answer nobody saw. The API may have billed them."""
    unseen_at_most_usd: Decimal | None
    """What those come to if each was billed like the answer that came in the end: the most it can be expected to be."""
    unseen_unpriced: int
    """Of `unseen`: those whose call has no cost, so that they are in no amount."""


def retry_cost(reader: Reader, window: Window, segment: Segment) -> RetryCost:
    """See `RetryCost`. Attempts that the API refused with a status cost nothing but time."""
    where, parameters = calls_in(window, segment)
    counted = reader.ask(
        "SELECT count(*) AS calls, count(*) FILTER (WHERE attempts IS NULL) AS attempts_unknown,"  # noqa: S608
        " count(*) FILTER (WHERE attempts > 1) AS retried,"
        " count(*) FILTER (WHERE attempts > 1 AND status = 'ok') AS saved,"
        " count(*) FILTER (WHERE attempts > 1 AND status = 'error') AS lost,"
        " count(*) FILTER (WHERE attempts > 1 AND status = 'cancelled') AS cancelled,"
        " coalesce(try_cast(sum((attempts - 1)::HUGEINT) FILTER (WHERE attempts > 1) AS BIGINT), 0) AS retries"
        f" FROM calls WHERE {where}",
        parameters,
    ).to_pylist()[0]
    retried, parameters = retried_in(window, segment)
    unseen = f"{AGAIN} AND {UNSEEN}"
    timed = reader.ask(
        f"{retried} SELECT count(*) FILTER (WHERE {AGAIN}) AS told,"  # noqa: S608
        " try_cast(sum(wait_ms::HUGEINT) AS BIGINT) AS waited_ms,"
        f" try_cast(sum(duration_ms::HUGEINT) FILTER (WHERE {AGAIN}) AS BIGINT) AS failed_ms,"
        f" count(*) FILTER (WHERE {unseen}) AS unseen, sum(cost_usd) FILTER (WHERE {unseen}) AS unseen_at_most_usd,"
        f" count(*) FILTER (WHERE {unseen} AND cost_usd IS NULL) AS unseen_unpriced FROM retried",
        parameters,
    ).to_pylist()[0]
    return RetryCost(**counted, **timed)


def retries_by_reason(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """Attempts that failed, by why, the most frequent first, at most 30 rows; of the newest `NEWEST` calls that were
    retried or failed.

    `error_type`, `http_status` (NULL without an answer), `attempts` (BIGINT), `again` (BIGINT: followed by another
    attempt), `saved` and `lost` (BIGINT: how the calls of those went in the end), `given_up` (BIGINT: not followed by
    another), `waited_p50_ms` (DOUBLE: the pause after it), `waited_ms`, `took_ms` (BIGINT: together).
    """
    tries, parameters = newest_tries_in(reader, window, segment)
    parameters["most"] = _MOST_ROWS
    sql = (
        f"{tries} SELECT error_type, http_status, count(*) AS attempts, count(*) FILTER (WHERE {AGAIN}) AS again,"  # noqa: S608
        f" count(*) FILTER (WHERE {AGAIN} AND status = 'ok') AS saved,"
        f" count(*) FILTER (WHERE {AGAIN} AND status = 'error') AS lost,"
        f" count(*) FILTER (WHERE NOT ({AGAIN})) AS given_up, quantile_cont(waited_ms, 0.5) AS waited_p50_ms,"
        " try_cast(sum(waited_ms::HUGEINT) AS BIGINT) AS waited_ms,"
        " try_cast(sum(duration_ms::HUGEINT) AS BIGINT) AS took_ms"
        " FROM tries WHERE error_type IS NOT NULL OR http_status >= 400 OR http_status IS NULL"
        " GROUP BY error_type, http_status ORDER BY attempts DESC, error_type NULLS LAST, http_status LIMIT $most"
    )
    return reader.ask(sql, parameters)
