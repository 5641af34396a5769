"""Where the month is heading."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import numpy as np
import pytest

from claude_telemetry_collector.queries import Segment
from claude_telemetry_collector.queries.forecast import forecast, made
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import a_call, land

DAY = timedelta(days=1)
TODAY = date(2026, 11, 20)
Spent = dict[date, dict[int, Decimal]]


def days_before(number: int, cost: float | list[float]) -> Spent:
    """What the last `number` whole days cost, all of it at noon."""
    costs = cost if isinstance(cost, list) else [cost] * number
    return {TODAY - (number - place) * DAY: {12: Decimal(str(each))} for place, each in enumerate(costs)}


def test_days_that_are_all_alike_go_on_so(store: duckdb.DuckDBPyConnection) -> None:
    """19 whole days of November at 10, nothing today before noon, then 11 more days: 300, without a doubt."""
    spent = days_before(30, 10)
    found = made(TODAY, sorted(spent), spent, 0, hour=9.0)
    assert [found.spent_usd, found.expected_usd, found.low_usd, found.high_usd] == [190, 300, 300, 300]
    assert (found.days_used, found.rhythm) == (30, "weekdays")
    assert [day.expected_usd for day in found.days[18:21]] == [190, 200, 210]
    assert len(found.days) == 30


def test_what_of_today_is_over_is_not_expected_again() -> None:
    """All of a day is spent at noon: at 18 o'clock, today's 12 is all that there will be."""
    spent = {**days_before(20, 10), TODAY: {12: Decimal(12)}}
    found = made(TODAY, sorted(spent)[:-1], spent, 0, hour=18.0)
    assert [found.spent_usd, found.expected_usd] == [202, 302]


def test_a_week_has_its_rhythm_from_two_weeks_on() -> None:
    """Weekdays 10, weekends 2. Of the rest of November 2026 after Friday the 20th, the 21st, 22nd, 28th and 29th are
    weekend: 6 * 10 + 4 * 2 = 68, and today's 10."""
    spent = {
        TODAY - number * DAY: {12: Decimal(2 if (TODAY - number * DAY).weekday() >= 5 else 10)}
        for number in range(1, 43)
    }
    so_far = sum(sum(spent[day].values()) for day in spent if day.month == 11)
    found = made(TODAY, sorted(spent), spent, 0, hour=9.0)
    assert found.expected_usd == so_far + 10 + 68
    assert made(TODAY, sorted(spent)[-14:], spent, 0, hour=9.0).expected_usd == found.expected_usd
    assert made(TODAY, sorted(spent)[-13:], spent, 0, hour=9.0).rhythm == "none"


def test_one_spike_is_not_expected_every_day() -> None:
    """Days between 9 and 11, and one of 500: the level stays at 10, and the spike counts as three deviations."""
    costs = [9.0, 10.0, 11.0, 10.0] * 3 + [500.0, 10.0]
    spent = days_before(14, costs)
    found = made(TODAY, sorted(spent), spent, 0, hour=0.0)
    assert found.expected_usd is not None
    to_come = found.expected_usd - found.spent_usd
    # A deviation is 1.4826 times the median of |cost - 10|, which is 0.5: 0.7413. The spike is worth 2.2239, over 14
    # days 0.159, and 11 days are to come.
    assert to_come == pytest.approx(Decimal("111.75"), abs=Decimal("0.01"))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_less_than_three_whole_days_forecast_nothing(number: int) -> None:
    spent = days_before(number, 10)
    found = made(TODAY, sorted(spent), spent, 0, hour=9.0)
    assert (found.expected_usd, found.low_usd, found.days_used) == (None, None, number)
    assert found.spent_usd == 10 * number


def test_the_band_holds_the_true_end_about_8_times_of_10() -> None:
    dice = np.random.default_rng(20261120)
    held, tries = 0, 200
    for _ in range(tries):
        costs = dice.normal(100, 15, 14 + 11)
        spent = days_before(14, [float(cost) for cost in costs[:14]])
        found = made(TODAY, sorted(spent), spent, 0, hour=0.0)
        assert found.low_usd is not None
        assert found.high_usd is not None
        held += float(found.low_usd) <= float(found.spent_usd) + costs[14:].sum() <= float(found.high_usd)
    assert 0.7 < held / tries < 0.92


def test_days_are_those_of_the_zone_and_the_first_one_is_no_whole_day(store: duckdb.DuckDBPyConnection) -> None:
    """23:30 UTC on the 16th is the 17th in Berlin. The calls began on the 16th: whole days are the 17th to the 19th."""
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    began = a_call(started_at=datetime(2026, 11, 16, 10, tzinfo=UTC), cost_usd=Decimal(1))
    late = a_call(started_at=datetime(2026, 11, 16, 23, 30, tzinfo=UTC), cost_usd=Decimal(2))
    others = [a_call(started_at=datetime(2026, 11, day, 10, tzinfo=UTC), cost_usd=Decimal(2)) for day in (18, 19)]
    land(store, [began, late, *others, a_call(started_at=now, cost_usd=None)])
    found = forecast(LocalReader(store), Segment(), now, "Europe/Berlin")
    assert (found.days_used, found.unknown) == (3, 1)
    assert {day.day.day: day.spent_usd for day in found.days if day.spent_usd} == {16: 1, 17: 2, 18: 2, 19: 2}
    # All four days had their cost before 13 o'clock in Berlin: today's share is over.
    assert found.expected_usd == 7 + 10 * 2
    assert forecast(LocalReader(store), Segment(), now, "UTC").days_used == 3


def test_without_calls_there_is_no_forecast(store: duckdb.DuckDBPyConnection) -> None:
    found = forecast(LocalReader(store), Segment(), datetime(2026, 11, 20, tzinfo=UTC))
    assert [found.spent_usd, found.expected_usd, found.days_used] == [0, None, 0]
