"""When two things that were told are one call.

A call is told by the application's SDK, by the API, by Claude Code, by one library or several, each in a span or a
record of its own. Here is decided which of them belong together, from all that is known of them, whatever came first:
the answer depends on nothing else.

In this order: equal request ids; equal message ids; a record and the span that it was written in; a span around exactly
one call; and, where nothing names the answer, equal counts of one process at one time. Two different request ids are
never one call, nor are two spans of the SDK. A span around several calls is a *wrapper*, and none itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode.clusters import (
    Cluster,
    Key,
    Piece,
    contradicts,
    counts_of,
    covers,
    ids_differ,
    is_second,
    may_be_one_answer,
    may_be_one_request,
    models_differ,
    repeats,
    session_of,
)
from claude_telemetry_collector.decode.identity import nature_of, rank_of_source
from claude_telemetry_collector.decode.landed import LandedCall, LandedPart, SpanLink

_FIRST_HAND = ("ours", "sdk", "code_span")
"""They see the request go out: attempts that the API tells of are below them."""
SESSION_REACH = timedelta(minutes=10)
"""How far apart a session's event and the span of the same request may be."""
_DEEPEST = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What was told of one call."""

    members: tuple[LandedCall, ...]
    """Those who tell it as a call, by when it began."""
    details: tuple[LandedPart, ...] = ()
    above: tuple[LandedCall | LandedPart, ...] = ()
    """What lies around it, nearest first: it has the labels of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """What was told, by call."""

    groups: tuple[Group, ...]
    wrappers: tuple[LandedCall, ...]
    """Those who tell of a call and are none: several calls are below them."""


def group(calls: Iterable[LandedCall], parts: Collection[LandedPart] = (), links: Iterable[SpanLink] = ()) -> Grouping:
    """What of `calls` is one call, with the `parts` that belong to each. `links` say what lies between."""
    return _Grouping(calls, parts, links).done()


