"""What an application's thread hands to delivery, and what delivery makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan

from claude_telemetry.emit.ended import EndedCall
from claude_telemetry.spool import Signal

Item = ReadableSpan | EndedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One OTLP request, as serialized protobuf, not compressed."""

    signal: Signal
    data: bytes
    calls: int
    """How many items it carries."""
