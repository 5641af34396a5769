"""Events that the application told of with `claude_telemetry.event`."""

from __future__ import annotations

from datetime import datetime

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry.record.event import PREFIX, Event, allowed, is_word
from claude_telemetry_collector.decode.facts import told
from claude_telemetry_collector.decode.landed import LandedEvent
from claude_telemetry_collector.decode.reading import Identity, resource_facts
from claude_telemetry_collector.decode.span import Span


def is_event(span: Span) -> bool:
    """Whether `span` is an event of ours."""
    return span.scope == SCOPE and is_word(span.attributes.get("claude.event.name"))


def read(span: Span, identity: Identity, received_at: datetime) -> LandedEvent:
    """The event that `span` tells. What the allow-list keeps out where it is said, it keeps out here too."""
    named, _ = resource_facts(span)
    event = Event(
        **told(named | dict(span.attributes), Event),
        happened_at=identity.started_at,
        trace_id=identity.trace_id,
        span_id=identity.span_id,
    )
    given = {key.removeprefix(PREFIX): value for key, value in span.attributes.items() if key.startswith(PREFIX)}
    return LandedEvent(event=event, attributes=allowed(given), received_at=received_at)
