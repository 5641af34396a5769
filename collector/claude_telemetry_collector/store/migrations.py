"""From the tables of an older version to these.

A database carries the number of its *schema*. A column that is missing is simply added, whatever the number. What
cannot be done by adding a column gets a new number and, where rows have to change, a step in `STEPS`. So does what an
older version would do wrong with the rows of this one: it refuses a number that it does not know.

Everything happens in one transaction. A process that dies on the way leaves the tables as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.store import billed, incidents, repricings, rollups, ticks
from claude_telemetry_collector.store.tables import TABLES, VIEWS, Table

SCHEMA = 3
"""The schema that this version writes.

1   A row of `calls` is what one span or record has told.
2   Several may have told of one call; the rest of them is in `call_parts`. Version 1 would land them again.
3   A call's lone attempt stands in its row; `attempts` is a view. Version 2 would write into it.
"""

STEPS: Mapping[int, tuple[str, ...]] = {3: ("ALTER TABLE attempts RENAME TO attempt_rows",)}
"""By the schema that it leads to: the statements that lead there from the one before."""


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Makes the tables of the database at `path` those of this version, all or nothing.

    Raises `CollectorError` when a newer version has written it, since that one's rows may mean something else, and when
    it holds somebody else's tables.
    """
    connection.execute("BEGIN")
    try:
        found = _schema_of(connection, path)
        if found > SCHEMA:
            raise CollectorError(
                f"{path} has schema {found}, and this version of claude-telemetry knows {SCHEMA}: "
                "upgrade claude-telemetry-sidecar, or choose another folder with --data. Nothing was changed"
            )
        for step in range(found + 1, SCHEMA + 1):
            for statement in STEPS.get(step, ()):
                connection.execute(statement)
        for table in (*TABLES, *billed.TABLES, *repricings.TABLES, *rollups.TABLES, ticks.TICKS):
            connection.execute(table.ddl)
            _add_missing_columns(connection, table)
        for ddl in (*incidents.TABLES, *VIEWS):
            connection.execute(ddl)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES ($schema)", {"schema": SCHEMA})
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _schema_of(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The schema of the database; this version's own for a new one, which has nothing to lead anywhere."""
    tables = {str(name) for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if tables and "schema_version" not in tables:
        raise CollectorError(
            f"{path} is a database of something else: move it away, or choose another folder with --data"
        )
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (schema INTEGER NOT NULL)")
    rows = connection.execute("SELECT schema FROM schema_version").fetchall()
    return int(rows[0][0]) if rows else SCHEMA


def _add_missing_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    rows = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = $table AND NOT internal", {"table": table.name}
    ).fetchall()
    there = {str(name) for (name,) in rows}
    for column in table.columns:
        if column.name not in there:
            # Never NOT NULL: the rows that are there do not know this fact.
            connection.execute(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {column.sql_type}')
