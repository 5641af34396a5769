"""Calls land once, whole, and with the position that they came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import Attempt, Call, CallRecord, ToolUse, columns_of
from claude_telemetry_collector.decode import LandedCall, decode
from claude_telemetry_collector.segments import Position
from claude_telemetry_collector.store import Landed, Writer, open_database
from tests.support.calls import NOON, a_call
from tests.support.spans import NATIVE_SCOPE, a_body, native_span


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_database(tmp_path_factory.mktemp("data") / "calls.duckdb", memory_limit="200MB")
    yield connection
    connection.close()


@pytest.fixture
def connection(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    empty(database)
    return database


def empty(connection: duckdb.DuckDBPyConnection) -> None:
    for table in ("calls", "attempt_rows", "tool_uses", "segment_position", "seen_bodies"):
        connection.execute(f"DELETE FROM {table}")


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def test_every_fact_of_a_call_is_in_its_row(connection: duckdb.DuckDBPyConnection) -> None:
    call = a_call(
        started_at=datetime(2026, 11, 20, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-5))),
        cost_usd=Decimal("999999.999999999999"),
        usage='{"input_tokens":1000}',
        attributes={"a": 1, "b": {"c": [1, "x", None, 1.5, True]}},
    )

    Writer(connection).land([call])

    names = [column.name for column in columns_of(Call)]
    (row,) = rows(connection, f"SELECT {', '.join(names)}, source, attributes, received_at FROM calls")
    expected = [getattr(call.record.call, name) for name in names]
    expected[names.index("started_at")] = datetime(2026, 11, 20, 6, 30, 0, 123456)  # noqa: DTZ001 - as tables have it
    received_at = call.received_at.astimezone(UTC).replace(tzinfo=None)
    assert list(row) == [*expected, "claude_telemetry", {"a": 1, "b": {"c": [1, "x", None, 1.5, True]}}, received_at]


def test_attempts_and_tool_uses_land_in_order_with_their_call(connection: duckdb.DuckDBPyConnection) -> None:
    call = a_call(
        attempt_rows=[Attempt(started_at=NOON, http_status=529), Attempt(started_at=NOON, http_status=200)],
        tool_uses=[ToolUse(name="a", type="tool_use"), ToolUse(name="b")],
    )

    Writer(connection).land([call, a_call()])

    key = (call.record.call.trace_id, call.record.call.span_id)
    assert rows(connection, "SELECT trace_id, span_id, attempt, http_status FROM attempts ORDER BY attempt") == [
        (*key, 0, 529),
        (*key, 1, 200),
    ]
    assert rows(connection, "SELECT trace_id, span_id, position, name, type FROM tool_uses ORDER BY position") == [
        (*key, 0, "a", "tool_use"),
        (*key, 1, "b", None),
    ]


def test_of_copies_that_know_as_much_the_first_stays(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)
    first = a_call(user_id="first", attempt_rows=[Attempt(started_at=NOON)])
    again = replace(first, record=replace(first.record, call=replace(first.record.call, user_id="again")))

    assert writer.land([first, again]) == Landed(calls=1, duplicates=1)
    assert writer.land([again, a_call(user_id="other")]) == Landed(calls=1, duplicates=1)

    assert rows(connection, "SELECT user_id FROM calls ORDER BY ALL") == [("first",), ("other",)]
    assert rows(connection, "SELECT count(*) FROM attempts") == [(1,)]


def copies(*, priced: bool = False) -> tuple[LandedCall, LandedCall]:
    """A call as the application's span tells it, which ended early, and as our delivery does, which tells it all."""
    unpriced = {} if priced else {"cost_usd": None, "cost_status": "unknown"}
    untold: dict[str, Any] = {**unpriced, "output_tokens": None, "duration_ms": 900}
    attempts = [Attempt(started_at=NOON, http_status=529), Attempt(started_at=NOON, http_status=200)]
    whole = a_call(whole=True, attempt_rows=attempts, tool_uses=[ToolUse(name="look")], usage="{}")
    call = replace(whole.record.call, usage=None, **untold)
    early = replace(whole, whole=False, record=CallRecord(call=call, attempts=whole.record.attempts[:1]))
    return early, whole


