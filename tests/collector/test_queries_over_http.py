"""What the dashboard asks over loopback gets the same answer as in the store's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from claude_telemetry.settings import Address
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import METRICS, Reader, Segment, Window
from claude_telemetry_collector.queries.calls import arrived, top_calls
from claude_telemetry_collector.queries.narrowed import Narrowed
from claude_telemetry_collector.queries.own import own_question
from claude_telemetry_collector.queries.report import report
from claude_telemetry_collector.queries.trace import trace
from claude_telemetry_collector.store import LocalReader, ReaderServer, RemoteReader, open_database
from tests.support.calls import NOON, a_call, land

MINUTE = timedelta(minutes=1)
WINDOW = Window(NOON, NOON + 10 * MINUTE)
CHAT = Segment(feature="chat", model="claude-sonnet-5-5")
LANDED = [
    *(a_call(feature="chat", started_at=NOON + number * MINUTE, attributes={"n": number}) for number in range(5)),
    a_call(feature="chat", status="error", error_type="api_error", model=None, cost_usd=None),
]

QUESTIONS: dict[str, Callable[[Reader], object]] = {
    "readings": lambda reader: queries.readings(reader, list(METRICS), WINDOW, CHAT),
    "readings by end": lambda reader: queries.readings(reader, list(METRICS), WINDOW, CHAT, clock="ended"),
    "series": lambda reader: queries.series(reader, list(METRICS), WINDOW, CHAT, MINUTE),
    "errors": lambda reader: queries.errors_by_type(reader, WINDOW, CHAT, MINUTE),
    "breakdown": lambda reader: queries.breakdown(reader, list(METRICS), WINDOW, CHAT, "model"),
    "cost per day": lambda reader: queries.cost_per_day(reader, WINDOW, CHAT),
    "choices": lambda reader: queries.choices(reader, WINDOW, "model"),
    "calls": lambda reader: queries.calls(reader, WINDOW, CHAT, Narrowed(status="ok"), limit=2),
    "next calls": lambda reader: queries.calls(reader, WINDOW, CHAT, before=queries.Cursor(NOON + 3 * MINUTE, "", "")),
    "top calls": lambda reader: top_calls(reader, "largest", WINDOW, CHAT, limit=2).rows,
    "arrived": lambda reader: arrived(reader, WINDOW, CHAT, Narrowed(named="req_x"), since=NOON),
    "trace": lambda reader: trace(reader, LANDED[0].record.call.trace_id, NOON),
    "own": lambda reader: own_question(reader, "SELECT feature FROM calls WHERE started_at < $until", WINDOW),
    "report": lambda reader: report(reader, WINDOW, CHAT),
    "call": lambda reader: queries.call(reader, LANDED[0].record.call.trace_id, LANDED[0].record.call.span_id),
    "extreme call": lambda reader: queries.extreme_call(reader, "call_tokens_max", WINDOW, CHAT, clock="ended"),
    "freshness": queries.freshness,
    "incidents": lambda reader: queries.incidents(reader, WINDOW),
    "rules": queries.rules,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_database(Path(tmp_path_factory.mktemp("store")) / "calls.duckdb", memory_limit="256MB")
    land(connection, LANDED)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def remote(store: duckdb.DuckDBPyConnection) -> Iterator[Reader]:
    server = ReaderServer(store, Address("127.0.0.1", 0), "a-token")
    server.start()
    yield RemoteReader(server.url, "a-token")
    server.stop()


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_one_answer(store: duckdb.DuckDBPyConnection, remote: Reader, name: str) -> None:
    here, there = QUESTIONS[name](LocalReader(store)), QUESTIONS[name](remote)
    assert there == here
