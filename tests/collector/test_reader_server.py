"""Questions to the store from other processes: the same answers, and nobody else gets them."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry.settings import Address
from claude_telemetry_collector.store import (
    Limits,
    LocalReader,
    ReaderServer,
    RemoteReader,
    connect,
    open_database,
    publish,
    withdraw,
)
from tests.support.calls import NOON, a_call, land

TOKEN = "a-token-of-the-test"
LOOPBACK = Address("127.0.0.1", 0)
SLOW = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE hash(a.range * b.range) = 7"
"""Takes minutes."""


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    opened = open_database(tmp_path_factory.mktemp("data") / "calls.duckdb", memory_limit="200MB")
    land(opened, [a_call(user_id="a", attributes={"x": 1}), a_call(user_id="b", cost_usd=None, output_tokens=None)])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def server(connection: duckdb.DuckDBPyConnection) -> Iterator[ReaderServer]:
    started = ReaderServer(connection, LOOPBACK, TOKEN, limits=Limits(rows=5000))
    started.start()
    yield started
    started.stop()


@pytest.fixture
def reader(server: ReaderServer) -> RemoteReader:
    return RemoteReader(server.url, TOKEN)


def post(server: ReaderServer, *, method: str = "POST", path: str = "/ask", **headers: str) -> tuple[int, str]:
    """The answer to `SELECT 1` with headers as given."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    usual = {"Authorization": f"Bearer {TOKEN}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, json.dumps({"sql": "SELECT 1"}), usual)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM calls ORDER BY user_id",
        "FROM calls SELECT sum(cost_usd), sum(output_tokens), max(started_at)",
        "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM t WHERE i < 5) SELECT * FROM t",
        "SELECT * FROM calls UNION ALL BY NAME SELECT * FROM calls ORDER BY user_id",
        "SELECT attributes.x, quantile_cont(duration_ms, 0.95) OVER () FROM calls WHERE user_id = 'a';",
        "SELECT * FROM generate_series(1, 3), unnest([1, 2])",
        "DESCRIBE calls",
        "SHOW TABLES",
        "SELECT 'DELETE FROM calls; COPY' AS text -- DROP TABLE calls",
        "SELECT * FROM calls WHERE false",
    ],
)
def test_a_remote_answer_is_the_local_one(
    connection: duckdb.DuckDBPyConnection, reader: RemoteReader, sql: str
) -> None:
    assert reader.ask(sql).equals(LocalReader(connection).ask(sql))


def test_parameters_arrive_as_what_they_are(reader: RemoteReader) -> None:
    values: dict[str, object] = {
        "text": "it's $text",
        "whole": 2**62,
        "fraction": 0.1,
        "flag": True,
        "money": Decimal("0.000000000001"),
        "at": datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC),
        "day": date(2026, 11, 20),
        "list": ["a", "b"],
        "none": None,
    }
    sql = "SELECT " + ", ".join(f"${name} AS {name.replace('list', 'l')}" for name in values)

    (row,) = reader.ask(sql, values).to_pylist()

    assert list(row.values()) == [
        *list(values.values())[:5],
        datetime(2026, 11, 20, 12, 0, 0, 123456),  # noqa: DTZ001 - as tables have it
        date(2026, 11, 20),
        ["a", "b"],
        None,
    ]


