"""Where the time goes: the slowest calls, how streams end, and what of it was spent at the API."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from claude_telemetry_collector.queries.metrics.conditions import TIMED
from claude_telemetry_collector.queries.metrics.latency import WRITTEN
from claude_telemetry_collector.queries.window import MODEL, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

STREAM_ENDS = ("read", "closed", "dropped", "cut", "cancelled")
"""How a stream can end, as `stream_end` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Of calls that both the application and the API told of: how long they took, and how long at the API.

    Milliseconds; `None` without such calls."""

    calls: int
    of_calls: int
    """All calls that ended, of which those are some."""
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    server_p50_ms: float | None
    server_p95_ms: float | None
    client_p50_ms: float | None
    client_p95_ms: float | None
    client_ratio: float | None
    """The share of all their time that was not spent at the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Streams that wrote far slower than those of their model do, for long: they paused on the way."""

    streams: int
    """Those that can be compared: read to their end, of a model with enough of them."""
    stalled: int
    lost_ms: int
    """How much longer the stalled ones took than at their model's usual speed, in all."""


def stalls(reader: Reader, window: Window, segment: Segment) -> Stalls:
    """The streams that wrote for ten seconds or more at less than a quarter of their model's speed in `window`.

    Nobody records the pauses themselves: this is what is left of them in how long a stream took.
    """
    where, parameters = calls_in(window, segment)
    row = reader.ask(
        f"WITH streams AS (SELECT {MODEL} AS model, output_tokens, duration_ms - ttft_ms AS ms FROM calls"  # noqa: S608
        f" WHERE {where} AND {WRITTEN}),"
        " usual AS (SELECT model, sum(output_tokens::HUGEINT)::DOUBLE / sum(ms::HUGEINT) AS per_ms FROM streams"
        " GROUP BY model HAVING count(*) >= $enough),"
        " compared AS (SELECT ms, output_tokens / per_ms AS usual_ms FROM streams JOIN usual"
        " ON streams.model IS NOT DISTINCT FROM usual.model)"
        " SELECT count(*) AS streams, count(*) FILTER (WHERE ms >= $long AND ms > $times * usual_ms) AS stalled,"
        " coalesce(sum(ms - usual_ms) FILTER (WHERE ms >= $long AND ms > $times * usual_ms), 0)::BIGINT AS lost_ms"
        " FROM compared",
        parameters | {"enough": _ENOUGH_STREAMS, "long": _LONG_MS, "times": _TIMES_SLOWER},
    ).to_pylist()[0]
    return Stalls(**row)


_ENOUGH_STREAMS = 20
"""Fewer do not tell what is usual."""
_LONG_MS = 10_000
"""A shorter answer is slow by chance."""
_TIMES_SLOWER = 4


def slowest_calls(reader: Reader, window: Window, segment: Segment, *, limit: int = 20) -> pa.Table:
    """The calls that took longest, cancelled ones aside: `started_at` (UTC), `model`, `feature`, `status`,
    `error_type`, `duration_ms`, `ttft_ms`, `output_tokens`, `attempts`, `trace_id`, `span_id`."""
    where, parameters = calls_in(window, segment)
    return reader.ask(
        f"SELECT started_at, {MODEL} AS model, feature, status, error_type, duration_ms, ttft_ms, output_tokens,"  # noqa: S608
        f" attempts, trace_id, span_id FROM calls WHERE {where} AND {TIMED}"
        " ORDER BY duration_ms DESC, started_at DESC LIMIT $most",
        parameters | {"most": limit},
    )


def stream_ends(reader: Reader, window: Window, segment: Segment) -> dict[str | None, int]:
    """How many streams ended in which way, by `stream_end`; `None` for those that do not say."""
    where, parameters = calls_in(window, segment)
    rows = reader.ask(
        "SELECT stream_end, count(*) AS calls FROM calls"  # noqa: S608
        f" WHERE {where} AND (stream IS TRUE OR stream_end IS NOT NULL) GROUP BY ALL ORDER BY calls DESC, stream_end",
        parameters,
    )
    return {row["stream_end"]: row["calls"] for row in rows.to_pylist()}


def time_split(reader: Reader, window: Window, segment: Segment) -> TimeSplit:
    """What of the time was spent at the API, and what before and after: in the client, on the way, for retries."""
    where, parameters = calls_in(window, segment)
    both = f"{TIMED} AND server_ms IS NOT NULL AND client_ms IS NOT NULL"
    percentiles = ", ".join(
        f"quantile_cont({column}_ms, {quantile}) FILTER (WHERE {both}) AS {column}_p{quantile[2:]}_ms"
        for column in ("duration", "server", "client")
        for quantile in ("0.50", "0.95")
    )
    row = reader.ask(
        f"SELECT count(*) FILTER (WHERE {both}) AS calls, count(*) FILTER (WHERE {TIMED}) AS of_calls, {percentiles},"  # noqa: S608
        f" (sum(client_ms) FILTER (WHERE {both}))::DOUBLE / nullif(sum(duration_ms) FILTER (WHERE {both}), 0)"
        f" AS client_ratio FROM calls WHERE {where}",
        parameters,
    ).to_pylist()[0]
    return TimeSplit(**row)
