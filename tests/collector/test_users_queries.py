"""Users and sessions: who takes how much, and how one session grew, worked out by hand."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.queries import Segment, Window, users
from claude_telemetry_collector.queries.users import Concentration, SessionTotals
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = timedelta(days=1)
WEEK = Window(NOON - 6 * DAY, NOON + DAY)
ALL = Segment()


def test_users_are_ranked_with_their_share_of_everything(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(user_id="u1", session_id="s1", cost_usd=Decimal(1), duration_ms=100),
            a_call(
                user_id="u1", session_id="s2", cost_usd=None, status="error", error_type="api_error", duration_ms=300
            ),
            a_call(user_id="u2", session_id="s3", cost_usd=Decimal(2)),
            a_call(user_id=None, cost_usd=Decimal(1)),
            a_call(user_id="u3", cost_usd=None),
        ],
    )
    shown = ("user_id", "requests", "cost_usd", "unpriced", "failed_calls", "share", "others", "groups")
    found = users.ranking(LocalReader(store), WEEK, ALL, "user_id").to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("u2", 1, Decimal(2), 0, 0, 0.5, 1, 3),
        ("u1", 2, Decimal(1), 1, 1, 0.25, 2, 3),
        ("u3", 1, None, 1, 0, None, 0, 3),
    ]
    assert found[1]["duration_p95_ms"] == 290.0
    by_calls = users.ranking(LocalReader(store), WEEK, ALL, "user_id", by="requests", limit=1).to_pylist()
    assert [(row["user_id"], row["share"], row["groups"]) for row in by_calls] == [("u1", 0.4, 3)]
    assert users.number_of(LocalReader(store), WEEK, ALL, "session_id") == 3
    sessions = users.ranking(LocalReader(store), WEEK, Segment(user_id="u1"), "session_id").to_pylist()
    assert [(row["session_id"], row["others"]) for row in sessions] == [("s1", 1), ("s2", 1)]
    with pytest.raises(ValueError, match="nobody is ranked by 'luck'"):
        users.ranking(LocalReader(store), WEEK, ALL, "user_id", by="luck")


def test_a_user_who_comes_on_two_days_counts_on_both(store: duckdb.DuckDBPyConnection) -> None:
    calls = [("u1", 0), ("u1", 0), ("u2", 0), ("u1", 1), (None, 2)]
    land(store, [a_call(user_id=user, started_at=NOON - ago * DAY) for user, ago in calls])
    found = users.users_over_time(LocalReader(store), Window(NOON - 3 * DAY, NOON + DAY), ALL, DAY).to_pylist()
    assert [row["users"] for row in found] == [0, 0, 1, 2, 0]


def test_a_day_is_one_of_the_zone(store: duckdb.DuckDBPyConnection) -> None:
    # Half past eleven at night in UTC is the next day in Berlin.
    land(store, [a_call(user_id="u1", started_at=NOON + timedelta(hours=11.5))])
    two_days = Window(NOON - timedelta(hours=13), NOON + timedelta(hours=35))
    found = users.users_over_time(LocalReader(store), two_days, ALL, DAY, "Europe/Berlin").to_pylist()
    assert [(row["bucket"].day, row["users"]) for row in found] == [(20, 0), (21, 1)]


def test_how_much_a_few_take(store: duckdb.DuckDBPyConnection) -> None:
    # Twelve users: u0 paid 12 dollars, u1 11, … u11 one; 78 in all, and 22 that name nobody.
    named = [a_call(user_id=f"u{number:02}", cost_usd=Decimal(12 - number)) for number in range(12)]
    land(store, [*named, a_call(user_id=None, cost_usd=Decimal(22)), a_call(user_id="u00", cost_usd=None)])
    assert users.concentration(LocalReader(store), WEEK, ALL, "user_id") == Concentration(
        who="user_id",
        number=12,
        calls=14,
        unnamed=1,
        cost_usd=Decimal(100),
        unpriced=1,
        top_cost_ratio=0.75,
        top_calls_ratio=11 / 14,
        # 12 + 11 + 10 + 9 are 42, and with 8 it is half of a hundred.
        half=5,
    )


def test_nobody_takes_nothing(store: duckdb.DuckDBPyConnection) -> None:
    none = Concentration(
        who="session_id",
        number=0,
        calls=0,
        unnamed=0,
        cost_usd=None,
        unpriced=0,
        top_cost_ratio=None,
        top_calls_ratio=None,
        half=None,
    )
    assert users.concentration(LocalReader(store), WEEK, ALL, "session_id") == none
    assert users.ranking(LocalReader(store), WEEK, ALL, "session_id").num_rows == 0
    assert users.number_of(LocalReader(store), WEEK, ALL, "session_id") == 0


def a_turn(number: int, **facts: Any) -> Any:
    usual: dict[str, Any] = {
        "session_id": "s1",
        "user_id": "u1",
        "started_at": NOON + number * timedelta(minutes=1),
        "duration_ms": 2000,
        "message_count": 2 * number + 1,
        "input_tokens": 1000 * (number + 1),
        "cache_read_tokens": 500 * number,
        "cost_usd": Decimal("0.5"),
    }
    return a_call(**(usual | facts))


def test_a_session_is_told_in_order_with_its_growth_and_its_cost(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_turn(2, status="error", error_type="api_error", cost_usd=None, duration_ms=None),
            a_turn(0),
            a_turn(1),
            a_turn(3),
            a_turn(0, session_id="s2"),
        ],
    )
    reader, segment = LocalReader(store), Segment(session_id="s1")
    assert users.session_totals(reader, WEEK, segment) == SessionTotals(
        calls=4,
        failed=1,
        cost_usd=Decimal("1.5"),
        unpriced=1,
        first_at=NOON.replace(tzinfo=None),
        last_at=(NOON + timedelta(minutes=3)).replace(tzinfo=None),
        input_first=1000,
        input_last=5500,
        input_most=5500,
        messages_most=7,
        input_sum=1000 + 2500 + 4000 + 5500,
        cache_read_sum=0 + 500 + 1000 + 1500,
        users=1,
    )
    shown = ("number", "message_count", "input_tokens", "pause_ms", "cost_so_far_usd", "calls")
    found = users.session_calls(reader, WEEK, segment).to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        (1, 1, 1000, None, Decimal("0.5"), 4),
        (2, 3, 2500, 58_000, Decimal("1.0"), 4),
        (3, 5, 4000, 58_000, Decimal("1.0"), 4),
        (4, 7, 5500, None, Decimal("1.5"), 4),
    ]


@pytest.mark.parametrize(
    ("facts", "is_long"),
    [
        ({"message_count": 20}, False),
        ({"message_count": 21}, True),
        ({"input_tokens": 100_000, "cache_read_tokens": 0}, False),
        ({"input_tokens": 100_000, "cache_read_tokens": 1}, True),
        ({"input_tokens": None, "message_count": None}, False),
    ],
)
def test_a_history_is_long_beyond_ten_turns_or_a_hundred_thousand_tokens(
    store: duckdb.DuckDBPyConnection, facts: dict[str, Any], is_long: bool
) -> None:
    land(store, [a_turn(0, **facts)])
    assert users.session_totals(LocalReader(store), WEEK, Segment(session_id="s1")).is_long is is_long


_examples = itertools.count()
users_and_costs = st.lists(
    st.tuples(st.none() | st.sampled_from([f"u{number}" for number in range(14)]), st.none() | st.integers(0, 99)),
    max_size=30,
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made_up=users_and_costs)
def test_concentration_equals_a_slow_reference(
    store: duckdb.DuckDBPyConnection, made_up: list[tuple[str | None, int | None]]
) -> None:
    service = f"example {next(_examples)}"
    land(
        store,
        [
            a_call(service=service, user_id=user, cost_usd=None if usd is None else Decimal(usd))
            for user, usd in made_up
        ],
    )
    found = users.concentration(LocalReader(store), WEEK, Segment(service=service), "user_id")
    names = {user for user, _ in made_up if user is not None}
    spent = {name: sum(usd or 0 for user, usd in made_up if user == name) for name in names}
    called = {name: sum(user == name for user, _ in made_up) for name in names}
    whole = sum(usd or 0 for _, usd in made_up)
    dearest = sorted(spent.values(), reverse=True)
    assert (found.number, found.calls, found.unnamed) == (len(names), len(made_up), sum(u is None for u, _ in made_up))
    half = next((place for place in range(1, len(dearest) + 1) if 2 * sum(dearest[:place]) >= whole), None)
    assert found.half == (half if whole else None)
    if whole and any(user is not None and usd is not None for user, usd in made_up):
        assert found.top_cost_ratio == pytest.approx(sum(dearest[:10]) / whole)
    if names:
        assert found.top_calls_ratio == pytest.approx(sum(sorted(called.values())[-10:]) / len(made_up))
