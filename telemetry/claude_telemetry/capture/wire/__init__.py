"""Bodies of responses to the events in them, as the bytes arrive, whatever way they are cut into chunks."""

from claude_telemetry.capture.wire.encoding import decoder_for
from claude_telemetry.capture.wire.json_body import JsonBody
from claude_telemetry.capture.wire.sse import SseBody

__all__ = ["JsonBody", "SseBody", "decoder_for"]
