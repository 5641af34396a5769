"""What the page about batches draws. Pure: a table in, a drawing out, or `None` where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels.charts import (
    SHORT_NUMBER,
    Drawing,
    Measured,
    as_long_as,
    melted,
    step_bars,
)

OUTCOMES: Mapping[str, tuple[str, str]] = {
    "succeeded": ("succeeded", "#009E73"),
    "errored": ("errored", "#D55E00"),
    "expired": ("expired", "#E69F00"),
    "canceled": ("canceled", "#7F7F7F"),
}
_ITEMS = Measured(group="Outcome", title="Items", format=",", axis=SHORT_NUMBER)


def items_over_time(table: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """Stacked bars of items by when their batch was created, a colour for each outcome. `table` is as
    `queries.batches.batches_over_time` gives it."""
    bars = melted(table, OUTCOMES)
    if not any(bars.column("value").to_pylist()):
        return None
    titles, colours = zip(*OUTCOMES.values(), strict=True)
    return Drawing(table=as_long_as(window, step, bars, titles[0]), spec=step_bars(step, titles, colours, _ITEMS))
