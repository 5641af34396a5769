"""When a reading opens, keeps or closes an incident.

An incident opens at the first reading beyond the threshold, and closes when several looks in a row have found it
within. A single good look is no end: readings near a threshold swing from one side to the other, and people would be
told each time.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from decimal import Context, Decimal

from claude_telemetry_collector.alerts.rules import Rule
from claude_telemetry_collector.queries import MEASURES, Reading, Value
from claude_telemetry_collector.store.incidents import ClosedWhy, Incident, RuleState, State

LOOKS_TO_CLOSE = 2

_STORED = Decimal("1e-12")
_AS_WIDE_AS_STORED = Context(prec=38)

CallKey = tuple[str, str]
"""Trace and span id."""


def opening(rule: Rule, reading: Reading, now: datetime, call: CallKey | None) -> Incident:
    """The incident that `reading` opens. `call` is the one call that it is about, for a rule about single calls."""
    value = judged(rule, reading)
    unpriced, unpriced_usd = _unpriced(rule, reading)
    trace_id, span_id = call or (None, None)
    return Incident(
        incident_id=secrets.token_hex(8),
        rule=rule.name,
        title=rule.title,
        metric=rule.metric,
        segment=rule.segment.chosen(),
        window_s=window_seconds(rule),
        direction=rule.direction,
        threshold=rule.threshold,
        opened_at=now,
        value=value,
        calls=reading.calls,
        unknown=reading.unknown,
        worst=value,
        trace_id=trace_id,
        span_id=span_id,
        last_value=value,
        last_calls=reading.calls,
        last_unknown=reading.unknown,
        looked_at=now,
        looks_within=0,
        unpriced=unpriced,
        unpriced_usd=unpriced_usd,
        last_unpriced=unpriced,
        last_unpriced_usd=unpriced_usd,
    )


def continued(incident: Incident, rule: Rule, reading: Reading, now: datetime, call: CallKey | None) -> Incident:
    """`incident` after one more look: still open, or closed by it.

    No calls are within every threshold: there is nothing left that would break the rule.
    """
    value = judged(rule, reading)
    beyond = value is not None and rule.is_beyond(value)
    unpriced, unpriced_usd = _unpriced(rule, reading)
    seen = replace(
        incident,
        last_value=value,
        last_calls=reading.calls,
        last_unknown=reading.unknown,
        last_unpriced=unpriced,
        last_unpriced_usd=unpriced_usd,
        looked_at=now,
        looks_within=0 if beyond else incident.looks_within + 1,
    )
    if value is not None and _is_worse(rule, value, incident.worst):
        seen = replace(seen, worst=value)
        if call is not None:
            seen = replace(seen, trace_id=call[0], span_id=call[1])
    if seen.looks_within < LOOKS_TO_CLOSE:
        return seen
    return closed(seen, "within" if value is not None else "no_calls", now)


def closed(incident: Incident, why: ClosedWhy, now: datetime) -> Incident:
    """`incident`, ended `now`."""
    return replace(incident, closed_at=now, closed_why=why)


def state_of(rule: Rule, reading: Reading | None) -> State:
    """How `reading` stands to the threshold, whether or not an incident is open. `None` when it could not be asked."""
    if reading is None:
        return "failed"
    value = judged(rule, reading)
    if value is None:
        return "unknown"
    if reading.calls < rule.min_calls:
        return "too_few_calls"
    return "beyond" if rule.is_beyond(value) else "within"


def looked_at(rule: Rule, reading: Reading | None, now: datetime) -> RuleState:
    """What the Alerts page shows of `rule`."""
    unpriced, unpriced_usd = (None, None) if reading is None else _unpriced(rule, reading)
    return RuleState(
        rule=rule.name,
        title=rule.title,
        metric=rule.metric,
        segment=rule.segment.chosen(),
        window_s=window_seconds(rule),
        direction=rule.direction,
        threshold=rule.threshold,
        min_calls=rule.min_calls,
        value=None if reading is None else judged(rule, reading),
        calls=0 if reading is None else reading.calls,
        unknown=0 if reading is None else reading.unknown,
        state=state_of(rule, reading),
        looked_at=now,
        unpriced=unpriced,
        unpriced_usd=unpriced_usd,
    )


def window_seconds(rule: Rule) -> int | None:
    """The rule's window as it is stored."""
    return None if rule.window is None else round(rule.window.total_seconds())


def judged(rule: Rule, reading: Reading) -> Decimal | None:
    """What is held against the threshold: the reading, and what its unpriced calls count by the rule's own policy."""
    value, (_, unpriced_usd) = exact(reading.value), _unpriced(rule, reading)
    return value if unpriced_usd is None else (value or Decimal(0)) + unpriced_usd


def _unpriced(rule: Rule, reading: Reading) -> tuple[int | None, Decimal | None]:
    """How many calls are missing from a sum of money, and what they are counted with."""
    if not MEASURES[rule.metric].is_money:
        return None, None
    return reading.unpriced, rule.unpriced_call_usd * reading.unpriced or None


def exact(value: Value | None) -> Decimal | None:
    """`value` as it is compared and stored: money as it is, doubles to twelve places."""
    if value is None:
        return None
    return Decimal(value).quantize(_STORED, context=_AS_WIDE_AS_STORED) if isinstance(value, float) else Decimal(value)


def _is_worse(rule: Rule, value: Decimal, than: Decimal | None) -> bool:
    if than is None:
        return True
    return value > than if rule.direction == "above" else value < than
