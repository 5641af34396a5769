"""The rules about the bill: on a real store, with real pulls and a clock that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from claude_telemetry.settings import settle
from claude_telemetry_collector.alerts import Rule, Watch, default_rules
from claude_telemetry_collector.alerts.bill import KEPT_FOR, Bill
from claude_telemetry_collector.queries import Window, incidents, rules
from claude_telemetry_collector.store import LocalReader, open_database
from claude_telemetry_collector.store.incident_log import IncidentLog
from tests.support.bills import DAY, NEXT, Line, midnight, pulled
from tests.support.calls import NOON, a_call, land
from tests.support.incidents import Clock

WEEK = Window.last(timedelta(days=7), NOON)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_database(tmp_path / "calls.duckdb", memory_limit="256MB")
    yield connection
    connection.close()


def tokens_seen(store: duckdb.DuckDBPyConnection, tokens: int) -> None:
    land(store, [a_call(started_at=midnight(DAY), input_tokens=tokens, output_tokens=0, inference_geo="global")])


def about_the_bill() -> tuple[Rule, ...]:
    found = default_rules(settle("collect", environ={}))
    return tuple(rule for rule in found if rule.name.startswith("bill_"))


def test_a_bill_that_was_not_seen_opens_an_incident_and_closes_it_when_the_calls_come(
    store: duckdb.DuckDBPyConnection,
) -> None:
    log, clock = IncidentLog(store), Clock()
    watch = Watch(LocalReader(store), log, about_the_bill(), clock=clock)
    tokens_seen(store, 900_000)
    watch.look()
    assert {state.state for state in rules(LocalReader(store))} == {"unknown"}

    pulled(store, Line(tokens=1_000_000, usd="2"))
    watch.look()
    (incident,) = incidents(LocalReader(store))
    assert (incident.rule, incident.value, incident.calls) == ("bill_coverage", Decimal("0.9"), 1)

    # The rest was in somebody's spool. It is read again when the bill is pulled, or after a while.
    tokens_seen(store, 100_000)
    for _ in range(2):
        clock.now += KEPT_FOR
        watch.look()
    (incident,) = incidents(LocalReader(store))
    assert (incident.closed_why, incident.last_value) == ("within", Decimal(1))
    log.close()


def test_prices_that_are_not_as_billed_open_one(store: duckdb.DuckDBPyConnection) -> None:
    log = IncidentLog(store)
    tokens_seen(store, 1_000_000)
    pulled(store, Line(tokens=1_000_000, usd="2.5"))

    Watch(LocalReader(store), log, about_the_bill(), clock=Clock()).look()

    # $2 of $2.50.
    assert [(one.rule, one.value) for one in incidents(LocalReader(store))] == [("bill_prices", Decimal("0.2"))]
    log.close()


def test_a_pending_day_is_nothing_to_read(store: duckdb.DuckDBPyConnection) -> None:
    pulled(store, Line(tokens=1_000_000, usd="2"), refreshed_at=midnight(NEXT) - timedelta(minutes=1))

    assert Bill(LocalReader(store)).reading("bill_coverage_ratio", WEEK, NOON).value is None


def test_days_that_are_only_partly_in_the_window_are_not_in_it(store: duckdb.DuckDBPyConnection) -> None:
    pulled(store, Line(tokens=1_000_000, usd="2"))
    bill = Bill(LocalReader(store))

    inside = Window(midnight(DAY), midnight(NEXT))
    cut = Window(midnight(DAY) + timedelta(seconds=1), midnight(NEXT) + timedelta(hours=12))
    assert bill.reading("bill_coverage_ratio", inside, NOON).value == 0
    assert bill.reading("bill_coverage_ratio", cut, NOON).value is None
