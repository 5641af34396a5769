"""Headline numbers: what a tile says, and what its colour means."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry_collector.queries import METRICS, Reading
from claude_telemetry_dashboard.panels import numbers
from claude_telemetry_dashboard.panels.numbers import tile


def reading(metric: str, value: Any, calls: int = 100, unknown: int = 0, unpriced: int = 0) -> Reading:
    return Reading(metric, value, calls, unknown, unpriced)


def test_a_tile_says_the_value_its_change_and_what_it_counts() -> None:
    shown = tile(reading("duration_p95_ms", 2400.0), reading("duration_p95_ms", 2000.0), [1800, None, 2400.5])

    assert shown == numbers.Tile(
        title="P95 latency",
        value="2.4 s",
        delta="+20%",
        judgement="inverse",
        help=(
            "95 of 100 calls took this long or less; retries included. Exact up to two days; to 1 % over more. "
            "Before: 2.0 s."
        ),
        course=(1800.0, 2400.5),
    )


@pytest.mark.parametrize(
    ("metric", "judgement"),
    [
        ("cost_usd", "inverse"),
        ("error_ratio", "inverse"),
        ("duration_avg_ms", "inverse"),
        ("ttft_p95_ms", "inverse"),
        ("cache_hit_ratio", "normal"),
        ("requests", "off"),
        ("total_tokens", "off"),
    ],
)
def test_more_cost_latency_and_errors_are_worse_more_cache_hits_better_and_more_calls_neither(
    metric: str, judgement: str
) -> None:
    doubled = tile(reading(metric, 0.4), reading(metric, 0.2), [])

    assert doubled.judgement == judgement


def test_a_small_change_has_no_colour() -> None:
    assert tile(reading("cost_usd", Decimal("10.4")), reading("cost_usd", Decimal(10)), []).judgement == "off"
    assert tile(reading("cost_usd", Decimal("10.6")), reading("cost_usd", Decimal(10)), []).judgement == "inverse"


def test_a_share_changes_by_points_and_is_judged_by_how_much_of_it_that_is() -> None:
    up = tile(reading("error_ratio", 0.02), reading("error_ratio", 0.01), [])
    hardly = tile(reading("error_ratio", 0.0004), reading("error_ratio", 0.0), [])

    assert (up.delta, up.judgement) == ("+1.0 pts", "inverse")
    assert (hardly.delta, hardly.judgement) == ("+0.0 pts", "off")


def test_what_is_not_known_is_a_dash_and_has_no_change() -> None:
    shown = tile(reading("ttft_p95_ms", None, calls=0), reading("ttft_p95_ms", 800.0), [None, None])

    assert (shown.value, shown.delta, shown.course) == ("—", None, ())


def test_a_cost_that_leaves_something_out_is_a_lower_bound_and_says_of_how_many_calls() -> None:
    cost = reading("cost_usd", Decimal("12.5"), calls=1200, unknown=3, unpriced=2)
    shown = tile(cost, reading("cost_usd", None), [])

    assert shown.value == "≥ \\$12.50"
    assert "Of 1,200 calls, 2 calls unpriced, 1 call priced in part." in shown.help


def test_a_number_other_than_money_says_of_how_many_calls_it_is_not_known() -> None:
    shown = tile(reading("total_tokens", 5, calls=1200, unknown=3), reading("total_tokens", None), [])

    assert "Not known of 3 of 1,200 calls." in shown.help


def test_two_dollar_signs_do_not_make_a_formula() -> None:
    shown = tile(reading("cost_usd", Decimal("1.5")), reading("cost_usd", Decimal("1.4")), [])

    assert shown.value == "\\$1.50"
    assert shown.help.endswith("Before: \\$1.40.")


@pytest.mark.parametrize(
    ("value", "unpriced", "unknown", "shown"),
    [
        ("1.5", 0, 0, "$1.50"),
        ("1.5", 1, 1, "at least $1.50, 1 call unpriced"),
        ("1.5", 1234, 1234, "at least $1.50, 1,234 calls unpriced"),
        ("1.5", 0, 1, "at least $1.50, 1 call priced in part"),
        ("1.5", 2, 6, "at least $1.50, 2 calls unpriced, 4 calls priced in part"),
        (None, 2, 2, "—, 2 calls unpriced"),
        (None, 0, 0, "—"),
    ],
)
def test_what_a_cost_leaves_out_is_told_with_it(value: str | None, unpriced: int, unknown: int, shown: str) -> None:
    amount = None if value is None else Decimal(value)

    assert numbers.money(reading("cost_usd", amount, unknown=unknown, unpriced=unpriced)) == shown


def test_what_is_paid_is_told_beside_the_list_price_where_the_two_differ() -> None:
    listed = reading("cost_usd", Decimal(10), unknown=1, unpriced=1)
    now = {
        "requests": reading("requests", 20),
        "error_ratio": reading("error_ratio", None),
        "duration_p95_ms": reading("duration_p95_ms", None),
        "cost_usd": listed,
        "net_cost_usd": reading("net_cost_usd", Decimal(9), unknown=1, unpriced=1),
    }

    assert numbers.cost(now) == "at least $10.00, after discounts at least $9.00, 1 call unpriced"
    assert numbers.status(now, "today") == (
        "20 calls today, at least $10.00 spent at list price, at least $9.00 after discounts."
    )
    now["net_cost_usd"] = reading("net_cost_usd", Decimal("10.00"), unknown=1, unpriced=1)
    assert numbers.cost(now) == "at least $10.00, 1 call unpriced"
    assert numbers.status(now, "today") == "20 calls today, at least $10.00 spent."


def test_days_say_what_their_costs_leave_out() -> None:
    per_day = pa.table({"unknown": [1, 0, 4], "unpriced": [0, 0, 3]})

    assert numbers.left_out_of(per_day) == "At least: 3 calls unpriced, 2 calls priced in part in these days."
    assert numbers.left_out_of(per_day.slice(1, 1)) == ""
    assert numbers.left_out_of(per_day.slice(0, 0)) == ""


def test_the_status_is_one_sentence() -> None:
    now = {
        "requests": reading("requests", 1204),
        "error_ratio": reading("error_ratio", 0.004),
        "duration_p95_ms": reading("duration_p95_ms", 3400.0),
        "cost_usd": reading("cost_usd", Decimal("12.4"), unknown=3),
        "net_cost_usd": reading("net_cost_usd", Decimal("12.4"), unknown=3),
    }

    assert numbers.status(now, "in the last hour") == (
        "1,204 calls in the last hour, 0.4% failed, 95 of 100 done within 3.4 s, at least $12.40 spent."
    )


def test_the_status_leaves_out_what_is_not_known() -> None:
    now = {
        "requests": reading("requests", 1),
        "error_ratio": reading("error_ratio", 0.0),
        "duration_p95_ms": reading("duration_p95_ms", None),
        "cost_usd": reading("cost_usd", None),
    }

    assert numbers.status(now, "today") == "1 call today, none failed."


def test_where_no_calls_were_a_sum_is_zero_and_a_latency_is_nothing() -> None:
    course = pa.table(
        {
            "requests": [2, 0, 1],
            "cost_usd": pa.array([Decimal("0.5"), None, None], pa.decimal128(18, 12)),
            "duration_p95_ms": [100.0, None, 300.0],
        }
    )

    # The last call has no price: that is not known, and not zero.
    assert numbers.course_of("cost_usd", course) == [Decimal("0.5"), 0, None]
    assert numbers.course_of("duration_p95_ms", course) == [100.0, None, 300.0]


def test_every_tile_is_a_metric_that_there_is() -> None:
    assert set(numbers.MORE_IS) <= set(METRICS)
