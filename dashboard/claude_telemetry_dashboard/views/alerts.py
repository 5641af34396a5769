"""What is watched, what is broken just now, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import streamlit as st

from claude_telemetry_collector.queries import Incident, RuleState, Segment, Window
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, numbers, tables, unpriced
from claude_telemetry_dashboard.panels.incidents import length, limit, metric, of_what, shown

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

NO_PRICE = "no_price_calls"
"""The metric of the rule about models without a price."""


def show() -> None:
    """The page. It draws itself again every few seconds: rules are looked at all the time."""
    _live()


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    chosen = filters.chosen()
    now = datetime.now(UTC)
    rules = data.alert_rules()
    _open(data.open_incidents(), now)
    _unpriced(rules, now)
    _rules(rules, now)
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
        st.badge(f"open for {length(now - incident.opened_at)}", icon=":material/notifications_active:", color="red")
        st.text(incident.title)
    if incident.metric == NO_PRICE:
        st.text(
            f"Calls without a price: {shown(incident.last_value, incident)} in {of_what(incident)}. They are in no "
            f"cost. Open since {formats.moment(incident.opened_at)} UTC, until they have a price."
        )
        return
    now_shown = _sum(
        incident.last_value, incident, incident.last_unknown, incident.last_unpriced, incident.last_unpriced_usd
    )
    st.text(f"{metric(incident.metric)} is {now_shown}, {limit(incident)} is too much.")
    st.text(
        f"It was {_sum(incident.value, incident, incident.unknown, incident.unpriced, incident.unpriced_usd)} when it "
        f"opened at {formats.moment(incident.opened_at)} UTC, "
        f"and {shown(incident.worst, incident)} at worst, read over {of_what(incident)}."
    )
    if incident.trace_id is not None and incident.span_id is not None:
        st.link_button("See the call", f"calls?call={quote(f'{incident.trace_id}-{incident.span_id}')}")


def _unpriced(rules: Sequence[RuleState], now: datetime) -> None:
    for rule in rules:
        if rule.metric == NO_PRICE and rule.value and rule.window_s is not None:
            # On whole days, so that the question stays the same while the page draws itself again.
            looked_back = timedelta(seconds=rule.window_s)
            window = filters.whole_days(Window.last(looked_back, now), looked_back.days)
            unpriced.show(*data.unpriced_models(window, Segment()), f"in the last {length(looked_back)}")


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
                "Now": _bound(rule) + shown(rule.value, rule),
                "Threshold": limit(rule),
                "Reads": metric(rule.metric),
                "Of": of_what(rule),
                "Calls": formats.count(rule.calls) + _unknown(rule),
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
                "Lasted": length((incident.closed_at or incident.looked_at) - incident.opened_at),
                "Rule": incident.title,
                "Worst": shown(incident.worst, incident),
                "Threshold": limit(incident),
                "Of": of_what(incident),
                "Closed because": CLOSED[incident.closed_why],
            }
            for incident in incidents
        ]
    )


def _sum(
    value: Decimal | None,
    about: Incident | RuleState,
    unknown: int,
    unpriced_calls: int | None,
    unpriced_usd: Decimal | None,
) -> str:
    """A value with what it leaves out, or with what unpriced calls were counted as; other than money just itself."""
    plain = shown(value, about)
    if value is None or unpriced_calls is None or not unknown:
        return plain
    if unpriced_usd is None:
        return f"at least {plain}, {numbers.left_out(unknown, unpriced_calls)}"
    each = formats.usd(unpriced_usd / unpriced_calls)
    return f"{plain}, with {formats.count(unpriced_calls)} unpriced at {each} each"


def _bound(rule: RuleState) -> str:
    at_least = rule.unpriced is not None and rule.unpriced_usd is None and rule.unknown and rule.value is not None
    return "≥ " if at_least else ""


def _unknown(rule: RuleState) -> str:
    """How many of its calls are not in its reading, as short as a column of a table wants it."""
    if rule.unpriced and rule.unpriced_usd is not None:
        return f", {formats.count(rule.unpriced)} unpriced at {formats.usd(rule.unpriced_usd / rule.unpriced)}"
    if rule.unpriced and rule.unpriced == rule.unknown:
        return f", {formats.count(rule.unpriced)} unpriced"
    return f", {formats.count(rule.unknown)} unknown" if rule.unknown else ""
