"""Recorded calls leave the process: as spans, delivered over OTLP."""

from claude_telemetry.emit.pipeline import Pipeline
from claude_telemetry.emit.spans import CallSpan, SpanSource

__all__ = ["CallSpan", "Pipeline", "SpanSource"]
