"""What the page about users draws. Pure: a table in, a drawing out, or `None` where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels.charts import (
    DATA,
    SHORT_NUMBER,
    Drawing,
    Measured,
    as_long_as,
    colour,
    melted,
    spec,
    step_bars,
)

USERS = {"users": ("Users", "#0072B2")}
_COUNTED = Measured(group="Counted", title="Different ones", format=",", axis=SHORT_NUMBER)

HISTORY = {
    "fresh_tokens": ("Fresh input", "#0072B2"),
    "cache_read_tokens": ("Cached input", "#56B4E9"),
    "output_tokens": ("Output", "#E69F00"),
}


def users_over_time(table: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """A bar for each step, as high as there were users. `table` is as `queries.users.users_over_time` gives it."""
    if not any(table.column("users").to_pylist()):
        return None
    bars = melted(table, USERS)
    titles, colours = zip(*USERS.values(), strict=True)
    return Drawing(table=as_long_as(window, step, bars, "Users"), spec=step_bars(step, titles, colours, _COUNTED))


def history(calls: pa.Table) -> Drawing | None:
    """Stacked bars, one for each call of a session: how much was sent, and what came back. `calls` is as
    `queries.users.session_calls` gives it."""
    rows = [
        {"number": row["number"], "group": title, "rank": rank, "value": value}
        for row in calls.to_pylist()
        for rank, (column, (title, _)) in enumerate(HISTORY.items())
        if (value := _tokens(row, column)) is not None
    ]
    if not rows:
        return None
    return Drawing(table=pa.Table.from_pylist(rows, _BY_NUMBER), spec=_history_bars())


def cost_so_far(calls: pa.Table) -> Drawing | None:
    """A line: what a session has cost up to each call. `calls` is as `queries.users.session_calls` gives it."""
    rows = [
        {"number": row["number"], "group": "Cost so far", "rank": 0, "value": float(row["cost_so_far_usd"])}
        for row in calls.to_pylist()
        if row["cost_so_far_usd"] is not None
    ]
    return Drawing(table=pa.Table.from_pylist(rows, _BY_NUMBER), spec=_cost_line()) if rows else None


_COST = "#009E73"
_KINDS: Mapping[str, pa.DataType] = {
    "number": pa.int64(),
    "group": pa.string(),
    "rank": pa.int64(),
    "value": pa.float64(),
}
_BY_NUMBER = pa.schema(_KINDS)


def _tokens(row: Mapping[str, Any], column: str) -> float | None:
    if column != "fresh_tokens":
        return None if row[column] is None else float(row[column])
    return None if row["input_tokens"] is None else float(row["input_tokens"] - (row["cache_read_tokens"] or 0))


def _number() -> alt.X:
    return alt.X("number:Q", title="Call", axis=alt.Axis(tickMinStep=1, grid=False), scale=alt.Scale(nice=False))


@lru_cache(maxsize=1)
def _history_bars() -> Mapping[str, Any]:
    titles, colours = zip(*HISTORY.values(), strict=True)
    return spec(
        alt.Chart(DATA)
        .transform_calculate(from_="datum.number - 0.45", until="datum.number + 0.45")
        .mark_bar()
        .encode(
            x=alt.X("from_:Q", title="Call", axis=alt.Axis(tickMinStep=1, grid=False), scale=alt.Scale(nice=False)),
            x2=alt.X2("until:Q"),
            y=alt.Y("sum(value):Q", title=None, axis=alt.Axis(tickCount=4, labelExpr=SHORT_NUMBER)),
            color=colour(titles, colours),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("number:Q", title="Call"),
                alt.Tooltip("group:N", title="Tokens"),
                alt.Tooltip("sum(value):Q", title="Number", format=","),
            ],
        )
    )


@lru_cache(maxsize=1)
def _cost_line() -> Mapping[str, Any]:
    return spec(
        alt.Chart(DATA)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(filled=True, size=20, color=_COST), color=_COST)
        .encode(
            x=_number(),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4, labelExpr="format(datum.value, '$,.6~f')")),
            tooltip=[
                alt.Tooltip("number:Q", title="Call"),
                alt.Tooltip("value:Q", title="Cost so far", format="$,.4~f"),
            ],
        )
    )
