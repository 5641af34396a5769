"""What the month will have cost when it is over: a number with a band, from the days before.

The method is robust and small on purpose, since bills of days have weekends, spikes and too little history for more:

- The *rhythm* of the week: for each weekday the median of its days over the median of all, from the last 8 weeks. It
  takes 28 whole days, since the median of two is no better than their mean; from 14 on weekends are told from workdays,
  before that no days are.
- The *level*: the median of the last 14 whole days, each over its weekday's rhythm. A trend is in it as far as these
  days have it.
- What medians leave out of a sum: the mean of what the days were above or below it, none counted for more than three
  robust deviations (1.4826 times the median deviation), so that one spike does not become every day's.
- Today: what was spent so far, and of an expected day the share that at this time of day was usually still to come.
- The *band* holds the true value 8 times of 10 if days go on to vary as they did: the spread of the remaining days, and
  of the level itself, which is known from few days.

Days are those of a zone. The day of the very first call is no whole day. Under 3 whole days nothing is forecast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import NormalDist, fmean, median, pstdev
from typing import Literal

from claude_telemetry_collector.queries.series import series
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.queries.zones import UTC_NAME, local_day, midnight, zone_named
from claude_telemetry_collector.store import Reader

Rhythm = Literal["none", "weekends", "weekdays"]

LEAST_DAYS = 3
WEEKEND_DAYS = 14
WEEKDAY_DAYS = 28
RHYTHM_DAYS = 56
LEVEL_DAYS = 14
BAND = 0.8

_Z = NormalDist().inv_cdf((1 + BAND) / 2)
_MAD_TO_DEVIATION = 1.4826
_MOST_DEVIATIONS = 3
_DAY = timedelta(days=1)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the month."""

    day: date
    spent_usd: Decimal | None
    """What it cost, today so far. `None` for a day to come."""
    expected_usd: Decimal | None
    """What the month will have cost by its end. For days that are over, what it had. `None` without a forecast."""
    low_usd: Decimal | None
    high_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A month in a zone. Amounts at list price; forecasts to the cent."""

    zone: str
    today: date
    spent_usd: Decimal
    """Of the month so far."""
    unknown: int
    """Calls of the month so far that are missing from it, or only partly in it: all amounts are at least that."""
    expected_usd: Decimal | None
    """When the month is over. `None` with fewer than three whole days to go by."""
    low_usd: Decimal | None
    high_usd: Decimal | None
    days_used: int
    """The whole days that it rests on."""
    rhythm: Rhythm
    """Which days of a week are told apart."""
    days: tuple[Day, ...]
    """Every day of the month."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What days are like: by weekday, and by how much they vary."""

    by_weekday: Mapping[int, float]
    deviation: float
    rests_on: int
    left_today: float
    """The share of a day that is usually still to come at this time."""

    def spread(self, days: float) -> float:
        """Half the band of a sum over so many days to come."""
        # The variance of a median is about pi / 2 times that of a mean.
        return _Z * self.deviation * math.sqrt(days + days * days * math.pi / 2 / self.rests_on)


def forecast(reader: Reader, segment: Segment, now: datetime, zone: str = UTC_NAME) -> Forecast:
    """The month of `now` in `zone`."""
    today = local_day(now, zone)
    first = min(today.replace(day=1), today - RHYTHM_DAYS * _DAY)
    window = Window(midnight(first, zone), midnight(today + _DAY, zone))
    hours = series(reader, ("requests", "cost_usd"), window, segment, timedelta(hours=1), zone).to_pylist()
    spent: dict[date, dict[int, Decimal]] = {}
    unknown = 0
    begun: date | None = None
    for hour in hours:
        at: datetime = hour["bucket"]
        if hour["requests"] and begun is None:
            begun = at.date()
        of_day = spent.setdefault(at.date(), {})
        of_day[at.hour] = of_day.get(at.hour, Decimal(0)) + (hour["cost_usd"] or Decimal(0))
        if (at.year, at.month) == (today.year, today.month):
            unknown += hour["cost_usd_unknown"]
    whole = _whole_days(spent, begun, window, zone)
    clock = now.astimezone(zone_named(zone))
    return made(today, whole, spent, unknown, clock.hour + clock.minute / 60, zone)


