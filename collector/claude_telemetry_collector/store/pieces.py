"""What was told of calls, as rows: grouping puts them away, and takes them out again when another part comes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, cast

from claude_telemetry.record import Call, CallRecord, Column, columns_of
from claude_telemetry_collector.decode import LandedCall, LandedPart
from claude_telemetry_collector.decode.door import MAX_WHOLE
from claude_telemetry_collector.decode.identity import total_input
from claude_telemetry_collector.store.arrow import Values, stored

BESIDE = (
    "input_basis",
    "told_input_tokens",
    "reported_cost_usd",
    "compaction_input_tokens",
    "compaction_output_tokens",
    "instance",
    "server_ms",
    "client_ms",
    "sources",
)
"""Columns of `calls` that are fields of `LandedCall`, and no facts of the record."""

Piece = LandedCall | LandedPart
Key = tuple[str, str]


def key_of(piece: Piece) -> Key:
    """Trace id and span id."""
    if isinstance(piece, LandedPart):
        return piece.trace_id, piece.span_id
    return piece.record.call.trace_id, piece.record.call.span_id


def start_of(piece: Piece) -> datetime:
    return piece.started_at if isinstance(piece, LandedPart) else piece.record.call.started_at


def text_of(piece: Piece) -> str:
    """All of `piece`, as `piece_from` reads it. Attempts and tool uses have tables of their own."""
    if isinstance(piece, LandedPart):
        told: dict[str, object] = {"part": {"role": piece.role, "facts": dict(piece.facts)}}
    else:
        names = tuple(_columns())
        values = zip(names, attrgetter(*names)(piece.record.call), strict=True)
        facts = {name: _plain(value) for name, value in values if value is not None}
        beside = {name: _plain(getattr(piece, name)) for name in BESIDE}
        told = {"call": facts, "beside": beside, "attributes": dict(piece.attributes), "whole": piece.whole}
    return json.dumps(told, separators=(",", ":"), sort_keys=True, allow_nan=False)


def piece_from(row: Mapping[str, Any]) -> Piece:
    """The piece that a row of `call_parts` is."""
    told = cast("dict[str, Any]", json.loads(row["record"]))
    received_at = row["received_at"].replace(tzinfo=UTC)
    if "part" in told:
        return LandedPart(
            source=row["source"],
            role=told["part"]["role"],
            trace_id=row["trace_id"],
            span_id=row["span_id"],
            parent_span_id=row["parent_span_id"],
            started_at=row["started_at"].replace(tzinfo=UTC),
            facts=told["part"]["facts"],
            received_at=received_at,
        )
    columns = _columns()
    call = Call(**{name: _read(columns[name], value) for name, value in told["call"].items() if name in columns})
    beside = {name: value for name, value in told["beside"].items() if name in BESIDE}
    if beside.get("reported_cost_usd") is not None:
        beside["reported_cost_usd"] = Decimal(beside["reported_cost_usd"])
    return LandedCall(
        record=CallRecord(call=call),
        source=row["source"],
        attributes=told["attributes"],
        whole=told["whole"],
        received_at=received_at,
        **beside,
    )


def call_from(row: Mapping[str, Any]) -> LandedCall:
    """The call that a row of `calls` is, without its attempts and tool uses."""
    facts = {name: row[name] for name in _columns()}
    for name, value in facts.items():
        if isinstance(value, datetime):
            facts[name] = value.replace(tzinfo=UTC)
    return LandedCall(
        record=CallRecord(call=Call(**facts)),
        source=row["source"],
        attributes={} if row["attributes"] is None else json.loads(row["attributes"]),
        whole=row["whole"] is True,
        received_at=row["received_at"].replace(tzinfo=UTC),
        **{name: row[name] for name in BESIDE},
    )


def call_columns() -> str:
    """The select list of the rows that `call_from` reads."""
    return ", ".join((*_columns(), "source", "CAST(attributes AS JSON) AS attributes", "whole", "received_at", *BESIDE))


PartRow = tuple[Piece, str, bool, Key | None]
"""A piece, its role, whether it carries the numbers, and the call that it is of."""


def part_values(rows: Sequence[PartRow]) -> Values:
    """The columns of `call_parts` for `rows`."""
    facts = [_part_facts(piece) for piece, _, _, _ in rows]
    values: Values = {name: [one.get(name) for one in facts] for name in _PART_FACTS}
    values["role"] = [role for _, role, _, _ in rows]
    values["carries"] = [carries for _, _, carries, _ in rows]
    values["call_trace_id"] = [None if of is None else of[0] for _, _, _, of in rows]
    values["call_span_id"] = [None if of is None else of[1] for _, _, _, of in rows]
    values["source"] = [piece.source for piece, _, _, _ in rows]
    values["record"] = [text_of(piece) for piece, _, _, _ in rows]
    values["received_at"] = [stored(piece.received_at) for piece, _, _, _ in rows]
    return values


_PART_FACTS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "started_at",
    "duration_ms",
    "operation",
    "status",
    "request_id",
    "message_id",
    "session_id",
    "instance",
    "told_input_tokens",
    "input_basis",
    "total_input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reported_cost_usd",
    "whole",
    "priced",
)


def _part_facts(piece: Piece) -> dict[str, object]:
    if isinstance(piece, LandedPart):
        own = {name: getattr(piece, name) for name in ("trace_id", "span_id", "parent_span_id")}
        told = {name: piece.facts.get(name) for name in ("message_id", "cache_read_tokens", "cache_write_tokens")}
        return {**own, **told, "started_at": stored(piece.started_at)}
    call, total = piece.record.call, total_input(piece)
    facts: dict[str, object] = {name: getattr(call, name) for name in _PART_FACTS if hasattr(call, name)}
    return {
        **facts,
        "started_at": stored(call.started_at),
        "instance": piece.instance,
        "told_input_tokens": piece.told_input_tokens,
        "input_basis": piece.input_basis,
        "total_input_tokens": total if total is None or total <= MAX_WHOLE else None,
        "reported_cost_usd": piece.reported_cost_usd,
        "whole": piece.whole,
        "priced": call.cost_usd is not None,
    }


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    # The same text for the same amount, whether it was worked out or comes from a column.
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


def _read(column: Column, value: Any) -> Any:
    if column.type is datetime:
        return datetime.fromisoformat(value)
    return Decimal(value) if column.type is Decimal else value


@cache
def _columns() -> Mapping[str, Column]:
    return {column.name: column for column in columns_of(Call)}
