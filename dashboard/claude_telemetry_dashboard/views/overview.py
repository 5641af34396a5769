"""Is anything wrong, and since when; what it costs, and how fast it is."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry_dashboard import data, filters
from claude_telemetry_dashboard.panels import (
    away,
    box,
    charts,
    drivers,
    first_call,
    forecast,
    incidents,
    nothing,
    numbers,
    unpriced,
)

REFRESH_S = 1.0
"""Applications send once a second, and landing takes a fraction of one: what ends is here within three."""

OUTLOOK_S = 60.0

NAMES = (*numbers.MORE_IS, "no_price_calls")
COURSES = (*numbers.MORE_IS, *charts.TOKEN_KINDS)
DAYS_SHOWN = 14


def show() -> None:
    """The page. It draws itself again every second: its numbers are live."""
    _live()
    _outlook()


@st.fragment(run_every=OUTLOOK_S)
def _outlook() -> None:
    """Where the month is heading, and why. Slower than the rest: it looks at weeks, whose answer a second more does not
    change."""
    try:
        if data.latest_call_at() is not None:
            _draw_outlook()
    except QuestionRefusedError as error:
        away.refused(error)
    except CollectorError:
        return  # said above, and taken back there as soon as it is not so any more


def _draw_outlook() -> None:
    chosen = filters.chosen()
    with st.grid(2, min_column_width=420, gap="medium", key="outlook"):
        forecast.show(chosen.segment, chosen.zone)
        drivers.show(chosen)


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    chosen = filters.chosen()
    overview = data.overview(NAMES, COURSES, chosen.window, chosen.before, chosen.segment, chosen.step, chosen.zone)
    if not overview.now["requests"].value:
        nothing.show(chosen)
        if data.latest_call_at() is None:
            return
        if chosen.is_everyone:
            with st.expander("Did you expect some?"):
                first_call.how_to_begin()
    else:
        _status(chosen, overview)
    incidents.open_ones(data.open_incidents(), datetime.now(UTC))
    numbers.tiles(overview.now, overview.before, overview.course)
    _charts(chosen, overview)
    if overview.now["no_price_calls"].value:
        unpriced.show(*data.unpriced_models(chosen.window, chosen.segment), chosen.words)


def _status(chosen: filters.Chosen, overview: data.Overview) -> None:
    open_now = len(data.open_incidents())
    with st.container(horizontal=True, vertical_alignment="center", key="status"):
        if open_now:
            alerts = "1 open alert" if open_now == 1 else f"{open_now} open alerts"
            st.badge(alerts, icon=":material/notifications_active:", color="red")
        else:
            st.badge("No open alerts", icon=":material/check_circle:", color="green")
        st.text(numbers.status(overview.now, chosen.words))
        cost = overview.now["cost_usd"]
        if cost.unknown:
            missing = numbers.left_out(cost.unknown, cost.unpriced)
            st.badge(f"{missing}: the cost is at least what is shown.", icon=":material/info:", color="orange")


def _charts(chosen: filters.Chosen, overview: data.Overview) -> None:
    window, step, zone = chosen.window, chosen.step, chosen.zone
    days = filters.whole_days(window, DAYS_SHOWN, zone)
    per_day = data.cost_per_day(days, chosen.segment, zone)
    days, shown = filters.on_clocks(days, zone), chosen.on_clocks
    with st.grid(2, min_column_width=420, gap="medium", key="charts"):
        box.chart(
            f"Cost per day by model, {days.length.days} days",
            "What the calls of each day cost at list price, with the filters above.",
            charts.cost_per_day(per_day, days),
            "Nothing has cost anything in these days.",
            numbers.left_out_of(per_day),
        )
        box.chart(
            "Latency percentiles",
            "Calls that ended, by when they started. Retries are included. Half of all calls take no longer than P50, "
            "and nearly all of the other half lie in the band from there to P95.",
            charts.latency(overview.course),
            f"No call ended {chosen.words}.",
        )
        box.chart(
            "Errors by type",
            "Failed calls, by when they started. A call that a retry saved did not fail.",
            charts.errors_by_type(data.errors_by_type(window, chosen.segment, step, zone), shown, step),
            f"No call failed {chosen.words}.",
        )
        box.chart(
            "Tokens by kind",
            "Each token once: uncached input, cache writes, cache reads, output.",
            charts.tokens_by_kind(overview.course, shown, step),
            f"No tokens were used {chosen.words}.",
        )
