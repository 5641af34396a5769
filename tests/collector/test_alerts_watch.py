"""Rules over a made-up day, on a real store, with a clock that does as it is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry.settings import SETTINGS, settle
from claude_telemetry_collector.alerts import Rule, Watch, default_rules
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Incident, RuleState, Segment, incidents, rules
from claude_telemetry_collector.store import LocalReader, Reader, open_database
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.incidents import Notice
from tests.support.calls import NOON, a_call, land
from tests.support.incidents import Clock
from tests.support.waiting import wait_until

MINUTE = timedelta(minutes=1)
LOOK = timedelta(seconds=15)


@dataclass
class Told:
    """A channel that hears everything at once."""

    name: str = "told"
    heard: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    notices: list[Notice] = field(default_factory=list[Notice])

    def tell(self, notice: Notice) -> None:
        self.heard.append((notice.incident.rule, notice.told))
        self.notices.append(notice)


class Day:
    """A collector's day: calls come in, time passes, rules are looked at every so often. Ten minutes are silence."""

    def __init__(self, path: Path, *, rules: tuple[Rule, ...] | None = None) -> None:
        self.clock = Clock()
        self.told = Told()
        usual = settle("collect", {"alert_no_data_minutes": 10}, environ={})
        self.rules = default_rules(usual) if rules is None else rules
        self._path = path
        self.start()

    def start(self, *, reader: Reader | None = None) -> None:
        self.store = open_database(self._path / "calls.duckdb", memory_limit="256MB")
        self.reader = LocalReader(self.store)
        self.log = IncidentLog(self.store)
        self.watch = Watch(reader or self.reader, self.log, self.rules, [self.told], 15, self.clock)

    def stop(self) -> None:
        self.watch.stop()
        self.log.close()
        self.store.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def come_in(self, *calls: LandedCall) -> None:
        land(self.store, calls)

    def pass_by(self, length: timedelta, every: timedelta = 2 * LOOK) -> None:
        """Looks and delivers from time to time, also at the end."""
        end = self.clock.now + length
        while self.clock.now < end:
            self.clock.now = min(self.clock.now + every, end)
            self.look()

    def look(self) -> None:
        self.watch.look()
        self.watch.deliver()

    def calls(self, number: int, **facts: Any) -> None:
        """`number` calls that end now."""
        ended: dict[str, Any] = {"started_at": self.clock.now - timedelta(seconds=1), "duration_ms": 999}
        self.come_in(*(a_call(**{**ended, **facts}) for _ in range(number)))

    def incidents(self) -> tuple[Incident, ...]:
        return incidents(self.reader)

    def state(self, rule: str) -> RuleState:
        return next(state for state in rules(self.reader) if state.rule == rule)


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    day = Day(tmp_path)
    yield day
    day.stop()


def test_a_quiet_day_tells_nothing(day: Day) -> None:
    for _ in range(3):
        day.calls(30)
        day.pass_by(MINUTE)
    assert day.told.heard == []
    assert day.incidents() == ()
    names = ("daily_cost", "error_ratio", "p95_latency", "call_cost", "call_tokens", "no_data", "unpriced_model")
    # Nothing has been pulled of the bill.
    nothing = dict.fromkeys(("bill_coverage", "bill_prices"), "unknown")
    assert {state.rule: state.state for state in rules(day.reader)} == dict.fromkeys(names, "within") | nothing


def test_errors_are_told_once_when_they_begin_and_once_when_they_end(day: Day) -> None:
    day.calls(94)
    day.calls(5, status="error")
    day.look()
    # 5 of 99 is 5.05 %.
    assert day.told.heard == [("error_ratio", "opened")]
    day.pass_by(4 * MINUTE)
    day.calls(100)
    day.calls(60, status="error")
    day.pass_by(4 * MINUTE)
    assert day.told.heard == [("error_ratio", "opened")]
    day.calls(100)
    day.pass_by(6 * MINUTE)
    assert day.told.heard == [("error_ratio", "opened"), ("error_ratio", "closed")]
    (incident,) = day.incidents()
    assert (incident.value, incident.calls) == (Decimal("0.050505050505"), 99)
    # 65 of 259 is the worst that any five minutes held.
    assert incident.worst == Decimal("0.375")
    assert incident.closed_why == "within"


