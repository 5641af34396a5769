"""Sends what was received on to another OTLP endpoint, so that a team keeps the backend it has.

What is to be forwarded lies in segments of its own folder, which are the receiver's segments under a second name. So
receiving and landing neither wait for it nor know of it, and what waits is bounded: beyond the bound the oldest go,
and are counted.
"""

from __future__ import annotations

from claude_telemetry_collector.forward.destination import Destination, destination_of
from claude_telemetry_collector.forward.forwarder import Forwarder, Forwarding, forwarding

__all__ = ["Destination", "Forwarder", "Forwarding", "destination_of", "forwarding"]
