"""Lists of calls that are narrowed, ranked, or in the order in which they came in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import Attempt
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.calls import Top, arrived, calls, top_calls
from claude_telemetry_collector.queries.narrowed import ALL, Narrowed
from claude_telemetry_collector.queries.one_call import Told, call
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

MINUTE = timedelta(minutes=1)
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
EVERYONE = Segment()


def spans(rows: pa.Table) -> list[str]:
    return [str(span) for span in rows.column("span_id").to_pylist()]


def span_of(landed: LandedCall) -> str:
    return landed.record.call.span_id


def found(store: duckdb.DuckDBPyConnection, identifier: str, window: Window = DAY) -> list[str]:
    return spans(calls(LocalReader(store), window, EVERYONE, Narrowed(named=identifier)).rows)


IDS: dict[str, str] = {
    "req_011CSHoEeqs5C35K2UUqR7Fy": "request_id",
    "5f0e1c9a-aws-request": "request_id",
    "msg_01XFDUDYJgAACzvnptvVoYEL": "message_id",
    "chatcmpl-7": "message_id",
    "s_7 with spaces; DROP TABLE calls": "session_id",
    "ab" * 16: "trace_id",
    "cd" * 8: "span_id",
    "msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d": "batch_id",
    "run-1": "run_id",
    "row 12": "custom_id",
}


def test_a_call_is_found_by_each_of_its_ids(store: duckdb.DuckDBPyConnection) -> None:
    landed: dict[str, LandedCall] = {}
    for identifier, column in IDS.items():
        facts: dict[str, Any] = {column: identifier}
        landed[identifier] = a_call(**facts)
    land(store, landed.values())
    assert {identifier: found(store, f"  {identifier} ") for identifier in IDS} == {
        identifier: [span_of(one)] for identifier, one in landed.items()
    }
    assert [found(store, identifier[:-1]) for identifier in IDS] == [[]] * len(IDS)


def test_a_call_is_found_by_what_a_link_calls_it(store: duckdb.DuckDBPyConnection) -> None:
    mine = a_call()
    land(store, [a_call(), mine])
    assert found(store, f"{mine.record.call.trace_id}-{span_of(mine)}") == [span_of(mine)]


def test_a_retried_call_is_found_by_the_request_that_failed(store: duckdb.DuckDBPyConnection) -> None:
    attempts = (
        Attempt(started_at=NOON, http_status=529, request_id="req_failed"),
        Attempt(started_at=NOON + MINUTE, http_status=200, request_id="req_worked"),
    )
    mine = a_call(request_id="req_worked", attempt_rows=attempts)
    land(store, [a_call(), mine])
    assert found(store, "req_failed") == found(store, "req_worked") == [span_of(mine)]


def test_a_search_keeps_to_the_window_and_the_filters(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(session_id="s", started_at=NOON - timedelta(days=3)), a_call(session_id="s", feature="chat")])
    assert len(found(store, "s")) == 1
    assert len(found(store, "s", Window(NOON - timedelta(days=9), NOON + MINUTE))) == 2
    reader = LocalReader(store)
    assert calls(reader, DAY, Segment(feature="search"), Narrowed(named="s")).rows.num_rows == 0
    assert calls(reader, DAY, EVERYONE, Narrowed(named="s", status="error")).rows.num_rows == 0


def told_by(source: str, number: int, **facts: Any) -> dict[str, Any]:
    return {
        "call_trace_id": "1" * 32,
        "call_span_id": "1" * 16,
        "source": source,
        "role": "call",
        "carries": number == 1,
        "trace_id": f"{number}" * 32,
        "span_id": f"{number}" * 16,
        "started_at": NOON.replace(tzinfo=None),
        "record": "{}",
        "received_at": NOON.replace(tzinfo=None),
        **facts,
    }


def put(store: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        names, slots = ", ".join(row), ", ".join(f"${name}" for name in row)
        store.execute(f"INSERT INTO call_parts ({names}) VALUES ({slots})", row)


def test_a_call_that_several_told_of_is_found_by_any_of_them_and_says_who_they_are(
    store: duckdb.DuckDBPyConnection,
) -> None:
    land(store, [a_call(trace_id="1" * 32, span_id="1" * 16, whole=True), a_call()])
    store.execute(
        "UPDATE calls SET sources = 2, server_ms = 700, client_ms = 300, reported_cost_usd = 0.007, instance = 'p-1'"
        " WHERE span_id = $span",
        {"span": "1" * 16},
    )
    put(store, [told_by("claude_telemetry", 1), told_by("claude_platform", 2, duration_ms=700, total_input_tokens=9)])

    assert found(store, "2" * 32) == found(store, "2" * 16) == ["1" * 16]
    detail = call(LocalReader(store), "1" * 32, "1" * 16)
    assert detail is not None
    assert (detail.server_ms, detail.client_ms, detail.instance) == (700, 300, "p-1")
    assert detail.reported_cost_usd == Decimal("0.007")
    own: dict[str, Any] = {"role": "call", "started_at": NOON, "received_at": NOON}
    assert detail.told == (
        Told(
            source="claude_platform",
            carries=False,
            trace_id="2" * 32,
            span_id="2" * 16,
            duration_ms=700,
            total_input_tokens=9,
            **own,
        ),
        Told(source="claude_telemetry", carries=True, trace_id="1" * 32, span_id="1" * 16, **own),
    )


def test_the_most_extreme_calls_come_first_and_the_unknown_are_counted(store: duckdb.DuckDBPyConnection) -> None:
    dear, slow = a_call(cost_usd=Decimal(9)), a_call(duration_ms=90_000, cost_usd=Decimal(2))
    large = a_call(cost_usd=None, cache_read_tokens=10**6)
    land(store, [slow, dear, large, a_call(cost_usd=Decimal(99), started_at=NOON + timedelta(days=2))])
    reader = LocalReader(store)

    def top(by: str, narrowed: Narrowed = ALL, limit: int = 200) -> Top:
        return top_calls(reader, by, DAY, EVERYONE, narrowed, columns=("model",), limit=limit)

    dearest = top("dearest")
    assert (spans(dearest.rows), dearest.calls, dearest.unknown) == ([span_of(dear), span_of(slow)], 3, 1)
    assert spans(top("slowest", limit=1).rows) == [span_of(slow)]
    assert spans(top("largest", limit=1).rows) == [span_of(large)]
    assert top("dearest", Narrowed(status="error")).calls == 0


def test_what_a_list_cannot_be_ranked_by_or_has_not_is_told(store: duckdb.DuckDBPyConnection) -> None:
    reader = LocalReader(store)
    with pytest.raises(ValueError, match="ranked by 'nicest': give one of dearest, slowest, largest"):
        top_calls(reader, "nicest", DAY, EVERYONE)
    with pytest.raises(ValueError, match="no column 'usage'"):
        calls(reader, DAY, EVERYONE, columns=("usage",))
    with pytest.raises(ValueError, match="no column '1 AS model"):
        arrived(reader, DAY, EVERYONE, columns=("1 AS model",))


def test_what_came_in_last_is_told_by_when_it_came(store: duckdb.DuckDBPyConnection) -> None:
    long = a_call(started_at=NOON, received_at=NOON + 30 * MINUTE)
    short = a_call(started_at=NOON + 20 * MINUTE, received_at=NOON + 21 * MINUTE)
    land(store, [short, long])
    reader = LocalReader(store)
    assert spans(arrived(reader, DAY, EVERYONE)) == [span_of(long), span_of(short)]
    assert spans(arrived(reader, DAY, EVERYONE, since=NOON + 22 * MINUTE)) == [span_of(long)]
    assert spans(arrived(reader, DAY, EVERYONE, limit=1)) == [span_of(long)]


moments = st.integers(0, 3).map(lambda minutes: NOON + minutes * MINUTE)
costs = st.none() | st.integers(0, 3).map(Decimal)
some_calls = st.lists(st.builds(a_call, started_at=moments, cost_usd=costs), max_size=9)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(landed=some_calls, limit=st.integers(1, 4))
def test_pages_and_ranks_are_those_of_a_sorted_list(
    store: duckdb.DuckDBPyConnection, landed: list[LandedCall], limit: int
) -> None:
    store.execute("DELETE FROM calls")
    land(store, landed)
    reader = LocalReader(store)
    facts = [one.record.call for one in landed]
    newest = sorted(facts, key=lambda one: (one.started_at, one.trace_id), reverse=True)
    dearest = sorted(
        (one for one in facts if one.cost_usd is not None),
        key=lambda one: (one.cost_usd, one.started_at, one.trace_id),
        reverse=True,
    )
    assert every_page(reader, limit) == [one.span_id for one in newest]
    top = top_calls(reader, "dearest", DAY, EVERYONE, limit=limit)
    assert spans(top.rows) == [one.span_id for one in dearest[:limit]]
    assert (top.calls, top.unknown) == (len(facts), len(facts) - len(dearest))


def every_page(reader: LocalReader, limit: int) -> list[str]:
    page = calls(reader, DAY, EVERYONE, limit=limit)
    told = spans(page.rows)
    while page.next is not None:
        page = calls(reader, DAY, EVERYONE, before=page.next, limit=limit)
        told += spans(page.rows)
    return told