@pytest.mark.parametrize("priced", [False, True])
@pytest.mark.parametrize("order", ["early", "whole", "at once, early", "at once, whole"])
def test_of_a_call_that_is_told_twice_the_copy_that_knows_all_stays(
    connection: duckdb.DuckDBPyConnection, order: str, priced: bool
) -> None:
    writer = Writer(connection)
    early, whole = copies(priced=priced)
    first, second = (early, whole) if order.endswith("early") else (whole, early)

    if order.startswith("at once"):
        assert writer.land([first, a_call(user_id="other"), second]) == Landed(calls=2, duplicates=1)
    else:
        assert writer.land([first]) == Landed(calls=1, duplicates=0)
        assert writer.land([second, a_call(user_id="other")]) == Landed(calls=1, duplicates=1)
    assert writer.land([early, whole]) == Landed(calls=0, duplicates=2)

    mine = f"trace_id = '{whole.record.call.trace_id}'"
    names = "cost_usd, cost_status, output_tokens, duration_ms, usage, whole"
    assert rows(connection, f"SELECT {names} FROM calls WHERE {mine}") == [
        (Decimal("0.006"), "priced", 400, 1000, "{}", True)
    ]
    assert rows(connection, f"SELECT attempt, http_status FROM attempts WHERE {mine} ORDER BY 1") == [
        (0, 529),
        (1, 200),
    ]
    assert rows(connection, f"SELECT position, name FROM tool_uses WHERE {mine}") == [(0, "look")]
    assert rows(connection, "SELECT count(*) FROM calls") == [(2,)]


def test_a_span_that_the_sdk_began_a_little_after_the_call_is_the_same_call(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    early, whole = copies()
    later = replace(early.record, call=replace(early.record.call, started_at=NOON + timedelta(milliseconds=80)))
    writer = Writer(connection)

    writer.land([whole])
    assert writer.land([replace(early, record=later)]) == Landed(calls=0, duplicates=1)
    empty(connection)
    writer.land([replace(early, record=later)])
    assert writer.land([whole]) == Landed(calls=0, duplicates=1)

    assert rows(connection, "SELECT started_at, whole FROM calls") == [(NOON.replace(tzinfo=None), True)]


def test_a_call_that_is_replaced_takes_nothing_of_others_with_it(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)
    early, whole = copies()
    attempts, tools = [Attempt(started_at=NOON)], [ToolUse(name="mine")]
    same_trace = a_call(trace_id=whole.record.call.trace_id, attempt_rows=attempts, tool_uses=tools)
    same_span = a_call(span_id=whole.record.call.span_id, attempt_rows=attempts, tool_uses=tools)

    writer.land([early, same_trace, same_span])
    writer.land([whole])

    assert rows(connection, "SELECT count(*) FROM calls") == [(3,)]
    assert rows(connection, "SELECT count(*) FROM attempts") == [(4,)]
    assert rows(connection, "SELECT name, count(*) FROM tool_uses GROUP BY ALL ORDER BY ALL") == [
        ("look", 1),
        ("mine", 2),
    ]


def test_what_cannot_replace_a_call_leaves_it_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)
    early, whole = copies()
    too_dear = replace(whole.record, call=replace(whole.record.call, cost_usd=Decimal(10**6)))
    writer.land([early])

    with pytest.raises(Exception, match=r"precision|Decimal"):
        writer.land([replace(whole, record=too_dear)])

    assert rows(connection, "SELECT whole, cost_status FROM calls") == [(False, "unknown")]
    assert rows(connection, "SELECT count(*) FROM attempts") == [(1,)]


@pytest.mark.parametrize(
    "told", [{"operation": "agent_model_request"}, {"batch_id": "msgbatch_1", "custom_id": "r1"}], ids=str
)
def test_of_what_several_read_the_copy_of_one_who_knows_the_price_stays(
    connection: duckdb.DuckDBPyConnection, told: dict[str, Any]
) -> None:
    writer = Writer(connection)
    priced = a_call(whole=True, **told)
    call = replace(priced.record.call, cost_usd=None, cost_status="unknown", started_at=NOON + timedelta(days=29))
    unpriced = replace(priced, record=replace(priced.record, call=call))

    assert writer.land([unpriced]) == Landed(calls=1, duplicates=0)
    assert writer.land([priced]) == Landed(calls=0, duplicates=1)
    assert writer.land([unpriced]) == Landed(calls=0, duplicates=1)

    assert rows(connection, "SELECT cost_usd FROM calls") == [(Decimal("0.006"),)]


def test_a_row_of_an_older_version_gives_way_to_the_whole_call(connection: duckdb.DuckDBPyConnection) -> None:
    """It does not say how much it knows."""
    early, whole = copies()
    connection.execute("ALTER TABLE calls ALTER COLUMN whole DROP NOT NULL")
    Writer(connection).land([early])
    connection.execute("UPDATE calls SET whole = NULL")

    assert Writer(connection).land([early]) == Landed(calls=0, duplicates=1)
    assert Writer(connection).land([whole]) == Landed(calls=0, duplicates=1)

    assert rows(connection, "SELECT whole FROM calls") == [(True,)]


