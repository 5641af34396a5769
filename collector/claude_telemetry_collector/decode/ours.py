"""Spans that our own capture wrote, or completed: every fact has its attribute, so they are only read back."""

from __future__ import annotations

from datetime import datetime

from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.attributes import (
    COST_USD,
    COST_USD_ALIAS,
    DELIVERED,
    RECORDER_VERSION,
    RESEND_COUNT,
    TIME_TO_FIRST_CHUNK_S,
    TOTAL_INPUT_TOKENS,
    UsageRecord,
    call_facts,
    tool_use_attributes,
    tool_uses_from,
)
from claude_telemetry.record.identity import ids_of_told
from claude_telemetry_collector.decode.facts import believable, believable_part, bounded
from claude_telemetry_collector.decode.reading import STATUS_OF, Identity, Reading, attempts_of, resource_facts
from claude_telemetry_collector.decode.span import Span, moment

REPEATED = frozenset(
    {
        UsageRecord.START_NS,
        DELIVERED,
        COST_USD,
        COST_USD_ALIAS,
        RESEND_COUNT,
        TIME_TO_FIRST_CHUNK_S,
        TOTAL_INPUT_TOKENS,
    }
)
"""Standard names for other readers, and marks for this one. Each is an exact fact as well, so keeping it too would only
cost room."""


def is_ours(span: Span) -> bool:
    """Whether our capture wrote `span`, or completed it."""
    return RECORDER_VERSION in span.attributes


def read(span: Span, identity: Identity, received_at: datetime) -> Reading:
    """The call that `span` tells."""
    named, resource = resource_facts(span)
    facts, rest = call_facts(named | dict(span.attributes))
    tool_uses = tuple(believable_part(use) for use in tool_uses_from(span.attributes))
    believed = believable(facts, Call)
    told = ids_of_told(*(believed.get(name) for name in ("operation", "batch_id", "custom_id", "message_id")))
    call = Call(
        **believed,
        started_at=identity.started_at if told is None else _told_of(span, received_at) or identity.started_at,
        # Of a call that was told within another's body nobody knows how long it took, and whoever reads that body again
        # tells it again.
        duration_ms=identity.duration_ms if told is None else None,
        status=STATUS_OF[span.status],
        trace_id=identity.trace_id if told is None else format(told[0], "032x"),
        span_id=identity.span_id if told is None else format(told[1], "016x"),
        parent_span_id=span.parent_span_id if told is None else None,
    )
    told_apart = REPEATED | tool_use_attributes(tool_uses).keys()
    others = {name: value for name, value in rest.items() if name not in told_apart}
    return Reading(
        record=CallRecord(call=call, attempts=attempts_of(span, identity, received_at), tool_uses=tool_uses),
        attributes=bounded(({"resource": resource} if resource else {}) | others),
        whole=span.attributes.get(DELIVERED) is True,
    )


def _told_of(span: Span, received_at: datetime) -> datetime | None:
    """When a call began that was told within another's body: an application's own span of it is of the telling."""
    start_ns = span.attributes.get(UsageRecord.START_NS)
    return moment(start_ns, received_at) if isinstance(start_ns, int) else None
