"""Many calls read at once are what they are when they are read one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import Attempt, ToolUse
from claude_telemetry_collector.decode import LandedCall, decode
from claude_telemetry_collector.decode.columnar import columns_in
from claude_telemetry_collector.decode.columnar.known import KEYS, NAMES
from claude_telemetry_collector.decode.columnar.pairs import pairs
from claude_telemetry_collector.decode.columnar.wire import Data
from claude_telemetry_collector.segments import Frame, Position
from claude_telemetry_collector.store import Writer, landed_keys, open_database
from claude_telemetry_collector.store.landed_keys import LandedKeys, keys_of
from claude_telemetry_collector.store.portions import Contents, contents_of, plain_contents_of
from tests.support.calls import NOON, a_call
from tests.support.judged import judged
from tests.support.odd_bodies import RECEIVED_AT, odd_bodies
from tests.support.spans import a_body, as_protobuf, native_span, our_span


def a_protobuf(*calls: LandedCall) -> bytes:
    return as_protobuf(a_body([our_span(call.record) for call in calls]))


def test_a_usual_call_is_read_as_a_column() -> None:
    attempt = Attempt(started_at=NOON + timedelta(milliseconds=2), duration_ms=900, http_status=200, request_id="req_1")
    tool = ToolUse(tool_use_id="toolu_1", name="search", type="tool_use")
    call = a_call(
        attempt_rows=[attempt],
        tool_uses=[tool, tool],
        attempts=1,
        cost_usd=Decimal("0.000000000001"),
        feature="Suche für Müller",
        usage='{"input_tokens":1000,"service_tier":"standard"}',
        temperature=0.5,
        stream=True,
    )

    columns, others = columns_in([(a_protobuf(call), RECEIVED_AT)])

    assert columns is not None
    assert others == []
    (row,) = columns.calls.to_pylist()
    assert row["started_at"] == NOON.replace(tzinfo=None)
    assert (row["trace_id"], row["span_id"]) == (call.record.call.trace_id, call.record.call.span_id)
    assert (row["duration_ms"], row["input_tokens"], row["output_tokens"]) == (1000, 1000, 400)
    assert (row["cost_usd"], row["net_cost_usd"]) == (Decimal("0.000000000001"), Decimal("0.000000000001"))
    assert (row["status"], row["feature"], row["temperature"], row["stream"]) == ("ok", "Suche für Müller", 0.5, True)
    assert row["usage"] == '{"input_tokens":1000,"service_tier":"standard"}'
    assert columns.attempts.call.tolist() == [0]
    assert columns.attempts.table.to_pylist()[0]["duration_ms"] == 900
    assert columns.tool_uses.table.column("position").to_pylist() == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_odd_spans_are_read_as_the_reference_reads_them(seed: int) -> None:
    verdict = judged([(body, RECEIVED_AT) for body in odd_bodies(seed, 700)])

    assert verdict.differing == []
    assert verdict.as_columns > 100
    assert verdict.as_told > 100


def test_a_span_without_attributes_and_a_body_without_spans_are_nothing_of_ours() -> None:
    bare = as_protobuf(a_body([native_span({})], scope="claude_telemetry"))
    empty = as_protobuf(a_body([], scope="claude_telemetry"))

    columns, others = columns_in([(bare, RECEIVED_AT), (empty, RECEIVED_AT)])

    assert columns is None or len(columns) == 0
    assert sum(decode("traces", "protobuf", *body).ignored for body in others) == 1


@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=300))
def test_bytes_that_are_no_request_are_left_to_the_reference(body: bytes) -> None:
    columns, others = columns_in([(body, RECEIVED_AT)])

    assert columns is None or len(columns) == 0
    assert others or decode("traces", "protobuf", body, RECEIVED_AT).spans == 0


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, 2000), where=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_damaged_body_ends_nowhere(cut: int, where: int, byte: int) -> None:
    body = bytearray(a_protobuf(a_call(attempts=1), a_call(attempts=1)))
    body[where % len(body)] = byte

    columns_in([(bytes(body), RECEIVED_AT), (bytes(body[: cut % len(body)]), RECEIVED_AT)])


def test_a_key_that_begins_and_ends_like_a_known_one_is_another() -> None:
    name = max(NAMES, key=len)
    other = name[:20] + "_" + name[21:]
    raw = [b"\x0a" + bytes((len(key),)) + key.encode() + b"\x12\x02\x10\x01" for key in (name, other)]
    ends = np.cumsum([len(one) for one in raw])
    data = Data(raw)

    found = pairs(data, np.arange(2), ends - np.array([len(one) for one in raw]), ends)
    groups, unknown = KEYS.groups(data, found, np.array([0, 2]))

    assert groups[NAMES.index(name)].tolist() == [0]
    assert unknown.tolist() == [1]


# Landing


class Store:
    """A database, and what lands there."""

    def __init__(self, path: Path) -> None:
        self.connection = open_database(path, memory_limit="200MB")
        self.writer = Writer(self.connection)

    def land(self, contents: Contents) -> None:
        decoded = contents.decoded
        self.writer.land(
            [call for part in decoded for call in part.calls],
            parts=[one for part in decoded for one in part.parts],
            links=[link for part in decoded for link in part.links],
            columns=contents.columns,
        )

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        texts = "* REPLACE (CAST(attributes AS VARCHAR) AS attributes)"
        asked = {"calls": texts, "attempts": "*", "tool_uses": "*", "call_parts": "*", "call_sources": "*"}
        return {
            table: self.connection.execute(f"SELECT {what} FROM {table} ORDER BY ALL").fetchall()
            for table, what in asked.items()
        }


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    both = Store(tmp_path / "columns.duckdb"), Store(tmp_path / "plain.duckdb")
    yield both
    for store in both:
        store.connection.close()


def frames(*bodies: bytes, encoding: Any = "protobuf") -> list[Frame]:
    place = Position(1, 0)
    return [
        Frame(
            position=place, next_position=place, signal="traces", encoding=encoding, received_at=RECEIVED_AT, body=body
        )
        for body in bodies
    ]


def told_by_several(dice: random.Random, calls: int) -> list[Frame]:
    """Calls of ours, some of which the SDK, the API, a library or the application's own exporter tell of as well."""
    told: list[Frame] = []
    for number in range(calls):
        at = NOON + timedelta(seconds=number)
        call = a_call(started_at=at, attempts=1, trace_id=f"{1 + number // 3:032x}")
        record = call.record
        told += frames(a_protobuf(call))
        facts = {"gen_ai.request.model": "claude-sonnet-5-5", "gen_ai.operation.name": "chat"}
        counts = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 400}
        where = {"traceId": record.call.trace_id, "startTimeUnixNano": str(int(at.timestamp() * 1e9))}
        match dice.randrange(6):
            case 0:
                spans = [native_span(facts | counts | {"anthropic.request.id": record.call.request_id}, **where)]
                told += frames(a_body(spans), encoding="json")
            case 1:
                spans = [native_span(facts | counts | {"gen_ai.response.id": record.call.message_id})]
                told += frames(a_body(spans, scope="opentelemetry.instrumentation.anthropic"), encoding="json")
            case 2:
                told += frames(as_protobuf(a_body([native_span({}, **where)], scope="app")))
            case 3:
                told += frames(a_protobuf(call, a_call(started_at=at, attempts=1)))
            case _:
                pass
    dice.shuffle(told)
    return told


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_calls_land_alike_both_ways_whoever_tells_of_them(stores: tuple[Store, Store], seed: int) -> None:
    dice = random.Random(seed)
    told = told_by_several(dice, 9)
    told += dice.sample(told, 3)
    while told:
        together = [told.pop() for _ in range(min(len(told), dice.choice((1, 4, 12))))]
        stores[0].land(contents_of(together))
        stores[1].land(plain_contents_of(together))

    assert stores[0].rows() == stores[1].rows()