def test_a_parameter_that_is_no_plain_value_is_refused_here(reader: RemoteReader) -> None:
    with pytest.raises(QuestionRefusedError, match="the parameter p is a object"):
        reader.ask("SELECT $p", {"p": object()})


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("INSERT INTO calls SELECT * FROM calls", "only a SELECT"),
        ("DELETE FROM calls", "only a SELECT"),
        ("WITH gone AS (DELETE FROM calls RETURNING *) SELECT * FROM gone", "only a SELECT"),
        ("WITH x AS (INSERT INTO calls FROM calls RETURNING *) SELECT * FROM x", "only a SELECT"),
        ("SELECT 1; DROP TABLE calls", "exactly one|only a SELECT"),
        ("SELECT 1; SELECT 2", "exactly one SELECT: this is 2"),
        ("COMMIT", "only a SELECT"),
        ("CHECKPOINT", "only a SELECT"),
        ("COPY calls TO '/tmp/calls.csv'", "only a SELECT"),
        ("ATTACH '/tmp/other.duckdb'", "only a SELECT"),
        ("EXPORT DATABASE '/tmp/out'", "only a SELECT"),
        ("INSTALL httpfs", "only a SELECT"),
        ("LOAD httpfs", "only a SELECT"),
        ("SET memory_limit = '1TB'", "only a SELECT"),
        ("PRAGMA database_list", "only a SELECT|may not"),
        ("CALL pragma_version()", "only a SELECT"),
        ("CREATE TEMP TABLE t AS SELECT 1", "only a SELECT"),
        ("PREPARE p AS SELECT 1", "only a SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", r"read_csv\(\) may not be asked"),
        ("SELECT * FROM READ_TEXT('/etc/passwd')", r"read_text\(\) may not"),
        ("SELECT * FROM calls WHERE user_id IN (SELECT content FROM read_text('/etc/passwd'))", "read_text"),
        ("WITH x AS (FROM glob('/etc/*')) SELECT * FROM x", r"glob\(\) may not"),
        ("SELECT (SELECT max(a) FROM parquet_scan('x.parquet') t(a))", "parquet_scan"),
        ("FROM query('SELECT 1')", r"query\(\) may not"),
        ("FROM query_table('calls')", "query_table"),
        ("FROM duckdb_secrets()", "duckdb_secrets"),
        ("FROM force_checkpoint()", "force_checkpoint"),
        ("SELECT getenv('HOME')", r"getenv\(\) may not"),
        ("SELECT 1 WHERE write_log('x') IS NULL", r"write_log\(\) may not"),
        ("SELECT current_setting('temp_directory')", "current_setting"),
        ("FROM '/etc/passwd'", "passwd"),
        ("FROM 'x.csv'", "disabled by configuration"),
        ("SELECT * FROM no_such_table", "no_such_table"),
        ("SELEC 1", "no SQL that DuckDB understands"),
        ("", "exactly one SELECT: this is 0"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "depth|deeply|understands"),
        ("SELECT '" + "x" * 100_001 + "'", "more than 100000 characters"),
        ("SELECT * FROM range(5001)", "more than 5000 rows"),
    ],
)
def test_what_is_not_one_select_of_tables_is_refused(
    connection: duckdb.DuckDBPyConnection, reader: RemoteReader, sql: str, told: str
) -> None:
    for _ in range(2):  # the second time, the verdict is remembered
        with pytest.raises(QuestionRefusedError, match=told):
            reader.ask(sql)

    assert connection.execute("SELECT count(*) FROM calls").fetchall() == [(2,)]


def test_a_question_that_takes_too_long_is_refused_and_the_next_is_answered(
    connection: duckdb.DuckDBPyConnection, reader: RemoteReader
) -> None:
    hasty = ReaderServer(connection, LOOPBACK, TOKEN, limits=Limits(seconds=0.3))
    hasty.start()
    with pytest.raises(QuestionRefusedError, match=r"longer than 0\.3 s"):
        RemoteReader(hasty.url, TOKEN).ask(SLOW)
    hasty.stop()

    assert reader.ask("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_asking_takes_the_token(server: ReaderServer) -> None:
    assert post(server)[0] == 200
    for wrong in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer schlüssel"):
        status, sentence = post(server, Authorization=wrong)
        assert status == 401, wrong
        assert "reader.json" in sentence
        assert TOKEN not in sentence
    with pytest.raises(CollectorError, match="answered 401"):
        RemoteReader(server.url, "wrong").ask("SELECT 1")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "[", ""])
def test_a_web_page_gets_no_answer_by_a_name_that_points_here(server: ReaderServer, host: str) -> None:
    assert post(server, Host=host)[0] == 403


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:8080", "[::1]:5", "127.0.0.2"])
def test_loopback_goes_by_several_names(server: ReaderServer, host: str) -> None:
    assert post(server, Host=host)[0] == 200


