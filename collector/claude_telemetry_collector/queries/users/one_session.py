"""One session: its calls in the order in which they were made, and how its history and its cost grew.

A conversation is sent again with each turn, so that its input grows with every answer. The reference for when to cut
it: ten turns, or 100,000 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from claude_telemetry_collector.queries.metrics.conditions import INPUT
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

MOST_MESSAGES = 20
"""Ten turns: each is a question and its answer."""
MOST_INPUT_TOKENS = 100_000
_MOST_CALLS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTotals:
    """A session as a whole. Times are UTC; `None` is not known, or nothing to make it of."""

    calls: int
    failed: int
    cost_usd: Decimal | None
    unpriced: int
    first_at: datetime | None
    last_at: datetime | None
    input_first: int | None
    """Input tokens of every kind of the first call that tells of them."""
    input_last: int | None
    input_most: int | None
    messages_most: int | None
    """The longest history that was sent, in messages."""
    input_sum: int | None
    """All input of all calls: what the history cost in tokens, again and again."""
    cache_read_sum: int | None
    users: int

    @property
    def is_long(self) -> bool:
        """Whether its history went beyond ten turns or 100,000 tokens."""
        return (self.messages_most or 0) > MOST_MESSAGES or (self.input_most or 0) > MOST_INPUT_TOKENS


def session_totals(reader: Reader, window: Window, segment: Segment) -> SessionTotals:
    """Of all calls of `window` and `segment`, which is to name one session."""
    where, parameters = calls_in(window, segment)
    sql = (
        "SELECT count(*) AS calls, count(*) FILTER (WHERE status = 'error') AS failed, sum(cost_usd) AS cost_usd,"  # noqa: S608
        " count(*) FILTER (WHERE cost_usd IS NULL AND billed IS DISTINCT FROM FALSE) AS unpriced,"
        " min(started_at) AS first_at, max(started_at) AS last_at,"
        f" try_cast(arg_min({INPUT}, started_at) AS BIGINT) AS input_first,"
        f" try_cast(arg_max({INPUT}, started_at) AS BIGINT) AS input_last,"
        f" try_cast(max({INPUT}) AS BIGINT) AS input_most, max(message_count) AS messages_most,"
        f" try_cast(sum({INPUT}) AS BIGINT) AS input_sum,"
        " try_cast(sum(cache_read_tokens::HUGEINT) AS BIGINT) AS cache_read_sum, count(DISTINCT user_id) AS users"
        f" FROM calls WHERE {where}"
    )
    return SessionTotals(**reader.ask(sql, parameters).to_pylist()[0])


def session_calls(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """The calls of `window` and `segment` in the order in which they were made, the first 1000.

    `number` (BIGINT, from 1), `started_at`, `pause_ms` (BIGINT: since the one before ended; NULL for the first, and
    where that is not known), `model`, `feature`, `status`, `error_type`, `stop_reason`, `message_count`, `input_tokens`
    (BIGINT: of every kind), `cache_read_tokens`, `output_tokens`, `duration_ms`, `cost_usd`, `cost_so_far_usd`
    (DECIMAL: calls without a price add nothing), `trace_id`, `span_id`, `calls` (BIGINT: how many there are).
    """
    where, parameters = calls_in(window, segment)
    parameters["most"] = _MOST_CALLS
    sql = (
        "SELECT row_number() OVER made AS number, started_at,"  # noqa: S608 - conditions from here, values bound
        " epoch_ms(started_at) - epoch_ms(lag(started_at) OVER made) - lag(duration_ms) OVER made AS pause_ms,"
        " coalesce(model, request_model) AS model, feature, status,"
        f" error_type, stop_reason, message_count, try_cast({INPUT} AS BIGINT) AS input_tokens, cache_read_tokens,"
        " output_tokens, duration_ms, cost_usd, sum(cost_usd) OVER made AS cost_so_far_usd, trace_id, span_id,"
        f" count(*) OVER () AS calls FROM calls WHERE {where}"
        " WINDOW made AS (ORDER BY started_at, trace_id, span_id ROWS UNBOUNDED PRECEDING)"
        " ORDER BY started_at, trace_id, span_id LIMIT $most"
    )
    return reader.ask(sql, parameters)
