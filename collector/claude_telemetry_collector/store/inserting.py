"""Rows of Arrow into tables of DuckDB, through a cursor and within its transaction."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from claude_telemetry_collector.store.arrow import Values, arrow_table
from claude_telemetry_collector.store.rollups import note_hours
from claude_telemetry_collector.store.tables import CALLS, Table


@contextmanager
def incoming(cursor: duckdb.DuckDBPyConnection, rows: pa.Table, name: str = "incoming") -> Generator[None]:
    """Makes `rows` the table `name` for a while."""
    cursor.register(name, rows)
    try:
        yield
    finally:
        cursor.unregister(name)


def insert(cursor: duckdb.DuckDBPyConnection, table: Table, values: Values) -> None:
    """Adds the rows of `values` to `table`."""
    insert_arrow(cursor, table, arrow_table(table, values))


def insert_arrow(cursor: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    """Adds `rows` to `table`. Columns of it that `rows` do not have are unknown."""
    columns = [column for column in table.columns if column.name in rows.column_names]
    names = ", ".join(f'"{column.name}"' for column in columns)
    variants = [column.name for column in columns if column.sql_type == "VARIANT"]
    told = {name: f'CAST(CAST(incoming."{name}" AS JSON) AS VARIANT)' for name in variants}
    kinds = next((name for name in variants if _is_of_few_kinds(rows, name)), None)
    source = "incoming"
    if kinds is not None:
        # Few kinds are told by many: each is taken apart once.
        told[kinds] = "kinds.variant"
        source = f'incoming JOIN {_KINDS} kinds ON kinds.place = incoming."{kinds}"'
    read = ", ".join(told.get(column.name, f'incoming."{column.name}"') for column in columns)
    kinds_table, rows = _apart(rows, kinds)
    with incoming(cursor, rows), incoming(cursor, kinds_table, "kinds_arrow"):
        cursor.execute(f'INSERT INTO "{table.name}" ({names}) SELECT {read} FROM {source}')  # noqa: S608
        if table is CALLS:
            note_hours(cursor, "incoming")


_KINDS = "(SELECT place, CAST(CAST(text AS JSON) AS VARIANT) AS variant FROM kinds_arrow)"


def _is_of_few_kinds(rows: pa.Table, name: str) -> bool:
    column: Any = rows[name]
    return bool(pa.types.is_dictionary(column.type))


def _apart(rows: pa.Table, name: str | None) -> tuple[pa.Table, pa.Table]:
    """The kinds of values in the column `name`, and `rows` with the place of its kind instead of each."""
    if name is None:
        return pa.table({"place": pa.array([], pa.int64()), "text": pa.array([], pa.string())}), rows
    column: Any = rows[name].combine_chunks()
    kinds = pa.table({"place": pa.array(range(len(column.dictionary)), pa.int64()), "text": column.dictionary})
    return kinds, rows.set_column(rows.column_names.index(name), name, column.indices)
