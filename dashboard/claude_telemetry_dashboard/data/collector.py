"""The collector itself, and not its calls: how it does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from claude_telemetry_collector.queries import connect
from claude_telemetry_collector.queries import health as queries
from claude_telemetry_dashboard.data.place import line, place


def health() -> queries.Health:
    """See `queries.health`. Looked at anew after a second. Raises `CollectorError` for who may not ask."""
    return _health(line().folder, place().spool)


def tick(name: str, *, done: bool) -> None:
    """Ticks an item of the readiness page off, or takes that back. Raises `CollectorError` for who may not."""
    over = line()
    connect(over.folder, over.role).do("tick", {"name": name, "done": done})


@st.cache_data(ttl=1, max_entries=4, show_spinner=False)
def _health(folder: Path, spool: Path | None) -> queries.Health:
    return queries.health(folder, spool, datetime.now(UTC))
