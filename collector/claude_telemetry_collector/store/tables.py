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


def required(name: str, sql_type: str) -> TableColumn:
    """A column that every row has."""
    return TableColumn(name=name, sql_type=sql_type, required=True)


_SPAN = (required("trace_id", "VARCHAR"), required("span_id", "VARCHAR"))

CALLS = Table(
    name="calls",
    columns=(
        *_facts(Call),
        required("source", "VARCHAR"),
        # VARIANT and not JSON text: a fifth of the bytes, filters 50 times as fast (docs/decisions/store-landing.md).
        TableColumn(name="attributes", sql_type="VARIANT"),
        required("whole", "BOOLEAN"),
        required("received_at", "TIMESTAMP"),
        TableColumn(name="input_basis", sql_type="VARCHAR"),
        TableColumn(name="told_input_tokens", sql_type="BIGINT"),
        TableColumn(name="reported_cost_usd", sql_type="DECIMAL(18,12)"),
        TableColumn(name="compaction_input_tokens", sql_type="BIGINT"),
        TableColumn(name="compaction_output_tokens", sql_type="BIGINT"),
        TableColumn(name="instance", sql_type="VARCHAR"),
        TableColumn(name="server_ms", sql_type="BIGINT"),
        TableColumn(name="client_ms", sql_type="BIGINT"),
        TableColumn(name="sources", sql_type="INTEGER"),
        TableColumn(name="lone_attempt_after_us", sql_type="BIGINT"),
        TableColumn(name="lone_attempt_ms", sql_type="BIGINT"),
    ),
)
"""What only the collector knows is told at `LandedCall`, a lone attempt at `ATTEMPTS`. `sources` is NULL where nobody
else has told of a call: then the row is what its `source` told, and is not repeated in `call_parts`. So are the rows of
versions before `call_parts` was there."""

CALL_PARTS = Table(
    name="call_parts",
    columns=(
        TableColumn(name="call_trace_id", sql_type="VARCHAR"),
        TableColumn(name="call_span_id", sql_type="VARCHAR"),
        required("source", "VARCHAR"),
        required("role", "VARCHAR"),
        required("carries", "BOOLEAN"),
        *_SPAN,
        TableColumn(name="parent_span_id", sql_type="VARCHAR"),
        required("started_at", "TIMESTAMP"),
        TableColumn(name="duration_ms", sql_type="BIGINT"),
        TableColumn(name="operation", sql_type="VARCHAR"),
        TableColumn(name="status", sql_type="VARCHAR"),
        TableColumn(name="request_id", sql_type="VARCHAR"),
        TableColumn(name="message_id", sql_type="VARCHAR"),
        TableColumn(name="session_id", sql_type="VARCHAR"),
        TableColumn(name="instance", sql_type="VARCHAR"),
        TableColumn(name="told_input_tokens", sql_type="BIGINT"),
        TableColumn(name="input_basis", sql_type="VARCHAR"),
        TableColumn(name="total_input_tokens", sql_type="BIGINT"),
        TableColumn(name="cache_read_tokens", sql_type="BIGINT"),
        TableColumn(name="cache_write_tokens", sql_type="BIGINT"),
        TableColumn(name="output_tokens", sql_type="BIGINT"),
        TableColumn(name="reported_cost_usd", sql_type="DECIMAL(18,12)"),
        TableColumn(name="whole", sql_type="BOOLEAN"),
        TableColumn(name="priced", sql_type="BOOLEAN"),
        required("record", "VARCHAR"),
        required("received_at", "TIMESTAMP"),
    ),
)
"""What a call was made of that several have told of, and what was told of no call alone. `record` is all of it:
grouping begins anew from there when another part comes."""

SPAN_LINKS = Table(
    name="span_links",
    columns=(
        *_SPAN,
        required("parent_span_id", "VARCHAR"),
        required("started_at", "TIMESTAMP"),
        required("received_at", "TIMESTAMP"),
    ),
)
"""Places of spans that tell nothing themselves, for as long as calls below them may come."""

