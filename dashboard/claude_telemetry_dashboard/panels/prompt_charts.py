"""Charts of prompts: which version ran when, and where it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels import charts
from claude_telemetry_dashboard.panels.charts import PALETTE, SHORT_NUMBER, Drawing

MARK_COLOUR = "#7F7F7F"


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which a prompt changed: what clocks showed, and what came. The words may be foreign."""

    at: datetime
    words: str


def versions_over_time(
    table: pa.Table, marks: Sequence[Mark], window: Window, step: timedelta, names: Mapping[str, str]
) -> Drawing | None:
    """Stacked bars of calls, a colour for each version, and a line where one came. `table` is as
    `queries.prompts.versions_over_time` gives it, `names` what its versions are to be called."""
    renamed = [None if name is None else names.get(name, name) for name in table.column("version").to_pylist()]
    table = table.set_column(table.column_names.index("version"), "version", pa.array(renamed, pa.string()))
    bars, groups = charts.stacked(table, "version", "calls", charts.MOMENT, none="no version", rest="other versions")
    if not groups:
        return None
    bars = charts.as_long_as(window, step, bars, groups[0])
    bars = bars.append_column("mark", pa.nulls(bars.num_rows, pa.string()))
    lines = [
        {"bucket": charts.naive(mark.at), "group": None, "rank": None, "value": None, "mark": mark.words}
        for mark in marks
    ]
    drawn = pa.concat_tables([bars, pa.Table.from_pylist(lines, bars.schema)])
    return Drawing(table=drawn, spec=_bars_and_marks(step, tuple(groups), PALETTE[: len(groups)]))


@lru_cache(maxsize=64)
def _bars_and_marks(step: timedelta, groups: tuple[str, ...], colours: tuple[str, ...]) -> Mapping[str, Any]:
    base = alt.Chart(charts.DATA)
    bars = (
        base.transform_filter("datum.mark === null")
        .transform_calculate(until=f"toNumber(datum.bucket) + {step // timedelta(milliseconds=1)}")
        .mark_bar()
        .encode(
            x=alt.X("bucket:T", title=None, scale=alt.Scale(type="utc"), axis=charts.time_axis()),
            x2=alt.X2("until:T"),
            y=alt.Y("sum(value):Q", title=None, axis=alt.Axis(labelExpr=SHORT_NUMBER, tickMinStep=1, tickCount=4)),
            color=charts.colour(groups, colours),
            order=alt.Order("rank:Q"),
            tooltip=[
                charts.from_tooltip(),
                alt.Tooltip("group:N", title="Version"),
                alt.Tooltip("sum(value):Q", title="Calls", format=","),
            ],
        )
    )
    rules = (
        base.transform_filter("datum.mark !== null")
        .mark_rule(strokeDash=[4, 3], strokeWidth=2, color=MARK_COLOUR)
        .encode(
            x=alt.X("bucket:T", scale=alt.Scale(type="utc")),
            tooltip=[charts.from_tooltip(), alt.Tooltip("mark:N", title="Change")],
        )
    )
    return charts.spec(alt.LayerChart(layer=[bars, rules]))
