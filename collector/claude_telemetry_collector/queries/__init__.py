"""Every question about landed calls. The dashboard and the alert rules ask the same ones.

reader = queries.connect(data_dir)
week = Window.last(timedelta(days=7))
queries.readings(reader, ["cost_usd", "duration_p95_ms"], week, Segment(feature="chat"))
"""

from claude_telemetry_collector.queries.breakdown import breakdown, choices, cost_per_day
from claude_telemetry_collector.queries.calls import (
    LISTED,
    CallDetail,
    Cursor,
    Freshness,
    Hop,
    Page,
    call,
    calls,
    extreme_call,
    freshness,
)
from claude_telemetry_collector.queries.incidents import incidents, rules
from claude_telemetry_collector.queries.metrics import CALL_MAXIMA, METRICS, Metric, Reading, Value, readings
from claude_telemetry_collector.queries.series import errors_by_type, series
from claude_telemetry_collector.queries.window import DIMENSIONS, Clock, Segment, Window
from claude_telemetry_collector.store import Reader, connect
from claude_telemetry_collector.store.incidents import Incident, RuleState

__all__ = [
    "CALL_MAXIMA",
    "DIMENSIONS",
    "LISTED",
    "METRICS",
    "CallDetail",
    "Clock",
    "Cursor",
    "Freshness",
    "Hop",
    "Incident",
    "Metric",
    "Page",
    "Reader",
    "Reading",
    "RuleState",
    "Segment",
    "Value",
    "Window",
    "breakdown",
    "call",
    "calls",
    "choices",
    "connect",
    "cost_per_day",
    "errors_by_type",
    "extreme_call",
    "freshness",
    "incidents",
    "readings",
    "rules",
    "series",
]
