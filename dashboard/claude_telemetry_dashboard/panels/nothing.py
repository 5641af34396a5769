"""What a page says where there are no calls: how to get a first one, or where they are."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import first_call


def show(chosen: filters.Chosen) -> None:
    """Instead of numbers, when nothing of what is chosen has landed."""
    latest = data.latest_call_at()
    if latest is None:
        first_call.show()
        return
    narrowed = "" if chosen.is_everyone else " with these filters"
    st.info(f"No calls{narrowed} {chosen.words}.", icon=":material/search_off:")
    st.text(f"The latest call of all was {formats.ago(latest, datetime.now(UTC))}, at {formats.moment(latest)} UTC.")
