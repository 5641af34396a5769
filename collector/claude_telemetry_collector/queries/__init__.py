"""Every question about landed calls. The dashboard and the alert rules ask the same ones.

reader = queries.connect(data_dir)
week = Window.last(timedelta(days=7))
queries.readings(reader, ["cost_usd", "duration_p95_ms"], week, Segment(feature="chat"))
"""

from collections.abc import Mapping

from claude_telemetry_collector.queries.bill import (
    BILL_MEASURES,
    BillMeasure,
    Coverage,
    Reconciliation,
    Tolerance,
    bill_readings,
    pulled,
    reconciliation,
    tolerance_from,
)
from claude_telemetry_collector.queries.breakdown import breakdown, choices, cost_per_day, readings_by
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
from claude_telemetry_collector.queries.price_lines import PriceLines, price_lines, pricing_commands
from claude_telemetry_collector.queries.series import errors_by_type, series
from claude_telemetry_collector.queries.unpriced import OF_THE_MODEL, WHY, UnpricedModel, unpriced_models
from claude_telemetry_collector.queries.window import DIMENSIONS, Clock, Segment, Window
from claude_telemetry_collector.store import Reader, connect
from claude_telemetry_collector.store.incidents import Incident, RuleState

MEASURES: Mapping[str, Metric | BillMeasure] = {**METRICS, **BILL_MEASURES}
"""Everything that a rule can read: about calls, and about the bill."""

__all__ = [
    "BILL_MEASURES",
    "CALL_MAXIMA",
    "DIMENSIONS",
    "LISTED",
    "MEASURES",
    "METRICS",
    "OF_THE_MODEL",
    "WHY",
    "BillMeasure",
    "CallDetail",
    "Clock",
    "Coverage",
    "Cursor",
    "Freshness",
    "Hop",
    "Incident",
    "Metric",
    "Page",
    "PriceLines",
    "Reader",
    "Reading",
    "Reconciliation",
    "RuleState",
    "Segment",
    "Tolerance",
    "UnpricedModel",
    "Value",
    "Window",
    "bill_readings",
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
    "price_lines",
    "pricing_commands",
    "pulled",
    "readings",
    "readings_by",
    "reconciliation",
    "rules",
    "series",
    "tolerance_from",
    "unpriced_models",
]
