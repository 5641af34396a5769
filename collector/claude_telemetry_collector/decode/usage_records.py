"""Usage records: calls whose trace is not recorded, sent as log records. Each reads like the span it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from claude_telemetry.record.attributes import ATTEMPT_EVENT, ATTEMPTED_AT_NS, SCOPE, USAGE_RECORD, UsageRecord
from claude_telemetry_collector.decode.door import let_in
from claude_telemetry_collector.decode.records import LogRecord
from claude_telemetry_collector.decode.span import Span, SpanEvent, SpanStatus

_STATUS: Mapping[str, SpanStatus] = {"ok": "ok", "error": "error"}


def is_usage_record(scope: str, event_name: str) -> bool:
    """Whether a record of this scope and event is one of ours."""
    return scope == SCOPE and event_name == USAGE_RECORD


def span_of(record: LogRecord) -> Span:
    """The span that would have been."""
    attributes = dict(record.attributes)
    attributes.pop("event.name", None)
    status, name = attributes.pop(UsageRecord.STATUS, None), attributes.pop(UsageRecord.SPAN_NAME, None)
    start_ns, parent = attributes.pop(UsageRecord.START_NS, None), attributes.pop(UsageRecord.PARENT, None)
    return Span(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=parent if isinstance(parent, str) else None,
        name=name if isinstance(name, str) else "",
        kind="client",
        start_ns=start_ns if isinstance(start_ns, int) else record.at_ns,
        end_ns=record.at_ns,
        status=_STATUS.get(status, "unset") if isinstance(status, str) else "unset",
        scope=SCOPE,
        attributes=attributes,
        events=tuple(_attempts(record.body)),
        resource=record.resource,
    )


def _attempts(body: object) -> Iterator[SpanEvent]:
    for attempt in cast("list[object]", body) if isinstance(body, list) else []:
        if isinstance(attempt, dict):
            facts = let_in(cast("dict[str, object]", attempt).items())
            at_ns = facts.pop(ATTEMPTED_AT_NS, None)
            yield SpanEvent(name=ATTEMPT_EVENT, at_ns=at_ns if isinstance(at_ns, int) else 0, attributes=facts)
