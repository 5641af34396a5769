"""Calls as OpenTelemetry metrics, in the meter provider that the application has set up. Without one, nothing."""

from claude_telemetry.emit.metrics.calls import CallMetrics

__all__ = ["CallMetrics"]
