"""Which calls a page is about: windows cut on whole steps, and periods that compare like with like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_dashboard import filters

ALL = Segment()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_range_ends_with_the_step_that_has_begun() -> None:
    chosen = filters.looking_back(filters.RANGES["1h"], at("2026-11-20 12:07:31"), ALL)

    assert chosen.window == Window(at("2026-11-20 11:08"), at("2026-11-20 12:08"))
    assert chosen.step == MINUTE


def test_the_window_stays_the_same_until_the_next_step() -> None:
    early = filters.looking_back(filters.RANGES["24h"], at("2026-11-20 12:00:01"), ALL)
    late = filters.looking_back(filters.RANGES["24h"], at("2026-11-20 12:29:59"), ALL)
    later = filters.looking_back(filters.RANGES["24h"], at("2026-11-20 12:30:01"), ALL)

    assert early.window == late.window == Window(at("2026-11-19 12:30"), at("2026-11-20 12:30"))
    assert later.window.end == at("2026-11-20 13:00")


def test_today_is_the_utc_day_and_is_compared_with_yesterday_by_this_time() -> None:
    chosen = filters.looking_back(filters.RANGES["today"], at("2026-11-20 06:00"), ALL)

    assert chosen.window == Window(at("2026-11-20 00:00"), at("2026-11-21 00:00"))
    assert chosen.before == Window(at("2026-11-19 00:00"), at("2026-11-19 06:00"))


def test_the_period_before_is_as_long_as_what_has_passed() -> None:
    chosen = filters.looking_back(filters.RANGES["7d"], at("2026-11-20 12:18"), ALL)

    # Steps of 3 hours: the window reaches to 15:00, of which 12:18 has passed, in tenths of a step.
    assert chosen.window == Window(at("2026-11-13 15:00"), at("2026-11-20 15:00"))
    assert chosen.before == Window(at("2026-11-06 15:00"), at("2026-11-13 12:18"))


@pytest.mark.parametrize("name", list(filters.RANGES))
def test_every_range_makes_a_chart_that_can_be_read(name: str) -> None:
    range_ = filters.RANGES[name]

    assert 40 <= range_.length / range_.step <= 90
    assert DAY % range_.step == timedelta(0), "steps start at midnight, as the buckets of `queries.series` do"


def test_a_range_by_its_ends_is_taken_as_it_is() -> None:
    chosen = filters.between(at("2026-11-01 00:00"), at("2026-11-03 00:00"), at("2026-11-20 12:00"), ALL)

    assert chosen.window == Window(at("2026-11-01 00:00"), at("2026-11-03 00:00"))
    assert chosen.before == Window(at("2026-10-30 00:00"), at("2026-11-01 00:00"))
    assert chosen.step == HOUR
    assert chosen.words == "from 01 Nov 00:00 to 03 Nov 00:00 UTC"


def test_an_open_end_is_now_and_an_open_or_late_start_is_a_day_before() -> None:
    now = at("2026-11-20 12:00:30")

    assert filters.between(None, None, now, ALL).window == Window(at("2026-11-19 12:01"), at("2026-11-20 12:01"))
    backwards = filters.between(at("2026-11-05 00:00"), at("2026-11-04 00:00"), now, ALL)
    assert backwards.window == Window(at("2026-11-03 00:00"), at("2026-11-04 00:00"))


def test_a_long_range_has_few_enough_points() -> None:
    chosen = filters.between(at("2024-01-01 00:00"), at("2026-01-01 00:00"), at("2026-11-20 12:00"), ALL)

    assert chosen.window.length / chosen.step <= 75
    assert chosen.step % DAY == timedelta(0)


def test_whole_days_hold_the_window_and_some_days_before() -> None:
    hour = Window(at("2026-11-20 11:00"), at("2026-11-20 12:00"))
    month = Window(at("2026-10-20 06:00"), at("2026-11-20 06:00"))

    assert filters.whole_days(hour, 14) == Window(at("2026-11-07 00:00"), at("2026-11-21 00:00"))
    assert filters.whole_days(month, 14) == Window(at("2026-10-20 00:00"), at("2026-11-21 00:00"))


BERLIN = "Europe/Berlin"


def test_today_is_the_day_of_the_zone_also_when_clocks_change() -> None:
    # In Berlin the 25th of October had 25 hours, of which 17 have passed; the day before had 24.
    chosen = filters.looking_back(filters.RANGES["today"], at("2026-10-25 15:00"), ALL, BERLIN)

    assert chosen.window == Window(at("2026-10-24 22:00"), at("2026-10-25 23:00"))
    assert chosen.before == Window(at("2026-10-23 22:00"), at("2026-10-24 15:00"))
    assert chosen.zone == BERLIN
    assert chosen.on_clocks == Window(at("2026-10-25 00:00"), at("2026-10-26 00:00"))


def test_long_steps_end_at_the_hours_of_the_zone() -> None:
    chosen = filters.looking_back(filters.RANGES["90d"], at("2026-11-20 12:00"), ALL, BERLIN)

    # Midnight there is 23:00 UTC. Ninety days ago it was summer.
    assert chosen.window.end == at("2026-11-20 23:00")
    assert chosen.window.length == 90 * DAY


def test_whole_days_are_those_of_the_zone() -> None:
    hour = Window(at("2026-11-20 23:00"), at("2026-11-21 00:00"))

    assert filters.whole_days(hour, 2, BERLIN) == Window(at("2026-11-19 23:00"), at("2026-11-21 23:00"))


def test_the_ends_of_a_range_are_said_on_the_clocks_of_the_zone() -> None:
    chosen = filters.between(at("2026-11-01 00:00"), at("2026-11-03 00:00"), at("2026-11-20 12:00"), ALL, BERLIN)

    assert chosen.words == "from 01 Nov 01:00 to 03 Nov 01:00 Europe/Berlin"
