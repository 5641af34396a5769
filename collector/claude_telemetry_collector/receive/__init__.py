"""Receives OTLP over HTTP, and acknowledges a body when it is valid and on disk, never earlier.

What applications could not deliver before they ended is picked up from their spool, and received like anything else.
"""

from __future__ import annotations

from claude_telemetry_collector.receive.app import Receiver
from claude_telemetry_collector.receive.body import Limits
from claude_telemetry_collector.receive.commit import GroupCommit
from claude_telemetry_collector.receive.connections import allow_many_files
from claude_telemetry_collector.receive.intake import Intake
from claude_telemetry_collector.receive.measures import Reading
from claude_telemetry_collector.receive.pick_up import PickUp
from claude_telemetry_collector.receive.rpc import RpcServer
from claude_telemetry_collector.receive.server import ReceiverServer, Tls
from claude_telemetry_collector.receive.sources import Sources

__all__ = [
    "GroupCommit",
    "Intake",
    "Limits",
    "PickUp",
    "Reading",
    "Receiver",
    "ReceiverServer",
    "RpcServer",
    "Sources",
    "Tls",
    "allow_many_files",
]
