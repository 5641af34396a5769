"""The file: its tables, its versions, and what the engine may not do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from claude_telemetry.errors import CollectorError
from claude_telemetry.record import Attempt, Call, ToolUse, columns_of
from claude_telemetry_collector.store import Writer, close_database, database, migrations, open_database
from tests.support.calls import a_call, land

MEMORY = "200MB"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "calls.duckdb"


@pytest.fixture
def connection(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    opened = open_database(path, memory_limit=MEMORY)
    yield opened
    opened.close()


def columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    return {str(name): str(kind) for name, kind in rows}


def test_tables_have_a_column_for_each_fact_of_the_record(connection: duckdb.DuckDBPyConnection) -> None:
    for table, record in (("calls", Call), ("attempts", Attempt), ("tool_uses", ToolUse)):
        found = columns(connection, table)
        for column in columns_of(record):
            assert found[column.name] == column.sql_type

    calls = columns(connection, "calls")
    assert (calls["cost_usd"], calls["attributes"], calls["source"]) == ("DECIMAL(18,12)", "VARIANT", "VARCHAR")
    assert {"incidents", "notices", "rule_states"} <= {
        name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    }


def test_opening_again_finds_what_was_landed(path: Path) -> None:
    first = open_database(path, memory_limit=MEMORY)
    land(first, [a_call(user_id="u-1")])
    close_database(first)

    second = open_database(path, memory_limit=MEMORY)

    assert second.execute("SELECT user_id FROM calls").fetchall() == [("u-1",)]
    second.close()


def test_a_fact_that_is_new_becomes_a_column_and_old_calls_do_not_know_it(path: Path) -> None:
    old = open_database(path, memory_limit=MEMORY)
    land(old, [a_call()])
    old.execute("ALTER TABLE calls DROP COLUMN tenant")
    old.close()

    new = open_database(path, memory_limit=MEMORY)
    land(new, [a_call(tenant="acme")])

    assert new.execute("SELECT tenant FROM calls ORDER BY tenant").fetchall() == [("acme",), (None,)]
    new.close()


def test_a_database_of_a_newer_version_is_left_alone(path: Path) -> None:
    connection = open_database(path, memory_limit=MEMORY)
    connection.execute("UPDATE schema_version SET schema = 7")
    connection.execute("ALTER TABLE calls DROP COLUMN tenant")
    connection.close()

    with pytest.raises(CollectorError, match=r"has schema 7, and this version .* knows 3: upgrade"):
        open_database(path, memory_limit=MEMORY)

    untouched = duckdb.connect(path)
    assert "tenant" not in columns(untouched, "calls")
    untouched.close()


def test_an_older_schema_is_led_to_this_one_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = open_database(path, memory_limit=MEMORY)
    land(connection, [a_call(feature="old name")])
    connection.close()
    following = migrations.SCHEMA + 1
    monkeypatch.setattr(migrations, "SCHEMA", following)
    monkeypatch.setattr(migrations, "STEPS", {following: ("UPDATE calls SET feature = 'new name'",)})

    for _ in range(2):
        connection = open_database(path, memory_limit=MEMORY)
        assert connection.execute("SELECT feature FROM calls").fetchall() == [("new name",)]
        assert connection.execute("SELECT schema FROM schema_version").fetchall() == [(following,)]
        connection.execute("UPDATE calls SET feature = 'new name'")
        connection.close()


def _hold(path: Path, opened: multiprocessing.Queue[bool], done: multiprocessing.Queue[bool]) -> None:
    connection = duckdb.connect(path)
    opened.put(True)
    done.get()
    connection.close()


def test_a_file_that_another_process_holds_is_a_clear_error(path: Path) -> None:
    open_database(path, memory_limit=MEMORY).close()
    context = multiprocessing.get_context("spawn")
    opened: multiprocessing.Queue[bool] = context.Queue()
    done: multiprocessing.Queue[bool] = context.Queue()
    other = context.Process(target=_hold, args=(path, opened, done))
    other.start()
    try:
        opened.get(timeout=30)
        with pytest.raises(CollectorError, match=r"another process has .* open: stop the other collector"):
            open_database(path, memory_limit=MEMORY)
    finally:
        done.put(True)
        other.join(timeout=30)


def test_a_file_that_is_no_database_is_a_clear_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("not a database")

    with pytest.raises(CollectorError, match="cannot be opened"):
        open_database(path, memory_limit=MEMORY)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY calls TO '/tmp/calls.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '99GB'",
        "RESET lock_configuration",
    ],
)
def test_the_engine_reaches_nothing_but_its_own_file(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(duckdb.Error, match=r"disabled|locked|not allowed"):
        connection.execute(sql)


def test_closing_folds_the_log_into_the_file(path: Path) -> None:
    connection = open_database(path, memory_limit=MEMORY)
    Writer(connection).land([a_call() for _ in range(100)])
    log = path.with_name("calls.duckdb.wal")
    assert log.stat().st_size > 0

    close_database(connection)

    assert not log.exists() or log.stat().st_size == 0


def test_the_log_stays_small_while_calls_land(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHECKPOINT_THRESHOLD", "1MB")
    connection = open_database(path, memory_limit=MEMORY)
    writer = Writer(connection)
    log = path.with_name("calls.duckdb.wal")
    largest = 0

    for _ in range(30):
        writer.land([a_call(user_id="u" * 500) for _ in range(300)])
        writer.position()
        largest = max(largest, log.stat().st_size if log.exists() else 0)

    # 30 x 300 calls of more than 500 bytes are at least 4 MB of log.
    assert largest < 3_000_000
    assert connection.execute("SELECT count(*) FROM calls").fetchall() == [(9000,)]
    writer.close()
    connection.close()


def test_only_the_owner_may_look_into_the_data_folder(path: Path) -> None:
    open_database(path, memory_limit=MEMORY).close()

    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_database_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "calls.duckdb"
    with duckdb.connect(path) as theirs:
        theirs.execute("CREATE TABLE calls (a INTEGER)")
        theirs.execute("INSERT INTO calls VALUES (1)")
    with pytest.raises(CollectorError, match="a database of something else: move it away, or choose another folder"):
        open_database(path, memory_limit="100MB")
    with duckdb.connect(path) as theirs:
        assert theirs.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("calls",)]
        assert theirs.execute("SELECT * FROM calls").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0" + bytes(4096), b"hello"], ids=["empty", "sqlite", "text"]
)
def test_a_file_that_is_no_database_is_told_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.duckdb"
    path.write_bytes(content)
    with pytest.raises(CollectorError, match=r"cannot be opened: .*Move it away, or choose another folder with --data"):
        open_database(path, memory_limit="100MB")
    assert path.read_bytes() == content