def test_exactly_five_percent_of_errors_is_within(day: Day) -> None:
    day.calls(95)
    day.calls(5, status="error")
    day.look()
    assert day.told.heard == []
    assert (day.state("error_ratio").value, day.state("error_ratio").state) == (Decimal("0.05"), "within")


def test_a_few_failed_calls_are_no_error_rate(day: Day) -> None:
    day.calls(19, status="error")
    day.look()
    assert day.told.heard == []
    assert day.state("error_ratio").state == "too_few_calls"
    day.calls(1, status="error")
    day.look()
    assert day.told.heard == [("error_ratio", "opened")]


def test_an_outage_of_calls_longer_than_the_window_is_noticed(day: Day) -> None:
    ten_minutes_ago = day.clock.now - 10 * MINUTE
    day.come_in(*(a_call(started_at=ten_minutes_ago, duration_ms=599_000, status="error") for _ in range(20)))
    day.look()
    assert sorted(day.told.heard) == [("error_ratio", "opened"), ("p95_latency", "opened")]


def test_slow_answers_are_told(day: Day) -> None:
    day.calls(18, duration_ms=100)
    day.calls(2, duration_ms=40_000, started_at=NOON - timedelta(seconds=41))
    day.look()
    # At 0.95 * 19 = 18.05 of twenty: within the two slow ones.
    assert day.told.heard == [("p95_latency", "opened")]
    assert day.state("p95_latency").value == 40_000


def test_a_dear_day_is_told_once_and_ends_with_the_day(day: Day) -> None:
    day.calls(10, cost_usd=Decimal(4), cost_status="priced")
    day.look()
    assert day.told.heard == []
    day.pass_by(MINUTE)
    day.calls(20, cost_usd=Decimal("3.01"))
    day.pass_by(MINUTE)
    assert day.told.heard == [("daily_cost", "opened")]
    assert day.told.notices[0].incident.value == Decimal("100.20")
    day.clock.now = datetime(2026, 11, 20, 23, 59, 45, tzinfo=UTC)
    day.look()
    assert day.told.heard == [("daily_cost", "opened")]
    day.pass_by(LOOK)
    day.pass_by(LOOK)
    assert day.told.heard == [("daily_cost", "opened"), ("daily_cost", "closed")]
    assert day.incidents()[0].closed_why == "no_calls"


def test_a_dear_call_is_named(day: Day) -> None:
    day.calls(5)
    day.calls(1, cost_usd=Decimal("5.01"), trace_id="a" * 32, span_id="b" * 16)
    day.look()
    assert day.told.heard == [("call_cost", "opened")]
    (incident,) = day.incidents()
    assert (incident.value, incident.trace_id, incident.span_id) == (Decimal("5.01"), "a" * 32, "b" * 16)
    day.pass_by(MINUTE)
    day.calls(1, cost_usd=Decimal(7), trace_id="c" * 32, span_id="d" * 16)
    day.pass_by(7 * MINUTE)
    assert day.told.heard == [("call_cost", "opened"), ("call_cost", "closed")]
    (incident,) = day.incidents()
    assert (incident.worst, incident.trace_id) == (Decimal(7), "c" * 32)


def test_each_offending_stretch_has_its_own_incident(day: Day) -> None:
    for _ in range(2):
        day.calls(1, input_tokens=600_000)
        day.pass_by(8 * MINUTE, every=MINUTE)
    assert day.told.heard == [("call_tokens", "opened"), ("call_tokens", "closed")] * 2
    assert len(day.incidents()) == 2


