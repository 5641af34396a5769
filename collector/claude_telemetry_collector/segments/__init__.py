"""Bodies on disk between the receiver, which writes them, and the store, which reads them.

A *segment* is a file that is only ever appended to. A *frame* is one request body in it. What has been appended and
synced is never lost: the receiver acknowledges nothing earlier. The store tails the segments and remembers, in the
transaction that lands a frame, the *position* up to which everything is landed; so each frame counts once.
"""

from __future__ import annotations

from claude_telemetry_collector.segments.frame import Arrival, Encoding, Frame, Position, Signal
from claude_telemetry_collector.segments.reader import SegmentReader
from claude_telemetry_collector.segments.waiting import Backlog, backlog
from claude_telemetry_collector.segments.writer import SEGMENT_BYTES, SegmentWriter

__all__ = [
    "SEGMENT_BYTES",
    "Arrival",
    "Backlog",
    "Encoding",
    "Frame",
    "Position",
    "SegmentReader",
    "SegmentWriter",
    "Signal",
    "backlog",
]
