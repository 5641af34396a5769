"""Single calls: in pages that neither overlap nor skip, and whole."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from claude_telemetry.record import Attempt, ToolUse
from claude_telemetry_collector.queries import (
    LISTED,
    CallDetail,
    Cursor,
    Freshness,
    Hop,
    Segment,
    Window,
    call,
    calls,
    extreme_call,
    freshness,
)
from claude_telemetry_collector.queries.narrowed import Narrowed
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

MINUTE = timedelta(minutes=1)
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
ALL = Segment()


def all_pages(reader: LocalReader, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    before: Cursor | None = None
    while True:
        page = calls(reader, DAY, ALL, before=before, limit=limit)
        pages.append([str(span) for span in page.rows.column("span_id").to_pylist()])
        if page.next is None:
            return pages
        before = page.next


def test_pages_hold_each_call_once_newest_first(store: duckdb.DuckDBPyConnection) -> None:
    landed = [a_call(started_at=NOON + number * MINUTE) for number in range(7)]
    land(store, reversed(landed))
    newest_first = [landed_call.record.call.span_id for landed_call in reversed(landed)]
    assert all_pages(LocalReader(store), 3) == [newest_first[:3], newest_first[3:6], newest_first[6:]]


def test_calls_of_one_instant_are_paged_too(store: duckdb.DuckDBPyConnection) -> None:
    landed = [a_call(started_at=NOON) for _ in range(10)]
    land(store, landed)
    pages = all_pages(LocalReader(store), 4)
    assert [len(page) for page in pages] == [4, 4, 2]
    assert {span for page in pages for span in page} == {one.record.call.span_id for one in landed}


def test_a_page_that_is_just_full_is_the_last(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call() for _ in range(4)])
    assert calls(LocalReader(store), DAY, ALL, limit=4).next is None
    assert calls(LocalReader(store), DAY, ALL, limit=3).next is not None


def test_calls_that_come_in_meanwhile_do_not_move_the_next_page(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(started_at=NOON + number * MINUTE) for number in range(4)])
    reader = LocalReader(store)
    first = calls(reader, DAY, ALL, limit=2)
    land(store, [a_call(started_at=NOON + timedelta(hours=1))])
    second = calls(reader, DAY, ALL, limit=2, before=first.next)
    assert [at.minute for at in second.rows.column("started_at").to_pylist() if at] == [1, 0]


def test_an_empty_list_is_a_page(store: duckdb.DuckDBPyConnection) -> None:
    page = calls(LocalReader(store), DAY, ALL)
    assert (page.rows.num_rows, page.next) == (0, None)


def test_a_list_is_narrowed_by_status_type_and_label(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(feature="chat"),
            a_call(feature="chat", status="error", error_type="overloaded_error"),
            a_call(feature="chat", status="error", error_type="api_error"),
            a_call(feature="search", status="error", error_type="api_error"),
        ],
    )
    reader = LocalReader(store)
    assert calls(reader, DAY, ALL, Narrowed(status="error")).rows.num_rows == 3
    assert calls(reader, DAY, Segment(feature="chat"), Narrowed(status="error")).rows.num_rows == 2
    assert calls(reader, DAY, Segment(feature="chat"), Narrowed(error_type="api_error")).rows.num_rows == 1


def test_a_call_is_shown_whole(store: duckdb.DuckDBPyConnection) -> None:
    attempts = (
        Attempt(started_at=NOON, duration_ms=20, http_status=529, error_type="overloaded_error", retry_after_ms=500),
        Attempt(started_at=NOON + timedelta(milliseconds=520), duration_ms=400, http_status=200, wait_ms=500),
    )
    tools = (ToolUse(tool_use_id="toolu_2", name="b", type="tool_use"), ToolUse(tool_use_id="toolu_1", name="a"))
    landed = a_call(
        attempt_rows=attempts,
        tool_uses=tools,
        attributes={"server.port": 443, "tags": ["x", "y"], "nested": {"deep": "✓"}},
        cost_breakdown='{"input": "0.002", "output": "0.004"}',
        usage='{"input_tokens": 1000, "output_tokens": 400}',
        hops=(
            '[{"model": "claude-opus-5-5", "message_id": "msg_1", "stop_reason": "refusal", "cost_usd": "0.001",'
            ' "usage": {"input_tokens": 90, "output_tokens": 2}}, {"model": "claude-haiku-5-5", "cost_usd": null}]'
        ),
        tags='{"tier": "gold"}',
        attempts=2,
        feature="chat",
    )
    land(store, [a_call(), landed, a_call()])
    own = landed.record.call
    assert call(LocalReader(store), own.trace_id, own.span_id) == CallDetail(
        call=own,
        attempts=attempts,
        tool_uses=tools,
        cost_breakdown={"input": Decimal("0.002"), "output": Decimal("0.004")},
        usage={"input_tokens": 1000, "output_tokens": 400},
        hops=(
            Hop(
                model="claude-opus-5-5",
                message_id="msg_1",
                stop_reason="refusal",
                input_tokens=90,
                output_tokens=2,
                cost_usd=Decimal("0.001"),
            ),
            Hop(model="claude-haiku-5-5"),
        ),
        tags={"tier": "gold"},
        attributes={"server.port": 443, "tags": ["x", "y"], "nested": {"deep": "✓"}},
        source="claude_telemetry",
        received_at=landed.received_at,
    )


def test_a_call_of_which_little_is_known_is_shown_too(store: duckdb.DuckDBPyConnection) -> None:
    landed = a_call(duration_ms=None, model=None, cost_usd=None, cost_breakdown=None, usage=None, status="error")
    land(store, [landed])
    own = landed.record.call
    found = call(LocalReader(store), own.trace_id, own.span_id)
    assert found is not None
    assert (found.call, found.attempts, found.cost_breakdown, found.usage) == (own, (), {}, {})


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"hops": '[7, "x", {"model": 7, "usage": [1], "cost_usd": "much"}]'}, (Hop(),)),
        ({"hops": '{"model": "a"}'}, ()),
        ({"cost_breakdown": '{"input": "much", "output": "NaN", "rest": 7}'}, {}),
        ({"cost_breakdown": '["0.1"]'}, {}),
        ({"tags": '["gold"]'}, {}),
        ({"usage": '"much"'}, {}),
    ],
)
def test_what_others_have_written_in_our_place_does_not_keep_a_call_from_being_shown(
    store: duckdb.DuckDBPyConnection, told: dict[str, Any], shown: object
) -> None:
    landed = a_call(**told)
    land(store, [landed])
    own = landed.record.call
    found = call(LocalReader(store), own.trace_id, own.span_id)
    assert getattr(found, next(iter(told))) == shown


def test_a_list_leaves_out_what_is_long() -> None:
    assert {"usage", "cost_breakdown", "hops", "tags"}.isdisjoint(LISTED)
    assert {"cost_usd", "batch_id", "effort"} <= set(LISTED)


@pytest.mark.parametrize("passed", [timedelta(days=-1), timedelta(days=2), timedelta(days=400)])
def test_a_call_is_found_however_long_ago_it_was(store: duckdb.DuckDBPyConnection, passed: timedelta) -> None:
    own = a_call().record.call
    landed = a_call(trace_id=own.trace_id, span_id=own.span_id)
    land(store, [landed, a_call()])
    found = call(LocalReader(store), own.trace_id, own.span_id, now=NOON + passed)
    assert found is not None
    assert found.call == landed.record.call


def test_a_call_that_has_not_landed_is_none(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call()])
    assert call(LocalReader(store), "0" * 32, "' OR 1=1 --") is None


def test_the_worst_call_is_found(store: duckdb.DuckDBPyConnection) -> None:
    dear = a_call(cost_usd=Decimal(9), input_tokens=1)
    large = a_call(cost_usd=None, input_tokens=10, cache_read_tokens=10**6)
    land(store, [a_call(), dear, large, a_call(cost_usd=Decimal(99), started_at=NOON + timedelta(days=2))])
    reader = LocalReader(store)
    by_cost, by_tokens = dear.record.call, large.record.call
    assert extreme_call(reader, "call_cost_max_usd", DAY, ALL) == (by_cost.trace_id, by_cost.span_id)
    assert extreme_call(reader, "call_tokens_max", DAY, ALL) == (by_tokens.trace_id, by_tokens.span_id)
    assert extreme_call(reader, "call_tokens_max", DAY, Segment(feature="none")) is None


def test_freshness_tells_when_the_newest_call_started_and_came(store: duckdb.DuckDBPyConnection) -> None:
    reader = LocalReader(store)
    assert freshness(reader) == Freshness(calls=0, started_at=None, received_at=None)
    land(store, [a_call(received_at=NOON + MINUTE), a_call(started_at=NOON - MINUTE, received_at=NOON + 2 * MINUTE)])
    assert freshness(reader) == Freshness(calls=2, started_at=NOON, received_at=NOON + 2 * MINUTE)
    land(store, [a_call(operation="count_tokens", started_at=NOON + 5 * MINUTE)])
    assert freshness(reader) == Freshness(calls=2, started_at=NOON, received_at=NOON + 2 * MINUTE)