def test_silence_is_told_only_after_there_was_something_to_hear(day: Day) -> None:
    day.pass_by(15 * MINUTE, every=MINUTE)
    assert day.told.heard == []
    assert day.state("no_data").state == "unknown"
    day.calls(1)
    day.pass_by(9 * MINUTE, every=MINUTE)
    assert day.told.heard == []
    day.pass_by(2 * MINUTE)
    assert day.told.heard == [("no_data", "opened")]
    day.calls(1)
    day.pass_by(MINUTE)
    assert day.told.heard == [("no_data", "opened"), ("no_data", "closed")]


def test_a_collector_that_was_off_overnight_does_not_take_that_for_silence(day: Day) -> None:
    day.calls(1)
    day.look()
    day.stop()
    day.clock.now += timedelta(hours=12)
    day.start()
    day.pass_by(9 * MINUTE, every=MINUTE)
    assert day.told.heard == []
    day.pass_by(2 * MINUTE)
    assert day.told.heard == [("no_data", "opened")]


def test_a_machine_that_slept_does_not_take_that_for_silence(day: Day) -> None:
    day.calls(1)
    day.pass_by(MINUTE)
    day.clock.now += timedelta(hours=12)
    day.pass_by(9 * MINUTE, every=MINUTE)
    assert day.told.heard == []


def test_a_restart_goes_on_with_what_is_open(day: Day) -> None:
    day.calls(20, status="error")
    day.look()
    day.restart()
    day.pass_by(MINUTE)
    assert day.told.heard == [("error_ratio", "opened")]
    day.restart()
    day.pass_by(6 * MINUTE)
    assert day.told.heard == [("error_ratio", "opened"), ("error_ratio", "closed")]
    assert len(day.incidents()) == 1


def test_what_is_untold_at_a_restart_is_told_after_it(day: Day) -> None:
    day.calls(20, status="error")
    day.watch.look()
    assert day.told.heard == []
    day.restart()
    day.watch.deliver()
    assert day.told.heard == [("error_ratio", "opened")]


def test_an_incident_of_a_rule_that_was_turned_off_ends(day: Day) -> None:
    day.calls(20, status="error")
    day.look()
    day.rules = tuple(rule for rule in day.rules if rule.name != "error_ratio")
    day.restart()
    day.look()
    assert day.told.heard == [("error_ratio", "opened"), ("error_ratio", "closed")]
    assert day.incidents()[0].closed_why == "rule_off"
    assert "error_ratio" not in {state.rule for state in rules(day.reader)}


def test_a_rule_looks_at_its_segment_only(tmp_path: Path) -> None:
    chat = Rule(
        name="chat_cost",
        title="Cost of chat",
        metric="cost_usd",
        threshold=Decimal(1),
        window=None,
        segment=Segment(feature="chat"),
    )
    day = Day(tmp_path, rules=(chat,))
    day.calls(1, feature="search", cost_usd=Decimal(50))
    day.look()
    assert day.told.heard == []
    day.calls(1, feature="chat", cost_usd=Decimal(2))
    day.look()
    assert day.incidents()[0].segment == {"feature": "chat"}
    day.stop()


NAMELESS: dict[str, Any] = {"cost_usd": None, "cost_status": "unknown", "cost_flags": "model_unknown"}
UNPRICED, PRICED = ("unpriced_model", "opened"), ("unpriced_model", "closed")


def rules_with_only(**thresholds: Any) -> tuple[Rule, ...]:
    """The default rules of these settings; all others are off."""
    off = {setting.name: 0 for setting in SETTINGS if setting.name.startswith("alert_")}
    return default_rules(off | thresholds)


@pytest.fixture
def prices(tmp_path: Path) -> Iterator[Day]:
    """A day on which only prices are watched."""
    day = Day(tmp_path, rules=rules_with_only(alert_unpriced_calls=1, alert_daily_cost_usd=Decimal(100)))
    yield day
    day.stop()


def named(day: Day) -> list[tuple[str, Mapping[str, str]]]:
    return [(notice.told, notice.incident.segment) for notice in day.told.notices]