_ONLY_FOR_GROUPING = frozenset({"operation", "session_id", "instance", "whole", "priced", "record"})

CALL_SOURCES = Table(
    name="call_sources",
    columns=tuple(column for column in CALL_PARTS.columns if column.name not in _ONLY_FOR_GROUPING),
)
"""A view: whether one has told of a call or several, each is here."""

_IN_CALLS = {
    "call_trace_id": "trace_id",
    "call_span_id": "span_id",
    "role": "'call'",
    "carries": "true",
    "total_input_tokens": "TRY_CAST(CAST(input_tokens AS HUGEINT) + coalesce(cache_read_tokens, 0)"
    " + coalesce(cache_write_tokens, 0) AS BIGINT)",
}


def _view() -> str:
    names = [column.name for column in CALL_SOURCES.columns]
    own = ", ".join(_IN_CALLS.get(name, name) for name in names)
    return (
        f"CREATE OR REPLACE VIEW {CALL_SOURCES.name} AS SELECT {', '.join(names)} FROM {CALL_PARTS.name}"  # noqa: S608
        f" UNION ALL SELECT {own} FROM {CALLS.name} WHERE sources IS NULL"
    )


ATTEMPTS = Table(name="attempt_rows", columns=(*_SPAN, required("attempt", "INTEGER"), *_facts(Attempt)))
"""`attempt` counts from 0. Nearly every call has one attempt, of which its row tells all but when the request went out
and came back: then that stands in the call's row, and there is no row here. It takes a fifth off what a call takes."""

_OF_THE_CALL = {
    "attempt": "0",
    "started_at": "started_at + to_microseconds(lone_attempt_after_us)",
    "duration_ms": "lone_attempt_ms",
    "wait_ms": "NULL",
    "retry_after_ms": "NULL",
}
LONE_ATTEMPTS = (
    f"SELECT {', '.join(_OF_THE_CALL.get(column.name, column.name) for column in ATTEMPTS.columns)}"  # noqa: S608
    f" FROM {CALLS.name} WHERE lone_attempt_after_us IS NOT NULL"
)
"""The attempts that stand in their calls' rows, in the columns of `ATTEMPTS`."""


def _attempts_view() -> str:
    names = ", ".join(column.name for column in ATTEMPTS.columns)
    return f"CREATE OR REPLACE VIEW attempts AS SELECT {names} FROM {ATTEMPTS.name} UNION ALL {LONE_ATTEMPTS}"  # noqa: S608


VIEWS = (_view(), _attempts_view())

TOOL_USES = Table(name="tool_uses", columns=(*_SPAN, required("position", "INTEGER"), *_facts(ToolUse)))
"""`position` counts from 0, in the order of the answer."""

TOOL_RUNS = Table(
    name="tool_runs", columns=(*_facts(ToolRun), required("source", "VARCHAR"), required("received_at", "TIMESTAMP"))
)

EVENTS = Table(
    name="events",
    columns=(
        *_facts(Event),
        TableColumn(name="attributes", sql_type="VARIANT"),
        required("received_at", "TIMESTAMP"),
    ),
)

SEGMENT_POSITION = Table(name="segment_position", columns=(required("segment", "BIGINT"), required("offset", "BIGINT")))
"""At most one row: everything before it is landed."""

SEEN_BODIES = Table(name="seen_bodies", columns=(required("hash", "BLOB"), required("seen_at", "TIMESTAMP")))
"""Bodies that are landed. Senders repeat a body when an answer gets lost; then it changes nothing."""

TABLES: tuple[Table, ...] = (
    CALLS,
    CALL_PARTS,
    SPAN_LINKS,
    ATTEMPTS,
    TOOL_USES,
    TOOL_RUNS,
    EVENTS,
    SEGMENT_POSITION,
    SEEN_BODIES,
)
