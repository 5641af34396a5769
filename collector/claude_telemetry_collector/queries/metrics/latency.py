"""How long calls took.

Percentiles are those of `numpy.percentile`'s default: interpolated between neighbours. Those of more than two days come
from what is rolled up, which knows a length of time to 1%.
"""

from __future__ import annotations

from claude_telemetry_collector.queries.metrics.conditions import ENDED, STREAMED, TIMED
from claude_telemetry_collector.queries.metrics.metric import Metric, Percentile, count, total

_HOW_EXACT = "Exact up to two days; to 1 % over more."
_LEFT_OUT = "A call without a known duration is left out. Cancelled calls are not part of it."


def _percentile(quantile: str, title: str, meaning: str) -> Metric:
    return Metric(
        name=f"duration_p{quantile[2:]}_ms",
        title=title,
        unit="ms",
        parts={"value": Percentile("duration_ms", quantile, TIMED)},
        over=ENDED,
        known="duration_ms IS NOT NULL",
        meaning=f"{meaning} {_HOW_EXACT}",
        unknowns=_LEFT_OUT,
    )


def _first_token(quantile: str, title: str, meaning: str) -> Metric:
    return Metric(
        name=f"ttft_p{quantile[2:]}_ms",
        title=title,
        unit="ms",
        parts={"value": Percentile("ttft_ms", quantile, f"{STREAMED} AND ttft_ms IS NOT NULL")},
        over=STREAMED,
        known="ttft_ms IS NOT NULL",
        meaning=f"{meaning} {_HOW_EXACT}",
        unknowns="A stream that never began, or does not say when, is left out. Cancelled calls are not part of it.",
    )


WRITTEN = (
    f"({STREAMED} AND output_tokens > 0 AND duration_ms > ttft_ms AND usage_partial IS NOT TRUE"
    " AND coalesce(stream_end, 'read') = 'read')"
)
"""Streams of which it is known how much was written in which time."""

LATENCY = (
    Metric(
        name="duration_avg_ms",
        title="Average latency",
        unit="ms",
        formula="{total}::DOUBLE / nullif({timed}, 0)",
        parts={"total": total("duration_ms", TIMED), "timed": count(TIMED)},
        over=ENDED,
        known="duration_ms IS NOT NULL",
        meaning="Mean time from asking to holding the whole answer, or the error; retries included.",
        unknowns=_LEFT_OUT,
    ),
    _percentile("0.50", "P50 latency", "Half of the calls took this long or less; retries included."),
    _percentile("0.95", "P95 latency", "95 of 100 calls took this long or less; retries included."),
    _percentile("0.99", "P99 latency", "99 of 100 calls took this long or less; retries included."),
    _first_token("0.50", "P50 time to first token", "Half of the streamed answers began within this time of asking."),
    _first_token("0.95", "P95 time to first token", "95 of 100 streamed answers began within this time of asking."),
    Metric(
        name="output_tokens_per_s",
        title="Output speed",
        unit="token/s",
        formula="{tokens}::DOUBLE * 1000 / nullif({ms}, 0)",
        parts={
            "tokens": total("output_tokens::HUGEINT", WRITTEN),
            "ms": total("(duration_ms - ttft_ms)::HUGEINT", WRITTEN),
        },
        over=STREAMED,
        known=WRITTEN,
        meaning="Output tokens, thinking included, for each second from the first token to the last, over all streams.",
        unknowns=(
            "A stream of which the output, the first token or the end is not known, or that was not read to its end, "
            "is left out. Cancelled calls are not part of it."
        ),
    ),
    Metric(
        name="stream_cut_ratio",
        title="Streams cut off",
        unit="ratio",
        formula="{cut}::DOUBLE / nullif({told}, 0)",
        parts={"cut": count("stream_end = 'cut'"), "told": count("stream_end IS NOT NULL")},
        over="(stream IS TRUE OR stream_end IS NOT NULL)",
        known="stream_end IS NOT NULL",
        meaning="Streams that the connection or an error ended before their time, over all of which the end is known.",
        unknowns="A stream that does not say how it ended is left out of both sides.",
    ),
)
