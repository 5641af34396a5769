"""When a reading opens, keeps or closes an incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from claude_telemetry_collector.alerts import Rule
from claude_telemetry_collector.alerts.incidents import continued, exact, judged, looked_at, opening, state_of
from claude_telemetry_collector.queries import Reading, Segment
from claude_telemetry_collector.store.incidents import Incident, RuleState
from tests.support.calls import NOON

RULE = Rule(
    name="error_ratio",
    title="Error rate",
    metric="error_ratio",
    threshold=Decimal("0.05"),
    window=timedelta(minutes=5),
    segment=Segment(feature="chat"),
    min_calls=20,
)
LOOK = timedelta(seconds=15)


def errors(ratio: float | None, calls: int = 40) -> Reading:
    return Reading("error_ratio", ratio, calls=calls, unknown=0)


def after(*ratios: float | None) -> Incident:
    """The incident that a reading of 0.25 opened, after looks that read `ratios`."""
    incident = opening(RULE, errors(0.25), NOON, None)
    for number, ratio in enumerate(ratios, start=1):
        assert incident.closed_at is None
        incident = continued(incident, RULE, errors(ratio), NOON + number * LOOK, None)
    return incident


def test_an_incident_says_what_opened_it() -> None:
    incident = opening(RULE, Reading("error_ratio", 0.25, calls=40, unknown=2), NOON, ("trace", "span"))
    assert incident == Incident(
        incident_id=incident.incident_id,
        rule="error_ratio",
        title="Error rate",
        metric="error_ratio",
        segment={"feature": "chat"},
        window_s=300,
        direction="above",
        threshold=Decimal("0.05"),
        opened_at=NOON,
        value=Decimal("0.25"),
        calls=40,
        unknown=2,
        worst=Decimal("0.25"),
        trace_id="trace",
        span_id="span",
        last_value=Decimal("0.25"),
        last_calls=40,
        last_unknown=2,
        looked_at=NOON,
        looks_within=0,
    )


def test_no_two_incidents_share_an_id() -> None:
    assert len({after().incident_id for _ in range(100)}) == 100


def test_one_good_look_closes_nothing() -> None:
    assert after(0.01).closed_at is None
    assert after(0.01, 0.25, 0.01, 0.06, 0.01).closed_at is None


def test_two_good_looks_in_a_row_close_it() -> None:
    incident = after(0.25, 0.01, 0.05)
    assert (incident.closed_at, incident.closed_why) == (NOON + 3 * LOOK, "within")
    assert (incident.value, incident.worst, incident.last_value) == (Decimal("0.25"), Decimal("0.25"), Decimal("0.05"))


def test_it_closes_when_there_are_no_more_calls() -> None:
    incident = after(None, None)
    assert (incident.closed_at, incident.closed_why, incident.last_value) == (NOON + 2 * LOOK, "no_calls", None)


def test_fewer_calls_do_not_make_it_well() -> None:
    incident = after()
    for number in range(1, 10):
        incident = continued(incident, RULE, errors(1.0, calls=2), NOON + number * LOOK, None)
    assert incident.closed_at is None


def test_it_remembers_the_worst_and_the_call_that_it_was() -> None:
    incident = opening(RULE, errors(0.25), NOON, ("first", "1"))
    for ratio, call in ((0.5, ("worse", "2")), (0.4, ("better", "3"))):
        incident = continued(incident, RULE, errors(ratio), NOON + LOOK, call)
    assert (incident.worst, incident.trace_id, incident.span_id) == (Decimal("0.5"), "worse", "2")
    assert (incident.value, incident.last_value) == (Decimal("0.25"), Decimal("0.4"))


def test_below_is_worse_downwards() -> None:
    rule = Rule(name="low", title="Low", metric="requests", threshold=Decimal(10), window=None, direction="below")
    incident = opening(rule, Reading("requests", 5, 5, 0), NOON, None)
    for value in (7, 2, 4):
        incident = continued(incident, rule, Reading("requests", value, value, 0), NOON, None)
    assert incident.worst == 2


@pytest.mark.parametrize(
    ("reading", "state"),
    [
        (errors(0.05), "within"),
        (errors(0.06), "beyond"),
        (errors(0.06, calls=19), "too_few_calls"),
        (errors(None, calls=0), "unknown"),
        (None, "failed"),
    ],
)
def test_a_rule_stands_somewhere(reading: Reading | None, state: str) -> None:
    assert state_of(RULE, reading) == state


def test_the_alerts_page_is_told_what_a_rule_came_to() -> None:
    assert looked_at(RULE, Reading("error_ratio", 0.125, calls=8, unknown=1), NOON) == RuleState(
        rule="error_ratio",
        title="Error rate",
        metric="error_ratio",
        segment={"feature": "chat"},
        window_s=300,
        direction="above",
        threshold=Decimal("0.05"),
        min_calls=20,
        value=Decimal("0.125"),
        calls=8,
        unknown=1,
        state="too_few_calls",
        looked_at=NOON,
    )


BUDGET = Rule(name="budget", title="Budget", metric="cost_usd", threshold=Decimal(10), window=None)
LENIENT = replace(BUDGET, unpriced_call_usd=Decimal("0.5"))


def test_unpriced_calls_add_nothing_to_a_budget_unless_it_is_said_what_they_count() -> None:
    reading = Reading("cost_usd", Decimal(9), calls=20, unknown=5, unpriced=4)
    assert (judged(BUDGET, reading), state_of(BUDGET, reading)) == (Decimal(9), "within")
    # 9 and 4 times 0.50.
    assert (judged(LENIENT, reading), state_of(LENIENT, reading)) == (Decimal(11), "beyond")
    incident = opening(LENIENT, reading, NOON, None)
    assert (incident.value, incident.unpriced, incident.unpriced_usd) == (Decimal(11), 4, Decimal(2))
    assert incident.unknown == 5
    later = continued(incident, LENIENT, replace(reading, unpriced=1, unknown=2), NOON, None)
    assert (later.last_value, later.last_unpriced, later.last_unpriced_usd) == (Decimal("9.5"), 1, Decimal("0.5"))
    assert (later.value, later.unpriced, later.unpriced_usd) == (Decimal(11), 4, Decimal(2))


def test_a_day_of_unpriced_calls_only_is_judged_by_what_they_count() -> None:
    reading = Reading("cost_usd", None, calls=21, unknown=21, unpriced=21)
    assert (judged(BUDGET, reading), state_of(BUDGET, reading)) == (None, "unknown")
    assert (judged(LENIENT, reading), state_of(LENIENT, reading)) == (Decimal("10.5"), "beyond")
    state = looked_at(LENIENT, reading, NOON)
    assert (state.value, state.unpriced, state.unpriced_usd) == (Decimal("10.5"), 21, Decimal("10.5"))


def test_a_budget_without_calls_has_nothing_to_judge() -> None:
    assert judged(LENIENT, Reading("cost_usd", None, calls=0, unknown=0)) is None


def test_only_of_money_it_is_said_what_is_unpriced() -> None:
    assert opening(RULE, errors(0.5), NOON, None).unpriced is None
    assert looked_at(RULE, None, NOON).unpriced is None
    assert opening(BUDGET, Reading("cost_usd", Decimal(11), 1, 0), NOON, None).unpriced == 0


def test_values_are_compared_as_they_are_stored() -> None:
    assert exact(None) is None
    assert exact(Decimal("0.000000000001")) == Decimal("0.000000000001")
    assert exact(1 / 3) == Decimal("0.333333333333")
    assert exact(2**63 - 1) == 2**63 - 1
    assert exact(float(2**62)) == 2**62
