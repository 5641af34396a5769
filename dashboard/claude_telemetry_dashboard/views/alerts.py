"""What is watched, what is broken just now, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import streamlit as st

from claude_telemetry_collector.queries import METRICS, Incident, RuleState
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, tables

REFRESH_S = 5.0

STATES = {
    "within": "✓ within",
    "beyond": "✗ beyond",
    "too_few_calls": "· too few calls to tell",
    "unknown": "· nothing to read",
    "failed": "! could not be read",
}
CLOSED = {
    "within": "back within",
    "no_calls": "no more calls",
    "rule_off": "rule turned off",
    None: formats.UNKNOWN,
}


def show() -> None:
    """The page. It draws itself again every few seconds: rules are looked at all the time."""
    _live()


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    chosen = filters.chosen()
    now = datetime.now(UTC)
    _open(data.open_incidents(), now)
    _rules(data.alert_rules(), now)
    _past([incident for incident in data.incidents(chosen.window) if incident.closed_at is not None], chosen.words)


def _open(incidents: Sequence[Incident], now: datetime) -> None:
    st.subheader("Open", anchor=False)
    if not incidents:
        st.success("Nothing is wrong just now, as far as the rules below can tell.", icon=":material/check_circle:")
        return
    with st.grid(2, min_column_width=420, key="open-incidents"):
        for incident in incidents:
            with st.container(border=True, height="stretch"):
                _card(incident, now)


def _card(incident: Incident, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"open for {_length(now - incident.opened_at)}", icon=":material/notifications_active:", color="red")
        st.text(incident.title)
    st.text(f"{_metric(incident.metric)} is {_shown(incident.last_value, incident)}, {_limit(incident)} is too much.")
    st.text(
        f"It was {_shown(incident.value, incident)} when it opened at {formats.moment(incident.opened_at)} UTC, "
        f"and {_shown(incident.worst, incident)} at worst, read over {_about(incident)}."
    )
    if incident.trace_id is not None and incident.span_id is not None:
        st.link_button("See the call", f"calls?call={quote(f'{incident.trace_id}-{incident.span_id}')}")


def _rules(rules: Sequence[RuleState], now: datetime) -> None:
    st.subheader("Rules", anchor=False)
    st.caption("Each rule reads the calls that it names. The filters above but the time range do not narrow them.")
    if not rules:
        st.info("The collector has not looked at its rules yet. It does so seconds after it starts.")
        return
    tables.table(
        [
            {
                "Rule": rule.title,
                "State": STATES[rule.state],
                "Now": _shown(rule.value, rule),
                "Threshold": _limit(rule),
                "Reads": _metric(rule.metric),
                "Of": _about(rule),
                "Calls": formats.count(rule.calls) + (f", {rule.unknown} unknown" if rule.unknown else ""),
                "Looked": formats.ago(rule.looked_at, now),
            }
            for rule in rules
        ]
    )


def _past(incidents: Sequence[Incident], words: str) -> None:
    st.subheader("Past", anchor=False)
    if not incidents:
        st.caption(f"No incident has closed {words}.")
        return
    tables.table(
        [
            {
                "Opened (UTC)": formats.moment(incident.opened_at),
                "Lasted": _length((incident.closed_at or incident.looked_at) - incident.opened_at),
                "Rule": incident.title,
                "Worst": _shown(incident.worst, incident),
                "Threshold": _limit(incident),
                "Of": _about(incident),
                "Closed because": CLOSED[incident.closed_why],
            }
            for incident in incidents
        ]
    )


def _shown(value: Decimal | None, about: Incident | RuleState) -> str:
    return formats.number(value, METRICS[about.metric].unit) if about.metric in METRICS else formats.text(value)


def _limit(about: Incident | RuleState) -> str:
    return f"{about.direction} {_shown(about.threshold, about)}"


def _metric(name: str) -> str:
    return METRICS[name].title if name in METRICS else name


def _about(about: Incident | RuleState) -> str:
    when = "the UTC day so far" if about.window_s is None else f"the last {_length(timedelta(seconds=about.window_s))}"
    labels = ", ".join(f"{name} {value}" for name, value in about.segment.items())
    return f"{when}, {labels}" if labels else when


def _length(length: timedelta) -> str:
    return formats.ms(length / timedelta(milliseconds=1))