class _Grouping:
    def __init__(self, calls: Iterable[LandedCall], parts: Collection[LandedPart], links: Iterable[SpanLink]) -> None:
        pieces = [
            Piece(call=call, key=(call.record.call.trace_id, call.record.call.span_id), nature=nature_of(call.source))
            for call in calls
        ]
        self.pieces = sorted(pieces, key=lambda piece: piece.order)
        self.by_key = {piece.key: piece for piece in self.pieces}
        self.parts = {(part.trace_id, part.span_id): part for part in parts}
        self.parents: dict[Key, Key] = {
            (link.trace_id, link.span_id): (link.trace_id, link.parent_span_id) for link in links
        }
        for key, part in self.parts.items():
            if part.parent_span_id is not None:
                self.parents[key] = (part.trace_id, part.parent_span_id)
        for piece in self.pieces:
            parent = piece.call.record.call.parent_span_id
            if parent is not None:
                self.parents[piece.key] = (piece.key[0], parent)
        self.cluster_of = {piece: Cluster(piece) for piece in self.pieces}

    def done(self) -> Grouping:
        self._attach_details()
        self._join_equal(lambda piece: piece.request_ids, may_be_one_request)
        self._join_equal(lambda piece: piece.message_ids, may_be_one_answer)
        self._join_events()
        self._join_around()
        self._join_counts()
        self._join_sessions()
        clusters = list(dict.fromkeys(self.cluster_of[piece] for piece in self.pieces if not piece.is_wrapper))
        return Grouping(
            groups=tuple(self._group(cluster) for cluster in clusters),
            wrappers=tuple(piece.call for piece in self.pieces if piece.is_wrapper),
        )

    def _group(self, cluster: Cluster) -> Group:
        pieces = sorted((piece for piece in cluster.pieces if not piece.is_wrapper), key=lambda piece: piece.order)
        details = [detail for piece in pieces for detail in piece.details]
        return Group(
            members=tuple(piece.call for piece in pieces),
            details=tuple(sorted(details, key=lambda part: (part.started_at, part.trace_id, part.span_id))),
            above=tuple(self._above(pieces)),
        )

    def _above(self, pieces: Sequence[Piece]) -> Iterator[LandedCall | LandedPart]:
        """What lies around `pieces` and has labels, nearest first, without what is among them."""
        own, seen = {piece.key for piece in pieces}, set[Key]()
        chains = [list(self._ancestors(piece.key)) for piece in pieces]
        for depth in range(max(map(len, chains), default=0)):
            for chain in chains:
                if depth >= len(chain) or chain[depth] in seen or chain[depth] in own:
                    continue
                seen.add(chain[depth])
                found = self.by_key.get(chain[depth])
                if found is not None and found.nature == "library":
                    yield found.call
                part = self.parts.get(chain[depth])
                if part is not None and part.role == "wrapper":
                    yield part

    def _ancestors(self, key: Key) -> Iterator[Key]:
        """The spans around `key`, nearest first. What a hostile sender makes go in circles ends."""
        seen = {key}
        for _ in range(_DEEPEST):
            parent = self.parents.get(key)
            if parent is None or parent in seen:
                return
            yield parent
            seen.add(parent)
            key = parent

    def _attach_details(self) -> None:
        """Gives each detail to the call of its source that it lies within."""
        for key, part in sorted(self.parts.items()):
            if part.role != "detail":
                continue
            for ancestor in self._ancestors(key):
                found = self.by_key.get(ancestor)
                if found is not None and found.call.source == part.source:
                    found.details.append(part)
                    break

    def _join(self, one: Cluster, other: Cluster) -> None:
        one.pieces.extend(other.pieces)
        for piece in other.pieces:
            self.cluster_of[piece] = one

    def _join_equal(self, ids_of: Callable[[Piece], set[str]], may_join: Callable[[Cluster, Cluster], bool]) -> None:
        named: dict[str, list[Piece]] = {}
        for piece in sorted(self.pieces, key=lambda piece: (rank_of_source(piece.call.source), piece.order)):
            for name in sorted(ids_of(piece)):
                named.setdefault(name, []).append(piece)
        for _, same in sorted(named.items()):
            clusters: list[Cluster] = []
            for piece in same:
                cluster = self.cluster_of[piece]
                if cluster in clusters:
                    continue
                fitting = next((other for other in clusters if may_join(other, cluster)), None)
                if fitting is None:
                    clusters.append(cluster)
                else:
                    self._join(fitting, cluster)

    def _join_events(self) -> None:
        """A record of a call repeats the span that it was written in."""
        for piece in self.pieces:
            parent = self.parents.get(piece.key)
            span = self.by_key.get(parent) if parent is not None and piece.nature == "event" else None
            if span is None or span.nature == "event":
                continue
            one, other = self.cluster_of[span], self.cluster_of[piece]
            if one is not other and not ids_differ(one, other):
                self._join(one, other)

    def _join_around(self) -> None:
        """A span around exactly one call tells of that call; one around several tells of none."""
        below: dict[Piece, list[Piece]] = {}
        depth: dict[Piece, int] = {}
        for piece in self.pieces:
            if piece.nature in ("event", "code_event"):
                continue
            around = [self.by_key[key] for key in self._ancestors(piece.key) if key in self.by_key]
            depth[piece] = len(around)
            for outer in around:
                below.setdefault(outer, []).append(piece)
        for outer in sorted(below, key=lambda piece: (-depth.get(piece, 0), piece.order)):
            inner = [piece for piece in below[outer] if not piece.is_wrapper]
            among = set(inner)
            heads = [piece for piece in inner if not self._is_attempt_of(piece, among)]
            clusters = list(dict.fromkeys(self.cluster_of[piece] for piece in heads))
            if outer.nature in _FIRST_HAND:
                self._join_attempt(outer, clusters)
            elif outer.nature == "library":
                self._join_around_one(outer, clusters)

    def _is_attempt_of(self, piece: Piece, others: Collection[Piece]) -> bool:
        """Whether `piece` is one HTTP request of a call that is among `others`."""
        if piece.nature != "api":
            return False
        around = (self.by_key.get(key) for key in self._ancestors(piece.key))
        return any(outer in others and outer.nature in _FIRST_HAND for outer in around if outer is not None)

    def _join_attempt(self, outer: Piece, clusters: Sequence[Cluster]) -> None:
        """A call of the SDK is the last of the attempts that the API tells of, where it does not say which."""
        own = self.cluster_of[outer]
        if "api" in own.natures():
            return
        fitting = [
            cluster
            for cluster in clusters
            if cluster is not own
            and not ids_differ(own, cluster)
            and not is_second(own, cluster)
            and not contradicts(outer, cluster)
            and (cluster.natures() <= {"api"} or outer.nature == "ours")
        ]
        if fitting:
            self._join(own, max(fitting, key=Cluster.order))

    def _join_around_one(self, outer: Piece, clusters: Sequence[Cluster]) -> None:
        own = self.cluster_of[outer]
        if not clusters or own in clusters:
            return
        if len(clusters) > 1:
            attempts = [cluster for cluster in clusters if cluster.natures() <= {"api"}]
            answered = [cluster for cluster in attempts if not all(piece.failed for piece in cluster.pieces)]
            if len(attempts) < len(clusters) or len(answered) != 1:
                self._unmake(outer)
                return
            clusters = answered
        (inner,) = clusters
        if ids_differ(own, inner) or contradicts(outer, inner):
            return
        if is_second(own, inner) or repeats(own, inner):
            self._unmake(outer)
            return
        self._join(inner, own)

    def _unmake(self, outer: Piece) -> None:
        """Makes `outer` a wrapper. Records that repeat it are wrappers as well."""
        cluster = self.cluster_of[outer]
        for piece in cluster.pieces:
            piece.is_wrapper = piece is outer or piece.nature == "event" or piece.is_wrapper
        cluster.pieces = [piece for piece in cluster.pieces if not piece.is_wrapper]

    def _join_counts(self) -> None:
        """Where nothing names the answer: what one process counts alike at one time is one call."""
        told = [piece for piece in self.pieces if not piece.is_wrapper and counts_of(piece) is not None]
        seen = [piece for piece in told if piece.nature in ("ours", "sdk") and piece.call.instance is not None]
        by_counts: dict[object, list[Piece]] = {}
        for piece in seen:
            by_counts.setdefault((piece.call.instance, counts_of(piece)), []).append(piece)
        pairs: list[tuple[timedelta, tuple[datetime, Key], tuple[datetime, Key], Piece, Piece]] = []
        for piece in told:
            if piece.nature not in ("library", "event") or piece.call.record.call.message_id is not None:
                continue
            alike = by_counts.get((piece.call.instance, counts_of(piece)), ())
            pairs.extend(
                (abs(piece.start - first.start), first.order, piece.order, first, piece)
                for first in alike
                if covers(piece, first)
            )
        for _, _, _, first, piece in sorted(pairs, key=lambda pair: pair[:3]):
            one, other = self.cluster_of[first], self.cluster_of[piece]
            if one is other or other.natures() - {"library", "event"}:
                continue
            if not ids_differ(one, other) and not repeats(one, other) and not models_differ(first, piece):
                self._join(one, other)

    def _join_sessions(self) -> None:
        """A request within a session is told by the session's event, and by the API's span; neither names the other."""
        events = [
            piece
            for piece in self.pieces
            if piece.nature == "ours" and piece.call.record.call.operation == AGENT_MODEL_REQUEST
        ]
        spans = [piece for piece in self.pieces if piece.nature == "session"]
        alike: dict[object, list[Piece]] = {}
        for span in spans:
            alike.setdefault(session_of(span), []).append(span)
        pairs = [
            (abs(event.start - span.start), event.order, span.order, event, span)
            for event in events
            if session_of(event) is not None
            for span in alike.get(session_of(event), ())
        ]
        for apart, _, _, event, span in sorted(pairs, key=lambda pair: pair[:3]):
            one, other = self.cluster_of[event], self.cluster_of[span]
            if apart <= SESSION_REACH and "session" not in one.natures() and "ours" not in other.natures():
                self._join(one, other)
