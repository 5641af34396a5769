"""Files of older versions open with all that is in them; what cannot be opened is told, and left as it is."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.queries import Segment, Window, call, readings
from claude_telemetry_collector.store import LocalReader, Writer, close_database, open_database
from claude_telemetry_collector.store.migrations import SCHEMA, migrate
from tests.support.calls import NOON, a_call, land

MEMORY = "200MB"
STORES = Path(__file__).parents[1] / "data/stores"
"""Tables as early versions declared them, with two calls of NOON and what belongs to them."""
OLD = tuple(sorted(path.stem for path in STORES.glob("*.sql")))


def old_store(path: Path, name: str) -> Path:
    with duckdb.connect(path) as connection:
        connection.execute((STORES / f"{name}.sql").read_text())
    return path


def columns(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    rows = connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    return {(str(table), str(column)) for table, column in rows}


def rows_of(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that an old store has, in the columns that it has."""
    there: dict[str, list[str]] = {}
    for table, column in sorted(columns(connection)):
        there.setdefault(table, []).append(column)
    del there["schema_version"]
    return {table: rows_in(connection, table, names) for table, names in there.items()}


def rows_in(connection: duckdb.DuckDBPyConnection, table: str, names: list[str]) -> list[tuple[object, ...]]:
    listed = ", ".join(f'"{name}"::VARCHAR' for name in names)
    return sorted(connection.execute(f'SELECT {listed} FROM "{table}"').fetchall(), key=str)


def numbers(connection: duckdb.DuckDBPyConnection) -> dict[str, object]:
    names = ("requests", "cost_usd", "error_ratio", "unpriced_calls")
    day = Window.day_so_far(NOON.replace(hour=23))
    return {name: read.value for name, read in readings(LocalReader(connection), names, day, Segment()).items()}


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return old_store(tmp_path / "calls.duckdb", request.param)


def test_there_are_stores_of_older_versions() -> None:
    assert len(OLD) >= 3


def test_every_row_of_an_older_store_is_there_as_it_was(old: Path) -> None:
    with duckdb.connect(old) as connection:
        before, was = columns(connection), rows_of(connection)
    assert len(was["calls"]) == 2

    opened = open_database(old, memory_limit=MEMORY)
    assert {of: rows_in(opened, of, sorted(name for table, name in before if table == of)) for of in was} == was
    assert opened.execute("SELECT schema FROM schema_version").fetchall() == [(SCHEMA,)]
    close_database(opened)


def test_an_older_store_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    opened, new = (open_database(path, memory_limit=MEMORY) for path in (old, tmp_path / "new.duckdb"))
    assert columns(opened) == columns(new)
    opened.close()
    new.close()


def test_what_an_older_version_landed_counts_as_before_and_more_can_land(old: Path) -> None:
    opened = open_database(old, memory_limit=MEMORY)
    assert numbers(opened) == {"requests": 2, "cost_usd": Decimal("0.006"), "error_ratio": 0.5, "unpriced_calls": 1}

    # The same call once more changes nothing, another one is added, and each can be looked at.
    again = a_call(trace_id=f"{1:032x}", span_id=f"{1:016x}")
    writer = Writer(opened)
    landed = writer.land([again, a_call(trace_id="f" * 32, span_id="f" * 16, cost_usd=Decimal("0.5"))])
    writer.close()
    assert (landed.calls, landed.duplicates) == (1, 1)
    assert numbers(opened)["cost_usd"] == Decimal("0.506")
    for trace_id, span_id in ((f"{1:032x}", f"{1:016x}"), ("f" * 32, "f" * 16)):
        assert call(LocalReader(opened), trace_id, span_id) is not None
    opened.close()


_DYING = """
import os, signal, shutil, sys
from pathlib import Path
import duckdb
from claude_telemetry_collector.store.migrations import migrate

class Dying:
    def __init__(self, connection, left):
        self.connection, self.left = connection, left

    def execute(self, *words):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return self.connection.execute(*words)

old = Path(sys.argv[1])
for number in map(int, sys.argv[2:]):
    path = old.with_name(f"{number}.duckdb")
    shutil.copy(old, path)
    process = os.fork()
    if process == 0:
        connection = duckdb.connect(path)
        migrate(Dying(connection, number), path)
        os.kill(os.getpid(), signal.SIGKILL)
    print(number, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


class Counting:
    """A connection that counts what it executes."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.count = 0

    def execute(self, *words: object) -> duckdb.DuckDBPyConnection:
        self.count += 1
        return self.connection.execute(*words)  # type: ignore[arg-type]  # whatever `migrate` says


