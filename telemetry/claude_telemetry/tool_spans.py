"""What a span of ours says that is no call's: whose it is, and which call it belongs to.

The SDK's tool runner makes a span for each run of a tool when its tracing is on. That span is then the run's only one:
it is completed as it starts, and a function under `@tool` that runs in it adds its outcome instead of a second span.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from claude_telemetry.asked import CallRef, asker_of
from claude_telemetry.labels import current_labels

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.trace import Link, Span, Tracer

_OPERATION: Final = "gen_ai.operation.name"
_EXECUTE_TOOL: Final = "execute_tool"
_NAME: Final = "gen_ai.tool.name"
_TOOL_USE_ID: Final = "gen_ai.tool.call.id"
_ASKED_BY: Final = ("claude.tool.asked_by.trace_id", "claude.tool.asked_by.span_id")

_NOTHING: Mapping[str, str] = MappingProxyType({})

_open_to_us: WeakSet[Span] = WeakSet()
"""The SDK's tool runs that have started, of which no function under `@tool` has said yet that it is the tool."""


def is_tool_run(span: SdkSpan) -> bool:
    """Whether `span`, of the SDK's scope, is the run of a tool."""
    attributes = span.attributes
    return attributes is not None and attributes.get(_OPERATION) == _EXECUTE_TOOL


def complete(span: SdkSpan, own_labels: Mapping[str, str] = _NOTHING) -> None:
    """Writes on a tool run of the SDK, which has just started, the labels that hold and the call that asked for it.

    `own_labels` are those of the whole process, by column.
    """
    tool_use_id = (span.attributes or {}).get(_TOOL_USE_ID)
    asker = asker_of(tool_use_id) if isinstance(tool_use_id, str) else None
    span.set_attributes({**label_attributes(own_labels), **_asked_by(asker)})
    if asker is not None:
        link = link_to(asker)
        span.add_link(link.context)
    _open_to_us.add(span)


def claim(span: Span, name: str) -> bool:
    """Whether `span` is the SDK's for the run of the tool `name` that now begins. `True` once."""
    # Without the name, a helper under `@tool` that another tool calls would pass for that tool.
    attributes: Mapping[str, object] = getattr(span, "attributes", None) or {}
    if span not in _open_to_us or attributes.get(_NAME) != name:
        return False
    _open_to_us.discard(span)
    return True


def started(
    tracer: Tracer, name: str, tool_use_id: str | None, asker: CallRef | None, own_labels: Mapping[str, str]
) -> Span:
    """A new span for a run of the tool `name` that begins now."""
    from opentelemetry.trace import SpanKind

    return tracer.start_span(
        f"{_EXECUTE_TOOL} {name}",
        kind=SpanKind.INTERNAL,
        attributes={
            _OPERATION: _EXECUTE_TOOL,
            _NAME: name,
            "gen_ai.tool.type": "function",
            **({_TOOL_USE_ID: tool_use_id} if tool_use_id is not None else {}),
            **label_attributes(own_labels),
            **_asked_by(asker),
        },
        links=[link_to(asker)] if asker is not None else None,
    )


def finish(span: Span, failure: str | None, *, own: bool) -> None:
    """Writes how a run went, and ends the span if it is our own. `failure` is an error's type, or `cancelled`."""
    from opentelemetry.trace import Status, StatusCode

    outcome = "ok" if failure is None else "cancelled" if failure == "cancelled" else "error"
    span.set_attribute("claude.tool.outcome", outcome)
    if failure is not None and outcome == "error":
        # The SDK ends its span after us, and writes an `error.type` of its own, which is always the same.
        span.set_attribute("error.type" if own else "claude.tool.raised", failure)
    if not own:
        return
    if outcome != "cancelled":
        # Without a description: the text of an error can hold parts of the input.
        span.set_status(Status(StatusCode.OK if outcome == "ok" else StatusCode.ERROR))
    span.end()


def label_attributes(own_labels: Mapping[str, str]) -> dict[str, str]:
    """The attributes of the labels that hold here, and of `own_labels`, as far as a tool run or an event has them."""
    labels = {**current_labels(), **own_labels}
    return {attribute: labels[name] for name, attribute in _label_names().items() if name in labels}


@cache
def _label_names() -> Mapping[str, str]:
    """By column: its attribute, for those columns of a tool run that are labels."""
    from claude_telemetry.record.field import columns_of
    from claude_telemetry.record.tool_run import ToolRun

    labels = ("service", "environment", "user_id", "session_id", "feature")
    return {
        column.name: column.fact.attribute
        for column in columns_of(ToolRun)
        if column.name in labels and column.fact.attribute is not None
    }


def _asked_by(call: CallRef | None) -> dict[str, str]:
    """The attributes that name the call that asked for a tool run."""
    return dict(zip(_ASKED_BY, (call.trace_id, call.span_id), strict=True)) if call is not None else {}


def link_to(call: CallRef) -> Link:
    """A span link to `call`. Raises `ValueError` when its ids are no hexadecimal numbers."""
    from opentelemetry.trace import Link, SpanContext, TraceFlags

    return Link(
        SpanContext(
            int(call.trace_id, 16), int(call.span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )
    )
