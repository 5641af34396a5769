"""The only place of the dashboard that talks to the collector: cached questions, and one made-up call.

Every function here raises `CollectorError` when the collector cannot be reached; `panels.away` says so on the page.
"""

from claude_telemetry_dashboard.data.collector import health, tick
from claude_telemetry_dashboard.data.place import Place, configure, is_reachable, place, role
from claude_telemetry_dashboard.data.questions import (
    Overview,
    alert_rules,
    answer,
    answer_at_present,
    answer_for_a_while,
    choices,
    cost_per_day,
    errors_by_type,
    incidents,
    later,
    latest_call_at,
    open_incidents,
    overview,
    readings,
    reconciliation,
    unpriced_models,
)
from claude_telemetry_dashboard.data.trial import Trial, send_trial
from claude_telemetry_dashboard.data.visitor import claims_of_visitor, name_of

__all__ = [
    "Overview",
    "Place",
    "Trial",
    "alert_rules",
    "answer",
    "answer_at_present",
    "answer_for_a_while",
    "choices",
    "claims_of_visitor",
    "configure",
    "cost_per_day",
    "errors_by_type",
    "health",
    "incidents",
    "is_reachable",
    "later",
    "latest_call_at",
    "name_of",
    "open_incidents",
    "overview",
    "place",
    "readings",
    "reconciliation",
    "role",
    "send_trial",
    "tick",
    "unpriced_models",
]
