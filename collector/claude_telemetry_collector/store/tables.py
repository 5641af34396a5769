"""The tables, derived from the record.

A fact that is added to `Call`, `Attempt`, `ToolUse`, `ToolRun` or `Event` becomes a column here without another line:
of new databases by `CREATE TABLE`, of old ones by `migrations`. What only the collector knows about a row (its
`source`, the attributes that are no facts, when it came) is declared here.

Times are `TIMESTAMP` in UTC. There are no keys and no indexes: an index would tax every landed call, and that a call
is there once is the writer's promise.
"""

from __future__ import annotations

from dataclasses import dataclass

from claude_telemetry.record import Attempt, Call, ToolUse, columns_of
from claude_telemetry.record.event import Event
from claude_telemetry.record.tool_run import ToolRun


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column as DuckDB declares it."""

    name: str
    sql_type: str
    required: bool = False

    @property
    def ddl(self) -> str:
        return f'"{self.name}" {self.sql_type}{" NOT NULL" if self.required else ""}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that the store keeps in step with its declaration: columns that are missing are added."""

    name: str
    columns: tuple[TableColumn, ...]

    @property
    def ddl(self) -> str:
        return f'CREATE TABLE IF NOT EXISTS "{self.name}" ({", ".join(column.ddl for column in self.columns)})'


def _facts(record: type) -> tuple[TableColumn, ...]:
    return tuple(
        TableColumn(name=column.name, sql_type=column.sql_type, required=not column.optional)
        for column in columns_of(record)
    )


def _column(name: str, sql_type: str) -> TableColumn:
    return TableColumn(name=name, sql_type=sql_type, required=True)


_SPAN = (_column("trace_id", "VARCHAR"), _column("span_id", "VARCHAR"))

CALLS = Table(
    name="calls",
    columns=(
        *_facts(Call),
        _column("source", "VARCHAR"),
        # VARIANT and not JSON text: a fifth of the bytes, filters 50 times as fast (docs/decisions/store-landing.md).
        TableColumn(name="attributes", sql_type="VARIANT"),
        _column("whole", "BOOLEAN"),
        _column("received_at", "TIMESTAMP"),
    ),
)

ATTEMPTS = Table(name="attempts", columns=(*_SPAN, _column("attempt", "INTEGER"), *_facts(Attempt)))
"""`attempt` counts from 0."""

TOOL_USES = Table(name="tool_uses", columns=(*_SPAN, _column("position", "INTEGER"), *_facts(ToolUse)))
"""`position` counts from 0, in the order of the answer."""

TOOL_RUNS = Table(
    name="tool_runs", columns=(*_facts(ToolRun), _column("source", "VARCHAR"), _column("received_at", "TIMESTAMP"))
)

EVENTS = Table(
    name="events",
    columns=(
        *_facts(Event),
        TableColumn(name="attributes", sql_type="VARIANT"),
        _column("received_at", "TIMESTAMP"),
    ),
)

SEGMENT_POSITION = Table(name="segment_position", columns=(_column("segment", "BIGINT"), _column("offset", "BIGINT")))
"""At most one row: everything before it is landed."""

SEEN_BODIES = Table(name="seen_bodies", columns=(_column("hash", "BLOB"), _column("seen_at", "TIMESTAMP")))
"""Bodies that are landed. Senders repeat a body when an answer gets lost; then it changes nothing."""

TABLES: tuple[Table, ...] = (CALLS, ATTEMPTS, TOOL_USES, TOOL_RUNS, EVENTS, SEGMENT_POSITION, SEEN_BODIES)
