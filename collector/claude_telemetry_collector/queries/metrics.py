"""Each metric once: what it counts, how, and what becomes of calls for which the number is not known.

A *metric* is a number with a unit over a window and a segment. A *reading* is its value at one moment, with how many
calls it rests on and for how many of them it is unknown. Pages, breakdowns and alert rules all take their SQL from
here, so the number in Slack is the number on the page.

Percentiles are exact, with linear interpolation between neighbours (`numpy.percentile`'s default).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from claude_telemetry_collector.queries.window import Clock, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

Value = Decimal | float | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How one number is made of the rows of `calls`. `sql`, `over` and `known` are SQL over one group of calls."""

    name: str
    title: str
    unit: str
    """`USD`, `ms`, `ratio`, `token` or `{call}`."""
    sql: str
    """The aggregate. It is NULL when there is nothing to make it of."""
    over: str
    """The calls that the number is about."""
    known: str
    """Those of them whose part in the number is known."""
    meaning: str
    unknowns: str
    """What becomes of the others."""

    @property
    def is_count(self) -> bool:
        """A count over no calls is 0; any other value over no calls is unknown."""
        return self.unit == "{call}"

    @property
    def is_money(self) -> bool:
        """Of money it is told how many calls have no price: they add nothing, so the value is a lower bound."""
        return self.unit == "USD"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric came to."""

    metric: str
    value: Value | None
    """`None` when there was no call to make it of."""
    calls: int
    """The calls that the number is about."""
    unknown: int
    """How many of them are missing from the value, or only partly in it."""
    unpriced: int = 0
    """Of money: how many of the unknown have no price at all, and so are missing from it."""


# The application chose when a cancelled call ended, so that its duration and outcome say nothing about the API.
_ENDED = "status IN ('ok', 'error')"
_TIMED = f"({_ENDED} AND duration_ms IS NOT NULL)"
_STREAMED = f"({_ENDED} AND (stream IS TRUE OR ttft_ms IS NOT NULL))"

# What is known not to be billed is missing from no sum: a refused call costs nothing, and has used nothing.
_MAY_COST = "(cost_usd IS NOT NULL OR billed IS DISTINCT FROM FALSE)"
_MAY_USE = "(input_tokens IS NOT NULL OR output_tokens IS NOT NULL OR billed IS DISTINCT FROM FALSE)"

_NO_PRICE = "cost_usd IS NULL"

# HUGEINT, so that one absurd count in a span cannot make the sum overflow and every page fail.
_INPUT = "(input_tokens::HUGEINT + coalesce(cache_read_tokens, 0)::HUGEINT + coalesce(cache_write_tokens, 0)::HUGEINT)"
_TOTAL = f"(coalesce({_INPUT}, 0) + coalesce(output_tokens, 0)::HUGEINT)"
_HAS_USAGE = "(input_tokens IS NOT NULL OR output_tokens IS NOT NULL)"

NO_PRICE_THOUGH_USED = f"({_MAY_COST} AND {_NO_PRICE} AND {_HAS_USAGE})"
"""The calls whose price is what is missing, as SQL."""

_AT_LEAST = (
    "A call without a price adds nothing, one with a partial price adds that part; both are counted as "
    "unknown, and the cost is at least the value."
)


def _percentile(quantile: str, title: str, meaning: str) -> Metric:
    return Metric(
        name=f"duration_p{quantile[2:]}_ms",
        title=title,
        unit="ms",
        sql=f"quantile_cont(duration_ms, {quantile}) FILTER (WHERE {_TIMED})",
        over=_ENDED,
        known="duration_ms IS NOT NULL",
        meaning=meaning,
        unknowns="A call without a known duration is left out. Cancelled calls are not part of it.",
    )


def _tokens(name: str, title: str, meaning: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="token",
        sql=f"try_cast(sum({name}::HUGEINT) AS BIGINT)",
        over=_MAY_USE,
        known=f"{name} IS NOT NULL",
        meaning=meaning,
        unknowns="A call that does not say adds nothing, and is counted as unknown.",
    )


_ALL = (
    Metric(
        name="requests",
        title="Requests",
        unit="{call}",
        sql="count(*)",
        over="TRUE",
        known="TRUE",
        meaning="Calls, whatever their outcome. Retries are part of their call.",
        unknowns="None: every call counts.",
    ),
    Metric(
        name="cost_usd",
        title="Cost",
        unit="USD",
        sql="sum(cost_usd)",
        over=_MAY_COST,
        known="cost_usd IS NOT NULL AND cost_status IS DISTINCT FROM 'partial'",
        meaning="What the calls cost at list price, to the picodollar.",
        unknowns=_AT_LEAST,
    ),
    Metric(
        name="net_cost_usd",
        title="Net cost",
        unit="USD",
        # A call that landed before discounts were told has no net cost of its own, and no discount was stated then.
        sql="sum(coalesce(net_cost_usd, cost_usd))",
        over=_MAY_COST,
        known="cost_usd IS NOT NULL AND cost_status IS DISTINCT FROM 'partial'",
        meaning="What the calls come to with the discounts that you have stated; the list price where you stated none.",
        unknowns=_AT_LEAST,
    ),
    Metric(
        name="unpriced_calls",
        title="Unpriced calls",
        unit="{call}",
        sql=f"count(*) FILTER (WHERE {_MAY_COST} AND {_NO_PRICE})",
        over=_MAY_COST,
        known="TRUE",
        meaning="Calls that may cost something, and of which it is not known what.",
        unknowns="None: it is the count of the unknown.",
    ),
    Metric(
        name="no_price_calls",
        title="Calls without a price",
        unit="{call}",
        sql=f"count(*) FILTER (WHERE {NO_PRICE_THOUGH_USED})",
        over=f"({_MAY_COST} AND {_HAS_USAGE})",
        known="TRUE",
        meaning=(
            "Of the unpriced calls, those that say what they used: it is the price that is missing, as for a model "
            "that the price book does not hold."
        ),
        unknowns="None: an unpriced call that does not say what it used, such as after a timeout, is not part of it.",
    ),
    Metric(
        name="duration_avg_ms",
        title="Average latency",
        unit="ms",
        sql=f"avg(duration_ms) FILTER (WHERE {_TIMED})",
        over=_ENDED,
        known="duration_ms IS NOT NULL",
        meaning="Mean time from asking to holding the whole answer, or the error; retries included.",
        unknowns="A call without a known duration is left out. Cancelled calls are not part of it.",
    ),
    _percentile("0.50", "P50 latency", "Half of the calls took this long or less; retries included."),
    _percentile("0.95", "P95 latency", "95 of 100 calls took this long or less; retries included."),
    _percentile("0.99", "P99 latency", "99 of 100 calls took this long or less; retries included."),
    Metric(
        name="ttft_p95_ms",
        title="P95 time to first token",
        unit="ms",
        sql=f"quantile_cont(ttft_ms, 0.95) FILTER (WHERE {_STREAMED} AND ttft_ms IS NOT NULL)",
        over=_STREAMED,
        known="ttft_ms IS NOT NULL",
        meaning="95 of 100 streamed answers began within this time of asking.",
        unknowns="A stream that never began, or does not say when, is left out. Cancelled calls are not part of it.",
    ),
    Metric(
        name="error_ratio",
        title="Error rate",
        unit="ratio",
        sql=f"(count(*) FILTER (WHERE status = 'error'))::DOUBLE / nullif(count(*) FILTER (WHERE {_ENDED}), 0)",
        over=_ENDED,
        known="TRUE",
        meaning="Failed calls over all that ended. A call that a retry saved did not fail.",
        unknowns="None: every call that ended has an outcome. Cancelled calls are not part of it.",
    ),
    Metric(
        name="cache_hit_ratio",
        title="Cache hit rate",
        unit="ratio",
        sql=(
            "(sum(coalesce(cache_read_tokens, 0)::HUGEINT) FILTER (WHERE input_tokens IS NOT NULL))::DOUBLE"
            f" / nullif(sum({_INPUT}), 0)"
        ),
        over=_MAY_USE,
        known="input_tokens IS NOT NULL",
        meaning="Input tokens read from the prompt cache over all input tokens: uncached, read and written.",
        unknowns="A call whose input is not known is left out of both sides.",
    ),
    _tokens("input_tokens", "Uncached input tokens", "Input that was neither read from nor written to a cache."),
    _tokens("cache_read_tokens", "Cache read tokens", "Input read from the prompt cache."),
    _tokens("cache_write_tokens", "Cache write tokens", "Input written to the prompt cache."),
    _tokens("output_tokens", "Output tokens", "All output, thinking included."),
    Metric(
        name="total_tokens",
        title="Tokens",
        unit="token",
        sql=f"try_cast(sum({_TOTAL}) FILTER (WHERE {_HAS_USAGE}) AS BIGINT)",
        over=_MAY_USE,
        known="input_tokens IS NOT NULL AND output_tokens IS NOT NULL",
        meaning="Uncached input, cache reads, cache writes and output, each token once.",
        unknowns="A call that does not say adds nothing, or the part that it says, and is counted as unknown.",
    ),
    Metric(
        name="call_cost_max_usd",
        title="Dearest call",
        unit="USD",
        sql="max(cost_usd)",
        over=_MAY_COST,
        known="cost_usd IS NOT NULL AND cost_status IS DISTINCT FROM 'partial'",
        meaning="The cost of the one call that cost most.",
        unknowns="A call without a price is left out, one with a partial price counts with that part.",
    ),
    Metric(
        name="call_tokens_max",
        title="Largest call",
        unit="token",
        sql=f"try_cast(max({_TOTAL}) FILTER (WHERE {_HAS_USAGE}) AS BIGINT)",
        over=_MAY_USE,
        known="input_tokens IS NOT NULL AND output_tokens IS NOT NULL",
        meaning="The tokens of the one call that took most: input of every kind and output.",
        unknowns="A call that does not say is left out, or counts with the part that it says.",
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}

CALL_MAXIMA: Mapping[str, str] = {"call_cost_max_usd": "cost_usd", "call_tokens_max": _TOTAL}
"""The metrics that are about one single call, and what of it they compare."""


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of these names. Raises `ValueError` for a name that is none."""
    for name in names:
        if name not in METRICS:
            raise ValueError(f"there is no metric {name!r}: give one of {', '.join(METRICS)}")
    return tuple(METRICS[name] for name in names)


