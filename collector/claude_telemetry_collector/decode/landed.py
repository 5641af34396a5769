"""What decoding gives: calls, runs of tools and events as they are landed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from claude_telemetry.record import CallRecord
from claude_telemetry.record.event import Event, EventValue
from claude_telemetry.record.tool_run import ToolRun

InputBasis = Literal["inclusive", "exclusive", "inclusive_assumed", "exclusive_by_count"]
"""Whether a source's input count holds the cached parts (`inclusive`) or leaves them out. The last two are of sources
of which it is not known: the counts of one prove that they are left out, those of the other prove nothing."""

PartRole = Literal["detail", "wrapper"]
"""A *detail* belongs to the call it lies within. A *wrapper* lies around calls, which have its labels."""


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
    input_basis: InputBasis | None = None
    """How whoever told it counted the input. `None` for our own, and where no input was told."""
    told_input_tokens: int | None = None
    """The input as they counted it."""
    reported_cost_usd: Decimal | None = None
    """What somebody else says that it cost. Never ours, and never added to it."""
    compaction_input_tokens: int | None = None
    compaction_output_tokens: int | None = None
    """What was used to shorten the conversation: billed beside the other counts."""
    instance: str | None = None
    """The process that made the call, as far as its telemetry names it."""
    server_ms: int | None = None
    """Of a call that the API told of as well: how long it took there."""
    client_ms: int | None = None
    """The rest of how long it took: what it waited before and after, earlier attempts, the way."""
    sources: int | None = None
    """How many have told of it, where it was put together of what several told. `None` for what one has told."""
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedPart:
    """What tells something about a call, or about all calls below it, and is none itself."""

    source: str
    role: PartRole
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    started_at: datetime
    facts: Mapping[str, Any]
    """What it tells, by column of `Call`, and in words of its own (`web_searches`)."""
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLink:
    """The place of a span that tells nothing: a call may be below it."""

    trace_id: str
    span_id: str
    parent_span_id: str
    started_at: datetime


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
    parts: tuple[LandedPart, ...] = ()
    links: tuple[SpanLink, ...] = ()
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