def made(
    today: date,
    whole: Sequence[date],
    spent: Mapping[date, Mapping[int, Decimal]],
    unknown: int,
    hour: float,
    zone: str = UTC_NAME,
) -> Forecast:
    """The forecast from what was `spent` by day and hour, by the days of `whole`, at this `hour` of today."""
    by_day = {day: sum(hours.values(), Decimal(0)) for day, hours in spent.items()}
    month = _days_of(today)
    so_far = sum((by_day.get(day, Decimal(0)) for day in month if day <= today), Decimal(0))
    expected = None if len(whole) < LEAST_DAYS else _expected(whole, by_day, spent, hour)
    days = tuple(_course(month, today, by_day, expected))
    last = days[-1]
    return Forecast(
        zone=zone,
        today=today,
        spent_usd=so_far,
        unknown=unknown,
        expected_usd=last.expected_usd,
        low_usd=last.low_usd,
        high_usd=last.high_usd,
        days_used=len(whole),
        rhythm=_rhythm_of(len(whole)),
        days=days,
    )


def _expected(
    whole: Sequence[date], by_day: Mapping[date, Decimal], spent: Mapping[date, Mapping[int, Decimal]], hour: float
) -> _Expected:
    costs = {day: float(by_day.get(day, Decimal(0))) for day in whole}
    rhythm = _rhythm(costs)
    latest = sorted(costs)[-LEVEL_DAYS:]
    level = median([costs[day] / rhythm[day.weekday()] for day in latest if rhythm[day.weekday()]] or [0.0])
    rests = [costs[day] - level * rhythm[day.weekday()] for day in latest]
    deviation = _MAD_TO_DEVIATION * median(abs(rest) for rest in rests)
    # More than half of the days may be alike to the cent, and the others are what varies.
    deviation = deviation or pstdev(rests)
    most = _MOST_DEVIATIONS * deviation
    drift = fmean(max(-most, min(most, rest)) for rest in rests)
    return _Expected(
        by_weekday={weekday: max(0.0, level * factor + drift) for weekday, factor in rhythm.items()},
        deviation=deviation,
        rests_on=len(latest),
        left_today=1 - _passed(whole, spent, hour),
    )


def _rhythm_of(days: int) -> Rhythm:
    return "none" if days < WEEKEND_DAYS else "weekends" if days < WEEKDAY_DAYS else "weekdays"


def _rhythm(costs: Mapping[date, float]) -> dict[int, float]:
    """By weekday, what it costs over what any day costs. 1 for all of them where days are not told apart."""
    usual, rhythm = median(costs.values()), _rhythm_of(len(costs))
    if rhythm == "none" or not usual:
        return dict.fromkeys(range(7), 1.0)
    alike = [range(5), range(5, 7)] if rhythm == "weekends" else [range(day, day + 1) for day in range(7)]
    return {
        weekday: median([cost for day, cost in costs.items() if day.weekday() in group]) / usual
        for group in alike
        for weekday in group
    }


def _passed(whole: Sequence[date], spent: Mapping[date, Mapping[int, Decimal]], hour: float) -> float:
    """The share of a day's cost that is usually there by this hour."""
    shares: list[float] = []
    for day in whole:
        hours = spent.get(day, {})
        total = sum(hours.values())
        if total:
            begun = sum(cost for at, cost in hours.items() if at < int(hour))
            shares.append(float((begun + hours.get(int(hour), Decimal(0)) * Decimal(hour % 1)) / total))
    return median(shares) if shares else hour / 24


def _course(
    month: Sequence[date], today: date, by_day: Mapping[date, Decimal], expected: _Expected | None
) -> list[Day]:
    course: list[Day] = []
    at, ahead, middle = Decimal(0), 0.0, 0.0
    for day in month:
        cost = by_day.get(day, Decimal(0)) if day <= today else None
        at += cost or Decimal(0)
        low: Decimal | None
        middle_usd: Decimal | None
        high: Decimal | None
        if day < today or expected is None:
            low = middle_usd = high = at if day < today else None
        else:
            share = expected.left_today if day == today else 1.0
            ahead += share
            middle += expected.by_weekday[day.weekday()] * share
            half = expected.spread(ahead)
            low, middle_usd, high = (at + _cents(to_come) for to_come in (middle - half, middle, middle + half))
        course.append(Day(day=day, spent_usd=cost, expected_usd=middle_usd, low_usd=low, high_usd=high))
    return course


def _whole_days(spent: Mapping[date, object], begun: date | None, window: Window, zone: str) -> list[date]:
    """The days that are over and had calls before them: of the first one, a part may be missing."""
    today = local_day(window.end - timedelta(microseconds=1), zone)
    first = local_day(window.start, zone)
    if begun is None:
        return []
    since = begun if begun == first else begun + _DAY
    return sorted(day for day in spent if max(since, today - RHYTHM_DAYS * _DAY) <= day < today)


def _days_of(today: date) -> list[date]:
    first = today.replace(day=1)
    after = (first + 31 * _DAY).replace(day=1)
    return [first + number * _DAY for number in range((after - first).days)]


def _cents(amount: float) -> Decimal:
    return max(Decimal(0), Decimal(amount).quantize(_CENT))
