"""Spans without what people wrote.

Anthropic's SDK records prompts and answers on its spans when an application sets its content mode, for whatever
exporter the application has. Our delivery takes that off again: what is stored about a call has no content.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status

# Names of the GenAI conventions and of the SDK's own tracing, read in anthropic 2.10 `lib/_tracing/_content.py`.
CONTENT_ATTRIBUTES = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.tool.description",
        "gen_ai.request.stop_sequences",
        "anthropic.tool_result.content",
    }
)


def without_content(span: ReadableSpan) -> ReadableSpan:
    """`span`, or a copy of it without content and without the text of exceptions."""
    status = span.status
    attributes: dict[str, Any] = dict(span.attributes or {})
    kept = {name: value for name, value in attributes.items() if name not in CONTENT_ATTRIBUTES}
    events = [event for event in span.events if event.name.startswith("claude.")]
    if len(kept) == len(attributes) and len(events) == len(span.events) and status.description is None:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=kept,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
