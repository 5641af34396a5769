"""The few charts, with one look. Pure: a table in, a drawing out, or `None` where there is nothing to draw.

Names from records are only ever values of a field, so that nothing in a name is taken for a path or an expression.
Colours are Okabe and Ito's, which people with colour-blindness tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa

from claude_telemetry_collector.queries import Coverage, Window
from claude_telemetry_dashboard.look import PALETTE as PALETTE

HEIGHT = 250

_SHORT_NAMES = 42
"""Characters of four names that still stand beside each other in a chart of half a page."""

DATA = alt.NamedData("calls")

MOMENT = pa.timestamp("us")
"""What the store gives for a time: UTC, without saying so."""

SHORT_NUMBER = "replace(format(datum.value, '~s'), 'G', 'B')"
"""Thousands, millions, billions: an axis would say giga."""

COVERAGE_PARTS: Mapping[str, str] = {
    "on the bill, and seen": "#009E73",
    "on the bill only": "#D55E00",
    "seen only": "#7F7F7F",
}

LATENCY_LINES: Mapping[str, tuple[str, str]] = {
    "duration_p50_ms": ("P50", "#56B4E9"),
    "duration_p95_ms": ("P95", "#E69F00"),
    "duration_p99_ms": ("P99", "#D55E00"),
}

TOKEN_KINDS: Mapping[str, tuple[str, str]] = {
    "input_tokens": ("Uncached input", "#0072B2"),
    "cache_write_tokens": ("Cache write", "#CC79A7"),
    "cache_read_tokens": ("Cache read", "#56B4E9"),
    "output_tokens": ("Output", "#E69F00"),
}
"""The four disjoint kinds, so that a stack of them counts each token once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart: what is drawn, and how."""

    table: pa.Table
    """A time, `group`, `rank`, `value`."""
    spec: Mapping[str, Any]
    """Vega-Lite without data. While it stays the same Streamlit only exchanges the table, without a flicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a chart is of, and how its numbers are written."""

    group: str
    """What the colours tell apart."""
    title: str
    format: str
    """Of d3."""
    axis: str
    """As an expression of Vega."""


SECONDS = Measured(group="Percentile", title="Seconds", format=",.3~f", axis="datum.label + ' s'")
_COSTS = Measured(group="Model", title="Cost", format="$,.4~f", axis="format(datum.value, '$,.6~f')")
_BILLED_TOKENS = Measured(group="Tokens", title="Tokens", format=",", axis=SHORT_NUMBER)
_ERRORS = Measured(group="Error", title="Failed calls", format=",", axis=SHORT_NUMBER)
_TOKENS = Measured(group="Kind", title="Tokens", format=",", axis=SHORT_NUMBER)


def cost_per_day(table: pa.Table, days: Window) -> Drawing | None:
    """Stacked bars: a day each, a colour for each model. `table` is as `queries.cost_per_day` gives it, by model."""
    bars, groups = stacked(table, "model", "cost_usd", pa.date32(), none="no model named", rest="other models")
    colours = PALETTE[: len(groups)]
    return Drawing(table=bars, spec=_day_bars(days, tuple(groups), colours, _COSTS)) if groups else None


def coverage_per_day(parts: Mapping[date, Coverage], days: Window) -> Drawing | None:
    """Stacked bars: a day each, its tokens by whether both the bill and telemetry have them."""
    rows = [
        {"day": day, "group": group, "rank": rank, "value": float(tokens)}
        for day, part in sorted(parts.items())
        for rank, (group, tokens) in enumerate(
            zip(COVERAGE_PARTS, (part.billed - part.missing, part.missing, part.surplus), strict=True)
        )
        if tokens
    ]
    if not rows:
        return None
    table = pa.Table.from_pylist(rows, _long_schema("day", pa.date32()))
    groups, colours = tuple(COVERAGE_PARTS), tuple(COVERAGE_PARTS.values())
    return Drawing(table=table, spec=_day_bars(days, groups, colours, _BILLED_TOKENS))


def latency(course: pa.Table) -> Drawing | None:
    """P50, P95 and P99 over time, and the band between the first two. `course` is as `queries.series` gives it.

    Where no call was, there is no line."""
    drawn = course_lines(course, LATENCY_LINES, SECONDS, per=1000)
    if drawn is None:
        return None
    low, high, _ = LATENCY_LINES.values()
    return Drawing(table=drawn.table, spec=_with_band(drawn.spec, low, high))


def course_lines(
    course: pa.Table, kinds: Mapping[str, tuple[str, str]], measured: Measured, per: int = 1
) -> Drawing | None:
    """Metrics over time: `kinds` has the title and the colour of each. `course` is as `queries.series` gives it."""
    drawn = melted(course, kinds)
    if drawn.column("value").null_count == drawn.num_rows:
        return None
    titles, colours = zip(*kinds.values(), strict=True)
    return Drawing(table=drawn, spec=lines(titles, colours, measured, per))


def errors_by_type(table: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """Stacked bars of failed calls, a colour for each type. `table` is as `queries.errors_by_type` gives it."""
    bars, groups = stacked(table, "error_type", "errors", MOMENT, none="no type", rest="other types")
    if not groups:
        return None
    colours = PALETTE[: len(groups)]
    return Drawing(
        table=as_long_as(window, step, bars, groups[0]),
        spec=step_bars(step, tuple(groups), colours, _ERRORS),
    )


def tokens_by_kind(course: pa.Table, window: Window, step: timedelta) -> Drawing | None:
    """Stacked bars of tokens, a colour for each kind. `course` is as `queries.series` gives it."""
    bars = melted(course, TOKEN_KINDS)
    if not any(bars.column("value").to_pylist()):
        return None
    groups, colours = zip(*TOKEN_KINDS.values(), strict=True)
    return Drawing(table=as_long_as(window, step, bars, groups[0]), spec=step_bars(step, groups, colours, _TOKENS))


def stacked(
    table: pa.Table, label: str, value: str, kind: pa.DataType, *, none: str, rest: str
) -> tuple[pa.Table, list[str]]:
    """`table` as a time of type `kind`, `group`, `rank` and `value`, and the groups, largest first, with the rest last.

    There is a colour for seven groups; the others are told together. Rows without a value, or with zero, are left out.
    """
    rows = [row for row in table.to_pylist() if row[value]]
    sums: dict[str, Any] = {}
    for row in rows:
        row["group"] = rest if row["rest"] else row[label] if row[label] is not None else none
        sums[row["group"]] = sums.get(row["group"], 0) + row[value]
    named = sorted((group for group in sums if group != rest), key=lambda group: (-sums[group], group))
    kept = named[: len(PALETTE) - 1]
    groups = [*kept, rest] if len(kept) < len(sums) else kept
    place = {group: rank for rank, group in enumerate(groups)}
    moment = table.column_names[0]
    long = _long(
        moment,
        kind,
        [row[moment] for row in rows],
        [row["group"] if row["group"] in place else rest for row in rows],
        [place.get(row["group"], len(kept)) for row in rows],
        [float(row[value]) for row in rows],
    )
    return long, groups


def melted(course: pa.Table, kinds: Mapping[str, tuple[str, str]]) -> pa.Table:
    """One row for each step and kind: `bucket`, `group`, `rank`, `value`, which is NULL where it is not known."""
    rows = [
        (row["bucket"], title, rank, None if row[column] is None else float(row[column]))
        for row in course.to_pylist()
        for rank, (column, (title, _)) in enumerate(kinds.items())
    ]
    return _long(
        "bucket",
        MOMENT,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
    )


def _long(
    moment: str,
    kind: pa.DataType,
    moments: Sequence[Any],
    groups: Sequence[str],
    ranks: Sequence[int],
    values: Sequence[float | None],
) -> pa.Table:
    schema = _long_schema(moment, kind)
    rows = zip(moments, groups, ranks, values, strict=True)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def _long_schema(moment: str, kind: pa.DataType) -> pa.Schema:
    return pa.schema([(moment, kind), ("group", pa.string()), ("rank", pa.int64()), ("value", pa.float64())])


def as_long_as(window: Window, step: timedelta, bars: pa.Table, group: str) -> pa.Table:
    """`bars` with an empty one at either end of `window`, so that the axis reaches there.

    Ends given to the scale would be taken amiss by Vega-Lite for bars that have two of them.
    """
    ends = [naive(window.start), naive(window.end - step)]
    return pa.concat_tables([bars, _long("bucket", MOMENT, ends, [group] * 2, [0, 0], [0.0, 0.0])])


# How charts look. Each is worked out once: Altair takes ten milliseconds to check that it is a chart.


@lru_cache(maxsize=64)
def _day_bars(days: Window, groups: tuple[str, ...], colours: tuple[str, ...], measured: Measured) -> Mapping[str, Any]:
    named = [f"{days.start + timedelta(days=number):%d %b %Y}" for number in range(days.length.days)]
    return spec(
        alt.Chart(DATA)
        # A day is a name here, not a stretch of time: its label stands under its bar, and not at its midnight.
        .transform_calculate(named="utcFormat(datum.day, '%d %b %Y')")
        .mark_bar()
        .encode(
            x=alt.X(
                "named:O",
                title=None,
                sort=None,
                scale=alt.Scale(domain=named),
                axis=alt.Axis(labelExpr="slice(datum.label, 0, 6)", labelAngle=0, labelOverlap=True, ticks=False),
            ),
            y=alt.Y("sum(value):Q", title=None, axis=alt.Axis(tickCount=4, labelExpr=measured.axis)),
            color=colour(groups, colours),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("utcyearmonthdate(day):T", title="Day (UTC)", format="%d %b %Y"),
                alt.Tooltip("group:N", title=measured.group),
                alt.Tooltip("sum(value):Q", title=measured.title, format=measured.format),
            ],
        )
    )


@lru_cache(maxsize=64)
def lines(titles: tuple[str, ...], colours: tuple[str, ...], measured: Measured, per: int = 1) -> Mapping[str, Any]:
    """A line for each title, of values over `per`. Where there is no value, there is no line."""
    return spec(
        alt.Chart(DATA)
        # Seconds are for the axis to read; the number is the one that the queries gave.
        .transform_calculate(shown=f"datum.value === null ? null : datum.value / {per}")
        # A line breaks where no call was; points too, so that a lone value between two gaps is seen.
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(filled=True, size=20), invalid="break-paths-show-domains")
        .encode(
            # All steps are in the table, so that the axis needs no ends of its own.
            x=alt.X("bucket:T", title=None, scale=alt.Scale(type="utc"), axis=time_axis()),
            y=alt.Y("shown:Q", title=None, axis=alt.Axis(tickCount=4, labelExpr=measured.axis)),
            color=colour(titles, colours),
            tooltip=[
                from_tooltip(),
                alt.Tooltip("group:N", title=measured.group),
                alt.Tooltip("shown:Q", title=measured.title, format=measured.format),
            ],
        )
    )


def _with_band(lines: Mapping[str, Any], low: tuple[str, str], high: tuple[str, str]) -> Mapping[str, Any]:
    """`lines` over an area from one of them to another, in the upper one's colour."""
    own = ("transform", "mark", "encoding")
    x, y = lines["encoding"]["x"], lines["encoding"]["y"]
    band = {
        "transform": [*lines["transform"], {"pivot": "group", "value": "shown", "groupby": ["bucket"]}],
        "mark": {"type": "area", "color": high[1], "opacity": 0.15, "tooltip": False},
        "encoding": {"x": x, "y": {**y, "field": low[0]}, "y2": {"field": high[0]}},
    }
    return {
        **{name: part for name, part in lines.items() if name not in own},
        "layer": [band, {name: lines[name] for name in own}],
    }


