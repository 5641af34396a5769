"""What `opentelemetry-instrument` starts: telemetry without a line of code.

Found by the entry point `claude_telemetry` of the group `opentelemetry_instrumentor`. All settings are from the
environment.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from claude_telemetry.instrument import instrument, uninstrument


class ClaudeTelemetryInstrumentor:
    """As OpenTelemetry's loader of instrumentations expects one, without its package, which an application need not
    have otherwise."""

    def instrument(self, **given: Any) -> None:
        """Takes the `tracer_provider` and `meter_provider` that a distribution may hand over; what else it says is for
        other kinds of instrumentations. Never raises."""
        instrument(tracer_provider=given.get("tracer_provider"), meter_provider=given.get("meter_provider"))

    def uninstrument(self, **_: Any) -> None:
        uninstrument()

    def instrumentation_dependencies(self) -> Collection[str]:
        """What has to be installed for it to be of use."""
        return ("anthropic >= 0.40",)
