"""Recorded calls leave the process: as spans and metrics of the application, and delivered over OTLP."""

from claude_telemetry.emit.ended import EndedCall, Ids
from claude_telemetry.emit.pipeline import Pipeline
from claude_telemetry.emit.spans import CallSpan, url_attributes
from claude_telemetry.emit.told import ToldCall

__all__ = ["CallSpan", "EndedCall", "Ids", "Pipeline", "ToldCall", "url_attributes"]