def test_calls_of_one_trace_are_told_apart_by_their_span(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)

    writer.land([a_call(trace_id="a" * 32, span_id="b" * 16)])
    landed = writer.land([a_call(trace_id="a" * 32, span_id="c" * 16), a_call(trace_id="d" * 32, span_id="b" * 16)])

    assert landed == Landed(calls=2, duplicates=0)


def test_the_position_moves_with_the_calls(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)
    assert writer.position() is None

    writer.land([a_call()], position=Position(1, 100))
    writer.land([], position=Position(2, 50))

    assert writer.position() == Position(2, 50)
    assert Writer(connection).position() == Position(2, 50)
    assert rows(connection, "SELECT count(*) FROM segment_position") == [(1,)]


def test_what_cannot_land_whole_does_not_land_at_all(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)
    too_dear = a_call(cost_usd=Decimal(10**6))

    with pytest.raises(Exception, match=r"precision|Decimal"):
        writer.land([a_call(), too_dear], position=Position(3, 3), body_hashes=[b"h"])
    odd_part = a_call(attempt_rows=[Attempt(started_at=NOON, http_status=2**70)])
    with pytest.raises(OverflowError):
        writer.land([a_call(), odd_part], position=Position(3, 3), body_hashes=[b"h"])

    assert rows(connection, "SELECT count(*) FROM calls") == [(0,)]
    assert (writer.position(), writer.seen([b"h"])) == (None, set())
    assert writer.land([a_call()]) == Landed(calls=1, duplicates=0)


def test_bodies_that_landed_are_known_until_they_are_forgotten(connection: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(connection)
    writer.land([], body_hashes=[b"one", b"two\0"])

    assert writer.seen([b"two\0", b"three", b"one"]) == {b"one", b"two\0"}
    writer.forget_bodies(datetime.now(UTC) - timedelta(hours=1))
    assert writer.seen([b"one"]) == {b"one"}
    writer.forget_bodies(datetime.now(UTC) + timedelta(hours=1))
    assert writer.seen([b"one"]) == set()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries=st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=8),
)
def test_any_redelivery_lands_each_call_once(
    connection: duckdb.DuckDBPyConnection, deliveries: list[list[int]]
) -> None:
    empty(connection)
    calls = [a_call(started_at=NOON + timedelta(days=number), user_id=str(number)) for number in range(10)]
    writer = Writer(connection)

    told = [writer.land([calls[number] for number in delivery]) for delivery in deliveries]

    delivered = {number for delivery in deliveries for number in delivery}
    assert {int(user) for (user,) in rows(connection, "SELECT user_id FROM calls")} == delivered
    assert rows(connection, "SELECT count(*) FROM calls") == [(len(delivered),)]
    assert sum(one.calls for one in told) == len(delivered)
    assert sum(one.calls + one.duplicates for one in told) == sum(map(len, deliveries))


odd_values = st.recursive(
    st.text(st.characters(), max_size=30)
    | st.sampled_from(["\0", "\ud800", "a\0\udfff", "9" * 400, '{"a": 1e999}', '{"\\ud800": NaN}', "{" * 200])
    | st.booleans()
    | st.integers()
    | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
odd_names = st.text(max_size=10) | st.sampled_from(
    [column.fact.attribute for record in (Call, ToolUse) for column in columns_of(record) if column.fact.attribute]
)


def decoded(facts: dict[str, Any]) -> tuple[LandedCall, ...]:
    body = a_body([native_span({"claude.telemetry.version": "0"} | facts)], scope=NATIVE_SCOPE)
    return decode("traces", "json", body, datetime(2026, 11, 20, 12, tzinfo=UTC)).calls


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=st.dictionaries(odd_names, odd_values, max_size=6))
def test_whatever_decoding_lets_through_the_store_can_hold(
    connection: duckdb.DuckDBPyConnection, facts: dict[str, Any]
) -> None:
    empty(connection)
    calls = decoded(facts)

    assert Writer(connection).land(calls) == Landed(calls=1, duplicates=0)

    assert len(rows(connection, "SELECT * REPLACE (CAST(attributes AS JSON) AS attributes) FROM calls")) == 1


@pytest.mark.parametrize(
    "usage",
    [
        '{"a": 1e999}',
        '{"\\ud800": 1}',
        '{"a": "\\u0000"}',
        '{"a": ' + "[" * 50 + "]" * 50 + "}",
        '{"a": 123456789012345678901}',
    ],
)
def test_json_that_python_reads_and_duckdb_may_not_lands_all_the_same(
    connection: duckdb.DuckDBPyConnection, usage: str
) -> None:
    Writer(connection).land(decoded({"claude.usage": usage}))

    assert rows(connection, "SELECT json_valid(usage) FROM calls") == [(True,)]
    assert rows(connection, "SELECT usage->>'a' FROM calls") is not None
