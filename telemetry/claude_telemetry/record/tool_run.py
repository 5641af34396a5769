"""Each time the application runs a tool that a call asked for.

A *tool use* is the asking: a block of a call's answer. A *tool run* is what the application then did: one span, named
and attributed as OpenTelemetry's GenAI conventions have it (`execute_tool`, read 2026-11-20).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from claude_telemetry.record.field import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """One row of `tool_runs`. Never what the tool was run with or gave: that is content. `None` means not known."""

    started_at: Annotated[datetime, Fact(None, None, "When the tool began to run, UTC.")]
    duration_ms: Annotated[int | None, Fact(None, "ms", "Until it returned, raised or was stopped.")] = None

    service: Annotated[str | None, Fact("service.name", None, "The application, as OpenTelemetry names it.")] = None
    environment: Annotated[
        str | None, Fact("deployment.environment.name", None, "Where the application runs, such as `production`.")
    ] = None

    name: Annotated[str | None, Fact("gen_ai.tool.name", None, "The name of the tool.")] = None
    tool_use_id: Annotated[
        str | None, Fact("gen_ai.tool.call.id", None, "The id of the block that asked for it, `toolu_…`.")
    ] = None
    outcome: Annotated[
        str,
        Fact(
            "claude.tool.outcome",
            None,
            "`ok`; `error` when it raised or said that it failed; `cancelled` when it was stopped before its end.",
        ),
    ]
    error_type: Annotated[
        str | None, Fact("error.type", None, "The type of the exception, or the application's word for the failure.")
    ] = None

    trace_id: Annotated[str, Fact(None, None, "Trace id, 32 hexadecimal digits.")]
    span_id: Annotated[str, Fact(None, None, "Span id, 16 hexadecimal digits.")]
    parent_span_id: Annotated[str | None, Fact(None, None, "The span that the tool was run in.")] = None
    asked_by_trace_id: Annotated[
        str | None, Fact("claude.tool.asked_by.trace_id", None, "The trace id of the call that asked for it.")
    ] = None
    asked_by_span_id: Annotated[
        str | None, Fact("claude.tool.asked_by.span_id", None, "The span id of the call that asked for it.")
    ] = None

    user_id: Annotated[str | None, Fact("user.id", None, "For whom the application ran it.")] = None
    session_id: Annotated[str | None, Fact("session.id", None, "The conversation or session it belongs to.")] = None
    feature: Annotated[str | None, Fact("claude.feature", None, "The part of the application that ran it.")] = None
