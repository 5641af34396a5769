"""Receives OTLP over HTTP, and acknowledges a body when it is valid and on disk, never earlier."""

from __future__ import annotations

from claude_telemetry_collector.receive.app import Receiver
from claude_telemetry_collector.receive.body import Limits
from claude_telemetry_collector.receive.commit import GroupCommit
from claude_telemetry_collector.receive.server import ReceiverServer

__all__ = ["GroupCommit", "Limits", "Receiver", "ReceiverServer"]