@lru_cache(maxsize=64)
def step_bars(
    step: timedelta, groups: tuple[str, ...], colours: tuple[str, ...], measured: Measured
) -> Mapping[str, Any]:
    """Stacked bars, each as wide as a step."""
    return spec(
        alt.Chart(DATA)
        .transform_calculate(until=f"toNumber(datum.bucket) + {step // timedelta(milliseconds=1)}")
        .mark_bar()
        .encode(
            x=alt.X("bucket:T", title=None, scale=alt.Scale(type="utc"), axis=time_axis()),
            x2=alt.X2("until:T"),
            y=alt.Y("sum(value):Q", title=None, axis=_whole_axis(measured)),
            color=colour(groups, colours),
            order=alt.Order("rank:Q"),
            tooltip=[
                from_tooltip(),
                alt.Tooltip("group:N", title=measured.group),
                alt.Tooltip("sum(value):Q", title=measured.title, format=measured.format),
            ],
        )
    )


def _whole_axis(measured: Measured) -> alt.Axis:
    if measured.format == ",":  # of whole things: no half a call
        return alt.Axis(labelExpr=measured.axis, tickCount=4, tickMinStep=1)
    return alt.Axis(labelExpr=measured.axis, tickCount=4)


def spec(chart: alt.Chart | alt.LayerChart) -> Mapping[str, Any]:
    """`chart` as Vega-Lite, as high as all others, without data."""
    made: dict[str, Any] = chart.properties(height=HEIGHT).to_dict()
    # The look is Streamlit's, in light and in dark, and the data comes beside it.
    return {name: part for name, part in made.items() if name not in ("config", "data")}


def from_tooltip() -> alt.Tooltip:
    # The time unit makes it UTC: a plain time in a tooltip would be in the browser's zone.
    return alt.Tooltip("utcyearmonthdatehoursminutesseconds(bucket):T", title="From (UTC)", format="%d %b %H:%M:%S")


def naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def time_axis() -> alt.Axis:
    midnight = "utchours(datum.value) == 0 && utcminutes(datum.value) == 0 && utcseconds(datum.value) == 0"
    return alt.Axis(
        labelExpr=f"{midnight} ? utcFormat(datum.value, '%d %b') : utcFormat(datum.value, '%H:%M')",
        labelOverlap=True,
        tickCount=6,
        grid=False,
    )


def colour(groups: Sequence[str], colours: Sequence[str]) -> alt.Color:
    return alt.Color(
        "group:N",
        # Not None: Streamlit makes a blank line of that.
        title="",
        scale=alt.Scale(domain=list(groups), range=list(colours[: len(groups)])),
        # Vega cuts off what does not fit: four short names do, or two long ones.
        legend=alt.Legend(
            orient="top",
            columns=4 if len("".join(groups[:4])) <= _SHORT_NAMES else 2,
            labelLimit=190,
            symbolType="square",
        ),
    )