def test_a_call_lands_once_in_one_portion_and_in_several_and_after_a_restart(stores: tuple[Store, Store]) -> None:
    store, _ = stores
    call, other = a_call(attempts=1), a_call(attempts=1)
    store.land(contents_of(frames(a_protobuf(call), a_protobuf(call, other))))
    store.land(contents_of(frames(a_protobuf(other, call))))
    store.writer = Writer(store.connection)
    store.land(contents_of(frames(a_protobuf(call, other))))

    assert store.connection.execute("SELECT count(*) FROM calls").fetchall() == [(2,)]


def test_what_is_forgotten_is_asked_of_the_database(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landed_keys, "_MOST_CALLS", 2)
    store, _ = stores
    calls = [a_call(attempts=1, started_at=NOON + timedelta(minutes=5 * number)) for number in range(8)]
    for call in [*calls, *calls, *reversed(calls)]:
        store.land(contents_of(frames(a_protobuf(call))))

    assert store.connection.execute("SELECT count(*), count(DISTINCT span_id) FROM calls").fetchall() == [(8, 8)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(portions=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=5), max_size=12))
def test_what_may_be_there_is_never_less_than_what_is(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, portions: Sequence[Sequence[int]]
) -> None:
    with monkeypatch.context() as small:
        small.setattr(landed_keys, "_MOST_CALLS", 6)
        known = LandedKeys(stores[0].connection.cursor(), datetime.now(UTC))
        there: set[int] = set()
        for portion in portions:
            keys = keys_of([(f"{number:032x}", f"{number:016x}") for number in portion])
            starts = np.array([number * 10**8 for number in portion])
            maybe = known.may_be_there(keys, starts).tolist()
            assert all(may_be for number, may_be in zip(portion, maybe, strict=True) if number in there)
            known.add(keys, starts)
            there.update(portion)
