"""The calls held against Anthropic's bill: what telemetry never saw, where our prices are off, what is really paid.

Page, command and alert rule ask the same function, so they tell the same numbers.
"""

from claude_telemetry_collector.queries.bill import wording
from claude_telemetry_collector.queries.bill.facts import (
    Breakdown,
    Cell,
    Coverage,
    Day,
    Discount,
    LeftOut,
    PriceFinding,
    PriceOf,
    Reconciliation,
    Tolerance,
    Unseparated,
    tolerance_from,
)
from claude_telemetry_collector.queries.bill.judge import reconciliation
from claude_telemetry_collector.queries.bill.measures import BILL_MEASURES, BillMeasure, bill_readings, days_in
from claude_telemetry_collector.queries.bill.sides import pulled

__all__ = [
    "BILL_MEASURES",
    "BillMeasure",
    "Breakdown",
    "Cell",
    "Coverage",
    "Day",
    "Discount",
    "LeftOut",
    "PriceFinding",
    "PriceOf",
    "Reconciliation",
    "Tolerance",
    "Unseparated",
    "bill_readings",
    "days_in",
    "pulled",
    "reconciliation",
    "tolerance_from",
    "wording",
]
