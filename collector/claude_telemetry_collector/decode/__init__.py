"""Bodies become calls: what was sent is read, told apart by who wrote it, and brought to one form."""

from claude_telemetry_collector.decode.body import decode
from claude_telemetry_collector.decode.landed import (
    Decoded,
    LandedCall,
    LandedEvent,
    LandedPart,
    LandedToolRun,
    SpanLink,
)

__all__ = ["Decoded", "LandedCall", "LandedEvent", "LandedPart", "LandedToolRun", "SpanLink", "decode"]
