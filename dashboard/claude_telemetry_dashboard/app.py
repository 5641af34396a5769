"""What Streamlit runs for each page: its configuration, the filters, and the way to the pages. No numbers here."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from claude_telemetry_dashboard import data, filters
from claude_telemetry_dashboard.views import alerts, calls, overview, reconciliation

MARK = Path(__file__).with_name("mark.svg")


def run() -> None:
    """Draws the page that the URL names."""
    st.set_page_config(page_title="claude-telemetry", page_icon=MARK, layout="wide")
    st.logo(MARK, size="large")
    alerts_page = st.Page(alerts.show, title="Alerts", icon=":material/notifications:", url_path="alerts")
    bill_page = st.Page(
        reconciliation.show, title="Reconciliation", icon=":material/receipt_long:", url_path="reconciliation"
    )
    page = st.navigation(
        [
            st.Page(overview.show, title="Overview", icon=":material/monitoring:", url_path="overview", default=True),
            st.Page(calls.show, title="Calls", icon=":material/list:", url_path="calls"),
            bill_page,
            alerts_page,
        ],
        position="top",
    )
    # Rules look at the calls that they are about, and the bill knows no labels: there only the time range applies.
    filters.bar(
        lambda column: data.choices(filters.chosen().window, column), labels_apply=page not in (alerts_page, bill_page)
    )
    page.run()


if __name__ == "__main__":
    run()
