"""What the page about tools draws. Pure: a table in, a drawing out, or `None` where there is nothing to draw."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels.charts import (
    MOMENT,
    PALETTE,
    SHORT_NUMBER,
    Drawing,
    Measured,
    as_long_as,
    stacked,
    step_bars,
)

_USES = Measured(group="Tool", title="Asked for", format=",", axis=SHORT_NUMBER)
_RUNS = Measured(group="Outcome", title="Runs", format=",", axis=SHORT_NUMBER)

OUTCOMES = {"ok": "#009E73", "error": "#D55E00", "cancelled": "#7F7F7F"}


def uses_over_time(table: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """Stacked bars, a colour for each tool. `table` is as `queries.tools.uses_over_time` gives it."""
    bars, groups = stacked(table, "name", "uses", MOMENT, none="no name", rest="other tools")
    if not groups:
        return None
    colours = PALETTE[: len(groups)]
    return Drawing(table=as_long_as(window, step, bars, groups[0]), spec=step_bars(step, tuple(groups), colours, _USES))


def runs_over_time(table: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """Stacked bars, a colour for each outcome. `table` is as `queries.tools.runs_over_time` gives it."""
    if not table.num_rows:
        return None
    no_rest = table.append_column("rest", pa.array([False] * table.num_rows))
    bars, _ = stacked(no_rest, "outcome", "runs", MOMENT, none="not known", rest="others")
    return Drawing(
        table=as_long_as(window, step, bars, "ok"),
        spec=step_bars(step, tuple(OUTCOMES), tuple(OUTCOMES.values()), _RUNS),
    )