def test_a_process_that_is_killed_while_it_upgrades_leaves_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    old = old_store(tmp_path / "old.duckdb", OLD[0])
    with duckdb.connect(old) as connection:
        before, rows = columns(connection), rows_of(connection)
    shutil.copy(old, tmp_path / "counted.duckdb")
    with duckdb.connect(tmp_path / "counted.duckdb") as connection:
        counting = Counting(connection)
        migrate(counting, tmp_path / "counted.duckdb")  # type: ignore[arg-type]  # it only executes
        after = columns(connection)
    # Before the first statement, on the way, before the commit, and right behind it.
    deaths = [*range(0, counting.count, 25), counting.count - 1, counting.count]

    run = subprocess.run(
        [sys.executable, "-c", _DYING, str(old), *map(str, deaths)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [word for number in deaths for word in (str(number), "-9")]
    for number in deaths:
        with duckdb.connect(tmp_path / f"{number}.duckdb") as connection:
            assert columns(connection) == (after if number == counting.count else before)
        opened = open_database(tmp_path / f"{number}.duckdb", memory_limit=MEMORY)
        assert columns(opened) == after
        for table, was in rows.items():
            assert rows_in(opened, table, sorted(name for of, name in before if of == table)) == was
        opened.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store of some blocks."""
    path = tmp_path_factory.mktemp("whole") / "calls.duckdb"
    connection = open_database(path, memory_limit=MEMORY)
    land(connection, [a_call(user_id="u" * 200) for _ in range(500)])
    close_database(connection)
    return path.read_bytes()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def damaged(whole: bytes) -> Iterator[tuple[str, bytes]]:
    yield "half of it", whole[: len(whole) // 2]
    yield "all but the last byte", whole[:-1]
    yield "its head alone", whole[:4096]
    yield "another head", flipped(whole, 20)
    yield "another second head", flipped(whole, 4096 + 20)
    yield "zeros", bytes(len(whole))


def test_a_damaged_store_is_told_and_never_written_over(whole: bytes, tmp_path: Path) -> None:
    for number, (name, content) in enumerate(damaged(whole)):
        path = tmp_path / f"{number}.duckdb"
        path.write_bytes(content)
        with pytest.raises(CollectorError, match=f"{path} .*move it away|{path} .*Move it away"):
            open_database(path, memory_limit=MEMORY)
        assert path.read_bytes() == content, name


def test_a_damaged_log_is_told_and_nothing_is_written_over(whole: bytes, tmp_path: Path) -> None:
    path, log = tmp_path / "calls.duckdb", tmp_path / "calls.duckdb.wal"
    path.write_bytes(whole)
    connection = open_database(path, memory_limit=MEMORY)
    land(connection, [a_call() for _ in range(300)])
    content, logged = path.read_bytes(), log.read_bytes()
    connection.close()
    torn = flipped(logged, len(logged) // 2)
    path.write_bytes(content)
    log.write_bytes(torn)

    with pytest.raises(CollectorError, match=r"cannot be opened: .*Corrupt WAL file"):
        open_database(path, memory_limit=MEMORY)
    assert (path.read_bytes(), log.read_bytes()) == (content, torn)


_OPENING = """
import os, sys
from pathlib import Path
from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.store import open_database
if os.getuid() == 0:  # who is asked for nothing else
    os.setgid(65534)
    os.setuid(65534)
try:
    open_database(Path(sys.argv[1]), memory_limit="200MB")
except CollectorError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["calls.duckdb", "deeper/calls.duckdb"])
def test_a_folder_that_cannot_be_written_is_told(whole: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "calls.duckdb").write_bytes(whole)
        (place / "calls.duckdb").chmod(0o444)
        place.chmod(0o555)
        run = subprocess.run(
            [sys.executable, "-c", _OPENING, str(place / name)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HOME": "/"},
        )
        assert "choose another folder with --data" in run.stdout
        assert "ermission denied" in run.stdout
        assert (place / "calls.duckdb").read_bytes() == whole
        place.chmod(stat.S_IRWXU)