def test_only_posting_a_question_of_sensible_length_is_understood(server: ReaderServer) -> None:
    assert post(server, path="/")[0] == 404
    assert post(server, method="GET")[0] == 501
    assert post(server, Content_Length="2000000")[0] == 413
    assert post(server, Content_Length="-1")[0] == 411
    assert post(server, Content_Length="x")[0] == 411


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"sql": 1}', b'{"sql": "SELECT 1", "parameters": []}', b"[" * 100_000]
    + [
        json.dumps({"sql": "SELECT $p", "parameters": {"p": value}}).encode() for value in ({"datetime": "x"}, {"y": 1})
    ],
)
def test_what_is_no_question_is_refused_with_a_sentence(server: ReaderServer, body: bytes) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request("POST", "/ask", body, {"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()

    assert response.status == 400
    assert response.read().decode().strip()
    connection.close()


def test_questions_beyond_the_limit_wait_and_are_then_told_to_come_back(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claude_telemetry_collector.store.reader_server._TURN_S", 0.05)
    busy = ReaderServer(connection, LOOPBACK, TOKEN, limits=Limits(seconds=1.5), questions_at_once=1)
    busy.start()
    outcomes: list[str] = []

    def ask() -> None:
        try:
            RemoteReader(busy.url, TOKEN).ask(SLOW)
        except CollectorError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    busy.stop()

    assert sum("took longer" in outcome for outcome in outcomes) == 1
    assert sum("too many questions at once" in outcome for outcome in outcomes) == 2


def test_a_client_that_breaks_off_disturbs_nobody(server: ReaderServer, reader: RemoteReader) -> None:
    parts = urlsplit(server.url)
    for said in (b"", b"POST /ask HTTP/1.1\r\nHost: loc", b"\x00\xff\r\n\r\n"):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as raw:
            raw.sendall(said)

    assert reader.ask("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_an_address_that_is_taken_is_a_clear_error(connection: duckdb.DuckDBPyConnection, server: ReaderServer) -> None:
    taken = Address("127.0.0.1", urlsplit(server.url).port or 0)

    with pytest.raises(CollectorError, match=f"cannot listen on {taken}"):
        ReaderServer(connection, taken, TOKEN)


def test_a_server_that_never_started_can_be_stopped(connection: duckdb.DuckDBPyConnection) -> None:
    ReaderServer(connection, LOOPBACK, TOKEN).stop()


# Finding the store.


def test_a_store_is_found_by_its_data_folder(server: ReaderServer, tmp_path: Path) -> None:
    publish(tmp_path, server.url, TOKEN)

    assert connect(tmp_path).ask("SELECT count(*) AS n FROM calls").to_pylist() == [{"n": 2}]
    assert (tmp_path / "reader.json").stat().st_mode & 0o077 == 0
    withdraw(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_collector_the_way_to_start_one_is_told(tmp_path: Path) -> None:
    reader = connect(tmp_path / "nothing")

    with pytest.raises(CollectorError, match=r"no collector is running on .*start one with `claude-telemetry collect"):
        reader.ask("SELECT 1")


def test_a_reader_finds_a_collector_that_was_restarted(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = ReaderServer(connection, LOOPBACK, "first")
    first.start()
    publish(tmp_path, first.url, "first")
    reader = connect(tmp_path)
    reader.ask("SELECT 1")
    first.stop()
    with pytest.raises(CollectorError, match="does not answer"):
        reader.ask("SELECT 1")

    second = ReaderServer(connection, LOOPBACK, "second")
    second.start()
    publish(tmp_path, second.url, "second")

    assert reader.ask("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    with pytest.raises(QuestionRefusedError):
        reader.ask("DROP TABLE calls")
    second.stop()


@pytest.mark.parametrize("said", ["", "{", "[]", '{"url": "http://127.0.0.1:1"}', '{"url": 1, "token": 2, "pid": "x"}'])
def test_a_reader_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path, said: str) -> None:
    (tmp_path / "reader.json").write_text(said)

    with pytest.raises(CollectorError, match=r"reader\.json cannot be read"):
        connect(tmp_path).ask("SELECT 1")


def test_a_process_takes_back_only_what_it_has_said_itself(tmp_path: Path) -> None:
    said: dict[str, Any] = {"url": "http://127.0.0.1:1", "token": "t", "pid": 1}
    (tmp_path / "reader.json").write_text(json.dumps(said))

    withdraw(tmp_path)

    assert (tmp_path / "reader.json").exists()


def test_times_are_in_utc_on_the_way(reader: RemoteReader) -> None:
    (row,) = reader.ask("SELECT max(started_at) AS at FROM calls WHERE started_at <= $at", {"at": NOON}).to_pylist()

    assert row["at"].replace(tzinfo=UTC) == NOON


def test_a_job_is_done_in_the_process_that_holds_the_database_one_at_a_time(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.set()
        assert go_on.wait(20)
        return {"heard": arguments["word"]}

    def refuse(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise QuestionRefusedError("not like this")

    def break_down(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ZeroDivisionError

    server = ReaderServer(connection, LOOPBACK, TOKEN, jobs={"wait": wait, "refuse": refuse, "break": break_down})
    server.start()
    try:
        store = RemoteReader(server.url, TOKEN)
        answers: list[object] = []
        waiting = threading.Thread(target=lambda: answers.append(store.do("wait", {"word": "hello"})))
        waiting.start()
        assert begun.wait(20)
        with pytest.raises(CollectorError, match="another job is running"):
            store.do("refuse", {})
        go_on.set()
        waiting.join(20)
        assert answers == [{"heard": "hello"}]
        with pytest.raises(QuestionRefusedError, match="not like this"):
            store.do("refuse", {})
        with pytest.raises(CollectorError, match="the log of the collector says how"):
            store.do("break", {})
        with pytest.raises(CollectorError, match="404"):
            store.do("unknown", {})
        with pytest.raises(CollectorError, match="401"):
            RemoteReader(server.url, "wrong").do("refuse", {})
        assert post(server, path="/jobs/refuse", Host="evil.example")[0] == 403
    finally:
        server.stop()