def test_the_first_call_to_an_unknown_model_is_told_of_once_by_its_name(prices: Day) -> None:
    prices.calls(5)
    prices.look()
    assert prices.told.heard == []
    prices.calls(1, model="claude-foo-9", **NAMELESS)
    for _ in range(4):
        prices.pass_by(6 * MINUTE, every=2 * MINUTE)
        prices.calls(3, model="claude-foo-9", **NAMELESS)
    prices.pass_by(timedelta(days=3), every=timedelta(hours=6))
    assert named(prices) == [("opened", {"price_id": "claude-foo-9"})]
    (incident,) = prices.incidents()
    assert (incident.value, incident.last_value, incident.closed_at) == (Decimal(1), Decimal(13), None)
    assert prices.state("unpriced_model").value == 13


def test_each_new_unknown_model_is_told_of(prices: Day) -> None:
    for name in ("claude-foo-9", "claude-bar-9", "claude-foo-9"):
        prices.calls(2, model=name, **NAMELESS)
        prices.pass_by(MINUTE)
    assert named(prices) == [("opened", {"price_id": "claude-foo-9"}), ("opened", {"price_id": "claude-bar-9"})]


def test_it_is_over_when_the_calls_have_been_priced_again(prices: Day) -> None:
    prices.calls(2, model="claude-foo-9", **NAMELESS)
    prices.calls(2, model="claude-bar-9", **NAMELESS)
    prices.look()
    prices.store.execute("UPDATE calls SET cost_usd = 0.01, cost_status = 'priced' WHERE model = 'claude-foo-9'")
    prices.pass_by(MINUTE)
    assert named(prices)[2:] == [("closed", {"price_id": "claude-foo-9"})]
    assert prices.told.notices[-1].incident.closed_why == "within"
    # An application that still has the old prices is news again.
    prices.calls(1, model="claude-foo-9", **NAMELESS)
    prices.look()
    assert named(prices)[3:] == [("opened", {"price_id": "claude-foo-9"})]


def test_a_model_that_nobody_has_asked_for_a_month_is_over(prices: Day) -> None:
    prices.calls(1, model="claude-foo-9", **NAMELESS)
    prices.look()
    prices.clock.now += timedelta(days=30, minutes=1)
    prices.look()
    prices.look()
    assert prices.told.heard == [UNPRICED, PRICED]
    assert prices.incidents()[0].closed_why == "no_calls"


def test_a_restart_tells_nobody_of_an_unknown_model_again(prices: Day) -> None:
    prices.calls(1, model="claude-foo-9", **NAMELESS)
    prices.look()
    prices.restart()
    prices.calls(1, model="claude-foo-9", **NAMELESS)
    prices.pass_by(MINUTE)
    assert prices.told.heard == [UNPRICED]


def test_a_call_that_ran_out_of_time_is_no_unknown_model(prices: Day) -> None:
    silent: dict[str, Any] = {"input_tokens": None, "output_tokens": None, "status": "error", "billed": None}
    prices.calls(3, **(NAMELESS | silent | {"cost_flags": None}))
    prices.pass_by(MINUTE)
    assert prices.told.heard == []


def test_a_gateway_that_makes_up_a_model_for_each_call_makes_ten_incidents(prices: Day) -> None:
    for number in range(30):
        prices.calls(1 + number % 2, model=f"m{number:02}", **NAMELESS)
    prices.pass_by(2 * MINUTE)
    assert prices.told.heard == [UNPRICED] * 10
    # Those with most calls, and no others take their place while they are open.
    assert {notice.incident.segment["price_id"] for notice in prices.told.notices} == {
        f"m{number:02}" for number in range(1, 20, 2)
    }
    assert prices.state("unpriced_model").value == 45
    prices.store.execute("UPDATE calls SET cost_usd = 0.01 WHERE model = 'm01'")
    prices.pass_by(2 * MINUTE)
    assert named(prices)[10:] == [("closed", {"price_id": "m01"}), ("opened", {"price_id": "m21"})]


