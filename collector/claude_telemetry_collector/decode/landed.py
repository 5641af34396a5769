"""What decoding gives: calls as they are landed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from claude_telemetry.record import CallRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedCall:
    """A call as one emitter told it, and what only the collector knows about it."""

    record: CallRecord
    source: str
    """Who told it: the name of the dialect, such as `claude_telemetry` or `anthropic_sdk`."""
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    """What came with it and is no column. Plain JSON values, never content of prompts or answers."""
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What came out of one body."""

    calls: tuple[LandedCall, ...] = ()
    spans: int = 0
    """Spans in the body."""
    ignored: int = 0
    """Of these, the ones that are no Claude calls."""
    refused: int = 0
    """Of these, the ones that say they are calls but have no usable identity or time."""
    error: str | None = None
    """Why the body cannot be read at all. Never quotes it."""


class UnreadableError(Exception):
    """A body cannot be read at all. The message says why, and never quotes it. Stays inside this package."""
