"""Which of the calls of a window a list holds: those of an outcome, those that have an id.

Ids come from a log, a message or another system, and say by their looks what they are an id of. A call has more of
them than it has columns: a request id for each attempt, and other traces and spans where several have told of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from claude_telemetry_collector.queries.attempts import RETRIES
from claude_telemetry_collector.queries.window import Condition, Window
from claude_telemetry_collector.store import Reader

CALL_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
"""How a call is named in links: its trace id and its span id."""

_LOOKS_LIKE: Mapping[str, re.Pattern[str]] = {
    "request_id": re.compile(r"req_.*"),
    "message_id": re.compile(r"msg_.*"),
    "batch_id": re.compile(r"msgbatch_.*"),
    "trace_id": re.compile(r"[0-9a-f]{32}"),
    "span_id": re.compile(r"[0-9a-f]{16}"),
}
_TOLD_IN: Mapping[str, tuple[str, str, str]] = {
    "request_id": (RETRIES, "trace_id", "span_id"),
    "trace_id": ("call_parts", "call_trace_id", "call_span_id"),
    "span_id": ("call_parts", "call_trace_id", "call_span_id"),
}
"""Where else such an id stands: a retried call has a request id for each attempt, and one that several have told of has
had other traces and spans."""

_NAMED = ("session_id", "request_id", "message_id", "run_id", "batch_id", "custom_id")
"""What an id may be that looks like none of them, such as the request ids of cloud platforms."""

_MOST_TOLD = 1000
_LONGEST_CALL = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Which of the calls a list holds. `None` stands for all of them."""

    status: str | None = None
    error_type: str | None = None
    named: str | None = None
    """An id that a call has, or was asked by, as somebody may have it from a log: of the request (of any attempt), of
    the message, the trace, the span, the session, the batch, the run."""


ALL = Narrowed()
"""All of them."""


def condition_of(narrowed: Narrowed, reader: Reader, window: Window) -> Condition:
    """The calls that it leaves of those of `window`. What an id is an id of is asked first, so that the condition reads
    one column and not each that may hold it."""
    sql: list[str] = []
    parameters: dict[str, object] = {}
    for column, value in (("status", narrowed.status), ("error_type", narrowed.error_type)):
        if value is not None:
            sql.append(f"{column} = ${column}")
            parameters[column] = value
    if narrowed.named is not None:
        named, values = _named(narrowed.named.strip(), reader, window)
        sql.append(named)
        parameters |= values
    return " AND ".join(sql) or "TRUE", parameters


def _named(identifier: str, reader: Reader, window: Window) -> Condition:
    if call_id := CALL_ID.fullmatch(identifier):
        return "trace_id = $named_trace AND span_id = $named_span", {
            "named_trace": call_id[1],
            "named_span": call_id[2],
        }
    kind = next((column for column, looks in _LOOKS_LIKE.items() if looks.fullmatch(identifier)), None)
    if kind is None:
        columns = [column for column in _NAMED if _is_there(column, identifier, reader, window)]
        return f"({' OR '.join(f'{column} = $named' for column in columns) or 'FALSE'})", (
            {"named": identifier} if columns else {}
        )
    places = _told_of(kind, identifier, reader, window) if kind in _TOLD_IN else ()
    if not places:
        return f"{kind} = $named", {"named": identifier}
    traces, spans = zip(*places, strict=True)
    return f"({kind} = $named OR (list_contains($named_traces, trace_id) AND list_contains($named_spans, span_id)))", {
        "named": identifier,
        "named_traces": list(traces),
        "named_spans": list(spans),
    }


def _is_there(column: str, identifier: str, reader: Reader, window: Window) -> bool:
    where, parameters = window.where()
    sql = f"SELECT TRUE FROM calls WHERE {where} AND {column} = $named LIMIT 1"  # noqa: S608
    return reader.ask(sql, {**parameters, "named": identifier}).num_rows > 0


def _told_of(kind: str, identifier: str, reader: Reader, window: Window) -> Sequence[tuple[str, str]]:
    """The calls of which one of several parts has the id."""
    table, trace_id, span_id = _TOLD_IN[kind]
    # Parts of calls of the window began no later than a longest call after it.
    around = Window(window.start - _LONGEST_CALL, window.end + _LONGEST_CALL)
    where, parameters = around.where()
    rows = reader.ask(
        f"SELECT DISTINCT {trace_id} AS trace_id, {span_id} AS span_id FROM {table}"  # noqa: S608
        f" WHERE {where} AND {kind} = $named AND {trace_id} IS NOT NULL LIMIT $most",
        {**parameters, "named": identifier, "most": _MOST_TOLD},
    )
    return [(row["trace_id"], row["span_id"]) for row in rows.to_pylist()]
