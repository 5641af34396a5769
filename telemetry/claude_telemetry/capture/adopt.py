"""The span processor that takes over the SDK's own span when there is one.

From anthropic 1.14 on, the SDK makes one span for each call if the application has a tracer provider. Ours would be a
second one for the same call; so the SDK's is completed instead. It shows itself in `on_start`, inside our recording.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.trace import format_span_id

from claude_telemetry.capture.recording import Recording
from claude_telemetry.emit import CallSpan
from claude_telemetry.emit.pipeline import SDK_SCOPE_PREFIX
from claude_telemetry.guard import guarded


class AdoptingProcessor(SpanProcessor):
    """Gives the SDK's span of a call to the call's recording. Never raises."""

    def __init__(self, current: Callable[[], Recording | None], version: str) -> None:
        self._current = current
        self._version = version

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        with guarded("adopt the SDK's span"):
            recording = self._current()
            if recording is None or recording.span is not None or span.instrumentation_scope is None:
                return
            if span.instrumentation_scope.name.startswith(SDK_SCOPE_PREFIX):
                parent = format_span_id(span.parent.span_id) if span.parent is not None else None
                recording.adopt(CallSpan(span, own=False, version=self._version, parent_span_id=parent))
