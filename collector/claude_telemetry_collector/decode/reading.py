"""From a span that is a call to the call: what all dialects do alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from claude_telemetry.record import Attempt, CallRecord
from claude_telemetry.record.attributes import ATTEMPT_EVENT, attempt_from
from claude_telemetry_collector.decode.facts import believable_part
from claude_telemetry_collector.decode.landed import InputBasis
from claude_telemetry_collector.decode.span import Span, SpanStatus, moment

MAX_ATTEMPTS = 64
"""The SDK makes three unless told otherwise."""

STATUS_OF: Mapping[SpanStatus, Literal["ok", "error", "cancelled"]] = {
    "ok": "ok",
    "error": "error",
    "unset": "cancelled",
}
"""The SDK's tracing leaves the status unset when the application stopped the call, and ours does the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What every call has to have: which it is, and when."""

    trace_id: str
    span_id: str
    started_at: datetime
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A call, and those attributes of its span that are no columns."""

    record: CallRecord
    attributes: Mapping[str, object]
    whole: bool = False
    """Whether it is all that there is to know, and not a span that may have ended too early for that."""
    input_basis: InputBasis | None = None
    told_input_tokens: int | None = None
    compaction_input_tokens: int | None = None
    compaction_output_tokens: int | None = None


def resource_facts(span: Span) -> tuple[dict[str, object], dict[str, object]]:
    """The attributes of `span`'s resource that are facts of a call, by the record's names, and the others."""
    others = dict(span.resource)
    older = others.pop("deployment.environment", None)
    facts = {
        "service.name": others.pop("service.name", None),
        "deployment.environment.name": others.pop("deployment.environment.name", older),
    }
    return {name: value for name, value in facts.items() if value is not None}, others


def attempts_of(span: Span, identity: Identity, received_at: datetime) -> tuple[Attempt, ...]:
    """The attempts that `span` has as events. One without a time of its own is taken to have begun with the call."""
    events = [event for event in span.events if event.name == ATTEMPT_EVENT][:MAX_ATTEMPTS]
    return tuple(
        believable_part(attempt_from(moment(event.at_ns, received_at) or identity.started_at, event.attributes))
        for event in events
    )
