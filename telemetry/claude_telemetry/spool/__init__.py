"""Calls on disk, between a process that could not deliver them and whoever can.

Each process has a folder of its own in the spool, a *lot*, which it holds with a lock for as long as it lives. In it
are files of frames: a *frame* is one OTLP request as it was to be sent. A lot that nobody holds belongs to a process
that is gone, and the next one that can deliver to the same place takes it over: a process, or the collector itself.

No headers, keys or tokens are in the spool, and nobody but its owner can read it.
"""

from claude_telemetry.spool.counting import Waiting, spooled
from claude_telemetry.spool.frame import Frame, Signal, target_of
from claude_telemetry.spool.spool import Batch, Loss, Outgoing, Place, Spool, opening

__all__ = [
    "Batch",
    "Frame",
    "Loss",
    "Outgoing",
    "Place",
    "Signal",
    "Spool",
    "Waiting",
    "opening",
    "spooled",
    "target_of",
]
