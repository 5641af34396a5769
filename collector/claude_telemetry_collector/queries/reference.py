"""The reference page of the metrics, written from their definitions.

python -m claude_telemetry_collector.queries.reference > docs/reference/metrics.md
"""

from __future__ import annotations

from collections.abc import Iterator

from claude_telemetry_collector.queries.metrics import METRICS, Metric

_UNITS = {"{call}": "calls", "ratio": "0 to 1", "token": "tokens"}


def metrics_page() -> str:
    """The whole page, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Metrics"
    yield ""
    yield "A metric is a number with a unit over a window and a segment: what pages show, what alert rules watch,"
    yield "what Slack is told. Each is defined once, as an aggregate over rows of `calls`."
    yield ""
    yield "- A value over no calls is unknown (`None`, shown as —). Only a count over no calls is 0."
    yield "- A value says over how many calls it is, and for how many of them it is unknown."
    yield "- Percentiles are exact, with linear interpolation between neighbours (`numpy.percentile`'s default)."
    yield "- Money is exact, to the picodollar."
    yield "- Calls that only count tokens (`operation` is `count_tokens`) are part of no metric."
    yield ""
    yield "| metric | title | unit | what it is | what becomes of unknowns |"
    yield "| --- | --- | --- | --- | --- |"
    yield from map(_row, METRICS.values())
    yield ""
    yield "## In SQL"
    yield ""
    yield "`claude-telemetry query` reads the same tables. Put the line of a metric into"
    yield "`SELECT … FROM calls WHERE operation IS DISTINCT FROM 'count_tokens'`."
    yield ""
    yield "```sql"
    yield from (f"{metric.sql} AS {metric.name}" for metric in METRICS.values())
    yield "```"


def _row(metric: Metric) -> str:
    unit = _UNITS.get(metric.unit, metric.unit)
    return f"| `{metric.name}` | {metric.title} | {unit} | {metric.meaning} | {metric.unknowns} |"


if __name__ == "__main__":
    print(metrics_page(), end="")
