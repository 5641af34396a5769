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
from claude_telemetry_collector.queries.breakdown import breakdown, readings_by
from claude_telemetry_collector.queries.calls import (
    LISTED,
    Cursor,
    Freshness,
    Page,
    calls,
    extreme_call,
    freshness,
)
from claude_telemetry_collector.queries.choices import choices, tag_choices, tag_names
from claude_telemetry_collector.queries.cost import cost_per_day
from claude_telemetry_collector.queries.dimensions import TAG
from claude_telemetry_collector.queries.incidents import incidents, rules
from claude_telemetry_collector.queries.metrics import CALL_MAXIMA, METRICS, Metric, Reading, Value, readings
from claude_telemetry_collector.queries.one_call import CallDetail, Hop, call
from claude_telemetry_collector.queries.price_lines import PriceLines, price_lines, pricing_commands
from claude_telemetry_collector.queries.series import errors_by_type, series
from claude_telemetry_collector.queries.unpriced import OF_THE_MODEL, WHY, UnpricedModel, unpriced_models
from claude_telemetry_collector.queries.window import DIMENSIONS, Clock, Segment, Window
from claude_telemetry_collector.queries.zones import UTC_NAME, instant, local_day, midnight, zone_named
from claude_telemetry_collector.store import Reader, Role, connect
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
    "TAG",
    "UTC_NAME",
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
    "Role",
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
    "instant",
    "local_day",
    "midnight",
    "price_lines",
    "pricing_commands",
    "pulled",
    "readings",
    "readings_by",
    "reconciliation",
    "rules",
    "series",
    "tag_choices",
    "tag_names",
    "tolerance_from",
    "unpriced_models",
    "zone_named",
]