def test_turned_off_the_rule_lets_all_its_incidents_end(prices: Day) -> None:
    prices.calls(1, model="claude-foo-9", **NAMELESS)
    prices.calls(1, model="claude-bar-9", **NAMELESS)
    prices.look()
    prices.rules = prices.rules[:1]
    prices.restart()
    prices.look()
    assert prices.told.heard == [UNPRICED, UNPRICED, PRICED, PRICED]


@pytest.mark.parametrize(("each", "told"), [("0", []), ("0.5", [("daily_cost", "opened")])])
def test_unpriced_calls_count_towards_the_budget_if_they_are_given_an_amount(
    tmp_path: Path, each: str, told: list[tuple[str, str]]
) -> None:
    budget = rules_with_only(alert_daily_cost_usd=Decimal(10), alert_unpriced_call_usd=Decimal(each))
    day = Day(tmp_path, rules=budget)
    day.calls(1, cost_usd=Decimal("9.5"))
    day.calls(2, model="claude-foo-9", **NAMELESS)
    day.look()
    assert day.told.heard == told
    state = day.state("daily_cost")
    assert (state.value, state.unpriced) == (Decimal("9.5") + 2 * Decimal(each), 2)
    day.stop()


class Half:
    """A reader that cannot be asked about errors."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.broken = True

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        if self.broken and "AS error_ratio" in sql:
            raise QuestionRefusedError("secret label")
        return self.reader.ask(sql, parameters)


def test_one_rule_that_fails_does_not_stop_the_others(day: Day, caplog: pytest.LogCaptureFixture) -> None:
    half = Half(day.reader)
    day.watch = Watch(half, day.log, day.rules, [day.told], 15, day.clock)
    day.calls(20, status="error", cost_usd=Decimal(9))
    with caplog.at_level(logging.INFO):
        day.pass_by(MINUTE)
    assert sorted(day.told.heard) == [("call_cost", "opened"), ("daily_cost", "opened")]
    assert day.watch.failures == {"error_ratio": 2}
    assert day.state("error_ratio").state == "failed"
    # Once, and without what the error said.
    assert caplog.text.count("error_ratio") == 1
    assert "secret" not in caplog.text
    half.broken = False
    day.look()
    assert day.told.heard[2:] == [("error_ratio", "opened")]


def test_nobody_to_tell_keeps_incidents_all_the_same(day: Day, caplog: pytest.LogCaptureFixture) -> None:
    day.watch = Watch(day.reader, day.log, day.rules, [], 0.01, day.clock)
    day.calls(20, status="error")
    with caplog.at_level(logging.INFO):
        day.watch.start()
        wait_until(lambda: len(day.incidents()) == 1)
        day.watch.stop()
    assert caplog.text.count("nobody is told") == 1
    assert day.log.pending() == []


def test_started_it_looks_and_tells_by_itself_until_stopped(day: Day) -> None:
    day.calls(20, status="error")
    day.watch = Watch(day.reader, day.log, day.rules, [day.told], 0.01, day.clock)
    day.watch.start()
    wait_until(lambda: day.told.heard == [("error_ratio", "opened")])
    day.watch.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"alert-rules", "alert-notices"})


def test_a_look_that_fails_is_followed_by_another(day: Day) -> None:
    day.store.execute("ALTER TABLE incidents RENAME TO elsewhere")
    day.watch = Watch(day.reader, day.log, day.rules, [day.told], 0.01, day.clock)
    day.calls(20, status="error")
    day.watch.start()
    wait_until(lambda: day.watch.failures.get("look", 0) > 1)
    day.store.execute("ALTER TABLE elsewhere RENAME TO incidents")
    wait_until(lambda: day.told.heard == [("error_ratio", "opened")])
    day.watch.stop()


def test_a_watch_that_never_started_can_be_stopped(day: Day) -> None:
    day.watch.stop()
