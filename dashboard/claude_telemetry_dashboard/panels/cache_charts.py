"""Charts of what the prompt cache does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels import charts
from claude_telemetry_dashboard.panels.charts import Drawing, Measured

HIT_LINES: Mapping[str, tuple[str, str]] = {
    "cache_hit_ratio": ("By tokens", "#56B4E9"),
    "cache_hit_calls_ratio": ("By calls", "#0072B2"),
}

MONEY: Mapping[str, tuple[str, str]] = {
    "cache_saved_usd": ("Saved by reads", "#009E73"),
    "cache_premium_usd": ("Paid on top for writes", "#D55E00"),
}

_SHARE = Measured(group="Weighted", title="Share read from the cache", format=".1%", axis="format(datum.value, '.0%')")
_USD = Measured(group="What", title="USD", format="$,.4~f", axis="format(datum.value, '$,.6~f')")


def hit_rates(course: pa.Table) -> Drawing | None:
    """Both hit rates over time. `course` is as `queries.series` gives it."""
    return charts.course_lines(course, HIT_LINES, _SHARE)


def saving(course: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """What reads saved above the line, what writes cost on top below it. `course` is as `queries.series` gives it."""
    below = pc.negate(course.column("cache_premium_usd"))
    signed = course.set_column(course.column_names.index("cache_premium_usd"), "cache_premium_usd", below)
    bars = charts.melted(signed, MONEY)
    if not any(bars.column("value").to_pylist()):
        return None
    groups, colours = zip(*MONEY.values(), strict=True)
    return Drawing(
        table=charts.as_long_as(window, step, bars, groups[0]), spec=charts.step_bars(step, groups, colours, _USD)
    )
