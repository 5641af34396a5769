"""Single calls: a list in pages, newest first, and everything that is known about one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import pyarrow as pa

from claude_telemetry.record import Attempt, Call, ToolUse, columns_of
from claude_telemetry_collector.queries.metrics import CALL_MAXIMA
from claude_telemetry_collector.queries.window import COUNTED, Clock, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

LISTED = tuple(column.name for column in columns_of(Call) if column.sql_type != "JSON")
"""The columns of a list of calls: all of `Call` but the JSON ones, which only one call's detail shows."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ends: the next one holds what is older."""

    started_at: datetime
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, newest first."""

    rows: pa.Table
    """`LISTED` and `received_at`; times are TIMESTAMP in UTC."""
    next: Cursor | None
    """`None` on the last page."""


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
    source: str | None
    """Who wrote the span: `claude_telemetry` or `anthropic_sdk`."""
    received_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How new the newest call is. Times are UTC; `None` before the first call."""

    calls: int
    started_at: datetime | None
    received_at: datetime | None
    repriced: int = 0
    """How many former costs are kept: it grows when past calls get other prices."""


def calls(
    reader: Reader,
    window: Window,
    segment: Segment,
    *,
    status: str | None = None,
    error_type: str | None = None,
    before: Cursor | None = None,
    limit: int = 50,
) -> Page:
    """The calls of `window` and `segment`, newest first, from `before` on. Pages never overlap or skip, also while new
    calls come in."""
    where, parameters = calls_in(window, segment)
    for column, value in (("status", status), ("error_type", error_type)):
        if value is not None:
            where += f" AND {column} = ${column}"
            parameters[column] = value
    if before is not None:
        where += (
            " AND started_at <= make_timestamp($before)"
            " AND (started_at, trace_id, span_id) < (make_timestamp($before), $before_trace, $before_span)"
        )
        parameters |= {
            "before": microseconds(before.started_at),
            "before_trace": before.trace_id,
            "before_span": before.span_id,
        }
    # One more than shown tells whether there is a next page.
    parameters["most"] = limit + 1
    sql = (
        f"SELECT {', '.join(LISTED)}, received_at FROM calls WHERE {where}"  # noqa: S608
        " ORDER BY started_at DESC, trace_id DESC, span_id DESC LIMIT $most"
    )
    rows = reader.ask(sql, parameters)
    shown = rows.slice(0, limit)
    return Page(shown, _cursor_at(shown, limit - 1) if rows.num_rows > limit else None)


def call(reader: Reader, trace_id: str, span_id: str) -> CallDetail | None:
    """Everything about one call, or `None` when it has not landed."""
    key: dict[str, object] = {"trace_id": trace_id, "span_id": span_id}
    names = ", ".join(column.name for column in columns_of(Call))
    found = reader.ask(
        f"SELECT {names}, source, received_at, attributes FROM calls"  # noqa: S608
        " WHERE trace_id = $trace_id AND span_id = $span_id",
        key,
    ).to_pylist()
    if not found:
        return None
    row: dict[str, Any] = found[0]
    facts = {column.name: _known(row[column.name]) for column in columns_of(Call)}
    return CallDetail(
        call=Call(**facts),
        attempts=tuple(Attempt(**part) for part in _parts(reader, "attempts", "attempt", Attempt, key)),
        tool_uses=tuple(ToolUse(**part) for part in _parts(reader, "tool_uses", "position", ToolUse, key)),
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


def extreme_call(
    reader: Reader, metric: str, window: Window, segment: Segment, *, clock: Clock = "started"
) -> tuple[str, str] | None:
    """The trace and span id of the one call that a metric of `CALL_MAXIMA` is about, the newest where several are."""
    where, parameters = calls_in(window, segment, clock)
    sql = (
        f"SELECT trace_id, span_id FROM calls WHERE {where}"  # noqa: S608
        f" ORDER BY {CALL_MAXIMA[metric]} DESC NULLS LAST, started_at DESC LIMIT 1"
    )
    found = reader.ask(sql, parameters).to_pylist()
    return (found[0]["trace_id"], found[0]["span_id"]) if found else None


def freshness(reader: Reader) -> Freshness:
    """How many calls have landed at all, and when the newest one started and came in. Of those that are in numbers."""
    newest = "max(started_at) AS started_at, max(received_at) AS received_at"
    repriced = "(SELECT count(*) FROM former_costs) AS repriced"
    row = reader.ask(f"SELECT count(*) AS calls, {newest}, {repriced} FROM calls WHERE {COUNTED}").to_pylist()[0]  # noqa: S608
    return Freshness(
        calls=row["calls"],
        started_at=_known(row["started_at"]),
        received_at=_known(row["received_at"]),
        repriced=row["repriced"],
    )


def _parts(reader: Reader, table: str, order: str, record: type, key: Mapping[str, object]) -> list[dict[str, Any]]:
    names = [column.name for column in columns_of(record)]
    sql = (
        f"SELECT {', '.join(names)} FROM {table}"  # noqa: S608
        f" WHERE trace_id = $trace_id AND span_id = $span_id ORDER BY {order}"
    )
    return [{name: _known(row[name]) for name in names} for row in reader.ask(sql, key).to_pylist()]


def _cursor_at(rows: pa.Table, index: int) -> Cursor:
    row = rows.slice(index, 1).to_pylist()[0]
    return Cursor(row["started_at"].replace(tzinfo=UTC), row["trace_id"], row["span_id"])


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
