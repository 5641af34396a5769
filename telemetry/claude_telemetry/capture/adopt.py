"""The span processor that takes over the SDK's own span when there is one.

From anthropic 1.14 on, the SDK makes one span for each call if the application has a tracer provider. Ours would be a
second one for the same call; so the SDK's is completed instead. It shows itself in `on_start`, inside our recording.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from claude_telemetry.capture.recording import Recording
from claude_telemetry.emit import CallSpan
from claude_telemetry.emit.pipeline import SDK_SCOPE_PREFIX
from claude_telemetry.labels import current_labels
from claude_telemetry.record.attributes import attributes_of_facts
from claude_telemetry.tool_spans import complete, is_tool_run


class AdoptingProcessor(SpanProcessor):
    """Gives the SDK's span of a call to the call's recording."""

    def __init__(self, current: Callable[[], Recording | None], version: str, *, labels_only: bool) -> None:
        self._current = current
        self._version = version
        self._labels_only = labels_only

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        scope = span.instrumentation_scope
        if scope is None or not scope.name.startswith(SDK_SCOPE_PREFIX):
            return
        if is_tool_run(span):
            complete(span)
            return
        recording = self._current()
        if recording is not None and recording.span is None:
            parent = span.parent.span_id if span.parent is not None else None
            recording.adopt(CallSpan(span, own=False, version=self._version, parent_span_id=parent))
        elif self._labels_only:
            # The hooks do not fit this SDK: whose call it is can be told all the same.
            span.set_attributes(attributes_of_facts(current_labels()))
