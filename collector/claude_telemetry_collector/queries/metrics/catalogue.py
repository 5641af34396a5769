"""All metrics, by name, and the SQL that makes them from rows of `calls`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from claude_telemetry_collector.queries.metrics.cache import CACHE
from claude_telemetry_collector.queries.metrics.cost_lines import COST_LINES
from claude_telemetry_collector.queries.metrics.latency import LATENCY
from claude_telemetry_collector.queries.metrics.metric import Metric
from claude_telemetry_collector.queries.metrics.money import MONEY
from claude_telemetry_collector.queries.metrics.outcome import OUTCOME
from claude_telemetry_collector.queries.metrics.tokens import TOKENS

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (*OUTCOME, *MONEY, *COST_LINES, *LATENCY, *CACHE, *TOKENS)
}


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of these names. Raises `ValueError` for a name that is none."""
    for name in names:
        if name not in METRICS:
            raise ValueError(f"there is no metric {name!r}: give one of {', '.join(METRICS)}")
    return tuple(METRICS[name] for name in names)


def values_sql(names: Sequence[str]) -> str:
    """The select list of the metrics' values, one column each."""
    return ", ".join(f"{metric.sql} AS {metric.name}" for metric in metrics_named(names))


RESTS_ON = ("calls", "unknown", "unpriced")
"""What there is to know of what a metric rests on."""


def counts_sql(names: Sequence[str], wanted: Sequence[str] = RESTS_ON) -> str:
    """The select list of what each metric rests on: `<name>_calls` and `<name>_unknown`; of money also
    `<name>_unpriced`."""
    return ", ".join(
        f"{part.sql} AS {metric.name}_{what}"
        for metric in metrics_named(names)
        for what, part in metric.counts.items()
        if what in wanted
    )
