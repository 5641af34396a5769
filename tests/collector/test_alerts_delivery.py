"""Notices go out in order, are tried again, and are told once."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

import duckdb
import pytest

from claude_telemetry_collector.alerts.delivery import Delivery
from claude_telemetry_collector.alerts.notify import NotToldError
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.incidents import Notice
from tests.support.calls import NOON
from tests.support.incidents import SPIKE, Clock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@dataclass
class Channel:
    """Fails as it is told to, one trouble a try; takes everything else."""

    name: str = "slack"
    troubles: list[NotToldError] = field(default_factory=list[NotToldError])
    refuses: set[str] = field(default_factory=set[str])
    breaks_on: set[str] = field(default_factory=set[str])
    tries: int = 0
    heard: list[str] = field(default_factory=list[str])

    def tell(self, notice: Notice) -> None:
        self.tries += 1
        if notice.incident.incident_id in self.refuses:
            raise NotToldError("status 400", only_this=True)
        if notice.incident.incident_id in self.breaks_on:
            raise KeyError("a metric that is no more")
        if self.troubles:
            raise self.troubles.pop(0)
        self.heard.append(f"{notice.incident.incident_id} {notice.told}")


@pytest.fixture
def log(store: duckdb.DuckDBPyConnection) -> IncidentLog:
    return IncidentLog(store)


def happen(log: IncidentLog, *ids: str, closed: bool = False, channels: tuple[str, ...] = ("slack",)) -> None:
    for number, name in enumerate(ids):
        incident = replace(SPIKE, incident_id=name, opened_at=NOON - (len(ids) - number) * SECOND)
        log.opened(incident, channels)
        if closed:
            log.closed(replace(incident, closed_at=incident.opened_at, closed_why="within"), channels)


def down(times: int, retry_after: timedelta | None = None) -> list[NotToldError]:
    return [NotToldError("status 500", retry_after=retry_after) for _ in range(times)]


def test_everything_that_is_due_is_told_in_order(log: IncidentLog) -> None:
    channel = Channel()
    happen(log, "a", "b", closed=True)
    Delivery(log, [channel], Clock()).deliver()
    assert channel.heard == ["a opened", "a closed", "b opened", "b closed"]
    assert log.pending() == []


def test_what_was_told_is_not_told_again(log: IncidentLog) -> None:
    channel, clock = Channel(), Clock()
    happen(log, "a")
    delivery = Delivery(log, [channel], clock)
    for _ in range(3):
        delivery.deliver()
        clock.now += HOUR
    Delivery(log, [channel], clock).deliver()
    assert channel.heard == ["a opened"]


def test_a_channel_in_trouble_is_left_alone_longer_each_time(log: IncidentLog) -> None:
    channel, clock = Channel(troubles=down(12)), Clock()
    happen(log, "a")
    delivery = Delivery(log, [channel], clock)
    delivery.deliver()
    for tries, pause in enumerate([2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300], start=1):
        clock.now += (pause - 1) * SECOND
        delivery.deliver()
        assert channel.tries == tries
        clock.now += SECOND
        delivery.deliver()
        assert channel.tries == tries + 1
    assert channel.heard == ["a opened"]


def test_a_channel_says_when_to_come_back(log: IncidentLog) -> None:
    channel, clock = Channel(troubles=down(1, retry_after=40 * SECOND)), Clock()
    happen(log, "a", "b")
    delivery = Delivery(log, [channel], clock)
    delivery.deliver()
    clock.now += 39 * SECOND
    delivery.deliver()
    # Also what has not failed itself waits: it would go to the same place.
    assert (channel.tries, channel.heard) == (1, [])
    clock.now += SECOND
    delivery.deliver()
    assert channel.heard == ["a opened", "b opened"]


def test_a_channel_cannot_ask_for_silence_forever(log: IncidentLog) -> None:
    channel, clock = Channel(troubles=down(1, retry_after=timedelta(days=3000))), Clock()
    happen(log, "a")
    delivery = Delivery(log, [channel], clock)
    delivery.deliver()
    clock.now += HOUR
    delivery.deliver()
    assert channel.heard == ["a opened"]


def test_what_opened_and_closed_meanwhile_is_told_in_order(log: IncidentLog) -> None:
    channel, clock = Channel(troubles=down(3)), Clock()
    happen(log, "a", closed=True)
    delivery = Delivery(log, [channel], clock)
    for _ in range(10):
        delivery.deliver()
        clock.now += 10 * SECOND
    assert channel.heard == ["a opened", "a closed"]


def test_a_notice_that_is_refused_holds_up_its_own_incident_only(log: IncidentLog) -> None:
    channel, clock = Channel(refuses={"a"}), Clock()
    happen(log, "a", "b", closed=True)
    delivery = Delivery(log, [channel], clock)
    delivery.deliver()
    assert channel.heard == ["b opened", "b closed"]
    channel.refuses.clear()
    clock.now += HOUR
    delivery.deliver()
    assert channel.heard == ["b opened", "b closed", "a opened", "a closed"]


def test_a_notice_that_cannot_be_put_in_words_holds_up_its_own_incident_only(log: IncidentLog) -> None:
    channel = Channel(breaks_on={"a"})
    happen(log, "a", "b")
    Delivery(log, [channel], Clock()).deliver()
    assert channel.heard == ["b opened"]
    assert [notice.tries for notice in log.pending()] == [1]


def test_channels_do_not_wait_for_each_other(log: IncidentLog) -> None:
    broken, well = Channel(name="slack", troubles=down(1)), Channel(name="pager")
    happen(log, "a", channels=("slack", "pager"))
    Delivery(log, [broken, well], Clock()).deliver()
    assert (broken.heard, well.heard) == ([], ["a opened"])


def test_news_of_yesterday_is_given_up(
    log: IncidentLog, store: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    channel, clock = Channel(troubles=down(2)), Clock()
    happen(log, "a")
    delivery = Delivery(log, [channel], clock)
    delivery.deliver()
    clock.now += 24 * HOUR + SECOND
    delivery.deliver()
    clock.now += HOUR
    delivery.deliver()
    assert (channel.tries, channel.heard) == (2, [])
    assert store.execute("SELECT state, trouble FROM notices").fetchall() == [("given_up", "status 500")]
    assert "slack was not told of incident a" in caplog.text


def test_yesterdays_news_is_tried_once_more_before_it_is_given_up(log: IncidentLog) -> None:
    channel = Channel()
    happen(log, "a")
    Delivery(log, [channel], Clock(NOON + 100 * HOUR)).deliver()
    assert channel.heard == ["a opened"]


def test_a_clock_that_was_put_back_does_not_hold_up_news(log: IncidentLog) -> None:
    channel = Channel()
    happen(log, "a")
    Delivery(log, [channel], Clock(NOON - 5 * HOUR)).deliver()
    assert channel.heard == ["a opened"]


def test_a_restart_tries_at_once(log: IncidentLog) -> None:
    channel, clock = Channel(troubles=down(1, retry_after=HOUR)), Clock()
    happen(log, "a")
    Delivery(log, [channel], clock).deliver()
    restarted = Delivery(log, [channel], clock)
    restarted.start()
    deadline = time.monotonic() + 20
    while not channel.heard and time.monotonic() < deadline:
        time.sleep(0.01)
    restarted.stop()
    assert channel.heard == ["a opened"]


def test_notices_of_a_channel_that_is_not_set_up_wait(log: IncidentLog) -> None:
    happen(log, "a", channels=("pager",))
    Delivery(log, [Channel()], Clock()).deliver()
    assert len(log.pending()) == 1


def test_a_store_that_cannot_mark_a_notice_does_not_make_it_told_over_and_over(
    log: IncidentLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, clock = Channel(), Clock()
    happen(log, "a")
    delivery = Delivery(log, [channel], clock)

    def disk_full(*_: object) -> None:
        raise duckdb.IOException("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(log, "sent", disk_full)
        for _ in range(5):
            with pytest.raises(duckdb.IOException):
                delivery.deliver()
            clock.now += HOUR
    delivery.deliver()
    assert channel.heard == ["a opened"]
    assert log.pending() == []


def test_trouble_is_logged_once_until_it_is_over(log: IncidentLog, caplog: pytest.LogCaptureFixture) -> None:
    channel, clock = Channel(troubles=down(5)), Clock()
    happen(log, "a")
    delivery = Delivery(log, [channel], clock)
    with caplog.at_level(logging.INFO):
        for _ in range(6):
            delivery.deliver()
            clock.now += HOUR
    assert channel.heard == ["a opened"]
    assert [record.getMessage() for record in caplog.records] == [
        "slack did not take a notice (status 500); it is tried again"
    ]
