"""What tokens cost on the terms of many calls at once is what each call was charged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.pricing import charge_of, the_book
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries.rates import PLAIN, TOKENS, Cell, in_batch, terms_sql
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import a_call, land

DAY = datetime(2026, 10, 20, 12, tzinfo=UTC)

USAGES = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-opus-4-6"]),
        "days": st.integers(0, 12),
        "input": st.integers(0, 150_000),
        "output": st.integers(0, 5000),
        "read": st.integers(0, 80_000),
        "written_5m": st.integers(0, 9000),
        "written_1h": st.integers(0, 9000),
        "searches": st.integers(0, 2),
        "tier": st.sampled_from(["standard", "batch"]),
        "geo": st.sampled_from([None, "us", "global"]),
    }
)


def charged(drawn: dict[str, Any]) -> tuple[LandedCall, int, int]:
    """A call as the capture would record it, what it cost, and what it would have cost in a batch."""
    at = DAY - timedelta(days=drawn["days"])
    usage = {
        "input_tokens": drawn["input"],
        "output_tokens": drawn["output"],
        "cache_read_input_tokens": drawn["read"],
        "cache_creation_input_tokens": drawn["written_5m"] + drawn["written_1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": drawn["written_5m"],
            "ephemeral_1h_input_tokens": drawn["written_1h"],
        },
        "server_tool_use": {"web_search_requests": drawn["searches"]},
        "service_tier": drawn["tier"],
        "inference_geo": drawn["geo"],
    }
    now = charge_of(usage, model=drawn["model"], at=at).picodollars
    then = charge_of(usage, model=drawn["model"], at=at, batch=True).picodollars
    assert now is not None
    assert then is not None
    call = a_call(
        started_at=at,
        model=drawn["model"],
        input_tokens=drawn["input"],
        output_tokens=drawn["output"],
        cache_read_tokens=drawn["read"],
        cache_write_tokens=drawn["written_5m"] + drawn["written_1h"],
        cache_write_5m_tokens=drawn["written_5m"],
        cache_write_1h_tokens=drawn["written_1h"],
        web_search_requests=drawn["searches"],
        service_tier=drawn["tier"],
        inference_geo=drawn["geo"],
        cost_usd=usd(now),
    )
    return call, now, then


def cells(store: duckdb.DuckDBPyConnection) -> list[Cell]:
    sql = f"SELECT {terms_sql(the_book())}, {TOKENS} FROM calls WHERE {PLAIN} GROUP BY ALL"
    return [Cell.of(row) for row in LocalReader(store).ask(sql).to_pylist()]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(USAGES, min_size=1, max_size=12))
def test_sums_of_tokens_cost_what_their_calls_cost_now_and_in_a_batch(
    store: duckdb.DuckDBPyConnection, drawn: list[dict[str, Any]]
) -> None:
    store.execute("DELETE FROM calls")
    book = the_book()
    made = [charged(each) for each in drawn]
    land(store, [call for call, _, _ in made])
    found = cells(store)
    assert all(cell.is_exact(book) for cell in found)
    assert sum(cell.calls for cell in found) == len(made)
    assert sum(cell.cost(book) or 0 for cell in found) == sum(now for _, now, _ in made)
    assert sum(cell.cost(book, in_batch(cell.terms)) or 0 for cell in found) == sum(then for _, _, then in made)


def test_a_call_that_cost_something_else_is_seen(store: duckdb.DuckDBPyConnection) -> None:
    """1000 tokens in and 400 out on Sonnet 5.5 are 0.006 USD, and not 0.007."""
    land(store, [a_call(cost_usd=Decimal("0.007"))])
    assert [cell.is_exact(the_book()) for cell in cells(store)] == [False]


def test_what_has_no_rate_has_no_cost(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(model="not-in-the-book")])
    assert [cell.cost(the_book()) for cell in cells(store)] == [None]


def test_calls_that_are_more_than_their_counts_are_in_no_cell(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(hops='[{"model": "claude-sonnet-5-5"}]'),
            a_call(usage_partial=True),
            a_call(empty_refusal=True),
            a_call(cost_usd=None, cost_status="unknown"),
            a_call(output_tokens=None),
            a_call(cost_status="contract"),
        ],
    )
    assert cells(store) == []
