"""Charts of money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa

from claude_telemetry_collector.queries import Window
from claude_telemetry_collector.queries.cost_split import Split
from claude_telemetry_dashboard.panels import charts
from claude_telemetry_dashboard.panels.charts import PALETTE, Drawing, Measured

LINES: Mapping[str, tuple[str, str]] = {
    "input": ("Uncached input", "#0072B2"),
    "cache_read": ("Cache reads", "#56B4E9"),
    "cache_write_5m": ("Cache writes, 5 minutes", "#CC79A7"),
    "cache_write_1h": ("Cache writes, 1 hour", "#D55E00"),
    "output": ("Output", "#E69F00"),
    "web_search": ("Web searches", "#009E73"),
    "session_runtime": ("Session running time", "#8A7F00"),
    "not_split": ("Not split", "#7F7F7F"),
}
"""The lines of a cost, what they are called and their colours: those of the tokens are as everywhere."""

_BARS: Mapping[str, pa.DataType] = {"group": pa.string(), "value": pa.float64(), "share": pa.float64()}
_USD_AXIS = "format(datum.value, '$,.6~f')"
_USD = Measured(group="Of", title="Cost", format="$,.4~f", axis=_USD_AXIS)


def over_time(table: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """Stacked bars: a step each, a colour for each label. `table` is as `queries.cost.cost_over_time` gives it."""
    bars, groups = charts.stacked(table, "label", "cost_usd", charts.MOMENT, none="not named", rest="all others")
    if not groups:
        return None
    return Drawing(
        table=charts.as_long_as(window, step, bars, groups[0]),
        spec=charts.step_bars(step, tuple(groups), PALETTE[: len(groups)], _USD),
    )


def split(parts: Split) -> Drawing | None:
    """A bar for each line of the cost, the largest first. `None` where nothing has cost anything."""
    whole = sum(parts.lines.values()) + parts.not_split_usd
    amounts = {**parts.lines, "not_split": parts.not_split_usd}
    rows = [
        {"group": LINES[line][0], "value": float(amount), "share": float(amount / whole)}
        for line, amount in sorted(amounts.items(), key=lambda item: -item[1])
        if amount > 0
    ]
    if not rows:
        return None
    return Drawing(table=pa.Table.from_pylist(rows, pa.schema(_BARS)), spec=_split_bars())


@lru_cache(maxsize=1)
def _split_bars() -> Mapping[str, Any]:
    titles, colours = zip(*LINES.values(), strict=True)
    bars = alt.Chart(charts.DATA).encode(
        y=alt.Y("group:N", title=None, sort=None, axis=alt.Axis(labelLimit=190, ticks=False, domain=False)),
        x=alt.X("value:Q", title=None, axis=alt.Axis(tickCount=4, labelExpr=_USD_AXIS)),
        tooltip=[
            alt.Tooltip("group:N", title="For"),
            alt.Tooltip("value:Q", title="Cost", format="$,.6~f"),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
        ],
    )
    coloured = bars.mark_bar().encode(
        color=alt.Color("group:N", scale=alt.Scale(domain=list(titles), range=list(colours)), legend=None)
    )
    return charts.spec(coloured)
