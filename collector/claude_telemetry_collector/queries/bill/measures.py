"""What an alert rule can read of the bill: the report's own numbers, over the settled days of a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from claude_telemetry_collector.queries.bill.facts import Reconciliation
from claude_telemetry_collector.queries.bill.judge import reconciliation
from claude_telemetry_collector.queries.metrics import Reading
from claude_telemetry_collector.queries.window import Window
from claude_telemetry_collector.store import Reader

_PLACES = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class BillMeasure:
    """A number about the bill. Like a metric, but for what it is made of."""

    name: str
    title: str
    unit: str
    meaning: str
    unknowns: str

    @property
    def is_money(self) -> bool:
        """Whether it is a sum of money, from which calls may be missing."""
        return False


BILL_MEASURES: Mapping[str, BillMeasure] = {
    measure.name: measure
    for measure in (
        BillMeasure(
            name="bill_coverage_ratio",
            title="Share of the bill seen",
            unit="ratio",
            meaning="Tokens on the bill that telemetry saw, over all that are on it.",
            unknowns="Days for which the bill is not complete yet are not part of it.",
        ),
        BillMeasure(
            name="bill_price_error_ratio",
            title="Price error against the bill",
            unit="ratio",
            meaning="By how much our prices are off for the tokens on the bill, over its list money.",
            unknowns="What the bill has no list price for is not part of it.",
        ),
    )
}


def days_in(window: Window) -> tuple[date, date]:
    """The first whole UTC day of `window`, and the day after the last; the same for none."""
    first = (window.start + timedelta(days=1) - timedelta(microseconds=1)).date()
    return first, max(window.end.date(), first)


def bill_readings(reader: Reader, window: Window) -> dict[str, Reading]:
    """What each of `BILL_MEASURES` comes to over the whole UTC days of `window`, by name. `None` before there is
    anything of the bill that is complete."""
    found = reconciliation(reader, *days_in(window))
    values = {"bill_coverage_ratio": found.coverage.of_tokens, "bill_price_error_ratio": found.price_error}
    return {name: _reading(name, value, found) for name, value in values.items()}


def _reading(name: str, value: Fraction | None, found: Reconciliation) -> Reading:
    ratio = None if value is None else (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_PLACES)
    return Reading(name, ratio, found.calls, found.unknown_calls)
