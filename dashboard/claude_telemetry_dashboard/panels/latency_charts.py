"""Charts of time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa

from claude_telemetry_dashboard.panels import charts
from claude_telemetry_dashboard.panels.charts import Drawing, Measured

FIRST_TOKEN_LINES: Mapping[str, tuple[str, str]] = {
    "ttft_p50_ms": ("P50", "#56B4E9"),
    "ttft_p95_ms": ("P95", "#E69F00"),
}
SPEED_LINE: Mapping[str, tuple[str, str]] = {"output_tokens_per_s": ("Tokens a second", "#009E73")}

_SPEED = Measured(group="Speed", title="Tokens a second", format=",.1f", axis="datum.label + '/s'")

_HOURLY: Mapping[str, pa.DataType] = {
    "day": pa.string(),
    "hour": pa.string(),
    "value": pa.float64(),
    "calls": pa.int64(),
}
_HOURS = [f"{hour:02}" for hour in range(24)]


def first_token(course: pa.Table) -> Drawing | None:
    """Time to first token over time. `course` is as `queries.series` gives it."""
    return charts.course_lines(course, FIRST_TOKEN_LINES, charts.SECONDS, per=1000)


def speed(course: pa.Table) -> Drawing | None:
    """Output speed over time. `course` is as `queries.series` gives it."""
    return charts.course_lines(course, SPEED_LINE, _SPEED)


def by_hour(course: pa.Table) -> Drawing | None:
    """P95 by day and hour, darker for longer. `course` is as `queries.series` gives it, in steps of an hour, with
    `requests` and `duration_p95_ms`. An hour without calls is empty."""
    rows = [
        {
            "day": f"{row['bucket']:%d %b}",
            "hour": f"{row['bucket']:%H}",
            "value": float(row["duration_p95_ms"]),
            "calls": row["requests"],
        }
        for row in course.to_pylist()
        if row["duration_p95_ms"] is not None
    ]
    if not rows:
        return None
    days = tuple(dict.fromkeys(f"{bucket:%d %b}" for bucket in course.column("bucket").to_pylist()))
    return Drawing(table=pa.Table.from_pylist(rows, pa.schema(_HOURLY)), spec=_cells(days))


@lru_cache(maxsize=16)
def _cells(days: tuple[str, ...]) -> Mapping[str, Any]:
    chart = (
        alt.Chart(charts.DATA)
        .transform_calculate(seconds="datum.value / 1000")
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title=None, scale=alt.Scale(domain=_HOURS), axis=alt.Axis(labelAngle=0, ticks=False)),
            y=alt.Y("day:O", title=None, sort=None, scale=alt.Scale(domain=list(days)), axis=alt.Axis(ticks=False)),
            color=alt.Color(
                "seconds:Q",
                # One hue from light to dark is read alike by all eyes.
                scale=alt.Scale(scheme="blues", zero=True),
                legend=alt.Legend(title="P95, seconds", orient="top", gradientLength=160),
            ),
            tooltip=[
                alt.Tooltip("day:N", title="Day"),
                alt.Tooltip("hour:N", title="Hour"),
                alt.Tooltip("seconds:Q", title="P95, seconds", format=",.2~f"),
                alt.Tooltip("calls:Q", title="Calls", format=","),
            ],
        )
    )
    return charts.spec(chart)
