"""Batches: where each one is, what became of its items, what it saved, worked out by hand."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window, batches
from claude_telemetry_collector.queries.batches import BatchTotals
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=23))
ALL = Segment()
MINUTE = timedelta(minutes=1)


def an_errand(operation: str, batch_id: str, after: timedelta = timedelta(0), **facts: Any) -> LandedCall:
    """Creating a batch, looking at it, fetching its results: all of it free."""
    free: dict[str, Any] = {
        "cost_usd": None,
        "cost_status": None,
        "billed": False,
        "model": None,
        "request_model": None,
    }
    return a_call(operation=operation, batch_id=batch_id, started_at=NOON + after, **(free | facts))


def an_item(batch_id: str, custom_id: str, **facts: Any) -> LandedCall:
    usual: dict[str, Any] = {"service_tier": "batch", "cost_usd": Decimal("0.25"), "attempts": None}
    return a_call(batch_id=batch_id, custom_id=custom_id, **(usual | facts))


def failed(batch_id: str, custom_id: str, status: str, error_type: str | None) -> LandedCall:
    return an_item(
        batch_id,
        custom_id,
        status=status,
        error_type=error_type,
        cost_usd=None,
        billed=False,
        stop_reason=None,
        model=None,
        request_model=None,
    )


def land_two(store: duckdb.DuckDBPyConnection) -> LocalReader:
    """One that is over, one that is open."""
    searched = json.dumps({"output": "0.10", "web_search": "0.30"})
    land(
        store,
        [
            an_errand("batch_create", "b_1", feature="mail"),
            an_errand("batch_retrieve", "b_1", 5 * MINUTE, feature="mail"),
            an_errand("batch_retrieve", "b_1", 9 * MINUTE, feature="mail"),
            an_errand("batch_results", "b_1", 10 * MINUTE, feature="mail"),
            an_errand("batch_results", "b_1", 3 * timedelta(days=1), feature="mail"),
            an_item("b_1", "a", feature="mail"),
            an_item(
                "b_1", "b", feature="mail", cost_usd=Decimal("0.4"), cost_breakdown=searched, web_search_requests=30
            ),
            an_item("b_1", "c", feature="mail", cost_usd=None, model="claude-unheard-of"),
            failed("b_1", "d", "error", "invalid_request_error"),
            failed("b_1", "e", "error", "batch_expired"),
            failed("b_1", "f", "cancelled", None),
            an_errand("batch_create", "b_2", MINUTE, feature="chat"),
            an_errand("batch_create", "b_0", -2 * timedelta(days=1)),
            a_call(),
        ],
    )
    return LocalReader(store)


def test_a_board_of_batches(store: duckdb.DuckDBPyConnection) -> None:
    found = batches.batches(land_two(store), DAY, ALL).to_pylist()
    shown = ("batch_id", "creation_seen", "feature", "items", "succeeded", "errored", "expired", "canceled", "unpriced")
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("b_2", True, "chat", 0, 0, 0, 0, 0, 0),
        ("b_1", True, "mail", 6, 3, 1, 1, 1, 1),
    ]
    # Searches cost in a batch what they always do: only what the tokens cost was saved.
    assert (found[1]["cost_usd"], found[1]["saved_usd"]) == (Decimal("0.65"), Decimal("0.35"))
    assert (found[1]["looks"], found[1]["took_ms"], found[1]["batches"]) == (2, 600_000, 2)
    assert found[1]["models"] == "claude-sonnet-5-5, claude-unheard-of"
    assert (found[0]["cost_usd"], found[0]["took_ms"], found[0]["first_results_at"]) == (None, None, None)


def test_all_batches_together(store: duckdb.DuckDBPyConnection) -> None:
    totals = batches.batch_totals(land_two(store), DAY, ALL)
    assert totals == BatchTotals(
        batches=2,
        open=1,
        items=6,
        succeeded=3,
        errored=1,
        expired=1,
        canceled=1,
        cost_usd=Decimal("0.65"),
        unpriced=1,
        saved_usd=Decimal("0.35"),
    )
    assert totals.failed_ratio == 2 / 6


def test_labels_narrow_batches_by_their_creation_and_their_items(store: duckdb.DuckDBPyConnection) -> None:
    reader = land_two(store)
    assert batches.batch_totals(reader, DAY, Segment(feature="chat")).batches == 1
    assert batches.batch_totals(reader, DAY, Segment(model="claude-sonnet-5-5")).items == 2
    none = batches.batch_totals(reader, DAY, Segment(feature="nothing"))
    assert (none.batches, none.cost_usd, none.failed_ratio) == (0, None, None)
    assert batches.batches(reader, DAY, Segment(batch_id="b_2")).num_rows == 1


def test_a_batch_that_somebody_else_created_is_known_by_its_items(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [an_item("b_9", "a", started_at=NOON + MINUTE)])
    [row] = batches.batches(LocalReader(store), DAY, ALL).to_pylist()
    assert (row["creation_seen"], row["items"], row["created_at"]) == (False, 1, (NOON + MINUTE).replace(tzinfo=None))


def test_the_items_of_a_batch_begin_with_those_that_failed(store: duckdb.DuckDBPyConnection) -> None:
    reader = land_two(store)
    found = batches.batch_items(reader, DAY, ALL, "b_1").to_pylist()
    assert [(row["custom_id"], row["outcome"]) for row in found] == [
        ("f", "canceled"),
        ("d", "errored"),
        ("e", "expired"),
        ("a", "succeeded"),
        ("b", "succeeded"),
        ("c", "succeeded"),
    ]
    assert {row["items"] for row in found} == {6}
    errored = batches.batch_items(reader, DAY, ALL, "b_1", outcome="errored").to_pylist()
    assert [(row["custom_id"], row["error_type"]) for row in errored] == [("d", "invalid_request_error")]
    assert batches.batch_items(reader, DAY, ALL, "' OR TRUE --").num_rows == 0


def test_batches_over_time_are_by_when_they_were_created(store: duckdb.DuckDBPyConnection) -> None:
    found = batches.batches_over_time(land_two(store), DAY, ALL, timedelta(hours=12)).to_pylist()
    shown = ("batches", "open", "succeeded", "errored", "failed_ratio", "cost_usd", "saved_usd")
    assert [tuple(row[name] for name in shown) for row in found] == [
        (0, 0, 0, 0, None, None, None),
        (2, 1, 3, 1, 2 / 6, Decimal("0.65"), Decimal("0.35")),
        (0, 0, 0, 0, None, None, None),
    ]


_examples = itertools.count()
kinds = st.sampled_from([("ok", None), ("error", "api_error"), ("error", "batch_expired"), ("cancelled", None)])


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made_up=st.lists(st.tuples(st.integers(0, 3), kinds, st.none() | st.decimals(0, 9, places=6)), max_size=12))
def test_batches_equal_a_slow_reference(
    store: duckdb.DuckDBPyConnection, made_up: list[tuple[int, tuple[str, str | None], Decimal | None]]
) -> None:
    feature = f"example {next(_examples)}"
    land(
        store,
        [
            an_item(f"{feature} {batch}", str(place), status=status, error_type=error, cost_usd=cost, feature=feature)
            for place, (batch, (status, error), cost) in enumerate(made_up)
        ],
    )
    totals = batches.batch_totals(LocalReader(store), DAY, Segment(feature=feature))
    costs = [cost for _, _, cost in made_up if cost is not None]
    assert totals.batches == len({batch for batch, _, _ in made_up})
    assert totals.items == len(made_up)
    assert totals.expired == sum(kind == ("error", "batch_expired") for _, kind, _ in made_up)
    assert totals.succeeded == sum(kind == ("ok", None) for _, kind, _ in made_up)
    assert totals.cost_usd == totals.saved_usd == (sum(costs, Decimal(0)) if costs else None)
    assert totals.unpriced == len(made_up) - len(costs)
