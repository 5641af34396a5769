"""Spans that our own capture wrote, or completed: every fact has its attribute, so they are only read back."""

from __future__ import annotations

from datetime import datetime

from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.attributes import (
    COST_USD,
    COST_USD_ALIAS,
    RECORDER_VERSION,
    RESEND_COUNT,
    TIME_TO_FIRST_CHUNK_S,
    TOTAL_INPUT_TOKENS,
    call_facts,
    tool_use_attributes,
    tool_uses_from,
)
from claude_telemetry_collector.decode.facts import believable, believable_part, bounded
from claude_telemetry_collector.decode.reading import STATUS_OF, Identity, Reading, attempts_of, resource_facts
from claude_telemetry_collector.decode.span import Span

_REPEATED = frozenset({COST_USD, COST_USD_ALIAS, RESEND_COUNT, TIME_TO_FIRST_CHUNK_S, TOTAL_INPUT_TOKENS})
"""Standard names for other readers. Each repeats an exact fact, so keeping it too would only cost room."""


def is_ours(span: Span) -> bool:
    """Whether our capture wrote `span`, or completed it."""
    return RECORDER_VERSION in span.attributes


def read(span: Span, identity: Identity, received_at: datetime) -> Reading:
    """The call that `span` tells."""
    named, resource = resource_facts(span)
    facts, rest = call_facts(named | dict(span.attributes))
    tool_uses = tuple(believable_part(use) for use in tool_uses_from(span.attributes))
    call = Call(
        **believable(facts, Call),
        started_at=identity.started_at,
        duration_ms=identity.duration_ms,
        status=STATUS_OF[span.status],
        trace_id=identity.trace_id,
        span_id=identity.span_id,
        parent_span_id=span.parent_span_id,
    )
    told_apart = _REPEATED | tool_use_attributes(tool_uses).keys()
    others = {name: value for name, value in rest.items() if name not in told_apart}
    return Reading(
        record=CallRecord(call=call, attempts=attempts_of(span, identity, received_at), tool_uses=tool_uses),
        attributes=bounded(({"resource": resource} if resource else {}) | others),
    )
