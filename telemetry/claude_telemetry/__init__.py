"""Know what your application's Claude calls do and cost.

    import claude_telemetry
    claude_telemetry.instrument()

From there on each call of the `anthropic` SDK is recorded as one OpenTelemetry span, with what it cost, and sent to a
collector (`claude-telemetry up`).
"""

from claude_telemetry.instrument import flush, instrument, uninstrument
from claude_telemetry.labels import carry, label

__all__ = ["carry", "flush", "instrument", "label", "uninstrument"]