def values_sql(names: Sequence[str]) -> str:
    """The select list of the metrics' values, one column each."""
    return ", ".join(f"{metric.sql} AS {metric.name}" for metric in metrics_named(names))


def counts_sql(names: Sequence[str]) -> str:
    """The select list of what each metric rests on: `<name>_calls` and `<name>_unknown`; of money also
    `<name>_unpriced`."""
    return ", ".join(
        f"count(*) FILTER (WHERE {metric.over}{condition}) AS {metric.name}_{what}"
        for metric in metrics_named(names)
        for what, condition in (
            ("calls", ""),
            ("unknown", f" AND ({metric.known}) IS NOT TRUE"),
            *([("unpriced", f" AND {_NO_PRICE}")] if metric.is_money else ()),
        )
    )


def reading_in(row: Mapping[str, Any], name: str) -> Reading:
    """The reading of a metric in a row of `values_sql` and `counts_sql`."""
    counts = (row[f"{name}_calls"], row[f"{name}_unknown"], row.get(f"{name}_unpriced", 0))
    return Reading(name, row[name], *counts)


def readings(
    reader: Reader, names: Sequence[str], window: Window, segment: Segment, *, clock: Clock = "started"
) -> dict[str, Reading]:
    """What each metric comes to, by name, in one question."""
    where, parameters = calls_in(window, segment, clock)
    sql = f"SELECT {values_sql(names)}, {counts_sql(names)} FROM calls WHERE {where}"  # noqa: S608 - conditions from here, values bound
    row = reader.ask(sql, parameters).to_pylist()[0]
    return {name: reading_in(row, name) for name in names}
