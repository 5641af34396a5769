"""The metrics by what calls can be told apart by."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa

from claude_telemetry_collector.queries import Segment, Window, breakdown, choices, cost_per_day
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = timedelta(days=1)
WEEK = Window(NOON - 3 * DAY, NOON + 4 * DAY)
ALL = Segment()


def test_features_are_listed_dearest_first_with_what_is_unknown(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(feature="chat", cost_usd=Decimal("0.25"), duration_ms=100),
            a_call(feature="chat", cost_usd=Decimal("0.50"), duration_ms=300),
            a_call(feature="search", cost_usd=Decimal(2), duration_ms=None),
            a_call(feature=None, cost_usd=None),
        ],
    )
    found = breakdown(LocalReader(store), ["cost_usd", "duration_avg_ms"], WEEK, ALL, "feature").to_pylist()
    shown = ("feature", "calls", "cost_usd", "cost_usd_unpriced", "duration_avg_ms", "groups")
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("search", 1, Decimal(2), 0, None, 3),
        ("chat", 2, Decimal("0.75"), 0, 200.0, 3),
        (None, 1, None, 1, 1000.0, 3),
    ]


def test_a_breakdown_says_how_much_it_does_not_show(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(user_id=f"u{number:02}") for number in range(30)])
    found = breakdown(LocalReader(store), ["requests"], WEEK, ALL, "user_id", limit=3).to_pylist()
    assert [(row["user_id"], row["groups"]) for row in found] == [("u00", 30), ("u01", 30), ("u02", 30)]


def test_a_breakdown_of_nothing_is_empty(store: duckdb.DuckDBPyConnection) -> None:
    assert breakdown(LocalReader(store), ["requests"], WEEK, ALL, "model").num_rows == 0


def test_each_day_costs_what_its_models_cost(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(cost_usd=Decimal("0.1"), started_at=NOON - DAY),
            a_call(cost_usd=Decimal("0.2"), started_at=NOON - DAY, model="claude-opus-5-5"),
            a_call(cost_usd=Decimal("0.4")),
            a_call(cost_usd=None),
        ],
    )
    found = cost_per_day(LocalReader(store), WEEK, ALL)
    assert found.column("cost_usd").type == pa.decimal128(38, 12)
    shown = ("day", "model", "cost_usd", "calls", "unknown", "rest")
    assert [tuple(row[name] for name in shown) for row in found.to_pylist()] == [
        (date(2026, 11, 19), "claude-opus-5-5", Decimal("0.2"), 1, 0, False),
        (date(2026, 11, 19), "claude-sonnet-5-5", Decimal("0.1"), 1, 0, False),
        (date(2026, 11, 20), "claude-sonnet-5-5", Decimal("0.4"), 2, 1, False),
    ]


def test_the_rows_of_a_day_add_up_to_its_cost_whatever_their_number(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(user_id=f"u{number}", cost_usd=Decimal(number)) for number in range(1, 101)])
    land(store, [a_call(user_id=None, cost_usd=Decimal(1000)), a_call(user_id="unpriced", cost_usd=None)])
    found = cost_per_day(LocalReader(store), WEEK, ALL, by="user_id").to_pylist()
    assert len(found) == 11
    assert sum(row["cost_usd"] for row in found) == 5050 + 1000
    assert sum(row["calls"] for row in found) == 102
    assert [(row["cost_usd"], row["unknown"]) for row in found if row["rest"]] == [(Decimal(sum(range(1, 92))), 1)]


def test_days_are_cut_at_midnight_in_utc(store: duckdb.DuckDBPyConnection) -> None:
    midnight = NOON + timedelta(hours=12)
    land(store, [a_call(started_at=midnight - timedelta(microseconds=1)), a_call(started_at=midnight)])
    found = cost_per_day(LocalReader(store), WEEK, ALL).to_pylist()
    assert [row["day"] for row in found] == [date(2026, 11, 20), date(2026, 11, 21)]


def test_choices_are_the_labels_that_occur(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(feature=feature) for feature in ("search", "chat", "chat", None)])
    land(store, [a_call(feature="old", started_at=NOON - 30 * DAY)])
    assert choices(LocalReader(store), WEEK, "feature") == ["chat", "search"]
    assert choices(LocalReader(store), WEEK, "model") == ["claude-sonnet-5-5"]
    assert choices(LocalReader(store), WEEK, "user_id") == []


def test_of_many_choices_the_frequent_ones_are_offered(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(user_id=f"rare {number}") for number in range(300)])
    land(store, [a_call(user_id="zoe"), a_call(user_id="zoe")])
    offered = choices(LocalReader(store), WEEK, "user_id")
    assert len(offered) == 200
    assert "zoe" in offered
