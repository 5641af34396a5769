"""Why the cost differs from that of the period before."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.drivers import Drivers, drivers
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = timedelta(days=1)
NOW = Window(NOON, NOON + DAY)
BEFORE = NOW.before()


def before(tokens: int, cost: str, **facts: Any) -> LandedCall:
    return a_call(started_at=BEFORE.start, input_tokens=tokens, output_tokens=0, cost_usd=Decimal(cost), **facts)


def now(tokens: int, cost: str, **facts: Any) -> LandedCall:
    return a_call(started_at=NOW.start, input_tokens=tokens, output_tokens=0, cost_usd=Decimal(cost), **facts)


def asked(store: duckdb.DuckDBPyConnection, *calls: LandedCall, limit: int = 5) -> Drivers:
    land(store, calls)
    return drivers(LocalReader(store), NOW, BEFORE, Segment(), limit)


def test_a_difference_is_volume_size_and_price_without_a_rest(store: duckdb.DuckDBPyConnection) -> None:
    """Chat: 2 calls of 100 tokens for 0.20, then 3 calls of 200 tokens for 1.20. One call more at 0.10: 0.10. The same
    3 calls would have taken 300 tokens; 600 are 300 more at 0.001: 0.30. The rest, 0.60, is price: 0.001 more for each
    of 600. Search came anew."""
    found = asked(
        store,
        *(before(100, "0.10", feature="chat") for _ in range(2)),
        *(now(200, "0.40", feature="chat") for _ in range(3)),
        now(50, "0.05", feature="search"),
    )
    assert (found.before_usd, found.now_usd) == (Decimal("0.20"), Decimal("1.25"))
    told = [
        (each.by, each.label, each.difference_usd, each.volume_usd, each.size_usd, each.price_usd) for each in found.top
    ]
    assert told == [
        ("feature", "chat", Decimal("1.00"), Decimal("0.10"), Decimal("0.30"), Decimal("0.60")),
        ("feature", "search", Decimal("0.05"), Decimal("0.05"), Decimal(0), Decimal(0)),
    ]


def test_what_is_gone_is_volume(store: duckdb.DuckDBPyConnection) -> None:
    found = asked(store, before(100, "0.30", feature="old"), now(100, "0.10", feature="new"))
    assert [(each.label, each.volume_usd) for each in found.top] == [
        ("old", Decimal("-0.30")),
        ("new", Decimal("0.10")),
    ]


def test_calls_without_a_price_are_counted_and_in_no_amount(store: duckdb.DuckDBPyConnection) -> None:
    unpriced = a_call(started_at=NOW.start, cost_usd=None, feature="chat")
    found = asked(store, before(100, "0.10", feature="chat"), now(100, "0.10", feature="chat"), unpriced)
    assert (found.top, found.unpriced) == ((), 1)


def test_a_time_between_the_periods_is_in_neither(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [before(100, "0.10"), a_call(started_at=NOON - timedelta(hours=1), cost_usd=Decimal(9))])
    found = drivers(LocalReader(store), NOW, Window(BEFORE.start, NOON - timedelta(hours=2)), Segment())
    assert (found.before_usd, found.now_usd) == (Decimal("0.10"), Decimal(0))


def test_where_nothing_tells_calls_apart_the_whole_is_told(store: duckdb.DuckDBPyConnection) -> None:
    found = asked(store, before(100, "0.10"), now(100, "0.20"))
    assert found.top[0].by == "model"
    assert found.top[0].difference_usd == Decimal("0.10")


def test_without_calls_nothing_changed(store: duckdb.DuckDBPyConnection) -> None:
    assert asked(store) == Drivers(top=(), before_usd=Decimal(0), now_usd=Decimal(0), unpriced=0)


CALLS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["a", "b", None]), st.integers(0, 500), st.integers(0, 10**9)), max_size=14
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS)
def test_the_parts_always_add_up_and_the_features_to_the_whole(
    store: duckdb.DuckDBPyConnection, made: list[tuple[bool, str | None, int, int]]
) -> None:
    store.execute("DELETE FROM calls")
    calls = [
        (now if is_now else before)(tokens, str(Decimal(cost) / 10**9), feature=feature)
        for is_now, feature, tokens, cost in made
    ]
    found = asked(store, *calls, limit=100)
    for each in found.top:
        assert each.volume_usd + each.size_usd + each.price_usd == each.difference_usd
    slow = {
        (period, feature): sum(
            (Decimal(cost) / 10**9 for is_now, label, _, cost in made if is_now == period and label == feature),
            Decimal(0),
        )
        for period in (False, True)
        for feature in ("a", "b", None)
    }
    if len({label for _, label, _, _ in made}) > 1:
        told = {each.label: each.difference_usd for each in found.top if each.by == "feature"}
        expected = {label: slow[True, label] - slow[False, label] for label in ("a", "b", None)}
        assert told == {label: amount for label, amount in expected.items() if amount}
