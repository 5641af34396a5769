"""The row of filters on top of every page, and what it is set to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import streamlit as st

from claude_telemetry_collector.queries import UTC_NAME
from claude_telemetry_dashboard.filters import labels
from claude_telemetry_dashboard.filters.ranges import (
    CUSTOM,
    DEFAULT_RANGE,
    RANGES,
    Chosen,
    between,
    known_zone,
    looking_back,
    moment_in,
)


def bar(choices: labels.Choices, *, labels_apply: bool = True) -> None:
    """The row of filters on top of a page. `choices` gives the values of a column to choose from, and the tags.

    Drawn on every page, also where the labels do not apply: a filter that is not drawn is forgotten.
    """
    row = st.container(horizontal=True, vertical_alignment="center", key="filters")
    row.segmented_control(
        "Time range",
        [*RANGES, CUSTOM],
        default=DEFAULT_RANGE,
        required=True,
        key="range",
        bind="query-params",
        label_visibility="collapsed",
    )
    # The ends come below the row, and are asked before the labels: those to choose from are the ones of the range.
    if st.session_state.get("range") == CUSTOM:
        with st.container(horizontal=True, key="custom-range"):
            _end("From", "from")
            _end("To", "to")
    row.selectbox(
        "Time zone",
        labels.with_chosen("tz", _zones()),
        index=None,
        placeholder=UTC_NAME,
        key="tz",
        bind="query-params",
        label_visibility="collapsed",
        width=165,
    )
    labels.draw(row, choices, apply=labels_apply)


def chosen(now: datetime | None = None) -> Chosen:
    """The view that the URL asks for, as of now. Asked anew at each refresh: a range that ends now moves on."""
    now = now or datetime.now(UTC)
    state = st.session_state
    segment, zone = labels.chosen_segment(), known_zone(state.get("tz"))
    name = state.get("range") or DEFAULT_RANGE
    if name == CUSTOM:
        return between(moment_in(state.get("from"), zone), moment_in(state.get("to"), zone), now, segment, zone)
    return looking_back(RANGES.get(name, RANGES[DEFAULT_RANGE]), now, segment, zone)


def asked_for() -> tuple[object, ...]:
    """What the URL asks for, which stays the same while time goes on. For a page to see that it has changed."""
    return (*(st.session_state.get(name) for name in ("range", "from", "to", "tz")), *labels.asked_for())


def _end(title: str, key: str) -> None:
    st.datetime_input(title, value=None, key=key, bind="query-params", step=timedelta(minutes=5), width=220)


def _zones() -> list[str]:
    """UTC, the reader's own, and all others."""
    own = st.context.timezone
    names = sorted(available_timezones() - {UTC_NAME})
    return list(dict.fromkeys([UTC_NAME, *([own] if own in names else []), *names]))
