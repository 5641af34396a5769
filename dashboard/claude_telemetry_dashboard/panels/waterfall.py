"""A trace as a picture: a bar for each step, below the step that it was part of, and the same as a table.

Names stand in the data only, as labels of an axis and cells of a table. What failed has a mark beside its colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries.trace import Kind, Step, Trace
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import tables
from claude_telemetry_dashboard.panels.charts import PALETTE, Drawing

MOST_BARS = 100
"""A picture of more is scrolled, and not looked at. The table has them all."""

TABLE = "trace-table"
FAILED = "failed"

COLOURS: Mapping[str, str] = {
    "call": PALETTE[0],
    "attempt": PALETTE[4],
    "tool run": PALETTE[2],
    "event": PALETTE[-1],
    "around": PALETTE[-1],
    FAILED: PALETTE[5],
}
_KINDS: Mapping[Kind, str] = {
    "call": "call",
    "attempt": "attempt",
    "tool": "tool run",
    "event": "event",
    "around": "around",
}
_WIDTHS: Mapping[str, int] = {
    "Step": 235,
    "What": 80,
    "After": 70,
    "Took": 75,
    "Outcome": 80,
    "Said": 150,
    "Cost": 90,
}
_ROW_PX = 24
_NAMES_PX = 190
_MS = timedelta(milliseconds=1)


def show(trace: Trace, current: tuple[str, str], open_call: Callable[[str, str], None]) -> None:
    """The picture and the table, of a trace of at least one step. `current` is the call that the page is about;
    `open_call` is called with the ids of another one when it is chosen in the table."""
    chart = drawing(trace.steps[:MOST_BARS])
    st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        chart.table, dict(chart.spec)
    )
    hidden = len(trace.steps) - MOST_BARS
    if hidden > 0:
        st.caption(f"The first {MOST_BARS} steps are drawn, {hidden} more are in the table only.")
    if trace.left_out:
        st.caption(f"{formats.count(trace.left_out)} more steps of this trace are not shown.")

    # Of each call a table of its own: what was selected in another's would still be selected in this one.
    key = f"{TABLE}-{current[1]}"

    def chosen() -> None:
        row = tables.selected_row(key)
        if row is not None and row < len(trace.steps) and trace.steps[row].kind != "tool":
            open_call(*trace.steps[row].place)

    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        listed(trace.steps, current),
        hide_index=True,
        height="content" if len(trace.steps) <= 12 else 460,
        on_select=chosen,
        selection_mode=["single-row", "single-cell"],
        key=key,
        column_config={name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
    )


def listed(steps: Sequence[Step], current: tuple[str, str]) -> Mapping[str, Sequence[str]]:
    """The steps as texts, column by column. `current` has a mark of its own."""
    began = steps[0].started_at
    return {
        "Step": [
            named(number, step) + (" (this call)" if _is(step, current) else "") for number, step in _numbered(steps)
        ],
        "What": [_KINDS[step.kind] for step in steps],
        "After": [formats.ms((step.started_at - began) / _MS) for step in steps],
        "Took": [formats.UNKNOWN if step.kind == "event" else formats.ms(step.duration_ms) for step in steps],
        "Outcome": [formats.text(step.status) for step in steps],
        "Said": [formats.text(step.said) for step in steps],
        "Cost": [formats.usd_exact(step.cost_usd) for step in steps],
    }


def named(number: int, step: Step) -> str:
    """A step's name, further to the right the deeper it lies. Its number makes it the only one of that name."""
    indent = "\N{NO-BREAK SPACE}" * (3 * min(step.depth, 8))
    name = f"attempt {step.name}" if step.kind == "attempt" else formats.text(step.name)
    return f"{number}\N{NO-BREAK SPACE}{indent}{'✗ ' if step.status == 'error' else ''}{name}"


def drawing(steps: Sequence[Step]) -> Drawing:
    """A bar for each step. Of what has no known duration only the beginning is drawn."""
    began = min(step.started_at for step in steps)
    rows = [
        {
            "name": named(number, step),
            "row": number,
            "from": (step.started_at - began) / _MS,
            "until": (step.started_at - began) / _MS + (step.duration_ms or 0),
            "group": FAILED if step.status == "error" else _KINDS[step.kind],
            "took": formats.ms(step.duration_ms),
            "said": formats.text(step.said),
        }
        for number, step in _numbered(steps)
    ]
    groups = tuple(group for group in COLOURS if any(row["group"] == group for row in rows))
    return Drawing(table=pa.Table.from_pylist(rows), spec=_bars(len(rows), groups))


@lru_cache(maxsize=32)
def _bars(rows: int, groups: tuple[str, ...]) -> Mapping[str, Any]:
    colour = alt.Scale(domain=list(groups), range=[COLOURS[group] for group in groups])
    in_words = "datum.value < 1000 ? format(datum.value, '.0f') + ' ms' : format(datum.value / 1000, '.2~f') + ' s'"
    spec: dict[str, Any] = (
        alt.Chart(alt.NamedData("steps"))
        # A stroke of its own colour, so that what took no time at this scale is seen.
        .mark_bar(strokeWidth=2, height={"band": 0.55})
        .encode(
            y=alt.Y(
                "name:N",
                title=None,
                sort=alt.EncodingSortField("row"),
                axis=alt.Axis(
                    labelAlign="left",
                    labelPadding=_NAMES_PX,
                    labelLimit=_NAMES_PX - 10,
                    labelOverlap=False,
                    ticks=False,
                    domain=False,
                ),
            ),
            x=alt.X("from:Q", title=None, axis=alt.Axis(labelExpr=in_words, tickCount=5, orient="top")),
            x2=alt.X2("until"),
            color=alt.Color("group:N", title="", scale=colour, legend=alt.Legend(orient="bottom", symbolType="square")),
            stroke=alt.Stroke("group:N", scale=colour, legend=None),
            tooltip=[
                alt.Tooltip("name:N", title="Step"),
                alt.Tooltip("took:N", title="Took"),
                alt.Tooltip("said:N", title="Said"),
            ],
        )
        .properties(height=rows * _ROW_PX)
        .to_dict()
    )
    return {name: part for name, part in spec.items() if name not in ("config", "data")}


def _numbered(steps: Sequence[Step]) -> list[tuple[int, Step]]:
    return list(enumerate(steps, start=1))


def _is(step: Step, current: tuple[str, str]) -> bool:
    return step.kind == "call" and step.place == current
