"""Rows as Arrow tables, column by column: inserting these is a hundred times as fast as inserting rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter

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
    "DECIMAL(38,12)": pa.decimal128(38, 12),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}
"""By type in DuckDB. JSON and VARIANT come as JSON text."""


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def values_of(rows: Sequence[object], record: type) -> Values:
    """The facts of `rows`, all of the dataclass `record`, by column."""
    columns = columns_of(record)
    if not rows:
        return {column.name: () for column in columns}
    facts_of = attrgetter(*(column.name for column in columns))
    values: Values = dict(zip((column.name for column in columns), zip(*map(facts_of, rows), strict=True), strict=True))
    for column in columns:
        if column.type is datetime:
            values[column.name] = [stored(at) if isinstance(at, datetime) else None for at in values[column.name]]
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
    return _ENCODER.encode(attributes)


def stored(at: datetime) -> datetime:
    """A time as it is stored: in UTC, without saying so. One without a zone is in UTC already."""
    if at.tzinfo is None:
        return at
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).replace(tzinfo=None)
