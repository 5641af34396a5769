"""Whether the cost has been held against the bill, and the way to the page that does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import RuleState
from claude_telemetry_dashboard import data, formats
from claude_telemetry_dashboard.panels import box

COVERAGE = "bill_coverage_ratio"


def show() -> None:
    """How much of the bill telemetry has seen, as the rule about it last read it."""
    with box.box(
        "Held against the bill",
        "What is spent here is list price times the tokens that telemetry saw. Anthropic's own numbers say whether "
        "those are all.",
    ):
        days, pulled_at = data.answer_at_present(queries.pulled)
        st.text(in_words(days, pulled_at, data.alert_rules(), datetime.now(UTC)))
        st.link_button("Reconciliation", "reconciliation", icon=":material/receipt_long:")


def in_words(days: int, pulled_at: datetime | None, rules: Sequence[RuleState], now: datetime) -> str:
    """The last that is known of it, in a sentence."""
    if not days:
        return "Nothing of the bill has been pulled yet, so nobody knows what telemetry has not seen."
    when = f"The bill was pulled {formats.ago(pulled_at, now)}, {days} {'day' if days == 1 else 'days'} of it"
    coverage = next((rule.value for rule in rules if rule.metric == COVERAGE and rule.value is not None), None)
    if coverage is None:
        return f"{when}; it has not been compared with the calls yet."
    return f"{when}: telemetry has seen {formats.ratio(coverage)} of the billed tokens."
