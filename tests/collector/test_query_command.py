"""`claude-telemetry query` against a running store."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from claude_telemetry.settings import Address
from claude_telemetry_collector.commands.query import main
from claude_telemetry_collector.store import ReaderServer, open_database, publish
from tests.support.calls import a_call, land

_RUN = "import sys; from claude_telemetry_collector.commands.query import main; sys.exit(main())"

SQL = (
    "SELECT user_id, cost_usd, output_tokens, started_at, billed, attributes, ttft_ms / 2 AS half "
    "FROM calls ORDER BY user_id"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    connection = open_database(folder / "calls.duckdb", memory_limit="200MB")
    land(
        connection,
        [
            a_call(user_id="ann", cost_usd=Decimal("0.000000000001"), ttft_ms=211, attributes={"k": "ü"}),
            a_call(user_id='b,"ob"', cost_usd=None, output_tokens=None, billed=None),
        ],
    )
    server = ReaderServer(connection, Address("127.0.0.1", 0), "t")
    server.start()
    publish(folder, server.url, "t")
    yield folder
    server.stop()
    connection.close()


def ask(capsys: pytest.CaptureFixture[str], data: Path, *arguments: str) -> str:
    assert main([*arguments, "--data", str(data)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_json_keeps_money_exact_as_text(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    assert json.loads(ask(capsys, data, SQL, "--format", "json")) == [
        {
            "user_id": "ann",
            "cost_usd": "0.000000000001",
            "output_tokens": 400,
            "started_at": "2026-11-20T12:00:00Z",
            "billed": True,
            "attributes": '{"k":"ü"}',
            "half": 105.5,
        },
        {
            "user_id": 'b,"ob"',
            "cost_usd": None,
            "output_tokens": None,
            "started_at": "2026-11-20T12:00:00Z",
            "billed": None,
            "attributes": "{}",
            "half": None,
        },
    ]


def test_csv_is_what_csv_readers_read(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    rows = list(csv.reader(io.StringIO(ask(capsys, data, SQL, "--format", "csv"))))

    assert rows == [
        ["user_id", "cost_usd", "output_tokens", "started_at", "billed", "attributes", "half"],
        ["ann", "0.000000000001", "400", "2026-11-20T12:00:00Z", "true", '{"k":"ü"}', "105.5"],
        ['b,"ob"', "", "", "2026-11-20T12:00:00Z", "", "{}", ""],
    ]


def test_a_table_is_for_people(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    sql = "SELECT user_id AS who, output_tokens AS out, repeat('x', 100) AS long FROM calls ORDER BY 1"

    assert ask(capsys, data, sql).splitlines() == [
        "who     out  long",
        "──────  ───  " + "─" * 60,
        "ann     400  " + "x" * 59 + "…",
        'b,"ob"    —  ' + "x" * 59 + "…",
        "(2 rows)",
    ]


def test_no_rows_are_no_rows(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    sql = "SELECT user_id FROM calls WHERE false"

    assert json.loads(ask(capsys, data, sql, "--format", "json")) == []
    assert ask(capsys, data, sql, "--format", "csv") == "user_id\n"
    assert ask(capsys, data, sql) == "user_id\n───────\n(0 rows)\n"


def test_nothing_that_is_not_a_number_becomes_one_in_json(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    sql = "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, [1.5, 2.25] AS c, {'d': DATE '2026-11-20'} AS e"

    assert json.loads(ask(capsys, data, sql, "--format", "json")) == [
        {"a": None, "b": None, "c": ["1.50", "2.25"], "e": {"d": "2026-11-20"}}
    ]


def test_a_join_of_two_tables_loses_no_column_whose_name_comes_twice(
    capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    sql = "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a, 5 AS b"

    assert json.loads(ask(capsys, data, sql, "--format", "json")) == [{"a": 1, "a_2": 2, "a_1": 3, "a_3": 4, "b": 5}]
    assert ask(capsys, data, sql, "--format", "csv") == "a,a_2,a_1,a_3,b\n1,2,3,4,5\n"
    assert ask(capsys, data, sql).splitlines()[0] == "a  a_2  a_1  a_3  b"


def test_stretches_of_time_are_as_duckdb_reads_them_again(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    stretches = [
        "1 month 2 days 03:04:05.25",
        "-00:00:05",
        "14 months -1 day",
        "100:00:00",
        "00:00:00",
        "00:00:00.000001",
    ]
    sql = "SELECT " + ", ".join(f"INTERVAL '{stretch}' AS s{number}" for number, stretch in enumerate(stretches))

    (told,) = json.loads(ask(capsys, data, sql, "--format", "json"))
    assert list(told.values()) == stretches


def test_maps_are_objects_and_bytes_are_hexadecimal(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    sql = "SELECT MAP {'k': 1.5} AS m, [MAP {1: NULL}] AS n, '\\x0F'::BLOB AS b"

    assert json.loads(ask(capsys, data, sql, "--format", "json")) == [
        {"m": {"k": "1.5"}, "n": [{"1": None}], "b": "0f"}
    ]


def test_a_refused_question_is_told_on_standard_error(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    assert main(["DROP TABLE calls", "--data", str(data)]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("claude-telemetry query: only a SELECT is answered")


def test_without_a_collector_it_says_how_to_start_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["SELECT 1", "--data", str(tmp_path)]) == 1

    assert capsys.readouterr().err == (
        f"claude-telemetry query: no collector is running on {tmp_path}: "
        f"start one with `claude-telemetry collect --data {tmp_path}`, or give the --data of the one that runs\n"
    )


def test_the_data_folder_may_come_from_the_environment(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "SELECT count(*) AS n FROM calls", "--format", "json"],
        env=os.environ | {"CLAUDE_TELEMETRY_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, json.loads(done.stdout)) == (0, [{"n": 2}])


def test_a_reader_that_has_seen_enough_is_no_error(data: Path) -> None:
    command = f"{sys.executable} -c '{_RUN}' 'SELECT * FROM range(200000)' --format csv --data {data} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "range\n", "")
