"""Made-up incidents, and a clock that does as it is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from claude_telemetry_collector.store.incidents import Incident, Notice
from tests.support.calls import NOON

SPIKE = Incident(
    incident_id="i1",
    rule="error_ratio",
    title="Error rate",
    metric="error_ratio",
    segment={"feature": "chat", "model": 'it\'s "quoted"'},
    window_s=300,
    direction="above",
    threshold=Decimal("0.050000000000"),
    opened_at=NOON,
    value=Decimal("0.250000000000"),
    calls=40,
    unknown=0,
    worst=Decimal("0.250000000000"),
    trace_id=None,
    span_id=None,
    last_value=Decimal("0.250000000000"),
    last_calls=40,
    last_unknown=0,
    looked_at=NOON,
    looks_within=0,
)
"""A quarter of the calls of five minutes failed."""

DEAR_CALL = replace(
    SPIKE,
    rule="call_cost",
    title="Cost of one call",
    metric="call_cost_max_usd",
    segment={},
    threshold=Decimal(5),
    value=Decimal("12.500000000001"),
    worst=Decimal("12.500000000001"),
    last_value=Decimal("0.004"),
    last_calls=3,
    calls=41,
    unknown=3,
    unpriced=3,
    last_unpriced=0,
    trace_id="ab" * 16,
    span_id="cd" * 8,
)

NAMELESS = replace(
    SPIKE,
    rule="unpriced_model",
    title="Model without a price",
    metric="no_price_calls",
    segment={"price_id": "claude-foo-9"},
    window_s=30 * 86400,
    threshold=Decimal(0),
    value=Decimal(1),
    worst=Decimal(1),
    last_value=Decimal(0),
    calls=1,
    last_calls=5,
)
"""A call to a model that the price book does not hold."""


def opened(incident: Incident) -> Notice:
    """The notice that it has opened."""
    return Notice(
        notice_id="n1",
        told="opened",
        channel="slack",
        created_at=NOON,
        tries=0,
        next_try_at=NOON,
        incident=incident,
    )


@dataclass
class Clock:
    """Stands still, unless it is told to."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now
