"""Incidents in words: what is read, how far it is beyond its limit, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import streamlit as st

from claude_telemetry_collector.queries import MEASURES, Incident, RuleState
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import tables
from claude_telemetry_dashboard.panels.box import box

_LISTED = 5

_LABELS = {"price_id": "model"}
"""Labels whose name in the store is not what people call them."""


def open_ones(incidents: Sequence[Incident], now: datetime) -> None:
    """Those that are open just now, the newest first, with the way to all about them. Draws nothing without any."""
    if not incidents:
        return
    with box("Open alerts", "Rules whose limit is passed just now. They look at the calls that they name."):
        tables.table(
            [
                {
                    "Alert": incident.title,
                    "Of": of_what(incident),
                    "Now": shown(incident.last_value, incident),
                    "Limit": limit(incident),
                    "Worst": shown(incident.worst, incident),
                    "Open for": length(now - incident.opened_at),
                }
                for incident in incidents[:_LISTED]
            ]
        )
        more = len(incidents) - _LISTED
        st.link_button(f"All alerts, {more} more" if more > 0 else "All about them", "alerts")


def shown(value: Decimal | None, about: Incident | RuleState) -> str:
    """A reading in the unit of what is read."""
    return formats.number(value, MEASURES[about.metric].unit) if about.metric in MEASURES else formats.text(value)


def limit(about: Incident | RuleState) -> str:
    """`above 5.0%`."""
    return f"{about.direction} {shown(about.threshold, about)}"


def metric(name: str) -> str:
    """What is read, as people call it."""
    return MEASURES[name].title if name in MEASURES else name


def length(duration: timedelta) -> str:
    """`12 min`."""
    return formats.ms(duration / timedelta(milliseconds=1))


def of_what(about: Incident | RuleState) -> str:
    """What is read: `the last 5 min, model claude-opus-5-5`."""
    when = "the UTC day so far" if about.window_s is None else f"the last {length(timedelta(seconds=about.window_s))}"
    labels = ", ".join(f"{_LABELS.get(name, name)} {value}" for name, value in about.segment.items())
    return f"{when}, {labels}" if labels else when
