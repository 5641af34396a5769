"""Runs of tools that the application made: under our `@tool`, or by the SDK's tool runner.

Both write a span by the GenAI conventions. One of the SDK's may have been completed by us as it ran.
Source: `lib/_tracing/_tools.py` of anthropic 2.10.0, read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry_collector.decode.anthropic_sdk import CONVERSATION, SCOPE_PREFIX
from claude_telemetry_collector.decode.facts import told
from claude_telemetry_collector.decode.landed import LandedToolRun
from claude_telemetry_collector.decode.reading import STATUS_OF, Identity, resource_facts
from claude_telemetry_collector.decode.span import Span

_RAISED = "claude.tool.raised"
"""On a span of the SDK that we completed: the type of the exception. Its own `error.type` is always `tool_error`."""


def is_tool_run(span: Span) -> bool:
    """Whether `span` is the run of a tool, by us or by the SDK."""
    ours_or_the_sdks = span.scope == SCOPE or span.scope.startswith(SCOPE_PREFIX)
    return ours_or_the_sdks and span.attributes.get("gen_ai.operation.name") == "execute_tool"


def read(span: Span, identity: Identity, received_at: datetime) -> LandedToolRun:
    """The run that `span` tells."""
    named, _ = resource_facts(span)
    facts = told(named | dict(span.attributes), ToolRun)
    run = ToolRun(
        **(facts | _told_otherwise(span, facts)),
        started_at=identity.started_at,
        duration_ms=identity.duration_ms,
        trace_id=identity.trace_id,
        span_id=identity.span_id,
        parent_span_id=span.parent_span_id,
    )
    source = "claude_telemetry" if span.scope == SCOPE else "anthropic_sdk"
    return LandedToolRun(run=run, source=source, received_at=received_at)


def _told_otherwise(span: Span, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that the SDK's spans carry in their status, or under other names."""
    outcome, raised, conversation = (
        facts.get("outcome"),
        span.attributes.get(_RAISED),
        span.attributes.get(CONVERSATION),
    )
    # A tool may have returned what the SDK cannot send: then the runner knows better than the function.
    if span.status == "error" or outcome not in STATUS_OF.values():
        outcome = STATUS_OF[span.status]
    return {
        "outcome": outcome,
        "error_type": raised if isinstance(raised, str) else facts.get("error_type"),
        "session_id": facts.get("session_id") or (conversation if isinstance(conversation, str) else None),
    }
