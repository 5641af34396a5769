"""Where the month is heading: what was spent, what is expected with its band, and the alert limit's pace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import altair as alt
import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import RuleState, Segment
from claude_telemetry_collector.queries import forecast as questions
from claude_telemetry_collector.queries.forecast import LEAST_DAYS, Forecast
from claude_telemetry_dashboard import data, formats
from claude_telemetry_dashboard.panels import box, charts
from claude_telemetry_dashboard.panels.charts import Drawing

LINES: Mapping[str, str] = {"Spent": "#0072B2", "Expected": "#E69F00", "At the daily limit": "#D55E00"}
BAND_COLOUR = "#E69F00"

_MEANING = (
    "The cost of this month at list price, day by day. What is to come follows the last 14 days and the rhythm of the "
    "week; the band holds the true value 8 times of 10 if days go on to vary as they did."
)
_DAY = timedelta(days=1)
_EVERY = timedelta(minutes=5)
"""A forecast is asked anew this often: what one more call does to a month is not worth the work."""


_RHYTHMS: Mapping[str, str] = {
    "none": "with no day of the week told from another: that takes 14 days",
    "weekends": "with weekends told from workdays",
    "weekdays": "with every day of the week by itself",
}

_KINDS: Mapping[str, pa.DataType] = {
    "day": pa.date32(),
    "group": pa.string(),
    "value": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
}
_SCHEMA = pa.schema(_KINDS)


def show(segment: Segment, zone: str) -> None:
    """The month so far and its end, in a frame. The alert limit is of all calls, and drawn for them only."""
    now = datetime.now(UTC)
    asked_at = now - (now - datetime(1970, 1, 1, tzinfo=UTC)) % _EVERY
    found = data.answer_for_a_while(questions.forecast, segment, asked_at, zone)
    limit = daily_limit(data.alert_rules()) if segment == Segment() else None
    with box.box(f"Cost of {found.today:%B}", _MEANING, rests_on(found)):
        st.text(in_words(found))
        box.draw(course(found, limit), "Nothing has cost anything this month.")


def in_words(found: Forecast) -> str:
    """The month in a sentence."""
    bound = "At least " if found.unknown else ""
    spent = f"{bound}{formats.usd(found.spent_usd)} so far"
    if found.expected_usd is None:
        return f"{spent}. A forecast needs {LEAST_DAYS} whole days; there are {found.days_used}."
    low, high = formats.usd(found.low_usd), formats.usd(found.high_usd)
    return f"{spent}, about {formats.usd(found.expected_usd)} at its end ({low} to {high})."


def rests_on(found: Forecast) -> str:
    """What it is made of, for the note below."""
    if found.expected_usd is None:
        return ""
    missing = ""
    if found.unknown:
        calls = f"{formats.count(found.unknown)} {'call' if found.unknown == 1 else 'calls'}"
        missing = f" {calls} of this month without a whole price are not in it."
    days = f"{found.days_used} whole {'day' if found.days_used == 1 else 'days'}"
    return f"Rests on {days} ({found.zone}), {_RHYTHMS[found.rhythm]}.{missing}"


def daily_limit(rules: tuple[RuleState, ...]) -> Decimal | None:
    """What a day may cost before an alert: the threshold of the rule about the day's cost, if it is on."""
    return next((rule.threshold for rule in rules if rule.rule == "daily_cost" and rule.metric == "cost_usd"), None)


def course(found: Forecast, limit: Decimal | None) -> Drawing | None:
    """The month as sums: a line of what was spent, one of what is expected with its band, one of the limit's pace."""
    if not found.spent_usd and not found.expected_usd:
        return None
    rows: list[dict[str, Any]] = []
    spent = Decimal(0)
    for place, day in enumerate(found.days, start=1):
        spent += day.spent_usd or Decimal(0)
        # Where nothing is expected, what was spent is drawn to today; else to where the other line goes on.
        if day.day < found.today or (day.day == found.today and found.expected_usd is None):
            rows.append(_point(day.day, "Spent", spent))
        if day.expected_usd is not None and found.expected_usd is not None and day.day >= found.today - _DAY:
            rows.append(_point(day.day, "Expected", day.expected_usd, day.low_usd, day.high_usd))
        if limit is not None:
            rows.append(_point(day.day, "At the daily limit", limit * place))
    groups = tuple(name for name in LINES if any(row["group"] == name for row in rows))
    return Drawing(table=pa.Table.from_pylist(rows, _SCHEMA), spec=_lines(groups))


def _point(
    day: date, group: str, value: Decimal, low: Decimal | None = None, high: Decimal | None = None
) -> dict[str, Any]:
    ends = {"low": None if low is None else float(low), "high": None if high is None else float(high)}
    return {"day": day, "group": group, "value": float(value), **ends}


@lru_cache(maxsize=8)
def _lines(groups: tuple[str, ...]) -> Mapping[str, Any]:
    base = alt.Chart(charts.DATA)
    x = alt.X(
        "utcyearmonthdate(day):T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%d %b", labelOverlap=True, tickCount=8, grid=False),
    )
    band = (
        base.transform_filter("datum.high !== null")
        .mark_area(opacity=0.22, color=BAND_COLOUR)
        .encode(x=x, y=alt.Y("low:Q", title=None), y2=alt.Y2("high:Q"))
    )
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(filled=True, size=16)).encode(
        x=x,
        y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4, labelExpr="format(datum.value, '$,.6~f')")),
        color=charts.colour(groups, tuple(LINES[group] for group in groups)),
        tooltip=[
            alt.Tooltip("utcyearmonthdate(day):T", title="By the end of", format="%d %b %Y"),
            alt.Tooltip("group:N", title="Cost"),
            alt.Tooltip("value:Q", title="USD", format="$,.2f"),
            alt.Tooltip("low:Q", title="From", format="$,.2f"),
            alt.Tooltip("high:Q", title="To", format="$,.2f"),
        ],
    )
    return charts.spec(alt.LayerChart(layer=[band, lines]))
