"""A span as every body gives it, whatever it was encoded as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Kind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]

KINDS: tuple[Kind, ...] = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""By their number in OTLP."""
STATUSES: tuple[SpanStatus, ...] = ("unset", "ok", "error")
"""By their number in OTLP."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
"""Nobody could call Claude before. A clock that says so has lost its time."""
AHEAD = timedelta(days=1)
"""How far a sender's clock may be ahead of ours."""
LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """Something that happened during a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span. Attributes are those that the door has let in."""

    trace_id: str | None
    """32 lower-case hexadecimal digits. `None` when it was sent without one that can be used."""
    span_id: str | None
    """16 lower-case hexadecimal digits, or `None`."""
    parent_span_id: str | None
    name: str
    kind: Kind
    start_ns: int
    """As sent: it may be any number."""
    end_ns: int
    status: SpanStatus
    scope: str
    attributes: Mapping[str, object]
    events: tuple[SpanEvent, ...]
    resource: Mapping[str, object]
    event_name: str | None = None
    """Of a log record: what it tells of. `None` for a span."""
    sealed: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Texts that may hold content. They are read for an id or a number, and not kept."""
    status_message: str = field(default="", repr=False)
    """Sealed as well."""


def tells_of_a_model(key: str) -> bool:
    """Whether an attribute of this name is of a call to some model, whoever wrote it."""
    return key.startswith("gen_ai.") or key == "openinference.span.kind"


def moment(at_ns: int, received_at: datetime) -> datetime | None:
    """The time that `at_ns` since 1970 stands for, or `None` when what came at `received_at` cannot be of then."""
    try:
        at = EPOCH + timedelta(microseconds=at_ns // 1000)
    except OverflowError:
        return None
    return at if FIRST <= at <= received_at + AHEAD else None


def times(span: Span, received_at: datetime) -> tuple[datetime, int | None] | None:
    """When the span started and how many ms it took, as far as that can be believed; `None` when not even when.

    A span that says only when it ended is put there. It depends on nothing that changes from delivery to delivery.
    """
    started_at, ended_at = moment(span.start_ns, received_at), moment(span.end_ns, received_at)
    if started_at is None:
        return (ended_at, None) if ended_at is not None else None
    if ended_at is None or not timedelta(0) <= ended_at - started_at <= LONGEST:
        return started_at, None
    return started_at, (span.end_ns - span.start_ns + 500_000) // 1_000_000
