"""What it costs by unit, by line, over time, and by how it was served."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Reading, Segment, Window, readings
from claude_telemetry_collector.queries.cost import UnitCost, cost_by_service, cost_over_time, unit_costs
from claude_telemetry_collector.queries.cost_split import cost_split
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = timedelta(days=1)
WEEK = Window(NOON - 3 * DAY, NOON + 4 * DAY)
ALL = Segment()


def lines(**usd: str) -> dict[str, Any]:
    """The facts of a call that costs this, by line."""
    return {"cost_usd": sum(map(Decimal, usd.values()), Decimal(0)), "cost_breakdown": json.dumps(usd)}


def read(store: duckdb.DuckDBPyConnection, name: str, *calls: LandedCall) -> Reading:
    land(store, calls)
    return readings(LocalReader(store), [name], WEEK, ALL)[name]


def test_a_request_costs_what_those_with_a_price_cost_on_average(store: duckdb.DuckDBPyConnection) -> None:
    calls = [a_call(cost_usd=Decimal("0.01")), a_call(cost_usd=Decimal("0.02")), a_call(cost_usd=None)]

    assert read(store, "cost_per_request_usd", *calls) == Reading(
        "cost_per_request_usd", Decimal("0.015"), calls=3, unknown=1, unpriced=1
    )


def test_output_costs_what_its_calls_cost_with_their_input(store: duckdb.DuckDBPyConnection) -> None:
    # 0.03 USD for 1,500 tokens of output; a call that was cut off is on neither side.
    calls = [
        a_call(cost_usd=Decimal("0.01"), output_tokens=500),
        a_call(cost_usd=Decimal("0.02"), output_tokens=1000),
        a_call(cost_usd=Decimal(5), cost_status="partial", output_tokens=None),
    ]

    assert read(store, "cost_per_1k_output_usd", *calls) == Reading(
        "cost_per_1k_output_usd", Decimal("0.02"), calls=3, unknown=1
    )


def test_a_user_costs_what_calls_that_name_one_cost(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(user_id="ann", session_id="s1", cost_usd=Decimal(1)),
            a_call(user_id="ann", session_id="s2", cost_usd=Decimal(2)),
            a_call(user_id="bob", session_id="s3", cost_usd=Decimal(6)),
            a_call(user_id="cid", cost_usd=None),
            a_call(cost_usd=Decimal(100)),
        ],
    )

    found = unit_costs(LocalReader(store), WEEK, ALL)

    exact: dict[str, Any] = {"is_exact": True}
    assert found == (
        UnitCost(unit="user", usd=Decimal("4.5"), units=2, calls=4, unpriced=1, unnamed=1, **exact),
        UnitCost(unit="session", usd=Decimal(3), units=3, calls=3, unpriced=0, unnamed=2, **exact),
        UnitCost(unit="tenant", usd=None, units=0, calls=0, unpriced=0, unnamed=5, **exact),
    )


def test_among_very_many_calls_users_are_estimated_and_it_is_said(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claude_telemetry_collector.queries.cost._MOST_COUNTED", 1)
    land(store, [a_call(user_id="ann", cost_usd=Decimal(1)), a_call(user_id="bob", cost_usd=Decimal(3))])

    user, *_ = unit_costs(LocalReader(store), WEEK, ALL)

    assert (user.units, user.is_exact, user.usd) == (2, False, Decimal(2))


def test_the_lines_and_the_rest_add_up_to_the_cost(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(**lines(input="0.001", output="0.02", cache_read="0.3")),
            a_call(**lines(input="0.002", output="0", web_search="0.01")),
            a_call(cost_usd=Decimal("0.5")),
            a_call(cost_usd=Decimal(0)),
            a_call(cost_usd=None),
        ],
    )

    found = cost_split(LocalReader(store), WEEK, ALL)

    assert found.lines == {
        "input": Decimal("0.003"),
        "cache_read": Decimal("0.3"),
        "output": Decimal("0.02"),
        "web_search": Decimal("0.01"),
    }
    assert (found.not_split_usd, found.not_split_calls) == (Decimal("0.5"), 1)
    assert (found.cost.value, found.cost.unpriced) == (Decimal("0.833"), 1)


def test_what_others_wrote_into_the_lines_of_a_cost_is_not_split(store: duckdb.DuckDBPyConnection) -> None:
    odd = json.dumps({"input": "much", "output": "0.25", "coffee": "9"})
    land(store, [a_call(cost_usd=Decimal(1), cost_breakdown=odd)])

    found = cost_split(LocalReader(store), WEEK, ALL)

    assert (found.lines, found.not_split_usd) == ({"output": Decimal("0.25")}, Decimal("0.75"))


def test_nothing_costs_nothing(store: duckdb.DuckDBPyConnection) -> None:
    found = cost_split(LocalReader(store), WEEK, ALL)

    assert not found.lines
    assert found.cost.value is None
    assert found.not_split_usd == 0


def test_a_step_costs_what_its_features_cost(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            *(a_call(feature=f"f{number:02}", cost_usd=Decimal(number + 1)) for number in range(12)),
            a_call(feature="f11", cost_usd=Decimal(5), started_at=NOON + 2 * DAY),
            a_call(feature=None, cost_usd=None),
        ],
    )

    rows = cost_over_time(LocalReader(store), WEEK, ALL, DAY, "feature").to_pylist()

    noon, later = datetime(2026, 11, 20), datetime(2026, 11, 22)  # noqa: DTZ001 - as the store gives it
    assert [(row["bucket"], row["label"], row["cost_usd"]) for row in rows if row["label"] == "f11"] == [
        (noon, "f11", Decimal(12)),
        (later, "f11", Decimal(5)),
    ]
    rest = [row for row in rows if row["rest"]]
    # The ten dearest are f02 to f11, which leaves 1 + 2 and the call without a price.
    assert [(row["cost_usd"], row["calls"], row["unpriced"]) for row in rest] == [(Decimal(3), 3, 1)]
    assert sum(row["cost_usd"] for row in rows) == 78 + 5


def test_batches_and_tiers_are_told_apart(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(service_tier="standard", speed="fast", cost_usd=Decimal(3), net_cost_usd=Decimal(2)),
            a_call(service_tier="batch", batch_id="b", custom_id="one", cost_usd=Decimal(1)),
            a_call(service_tier=None, cost_usd=None),
        ],
    )

    rows = cost_by_service(LocalReader(store), WEEK, ALL).to_pylist()

    shown = ("way", "speed", "service_tier", "calls", "cost_usd", "net_cost_usd", "cost_usd_unpriced")
    assert [tuple(row[name] for name in shown) for row in rows] == [
        ("live", "fast", "standard", 1, Decimal(3), Decimal(2), 0),
        ("batch", None, "batch", 1, Decimal(1), Decimal(1), 0),
        ("live", None, None, 1, None, None, 1),
    ]
