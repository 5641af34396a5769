"""The only place of the dashboard that talks to the collector: cached questions, and one made-up call.

Every function here raises `CollectorError` when the collector cannot be reached; `panels.away` says so on the page.
"""

from claude_telemetry_dashboard.data.place import Place, configure, is_reachable, place
from claude_telemetry_dashboard.data.questions import (
    Overview,
    alert_rules,
    call,
    calls,
    choices,
    cost_per_day,
    errors_by_type,
    incidents,
    latest_call_at,
    open_incidents,
    overview,
    readings,
    reconciliation,
    unpriced_models,
)
from claude_telemetry_dashboard.data.trial import Trial, send_trial

__all__ = [
    "Overview",
    "Place",
    "Trial",
    "alert_rules",
    "call",
    "calls",
    "choices",
    "configure",
    "cost_per_day",
    "errors_by_type",
    "incidents",
    "is_reachable",
    "latest_call_at",
    "open_incidents",
    "overview",
    "place",
    "readings",
    "reconciliation",
    "send_trial",
    "unpriced_models",
]
