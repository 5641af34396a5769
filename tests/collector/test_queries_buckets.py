"""Buckets on the clocks of a zone: days of 23 and 25 hours, weeks, halves of hours, and what a slow reference says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.queries import Segment, Window, cost_per_day, series
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import a_call, land

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = "Europe/Berlin"
"""Clocks there were set back on 25 October 2026 at 01:00 UTC, and go forward on 28 March 2027 at 01:00 UTC."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def counted(store: duckdb.DuckDBPyConnection, window: Window, step: timedelta, zone: str) -> list[tuple[str, int]]:
    rows = series(LocalReader(store), ["requests"], window, Segment(), step, zone).to_pylist()
    return [(f"{row['bucket']:%m-%d %H:%M}", row["requests"]) for row in rows]


def hourly(start: str, end: str) -> Window:
    return Window(utc(start), utc(end))


def test_the_day_on_which_clocks_go_back_has_25_hours(store: duckdb.DuckDBPyConnection) -> None:
    # From Saturday 00:00 to Tuesday 00:00 in Berlin, a call in each hour.
    window = hourly("2026-10-23T22:00", "2026-10-26T23:00")
    land(store, [a_call(started_at=window.start + number * HOUR) for number in range(73)])
    assert counted(store, window, DAY, BERLIN) == [("10-24 00:00", 24), ("10-25 00:00", 25), ("10-26 00:00", 24)]
    # Of the half days only the one with the change is longer.
    halves = [count for _, count in counted(store, window, 12 * HOUR, BERLIN)]
    assert halves == [12, 12, 13, 12, 12, 12]


def test_the_day_on_which_clocks_go_forward_has_23_hours(store: duckdb.DuckDBPyConnection) -> None:
    window = hourly("2027-03-26T23:00", "2027-03-29T22:00")
    land(store, [a_call(started_at=window.start + number * HOUR) for number in range(71)])
    assert counted(store, window, DAY, BERLIN) == [("03-27 00:00", 24), ("03-28 00:00", 23), ("03-29 00:00", 24)]


def test_short_buckets_are_as_long_as_ever_when_clocks_change(store: duckdb.DuckDBPyConnection) -> None:
    window = hourly("2026-10-24T23:00", "2026-10-25T03:00")
    land(store, [a_call(started_at=window.start + number * timedelta(minutes=30)) for number in range(8)])
    # Twice it is 02:00.
    assert counted(store, window, HOUR, BERLIN) == [
        ("10-25 01:00", 2),
        ("10-25 02:00", 2),
        ("10-25 02:00", 2),
        ("10-25 03:00", 2),
    ]


def test_a_zone_may_be_half_an_hour_off(store: duckdb.DuckDBPyConnection) -> None:
    # In Kolkata, 05:30 ahead, the 21st begins at 18:30 UTC.
    land(store, [a_call(started_at=utc(at)) for at in ("2026-11-20T18:29:59", "2026-11-20T18:30", "2026-11-20T18:45")])
    window = hourly("2026-11-20T18:00", "2026-11-20T19:00")
    assert counted(store, window, HOUR, "Asia/Kolkata") == [("11-20 23:00", 1), ("11-21 00:00", 2)]
    assert counted(store, window, DAY, "Asia/Kolkata") == [("11-20 00:00", 1), ("11-21 00:00", 2)]


def test_a_week_begins_on_monday_where_people_are(store: duckdb.DuckDBPyConnection) -> None:
    # Monday the 16th begins in Auckland, 13 hours ahead, on Sunday at 11:00 UTC.
    land(store, [a_call(started_at=utc(at)) for at in ("2026-11-15T10:59", "2026-11-15T11:00", "2026-11-20T00:00")])
    window = hourly("2026-11-10T00:00", "2026-11-21T00:00")
    assert counted(store, window, 7 * DAY, "Pacific/Auckland") == [("11-09 00:00", 1), ("11-16 00:00", 2)]


def test_a_day_costs_what_was_asked_between_its_midnights(store: duckdb.DuckDBPyConnection) -> None:
    calls = {"2026-11-19T22:59": "1", "2026-11-19T23:00": "2", "2026-11-20T22:59": "4", "2026-11-20T23:00": "8"}
    land(store, [a_call(started_at=utc(at), cost_usd=Decimal(cost)) for at, cost in calls.items()])
    window = hourly("2026-11-19T00:00", "2026-11-21T00:00")
    rows = cost_per_day(LocalReader(store), window, Segment(), zone=BERLIN).to_pylist()
    assert [(row["day"], row["cost_usd"]) for row in rows] == [
        (date(2026, 11, 19), Decimal(1)),
        (date(2026, 11, 20), Decimal(6)),
        (date(2026, 11, 21), Decimal(8)),
    ]


def test_a_zone_that_there_is_not_is_refused(store: duckdb.DuckDBPyConnection) -> None:
    for name in ("Mars/Olympus", "../../etc/passwd", ""):
        with pytest.raises(ValueError, match="no time zone"):
            counted(store, hourly("2026-11-20T00:00", "2026-11-21T00:00"), DAY, name)


ZONES = st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.integers(0, 400 * 24 * 60), max_size=20),
    zone=ZONES,
    start=st.integers(0, 300 * 24 * 60),
    days=st.integers(1, 60),
)
def test_days_are_those_that_a_calendar_says(
    store: duckdb.DuckDBPyConnection, moments: list[int], zone: str, start: int, days: int
) -> None:
    store.execute("DELETE FROM calls")
    since = utc("2026-01-01T00:00")
    at = [since + timedelta(minutes=minutes) for minutes in moments]
    land(store, [a_call(started_at=moment) for moment in at])
    window = Window(since + timedelta(minutes=start), since + timedelta(minutes=start) + days * DAY)
    rows = series(LocalReader(store), ["requests"], window, Segment(), DAY, zone).to_pylist()
    there = Counter(moment.astimezone(ZoneInfo(zone)).date() for moment in at if window.start <= moment < window.end)
    assert {row["bucket"].date(): row["requests"] for row in rows if row["requests"]} == dict(there)
    shown = [row["bucket"].date() for row in rows]
    first, last = (
        edge.astimezone(ZoneInfo(zone)).date() for edge in (window.start, window.end - timedelta(microseconds=1))
    )
    assert shown == [first + number * DAY for number in range((last - first).days + 1)]
