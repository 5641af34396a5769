"""The record is the one definition: what it declares is what spans, tables and pages get."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.record import Attempt, Call, Column, Fact, ToolUse, Usage, columns_of
from claude_telemetry.record.attributes import (
    attempt_attributes,
    attempt_from,
    attributes_of,
    call_facts,
    picodollars,
    tool_use_attributes,
    tool_uses_from,
    usd,
)

NEEDED = {
    "started_at", "duration_ms", "ttft_ms", "service", "environment", "provider", "platform", "operation",
    "request_model", "model", "status", "error_type", "http_status", "request_id", "message_id", "trace_id",
    "span_id", "parent_span_id", "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "output_tokens", "thinking_tokens", "web_search_requests", "cost_usd", "cost_status",
    "price_version", "billed", "stop_reason", "stream", "stream_end", "attempts", "user_id", "session_id",
    "feature", "prompt_name", "prompt_version", "prompt_fingerprint", "tenant", "batch_id", "custom_id", "usage",
}  # fmt: skip

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def a_call(**facts: Any) -> Call:
    needed: dict[str, Any] = {"started_at": NOW, "status": "ok", "trace_id": "0" * 32, "span_id": "0" * 16}
    return Call(**{**needed, **facts})


def value_for(column: Column) -> st.SearchStrategy[Any]:
    if column.type is Decimal:
        return st.integers(0, 10**17).map(usd)
    kinds: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(min_size=1),
        int: st.integers(0, 2**53),
        bool: st.booleans(),
        float: st.floats(0, 1),
    }
    return kinds[column.type]


# Facts that a reader checks against others, and does not believe alone.
TOGETHER = {
    "net_cost_usd", "cost_status", "billed", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "empty_refusal",
}  # fmt: skip

facts = st.fixed_dictionaries(
    {},
    optional={
        column.name: value_for(column)
        for column in columns_of(Call)
        if column.fact.attribute is not None and column.name not in TOGETHER
    },
)


def test_calls_have_the_columns_that_everybody_builds_on() -> None:
    assert {column.name for column in columns_of(Call)} >= NEEDED


def test_no_two_facts_share_an_attribute() -> None:
    for record in (Call, Attempt, ToolUse):
        names = [column.fact.attribute for column in columns_of(record) if column.fact.attribute]
        assert len(names) == len(set(names))


def test_money_is_exact_in_the_store_and_times_are_utc() -> None:
    types = {column.name: column.sql_type for column in columns_of(Call)}
    assert types["cost_usd"] == "DECIMAL(18,12)"
    assert types["started_at"] == "TIMESTAMP"


def test_every_unknown_may_be_unknown_and_what_a_call_cannot_be_without_may_not() -> None:
    assert {column.name for column in columns_of(Call) if not column.optional} == {
        "started_at",
        "status",
        "trace_id",
        "span_id",
    }


@given(facts)
def test_a_call_survives_the_way_over_the_wire(said: dict[str, Any]) -> None:
    read, _ = call_facts(attributes_of(a_call(**said)))
    assert read == said | undiscounted(said)


def undiscounted(said: dict[str, Any]) -> dict[str, Any]:
    return {"net_cost_usd": said["cost_usd"]} if "cost_usd" in said else {}


@given(st.integers(0, 10**17).map(usd), st.integers(0, 10**17).map(usd))
def test_what_is_paid_after_discounts_is_told_only_where_it_is_not_the_list_cost(cost: Decimal, net: Decimal) -> None:
    attributes = attributes_of(a_call(cost_usd=cost, net_cost_usd=net))
    assert ("claude.cost.net_picodollars" in attributes) == (cost != net)
    assert call_facts(attributes)[0] == {"cost_usd": cost, "net_cost_usd": net}


@given(facts)
def test_what_reads_back_are_only_facts_that_were_said(said: dict[str, Any]) -> None:
    read, rest = call_facts({**attributes_of(a_call(**said)), "app.own": 1})
    assert set(read) == set(said | undiscounted(said))
    assert rest["app.own"] == 1


def test_other_readers_find_opentelemetrys_total_and_doubles_beside_our_parts() -> None:
    call = a_call(
        input_tokens=120, cache_read_tokens=3000, cache_write_tokens=500, cost_usd=Decimal("0.01538"), ttft_ms=250
    )
    attributes = attributes_of(call)
    assert attributes["gen_ai.usage.input_tokens"] == 3620
    assert attributes["claude.usage.uncached_input_tokens"] == 120
    assert attributes["claude.cost.picodollars"] == 15_380_000_000
    assert attributes["claude.cost.usd"] == attributes["gen_ai.usage.cost"] == 0.01538
    assert attributes["gen_ai.response.time_to_first_chunk"] == 0.25


def test_an_unknown_cost_is_not_read_as_the_zero_of_an_earlier_attempt() -> None:
    nothing_so_far = {"claude.cost.picodollars": 0, "claude.cost.net_picodollars": 0, "claude.billed": False}
    read, _ = call_facts({"claude.cost.status": "unknown", **nothing_so_far})
    assert read == {"cost_status": "unknown"}


def test_only_a_refusal_is_an_empty_one() -> None:
    said = {"claude.refusal.empty": True, "anthropic.message.stop_reason": "refusal"}
    read, _ = call_facts(said)
    answered, _ = call_facts({**said, "anthropic.message.stop_reason": "end_turn"})
    assert read == {"empty_refusal": True, "stop_reason": "refusal"}
    assert answered == {"stop_reason": "end_turn"}


def test_a_split_of_cache_writes_that_their_total_has_outgrown_is_forgotten() -> None:
    said = {
        "gen_ai.usage.cache_write.input_tokens": 700,
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 200,
    }
    assert call_facts(said)[0] == {"cache_write_tokens": 700}


@pytest.mark.parametrize("wrong", ["120", 1.5, True, -1, None])
def test_a_count_of_a_wrong_type_is_kept_and_not_believed(wrong: object) -> None:
    read, rest = call_facts({"gen_ai.usage.output_tokens": wrong})
    assert read == {}
    assert rest == {"gen_ai.usage.output_tokens": wrong}


def test_attempts_and_tool_uses_survive_the_way_over_the_wire() -> None:
    attempt = Attempt(started_at=NOW, duration_ms=5, http_status=529, error_type="overloaded_error", wait_ms=500)
    uses = (ToolUse(tool_use_id="toolu_1", name="get_weather", type="tool_use"), ToolUse(name="search", type=None))
    assert attempt_from(NOW, attempt_attributes(attempt)) == attempt
    assert tool_uses_from(tool_use_attributes(uses)) == uses


def test_lists_of_tool_uses_that_do_not_fit_together_are_read_as_far_as_they_go() -> None:
    attributes = {
        "claude.tool_use.names": ["a", "b", 3],
        "claude.tool_use.ids": ["toolu_1"],
        "claude.tool_use.types": "x",
    }
    assert tool_uses_from(attributes) == (
        ToolUse(tool_use_id="toolu_1", name="a"),
        ToolUse(name="b"),
        ToolUse(),
    )


@given(st.integers(-(10**18), 10**18))
def test_picodollars_and_dollars_are_the_same_amount(amount: int) -> None:
    assert picodollars(usd(amount)) == amount


def test_half_a_picodollar_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="not a whole number of picodollars"):
        picodollars(Decimal("0.0000000000005"))


def test_a_field_without_a_fact_is_a_mistake() -> None:
    @dataclass
    class Bare:
        tokens: int

    @dataclass
    class Odd:
        tokens: Annotated[set[str], Fact(None, None, "A set.")]

    with pytest.raises(TypeError, match="has no Fact"):
        columns_of(Bare)
    with pytest.raises(TypeError, match="sql_type"):
        columns_of(Odd)


def test_usage_keeps_the_four_kinds_of_input_apart() -> None:
    usage = Usage.from_wire(
        {
            "input_tokens": 120,
            "cache_read_input_tokens": 3000,
            "cache_creation_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
            "output_tokens": 45,
            "output_tokens_details": {"thinking_tokens": 12},
            "server_tool_use": {"web_search_requests": 1},
        }
    )
    assert usage == Usage(
        input_tokens=120,
        cache_read_tokens=3000,
        cache_write_tokens=500,
        cache_write_5m_tokens=200,
        cache_write_1h_tokens=300,
        output_tokens=45,
        thinking_tokens=12,
        web_search_requests=1,
    )


def test_a_split_of_cache_writes_that_does_not_add_up_is_unknown_and_the_total_stays() -> None:
    usage = Usage.from_wire({"cache_creation_input_tokens": 700, "cache_creation": {"ephemeral_5m_input_tokens": 200}})
    assert (usage.cache_write_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (700, None, None)


@given(st.dictionaries(st.sampled_from([field.name for field in fields(Usage)]), st.none() | st.text() | st.floats()))
def test_usage_never_fails_over_what_the_wire_may_say(said: dict[str, Any]) -> None:
    usage = Usage.from_wire({"cache_creation": said, "server_tool_use": 3, "input_tokens": -1, **said})
    assert usage.input_tokens is None
