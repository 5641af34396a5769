"""Incidents, notices and rule states, kept in a real DuckDB file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from claude_telemetry_collector.queries import Window, incidents, rules
from claude_telemetry_collector.store import LocalReader, open_database
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.incidents import Incident, RuleState
from tests.support.calls import NOON, a_call, land
from tests.support.incidents import SPIKE

MINUTE = timedelta(minutes=1)

QUIET = RuleState(
    rule="error_ratio",
    title="Error rate",
    metric="error_ratio",
    segment={"feature": "chat"},
    window_s=300,
    direction="above",
    threshold=Decimal("0.050000000000"),
    min_calls=20,
    value=Decimal("0.012345678901"),
    calls=81,
    unknown=0,
    state="within",
    looked_at=NOON,
)
DEAR_DAY = replace(SPIKE, incident_id="i2", rule="daily_cost", metric="cost_usd", window_s=None, segment={})


def over(incident: Incident, after: timedelta) -> Incident:
    return replace(incident, closed_at=incident.opened_at + after, closed_why="within", looks_within=2)


@pytest.fixture
def log(store: duckdb.DuckDBPyConnection) -> Iterator[IncidentLog]:
    log = IncidentLog(store)
    yield log
    log.close()


def waiting(log: IncidentLog) -> list[tuple[str, str, str]]:
    return [(notice.incident.incident_id, notice.told, notice.channel) for notice in log.pending()]


def test_an_incident_is_kept_as_it_was_opened(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    log.opened(SPIKE, ["slack"])
    assert log.open_incidents() == [SPIKE]
    assert incidents(LocalReader(store)) == (SPIKE,)


def test_an_open_incident_keeps_what_the_last_look_saw(log: IncidentLog) -> None:
    log.opened(SPIKE, [])
    seen = replace(
        SPIKE,
        worst=Decimal("0.500000000000"),
        last_value=None,
        last_calls=0,
        looked_at=NOON + MINUTE,
        looks_within=1,
        trace_id="t",
        span_id="s",
    )
    log.kept(seen)
    assert log.open_incidents() == [seen]


def test_a_closed_incident_is_open_no_more_and_still_there(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    log.opened(SPIKE, [])
    log.closed(over(SPIKE, MINUTE), [])
    assert log.open_incidents() == []
    assert incidents(LocalReader(store)) == (over(SPIKE, MINUTE),)


def test_an_incident_without_an_end_cannot_be_closed(log: IncidentLog) -> None:
    log.opened(SPIKE, [])
    with pytest.raises(ValueError, match="no time at which it closed"):
        log.closed(SPIKE, [])


def test_a_notice_waits_until_the_one_before_it_is_settled(log: IncidentLog) -> None:
    log.opened(SPIKE, ["slack", "pager"])
    log.closed(over(SPIKE, timedelta(0)), ["slack", "pager"])
    assert waiting(log) == [("i1", "opened", "pager"), ("i1", "opened", "slack")]
    log.sent(log.pending()[1], NOON)
    assert waiting(log) == [("i1", "closed", "slack"), ("i1", "opened", "pager")]
    log.given_up(log.pending()[1], NOON, "status 410")
    assert waiting(log) == [("i1", "closed", "pager"), ("i1", "closed", "slack")]
    for notice in log.pending():
        log.sent(notice, NOON)
    assert waiting(log) == []


def test_incidents_do_not_wait_for_each_other(log: IncidentLog) -> None:
    log.opened(SPIKE, ["slack"])
    log.opened(DEAR_DAY, ["slack"])
    assert waiting(log) == [("i1", "opened", "slack"), ("i2", "opened", "slack")]


def test_a_failed_notice_knows_when_it_is_due_again(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    log.opened(SPIKE, ["slack"])
    log.failed(log.pending()[0], next_try_at=NOON + MINUTE, trouble="status 500")
    (notice,) = log.pending()
    assert (notice.tries, notice.next_try_at) == (1, NOON + MINUTE)
    assert store.execute("SELECT trouble FROM notices").fetchall() == [("status 500",)]
    log.retry_now(NOON)
    assert (log.pending()[0].tries, log.pending()[0].next_try_at) == (1, NOON)


def test_nobody_to_tell_leaves_nothing_to_tell(log: IncidentLog) -> None:
    log.opened(SPIKE, [])
    log.closed(over(SPIKE, MINUTE), [])
    assert log.pending() == []


def test_an_incident_and_its_notices_are_kept_together_or_not_at_all(
    log: IncidentLog, store: duckdb.DuckDBPyConnection
) -> None:
    store.execute("DROP TABLE notices")
    with pytest.raises(duckdb.CatalogException):
        log.opened(SPIKE, ["slack"])
    assert log.open_incidents() == []


def test_the_log_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "calls.duckdb"
    with open_database(path, memory_limit="256MB") as before:
        IncidentLog(before).opened(SPIKE, ["slack"])
    with open_database(path, memory_limit="256MB") as after:
        log = IncidentLog(after)
        assert log.open_incidents() == [SPIKE]
        assert waiting(log) == [("i1", "opened", "slack")]


def test_incidents_of_before_unpriced_calls_were_counted_apart_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "calls.duckdb"
    with open_database(path, memory_limit="256MB") as before:
        log = IncidentLog(before)
        log.opened(SPIKE, ["slack"])
        log.looked([QUIET])
        for table, columns in (
            ("incidents", ("unpriced", "unpriced_usd", "last_unpriced", "last_unpriced_usd")),
            ("rule_states", ("unpriced", "unpriced_usd")),
        ):
            for column in columns:
                before.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    with open_database(path, memory_limit="256MB") as after:
        assert IncidentLog(after).open_incidents() == [SPIKE]
        assert rules(LocalReader(after)) == (QUIET,)


def test_what_unpriced_calls_were_counted_as_is_kept(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    half = Decimal("0.500000000000")
    day = replace(DEAR_DAY, unpriced=1, unpriced_usd=half, last_unpriced=1, last_unpriced_usd=half)
    log.opened(day, [])
    later = replace(day, last_unpriced=0, last_unpriced_usd=None)
    log.kept(later)
    assert log.open_incidents() == [later]
    state = replace(QUIET, unpriced=1, unpriced_usd=half)
    log.looked([state])
    assert rules(LocalReader(store)) == (state,)


def test_a_rule_may_have_several_open_incidents(log: IncidentLog) -> None:
    other = replace(SPIKE, incident_id="i0", opened_at=NOON + MINUTE, segment={"model": "other"})
    log.opened(other, [])
    log.opened(SPIKE, [])
    assert log.open_incidents() == [SPIKE, other]


def test_open_incidents_are_listed_before_closed_ones_each_newest_first(
    log: IncidentLog, store: duckdb.DuckDBPyConnection
) -> None:
    for number, closed in enumerate([False, True, False, True]):
        incident = replace(SPIKE, incident_id=f"i{number}", opened_at=NOON + number * MINUTE)
        log.opened(incident, [])
        if closed:
            log.closed(over(incident, MINUTE), [])
    reader = LocalReader(store)
    assert [incident.incident_id for incident in incidents(reader)] == ["i2", "i0", "i3", "i1"]
    assert [incident.incident_id for incident in incidents(reader, limit=1)] == ["i2"]


def test_a_window_has_the_incidents_that_were_open_in_it(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    log.opened(SPIKE, [])
    log.closed(over(SPIKE, 10 * MINUTE), [])
    reader = LocalReader(store)

    def found(start: int, end: int) -> int:
        return len(incidents(reader, Window(NOON + start * MINUTE, NOON + end * MINUTE)))

    assert (found(-5, 0), found(-5, 1), found(3, 4), found(10, 11), found(11, 12)) == (0, 1, 1, 1, 0)


def test_rule_states_are_those_of_the_last_look(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    state = QUIET
    other = replace(state, rule="daily_cost", title="Cost of the day", window_s=None, value=None, state="failed")
    log.looked([state, other])
    assert rules(LocalReader(store)) == (other, state)
    later = replace(state, value=Decimal("1.000000000000"), state="beyond", looked_at=NOON + MINUTE)
    log.looked([later])
    assert rules(LocalReader(store)) == (later,)
    same = replace(later, looked_at=NOON + 2 * MINUTE)
    log.looked([same])
    assert rules(LocalReader(store)) == (same,)
    log.looked([])
    assert rules(LocalReader(store)) == ()


def test_a_quiet_day_leaves_little_in_the_databases_log(log: IncidentLog, tmp_path: Path) -> None:
    wal = tmp_path / "calls.duckdb.wal"

    def grown_by(looks: list[list[RuleState]]) -> int:
        before = wal.stat().st_size
        for states in looks:
            log.looked(states)
        return wal.stat().st_size - before

    six = [replace(QUIET, rule=f"rule {number}") for number in range(6)]
    log.looked(six)
    still = grown_by([[replace(state, looked_at=NOON + n * MINUTE) for state in six] for n in range(20)])
    moving = grown_by([[replace(state, value=Decimal(n)) for state in six] for n in range(20)])
    assert still * 4 < moving


def test_landing_and_looking_do_not_get_in_each_others_way(log: IncidentLog, store: duckdb.DuckDBPyConnection) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(20):
                incident = replace(SPIKE, incident_id=f"{threading.get_ident()}-{number}")
                log.opened(incident, ["slack"])
                log.kept(replace(incident, looks_within=1))
                log.looked([])
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        land(store, [a_call()])
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(log.pending()) == 60
