"""The chart of the month, and the words beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from claude_telemetry_collector.queries import RuleState
from claude_telemetry_collector.queries.forecast import made
from claude_telemetry_dashboard.panels import forecast

TODAY = date(2026, 11, 20)
TEN_A_DAY = {TODAY - timedelta(days=number): {12: Decimal(10)} for number in range(1, 31)}


def test_the_lines_meet_where_the_forecast_begins_and_the_limit_goes_on_every_day() -> None:
    drawn = forecast.course(made(TODAY, sorted(TEN_A_DAY), TEN_A_DAY, 0, hour=9.0), Decimal(12))
    assert drawn is not None
    rows = drawn.table.to_pylist()
    lines = {group: {row["day"].day: row["value"] for row in rows if row["group"] == group} for group in forecast.LINES}
    assert lines["Spent"] == {day: 10.0 * day for day in range(1, 20)}
    assert lines["Expected"] == {day: 10.0 * day for day in range(19, 31)}
    assert lines["At the daily limit"] == {day: 12.0 * day for day in range(1, 31)}


def test_without_a_forecast_only_what_was_spent_is_drawn() -> None:
    spent = {TODAY - timedelta(days=1): {12: Decimal(10)}, TODAY: {8: Decimal(2)}}
    found = made(TODAY, [], spent, 0, hour=9.0)
    drawn = forecast.course(found, None)
    assert drawn is not None
    rows = drawn.table.to_pylist()
    assert {row["group"] for row in rows} == {"Spent"}
    assert [row["value"] for row in rows][-2:] == [10.0, 12.0]
    assert forecast.in_words(found) == "$12.00 so far. A forecast needs 3 whole days; there are 0."
    assert forecast.rests_on(found) == ""


def test_nothing_spent_is_nothing_to_draw() -> None:
    assert forecast.course(made(TODAY, [], {}, 0, hour=9.0), Decimal(12)) is None


def test_the_words_say_what_it_rests_on_and_what_is_missing() -> None:
    found = made(TODAY, sorted(TEN_A_DAY)[-14:], TEN_A_DAY, 3, hour=9.0)
    assert forecast.in_words(found) == "At least $190.00 so far, about $300.00 at its end ($300.00 to $300.00)."
    assert forecast.rests_on(found) == (
        "Rests on 14 whole days (UTC), with weekends told from workdays. 3 calls of this month without a whole price "
        "are not in it."
    )


def test_the_limit_is_that_of_the_rule_about_the_days_cost() -> None:
    def rule(name: str, threshold: int) -> RuleState:
        return RuleState(
            rule=name,
            title=name,
            metric="cost_usd",
            segment={},
            window_s=None,
            direction="above",
            threshold=Decimal(threshold),
            min_calls=0,
            value=None,
            calls=0,
            unknown=0,
            state="within",
            looked_at=datetime.now(UTC),
        )

    assert forecast.daily_limit((rule("call_cost", 5), rule("daily_cost", 100))) == 100
    assert forecast.daily_limit(()) is None
