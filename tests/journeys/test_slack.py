"""From calls that go wrong to the people who hear of it, through Slack's bad hours and the collector's restarts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.fake import FakeSlack
from claude_telemetry.settings import settle
from claude_telemetry_collector.alerts import Watch, default_rules
from claude_telemetry_collector.alerts.notify.slack import SlackNotifier
from claude_telemetry_collector.queries import incidents
from claude_telemetry_collector.store import LocalReader, open_database
from claude_telemetry_collector.store.incident_log import IncidentLog
from tests.support.calls import a_call, land
from tests.support.waiting import wait_until

OPENED, CLOSED = "Error rate is above 5 %", "Error rate was above 5 %: over"


class Collector:
    """The part of a collector that lands and watches, on a real file, with a clock that can be put forward."""

    def __init__(self, path: Path, slack: FakeSlack, ahead: timedelta) -> None:
        self.ahead = ahead
        self.store = open_database(path / "calls.duckdb", memory_limit="256MB")
        self.reader = LocalReader(self.store)
        self.log = IncidentLog(self.store)
        notifier = SlackNotifier(slack.url, dashboard_url="http://127.0.0.1:8501")
        rules = default_rules(settle("collect", environ={}))
        self.watch = Watch(self.reader, self.log, rules, [notifier], 0.02, self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def come_in(self, number: int, **facts: Any) -> None:
        land(self.store, [a_call(started_at=self.now(), duration_ms=1, **facts) for _ in range(number)])

    def tell_all(self) -> None:
        wait_until(lambda: self.log.pending() == [])

    def count(self, *, closed: bool) -> int:
        return sum((incident.closed_at is not None) == closed for incident in incidents(self.reader))


@contextmanager
def collecting(path: Path, slack: FakeSlack, ahead: timedelta = timedelta(0)) -> Generator[Collector]:
    collector = Collector(path, slack, ahead)
    collector.watch.start()
    try:
        yield collector
    finally:
        collector.watch.stop()
        collector.log.close()
        collector.store.close()


def headlines(slack: FakeSlack) -> list[str]:
    return [str(message["text"]).splitlines()[0][2:] for message in slack.messages]


def wait_for_refusals(slack: FakeSlack, number: int) -> None:
    wait_until(lambda: len(slack.refusals) >= number)


def test_failing_calls_are_told_once_and_so_is_their_end(tmp_path: Path, slack: FakeSlack) -> None:
    with collecting(tmp_path, slack) as collector:
        collector.come_in(20, status="error")
        wait_until(lambda: headlines(slack) == [OPENED])
        collector.come_in(20, status="error")
        collector.ahead = timedelta(minutes=6)
        wait_until(lambda: headlines(slack) == [OPENED, CLOSED])


@pytest.mark.parametrize("status", [500, 429])
def test_what_slack_did_not_take_is_told_once_when_it_recovers(tmp_path: Path, slack: FakeSlack, status: int) -> None:
    slack.fail(status, times=4, retry_after=1 if status == 429 else None)
    with collecting(tmp_path, slack) as collector:
        collector.come_in(20, status="error")
        wait_for_refusals(slack, 1)
        # Meanwhile rules are looked at as ever, and the incident ends before anybody heard of it.
        collector.ahead = timedelta(minutes=6)
        wait_until(lambda: collector.count(closed=True) == 1)
        for number in range(2, 5):
            collector.ahead += timedelta(minutes=6)
            wait_for_refusals(slack, number)
        collector.ahead += timedelta(minutes=6)
        wait_until(lambda: headlines(slack) == [OPENED, CLOSED])
        collector.tell_all()
    assert headlines(slack) == [OPENED, CLOSED]


def test_a_restarted_collector_tells_what_is_untold_and_nothing_twice(tmp_path: Path, slack: FakeSlack) -> None:
    slack.fail(500, times=1)
    with collecting(tmp_path, slack) as collector:
        collector.come_in(20, status="error")
        wait_for_refusals(slack, 1)
    assert headlines(slack) == []
    with collecting(tmp_path, slack) as collector:
        # At once, though its next try was put off: who restarts a collector may just have mended the address.
        wait_until(lambda: headlines(slack) == [OPENED])
        assert collector.count(closed=False) == 1
    for _ in range(2):
        with collecting(tmp_path, slack) as collector:
            collector.come_in(1, status="error")
            collector.tell_all()
    with collecting(tmp_path, slack, ahead=timedelta(minutes=6)):
        wait_until(lambda: headlines(slack) == [OPENED, CLOSED])
    assert headlines(slack) == [OPENED, CLOSED]
