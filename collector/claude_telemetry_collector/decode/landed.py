"""What decoding gives: calls, runs of tools and events as they are landed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from claude_telemetry.record import CallRecord
from claude_telemetry.record.event import Event, EventValue
from claude_telemetry.record.tool_run import ToolRun


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedCall:
    """A call as one emitter told it, and what only the collector knows about it."""

    record: CallRecord
    source: str
    """Who told it: the name of the dialect, such as `claude_telemetry` or `anthropic_sdk`."""
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    """What came with it and is no column. Plain JSON values, never content of prompts or answers."""
    whole: bool = False
    """Whether it is all that there is to know: it came from our own delivery, and not as a span of the application."""
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedToolRun:
    """A run of a tool, and what only the collector knows about it."""

    run: ToolRun
    source: str
    """Who told it: `claude_telemetry`, or `anthropic_sdk` for a run by the SDK's tool runner."""
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedEvent:
    """An event, with what the application said about it."""

    event: Event
    attributes: Mapping[str, EventValue] = field(default_factory=dict[str, EventValue])
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What came out of one body."""

    calls: tuple[LandedCall, ...] = ()
    tool_runs: tuple[LandedToolRun, ...] = ()
    events: tuple[LandedEvent, ...] = ()
    spans: int = 0
    """Spans in the body."""
    ignored: int = 0
    """Of these, the ones that are nothing that is kept."""
    refused: int = 0
    """Of these, the ones that say they are something that is kept, but have no usable identity or time."""
    error: str | None = None
    """Why the body cannot be read at all. Never quotes it."""


class UnreadableError(Exception):
    """A body cannot be read at all. The message says why, and never quotes it. Stays inside this package."""
