"""Rows as Arrow tables, column by column: inserting these is a hundred times as fast as inserting rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from claude_telemetry.record import columns_of
from claude_telemetry_collector.store.tables import Table, TableColumn

Values = dict[str, Sequence[object]]
"""By column name: one value a row."""

_TYPES: Mapping[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "VARIANT": pa.string(),
    "BLOB": pa.binary(),
    "DECIMAL(18,12)": pa.decimal128(18, 12),
    "TIMESTAMP": pa.timestamp("us"),
}
"""By type in DuckDB. JSON and VARIANT come as JSON text."""


def values_of(rows: Sequence[object], record: type) -> Values:
    """The facts of `rows`, all of the dataclass `record`, by column."""
    values: Values = {}
    for column in columns_of(record):
        facts = [getattr(row, column.name) for row in rows]
        values[column.name] = [None if at is None else stored(at) for at in facts] if column.type is datetime else facts
    return values


def arrow_table(table: Table, values: Values) -> pa.Table:
    """The rows of `values`, in the columns of `table` that they have. Raises what Arrow raises for an odd value."""
    columns = columns_in(table, values)
    return pa.Table.from_arrays(
        [pa.array(values[column.name], _TYPES[column.sql_type]) for column in columns],
        names=[column.name for column in columns],
    )


def columns_in(table: Table, values: Values) -> list[TableColumn]:
    """Those columns of `table` that `values` has."""
    return [column for column in table.columns if column.name in values]


def warm_up() -> None:
    """Builds a first array. With it pyarrow loads pandas, where there is one: a second that no call has to wait for."""
    pa.array([0])


def json_text(attributes: Mapping[str, object]) -> str:
    """As a `VARIANT` column takes it."""
    return json.dumps(attributes, separators=(",", ":"), allow_nan=False)


def stored(at: datetime) -> datetime:
    """A time as it is stored: in UTC, without saying so. One without a zone is in UTC already."""
    if at.tzinfo is None:
        return at
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).replace(tzinfo=None)
