"""Questions to the store, in its own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry_collector.store import Limits, LocalReader, Writer, open_database
from tests.support.calls import NOON, a_call, land


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    opened = open_database(tmp_path / "calls.duckdb", memory_limit="200MB")
    yield opened
    opened.close()


@pytest.fixture
def reader(connection: duckdb.DuckDBPyConnection) -> LocalReader:
    return LocalReader(connection)


def test_money_stays_exact_and_sums_of_tokens_are_whole_numbers(
    connection: duckdb.DuckDBPyConnection, reader: LocalReader
) -> None:
    land(connection, [a_call(cost_usd=Decimal("0.000000000001"), output_tokens=3) for _ in range(3)])

    answer = reader.ask("SELECT sum(cost_usd) AS cost, sum(output_tokens) AS tokens, count(*) AS n FROM calls")

    assert answer.to_pylist() == [{"cost": Decimal("0.000000000003"), "tokens": 9, "n": 3}]
    assert answer.column("tokens").type.equals(pa.int64())


def test_a_sum_that_is_too_large_for_64_bits_stays_exact(reader: LocalReader) -> None:
    answer = reader.ask("SELECT sum(x) AS s FROM (VALUES (9223372036854775807), (1)) t(x)")

    assert answer.to_pylist() == [{"s": Decimal(2**63)}]


def test_attributes_come_as_json_text_also_inside_other_values(
    connection: duckdb.DuckDBPyConnection, reader: LocalReader
) -> None:
    land(connection, [a_call(attributes={"a": {"b": [1, None]}})])

    answer = reader.ask("SELECT attributes, attributes, [attributes] AS l, attributes.a.b[1] AS one FROM calls -- so")

    assert answer.column_names == ["attributes", "attributes", "l", "one"]
    assert [column.to_pylist() for column in answer.columns] == [
        ['{"a":{"b":[1,null]}}'],
        ['{"a":{"b":[1,null]}}'],
        ['[{"a":{"b":[1,null]}}]'],
        ["1"],
    ]


def test_order_is_kept_when_attributes_are_read(connection: duckdb.DuckDBPyConnection, reader: LocalReader) -> None:
    land(connection, [a_call(user_id=f"{number:05}", attributes={"n": number}) for number in range(5000)])

    users = reader.ask("SELECT user_id, attributes FROM calls ORDER BY user_id DESC").column("user_id").to_pylist()

    assert users == [f"{number:05}" for number in reversed(range(5000))]


def test_a_time_of_any_zone_is_compared_in_utc(connection: duckdb.DuckDBPyConnection, reader: LocalReader) -> None:
    land(connection, [a_call(started_at=NOON)])
    seven_in_new_york = datetime(2026, 11, 20, 7, tzinfo=timezone(timedelta(hours=-5)))

    def found(start: datetime) -> int:
        answer = reader.ask("SELECT count(*) AS n FROM calls WHERE started_at >= $start", {"start": start})
        return int(answer.to_pylist()[0]["n"])

    assert found(seven_in_new_york) == 1
    assert found(seven_in_new_york + timedelta(microseconds=1)) == 0
    assert found(NOON.astimezone(UTC).replace(tzinfo=None)) == 1


def test_parameters_may_be_lists_and_unknown(connection: duckdb.DuckDBPyConnection, reader: LocalReader) -> None:
    land(connection, [a_call(model="a"), a_call(model="b"), a_call(model=None)])

    answer = reader.ask(
        "SELECT count(*) FILTER (model IN (SELECT unnest($models))) AS some, "
        "count(*) FILTER (model IS NOT DISTINCT FROM $none) AS none FROM calls",
        {"models": ["a", "x"], "none": None},
    )

    assert answer.to_pylist() == [{"some": 1, "none": 1}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nothing FROM calls", "nothing"),
        ("SELEC 1", "syntax error"),
        ("SELECT $a", "not provided"),
        ("SELECT 'x'::INTEGER", "Conversion"),
        ("", "no question"),
        ("DELETE FROM calls", "read-only"),
        ("CREATE TABLE t (a INTEGER)", "read-only"),
    ],
)
def test_a_question_that_has_no_answer_is_refused_with_the_reason(reader: LocalReader, sql: str, told: str) -> None:
    with pytest.raises(QuestionRefusedError, match=told):
        reader.ask(sql)


def test_a_question_that_takes_too_long_is_stopped(connection: duckdb.DuckDBPyConnection) -> None:
    hasty = LocalReader(connection, Limits(seconds=0.3))

    with pytest.raises(QuestionRefusedError, match=r"took longer than 0\.3 s: bound it by started_at"):
        hasty.ask("SELECT count(*) FROM range(100000) a, range(100000) b WHERE hash(a.range * b.range) = 7")

    assert hasty.ask("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_an_answer_that_is_too_large_is_refused_and_not_cut(connection: duckdb.DuckDBPyConnection) -> None:
    few = LocalReader(connection, Limits(rows=1000))
    small = LocalReader(connection, Limits(answer_bytes=100_000))

    with pytest.raises(QuestionRefusedError, match="more than 1000 rows: add LIMIT"):
        few.ask("SELECT * FROM range(1001)")
    with pytest.raises(QuestionRefusedError, match="larger than 100000 bytes"):
        small.ask("SELECT repeat('x', 1000) FROM range(200)")
    assert few.ask("SELECT * FROM range(1000)").num_rows == 1000


def test_a_question_sees_a_landing_whole_or_not_at_all(
    connection: duckdb.DuckDBPyConnection, reader: LocalReader
) -> None:
    writer = Writer(connection)
    stop = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not stop.is_set():
            seen.append(int(reader.ask("SELECT count(*) AS n FROM calls").to_pylist()[0]["n"]))

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    for _ in range(20):
        writer.land([a_call() for _ in range(50)])
    stop.set()
    for looker in lookers:
        looker.join(timeout=20)

    assert seen
    assert all(count % 50 == 0 for count in seen)
    assert reader.ask("SELECT count(*) AS n FROM calls").to_pylist() == [{"n": 1000}]


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "calls.duckdb", memory_limit="200MB")
    reader = LocalReader(connection)
    connection.close()

    with pytest.raises(CollectorError, match="closed"):
        reader.ask("SELECT 1")
