"""What is told of a call, while it is worked out which call: who may be one with whom, and who never."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from claude_telemetry_collector.decode.identity import Nature, total_input
from claude_telemetry_collector.decode.landed import LandedCall, LandedPart

COVERED = 0.8
"""How much of the SDK's span a library's has to cover, where nothing else ties them."""
_SLACK = timedelta(seconds=1)
"""Between the end of a stream and the record of it."""
_NEVER_TWO: tuple[Nature, ...] = ("ours", "sdk")

Key = tuple[str, str]
"""Trace id and span id."""


@dataclass(slots=True, eq=False)
class Piece:
    """One who tells of a call, while it is worked out which."""

    call: LandedCall
    key: Key
    nature: Nature
    details: list[LandedPart] = field(default_factory=list[LandedPart])
    is_wrapper: bool = False

    @property
    def start(self) -> datetime:
        return self.call.record.call.started_at

    @property
    def order(self) -> tuple[datetime, Key]:
        return self.start, self.key

    @property
    def request_ids(self) -> set[str]:
        request_id = self.call.record.call.request_id
        return {request_id} if request_id is not None else set()

    @property
    def message_ids(self) -> set[str]:
        told = [self.call.record.call.message_id, *(part.facts.get("message_id") for part in self.details)]
        return {message_id for message_id in told if message_id is not None}

    @property
    def has_usage(self) -> bool:
        facts = self.call.record.call
        return facts.output_tokens is not None or facts.input_tokens is not None

    @property
    def failed(self) -> bool:
        return self.call.record.call.status == "error" and self.call.record.call.output_tokens is None


class Cluster:
    """Pieces that are one call, as far as is known."""

    def __init__(self, piece: Piece) -> None:
        self.pieces = [piece]

    def request_ids(self) -> set[str]:
        return {request_id for piece in self.pieces for request_id in piece.request_ids}

    def message_ids(self) -> set[str]:
        return {message_id for piece in self.pieces for message_id in piece.message_ids}

    def natures(self) -> set[Nature]:
        return {piece.nature for piece in self.pieces}

    def order(self) -> tuple[datetime, Key]:
        return min(piece.order for piece in self.pieces)


def may_be_one_request(one: Cluster, other: Cluster) -> bool:
    return not is_second(one, other)


def may_be_one_answer(one: Cluster, other: Cluster) -> bool:
    return not is_second(one, other) and len(one.request_ids() | other.request_ids()) < 2


def is_second(one: Cluster, other: Cluster) -> bool:
    """Whether both have a span of the SDK, or both one of ours: these are never one call."""
    return any(nature in one.natures() and nature in other.natures() for nature in _NEVER_TWO)


def ids_differ(one: Cluster, other: Cluster) -> bool:
    return len(one.request_ids() | other.request_ids()) > 1 or len(one.message_ids() | other.message_ids()) > 1


def repeats(one: Cluster, other: Cluster) -> bool:
    """Whether a producer tells of usage in both."""
    sources = [{piece.call.source for piece in cluster.pieces if piece.has_usage} for cluster in (one, other)]
    return not sources[0].isdisjoint(sources[1])


def contradicts(outer: Piece, inner: Cluster) -> bool:
    """Whether `outer` has an answer, and what is within has none: it had another within."""
    return outer.call.record.call.output_tokens is not None and all(piece.failed for piece in inner.pieces)


def counts_of(piece: Piece) -> tuple[int, int] | None:
    total, output = total_input(piece.call), piece.call.record.call.output_tokens
    return (total, output) if total is not None and output is not None else None


def covers(outer: Piece, inner: Piece) -> bool:
    """Whether what a library timed is the call that the SDK timed."""
    length = timedelta(milliseconds=inner.call.record.call.duration_ms or 0)
    end = outer.start + timedelta(milliseconds=outer.call.record.call.duration_ms or 0)
    common = min(end, inner.start + length) - max(outer.start, inner.start)
    if outer.call.source == "logfire_anthropic" and outer.call.record.call.stream:
        # It times a stream from its head on, which may come late: the end has to be the same.
        return outer.start >= inner.start - _SLACK and abs(inner.start + length - end) <= _SLACK
    return common >= length * COVERED and common >= timedelta(0)


def models_differ(one: Piece, other: Piece) -> bool:
    names = one.call.record.call.model, other.call.record.call.model
    if names[0] is None or names[1] is None:
        return False
    return not names[0].startswith(names[1]) and not names[1].startswith(names[0])


def session_of(piece: Piece) -> object:
    session_id, counts = piece.call.record.call.session_id, counts_of(piece)
    return (session_id, counts) if session_id is not None and counts is not None else None
