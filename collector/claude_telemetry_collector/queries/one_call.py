"""Everything that is known about one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from claude_telemetry.record import Attempt, Call, ToolUse, columns_of
from claude_telemetry_collector.queries.attempts import attempts_where
from claude_telemetry_collector.queries.window import Condition, microseconds
from claude_telemetry_collector.store import Reader

LONGEST = timedelta(days=1)
"""How far from a call's start its parts are looked for, so that a question need not read all that was ever kept."""

_RECENT = timedelta(days=3)

_BESIDE = ("reported_cost_usd", "server_ms", "client_ms", "input_basis", "told_input_tokens", "instance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One of the answers of a call for which several models were asked. `None` means not known."""

    model: str | None = None
    message_id: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    """Uncached input only."""
    output_tokens: int | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one span or record has told of a call that several have told of. `None` means not told. Times are UTC."""

    source: str
    """Who told it: the name of the dialect, such as `anthropic_sdk`."""
    role: str
    """`call` or `detail`, as in `call_sources`."""
    carries: bool
    """Whether the call has its numbers."""
    trace_id: str
    """Its own, and not the call's."""
    span_id: str
    started_at: datetime
    duration_ms: int | None = None
    status: str | None = None
    request_id: str | None = None
    message_id: str | None = None
    told_input_tokens: int | None = None
    input_basis: str | None = None
    total_input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reported_cost_usd: Decimal | None = None
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetail:
    """Everything that is known about one call. Times are UTC."""

    call: Call
    attempts: tuple[Attempt, ...]
    """First to last."""
    tool_uses: tuple[ToolUse, ...]
    """In the order of the answer."""
    cost_breakdown: Mapping[str, Decimal]
    """USD by line of the price; empty when there is no cost."""
    usage: Mapping[str, Any]
    """The API's usage object as received; empty when there was none."""
    hops: tuple[Hop, ...]
    """The answers of a call that had more than one, first to last. Empty for all others."""
    tags: Mapping[str, Any]
    """The application's own labels, by name."""
    attributes: Mapping[str, Any]
    """The span's attributes that are no column."""
    source: str
    """Who told of it, and whose numbers it has: the name of the dialect, such as `claude_telemetry`."""
    received_at: datetime
    told: tuple[Told, ...] = ()
    """Where several have told of it: who said what, first to last. Empty where one has."""
    reported_cost_usd: Decimal | None = None
    """What somebody else says that it cost. Never ours, and never added to it."""
    server_ms: int | None = None
    """How long the API took, where the API has told of it."""
    client_ms: int | None = None
    """The rest of the duration, where both have told of it: waiting, earlier attempts, the way."""
    input_basis: str | None = None
    told_input_tokens: int | None = None
    instance: str | None = None
    """The process that made it."""


def call(reader: Reader, trace_id: str, span_id: str, *, now: datetime | None = None) -> CallDetail | None:
    """Everything about one call, or `None` when it has not landed. Found at once where it began in the three days
    before `now`, a time in UTC."""
    key: dict[str, object] = {"trace_id": trace_id, "span_id": span_id}
    found = _found(reader, key, microseconds((now or datetime.now(UTC)) - _RECENT))
    if not found:
        return None
    row: dict[str, Any] = found[0]
    facts = {column.name: _known(row[column.name]) for column in columns_of(Call)}
    return CallDetail(
        call=Call(**facts),
        attempts=_attempts(reader, facts["started_at"], key),
        tool_uses=_tool_uses(reader, key),
        told=() if row["sources"] is None else _told(reader, facts["started_at"], key),
        **{name: row[name] for name in _BESIDE},
        cost_breakdown={
            line: usd for line, told in _object(row["cost_breakdown"]).items() if (usd := _usd(told)) is not None
        },
        usage=_object(row["usage"]),
        hops=tuple(_hop(answer) for answer in _objects(row["hops"])),
        tags=_object(row["tags"]),
        attributes=_object(row["attributes"]),
        source=row["source"],
        received_at=_known(row["received_at"]),
    )


def _found(reader: Reader, key: Mapping[str, object], recent: int) -> list[dict[str, Any]]:
    """The row of the call, if there is one. Ids are in no order, so that all calls are looked through that it may be
    among: who asks for one has mostly heard of it just now."""
    names = ", ".join((*(column.name for column in columns_of(Call)), *_BESIDE))
    for when in (">=", "<"):
        rows = reader.ask(
            f"SELECT {names}, source, received_at, attributes, sources FROM calls"  # noqa: S608
            f" WHERE trace_id = $trace_id AND span_id = $span_id AND started_at {when} make_timestamp($recent)",
            {**key, "recent": recent},
        )
        if rows.num_rows:
            return rows.to_pylist()
    return []


def _attempts(reader: Reader, started_at: datetime, key: Mapping[str, object]) -> tuple[Attempt, ...]:
    where, parameters = _near(started_at)
    attempts = attempts_where(f"trace_id = $trace_id AND span_id = $span_id AND {where}")
    sql = f"SELECT {_names(Attempt)} FROM ({attempts}) ORDER BY attempt"  # noqa: S608
    found = _rows(reader, sql, {**key, **parameters})
    return tuple(Attempt(**row) for row in found)


def _tool_uses(reader: Reader, key: Mapping[str, object]) -> tuple[ToolUse, ...]:
    sql = (
        f"SELECT {_names(ToolUse)} FROM tool_uses"  # noqa: S608
        " WHERE trace_id = $trace_id AND span_id = $span_id ORDER BY position"
    )
    return tuple(ToolUse(**row) for row in _rows(reader, sql, key))


def _told(reader: Reader, started_at: datetime, key: Mapping[str, object]) -> tuple[Told, ...]:
    where, parameters = _near(started_at)
    found = _rows(
        reader,
        f"SELECT {', '.join(field.name for field in fields(Told))} FROM call_sources"  # noqa: S608
        f" WHERE call_trace_id = $trace_id AND call_span_id = $span_id AND {where} ORDER BY started_at, source",
        {**key, **parameters},
    )
    return tuple(Told(**row) for row in found)


def _near(started_at: datetime) -> Condition:
    parameters: dict[str, object] = {
        "from": microseconds(started_at - LONGEST),
        "until": microseconds(started_at + LONGEST),
    }
    return "started_at BETWEEN make_timestamp($from) AND make_timestamp($until)", parameters


def _names(record: type) -> str:
    return ", ".join(column.name for column in columns_of(record))


def _rows(reader: Reader, sql: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
    return [{name: _known(value) for name, value in row.items()} for row in reader.ask(sql, parameters).to_pylist()]


def _known(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _object(text: str | None) -> dict[str, Any]:
    """A JSON object's content. Anything else was not written by us, and counts as none."""
    content = _content(text)
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _objects(text: str | None) -> tuple[dict[str, Any], ...]:
    """The objects in a JSON list."""
    content = _content(text)
    listed = cast("list[object]", content) if isinstance(content, list) else []
    return tuple(cast("dict[str, Any]", item) for item in listed if isinstance(item, dict))


def _hop(answer: Mapping[str, Any]) -> Hop:
    usage: object = answer.get("usage")
    counts = cast("dict[str, object]", usage) if isinstance(usage, dict) else {}
    return Hop(
        model=_text(answer.get("model")),
        message_id=_text(answer.get("message_id")),
        stop_reason=_text(answer.get("stop_reason")),
        input_tokens=_count(counts.get("input_tokens")),
        output_tokens=_count(counts.get("output_tokens")),
        cost_usd=_usd(answer.get("cost_usd")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _usd(text: object) -> Decimal | None:
    """An amount that is written as text. `None` for anything else: others may have written it."""
    try:
        amount = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None


def _content(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None
