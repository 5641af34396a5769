"""What a call is that several have told of: the numbers of who knows them best, and everything else of who says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any

from claude_telemetry.record import Call, CallRecord, columns_of
from claude_telemetry_collector.decode.charging import charged
from claude_telemetry_collector.decode.grouping import Group
from claude_telemetry_collector.decode.identity import Nature, nature_of, rank_of_source, total_input
from claude_telemetry_collector.decode.landed import LandedCall, LandedPart

_FACES: tuple[Nature, ...] = ("ours", "sdk", "code_span", "code_event", "library", "event", "session", "api")
"""Whose ids and times a call has: those of whoever is nearest to the application."""
_OUTCOMES: tuple[Nature, ...] = ("ours", "sdk", "code_span", "code_event", "api", "session", "library", "event")
"""Who knows how it went. Libraries say that a call went well when they say nothing."""
_TELLERS: tuple[Nature, ...] = ("ours", "sdk", "api", "session", "code_event", "code_span", "library", "event")
"""Who is asked first for all the rest. Our own instrumentation knows searches, speed, region and labels, which the
others leave out."""

_LABELS = ("user_id", "session_id", "feature", "prompt_name", "prompt_version", "tenant")
_OUTCOME = ("status", "error_type", "http_status")
_MONEY = (
    "usage",
    "billed",
    "cost_usd",
    "net_cost_usd",
    "cost_status",
    "cost_breakdown",
    "cost_flags",
    "price_version",
)
_OF_THE_FACE = frozenset(
    {"started_at", "duration_ms", "trace_id", "span_id", "parent_span_id", "operation", "usage_partial", *_MONEY}
)


def face_of(group: Group) -> LandedCall:
    """Whose ids and times the call of `group` has."""
    return _sorted(group.members, _FACES)[0]


def carrier_of(group: Group) -> LandedCall:
    """Whose numbers count: the best that knows the output, else the best that knows anything.

    Where whoever saw the answer come knows its input and not its output, the application left the stream: what a
    library then has for an output is the placeholder that a stream begins with. Only the API knows better."""
    by_rank = _by_rank(group.members)
    left = next((place for place, one in enumerate(by_rank) if _saw_it_left(one)), None)
    if left is not None:
        by_rank = by_rank[: left + 1]
    known = [one for one in by_rank if one.record.call.output_tokens is not None]
    counted = [one for one in by_rank if one.record.call.input_tokens is not None]
    return (known or counted or by_rank)[0]


def merged(group: Group) -> LandedCall:
    """The call of `group`."""
    face = face_of(group)
    if len(group.members) == 1 and not group.details and not group.above:
        return face
    facts = _facts(group, face)
    compaction = _compaction(group)
    if not _is_charged_by(face, carrier_of(group), facts):
        facts.update(dict.fromkeys(_MONEY))
        facts.update(
            charged(
                facts,
                face.record.call.started_at,
                compaction_input_tokens=compaction[0],
                compaction_output_tokens=compaction[1],
            )
        )
        facts["usage_partial"] = None
    server_ms = _server_ms(group.members)
    duration_ms = face.record.call.duration_ms
    of_client = nature_of(face.source) not in ("api", "session")
    apart = None if server_ms is None or duration_ms is None or not of_client else duration_ms - server_ms
    return replace(
        face,
        record=CallRecord(call=Call(**facts), attempts=face.record.attempts, tool_uses=face.record.tool_uses),
        input_basis=carrier_of(group).input_basis,
        told_input_tokens=carrier_of(group).told_input_tokens,
        reported_cost_usd=_first(one.reported_cost_usd for one in _by_rank(group.members)),
        compaction_input_tokens=compaction[0],
        compaction_output_tokens=compaction[1],
        server_ms=server_ms,
        # Two clocks that do not agree can make the part longer than the whole.
        client_ms=apart if apart is not None and apart >= 0 else None,
        sources=len(group.members) + len(group.details),
        received_at=min(one.received_at for one in group.members),
    )


def same_but_money(one: LandedCall, other: LandedCall) -> bool:
    """Whether both say the same of a call. What it costs may have been worked out anew meanwhile, by other prices."""
    unpriced: dict[str, Any] = dict.fromkeys(_MONEY)
    record, other_record = (CallRecord(call=replace(each.record.call, **unpriced)) for each in (one, other))
    return replace(one, record=record) == replace(other, record=other_record)


def _facts(group: Group, face: LandedCall) -> dict[str, Any]:
    facts = _told(face.record.call)
    for one in _sorted(group.members, _TELLERS):
        for name, value in _told(one.record.call).items():
            if name not in _OF_THE_FACE and facts.get(name) is None:
                facts[name] = value
    outcome = _told(_sorted(group.members, _OUTCOMES)[0].record.call)
    # An error's type, or status, may be known to another only; but what went well has none.
    facts.update({name: outcome.get(name, facts.get(name) if _failed(outcome) else None) for name in _OUTCOME})
    facts.update(_numbers(group))
    _add_details(facts, group.details)
    for outer in group.above:
        told = _told(outer.record.call) if isinstance(outer, LandedCall) else outer.facts
        for name in _LABELS:
            if facts.get(name) is None:
                facts[name] = told.get(name)
    return facts


def _failed(outcome: Mapping[str, Any]) -> bool:
    return outcome.get("status") == "error"


def _numbers(group: Group) -> dict[str, Any]:
    """The counts of the carrier. What it leaves out is taken of others that count the whole alike."""
    carrier = carrier_of(group)
    call = carrier.record.call
    by_rank = [carrier, *(one for one in _by_rank(group.members) if one is not carrier)]
    total = _first(total_input(one) for one in by_rank)
    alike = [one.record.call for one in by_rank if total_input(one) == total]
    read = _first(one.cache_read_tokens for one in (call, *alike))
    written = _first(one.cache_write_tokens for one in (call, *alike))
    uncached = None if total is None else total - (read or 0) - (written or 0)
    split = next(
        (
            (one.cache_write_5m_tokens, one.cache_write_1h_tokens)
            for one in (call, *(other.record.call for other in by_rank))
            if written is not None
            and (one.cache_write_5m_tokens, one.cache_write_1h_tokens) != (None, None)
            and (one.cache_write_5m_tokens or 0) + (one.cache_write_1h_tokens or 0) == written
        ),
        (None, None),
    )
    thought = _first(
        one.record.call.thinking_tokens for one in by_rank if one.record.call.output_tokens == call.output_tokens
    )
    return {
        "input_tokens": uncached if uncached is None or uncached >= 0 else call.input_tokens,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_5m_tokens": split[0],
        "cache_write_1h_tokens": split[1],
        "output_tokens": call.output_tokens,
        "thinking_tokens": thought,
    }


def _add_details(facts: dict[str, Any], details: Sequence[LandedPart]) -> None:
    """What only parts of a call tell."""
    searches = sum(part.facts.get("searches", 0) for part in details)
    if searches and facts.get("web_search_requests") is None:
        facts["web_search_requests"] = searches
    for part in details:
        for name in ("message_id", "stop_reason"):
            if facts.get(name) is None:
                facts[name] = part.facts.get(name)
    read, written = (_first(part.facts.get(f"cache_{way}_tokens") for part in details) for way in ("read", "write"))
    if read is None and written is None:
        return
    if facts.get("cache_read_tokens") is None and facts.get("cache_write_tokens") is None:
        cached, total = (read or 0) + (written or 0), facts.get("input_tokens")
        if total is not None and total >= cached:
            facts.update(input_tokens=total - cached, cache_read_tokens=read, cache_write_tokens=written)


def _compaction(group: Group) -> tuple[int | None, int | None]:
    """What shortening the conversation took: as a call's own span says, else as the spans below it do."""
    for one in _by_rank(group.members):
        if one.compaction_input_tokens is not None or one.compaction_output_tokens is not None:
            return one.compaction_input_tokens, one.compaction_output_tokens
    told = [
        part.facts for part in group.details if "compaction_input" in part.facts or "compaction_output" in part.facts
    ]
    if not told:
        return None, None
    return sum(one.get("compaction_input", 0) for one in told), sum(one.get("compaction_output", 0) for one in told)


def _is_charged_by(face: LandedCall, carrier: LandedCall, facts: Mapping[str, Any]) -> bool:
    """Whether the cost that our own instrumentation worked out holds: it saw the usage itself, and nobody better has
    counted otherwise."""
    if nature_of(face.source) != "ours":
        return False
    call = face.record.call
    if call.hops is not None or face is carrier:
        return True
    return total_input(face) == total_input(carrier) and call.output_tokens == facts["output_tokens"]


def _server_ms(members: Iterable[LandedCall]) -> int | None:
    """How long the API took, for the attempt that this is."""
    spans = [one for one in members if nature_of(one.source) == "api" and one.record.call.duration_ms is not None]
    return max((one.record.call.duration_ms or 0 for one in spans), default=None)


def _told(call: Call) -> dict[str, Any]:
    names = _names()
    return {name: value for name, value in zip(names, _values(call), strict=True) if value is not None}


@cache
def _names() -> tuple[str, ...]:
    return tuple(column.name for column in columns_of(Call))


def _values(call: Call) -> tuple[Any, ...]:
    values: tuple[Any, ...] = attrgetter(*_names())(call)
    return values


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _by_rank(members: Sequence[LandedCall]) -> list[LandedCall]:
    return sorted(members, key=lambda one: (rank_of_source(one.source), *_order(one)))


def _saw_it_left(one: LandedCall) -> bool:
    call = one.record.call
    return nature_of(one.source) in ("ours", "sdk") and call.input_tokens is not None and call.output_tokens is None


def _sorted(members: Sequence[LandedCall], natures: Sequence[Nature]) -> list[LandedCall]:
    return sorted(
        members, key=lambda one: (natures.index(nature_of(one.source)), rank_of_source(one.source), *_order(one))
    )


def _order(one: LandedCall) -> tuple[Any, ...]:
    call = one.record.call
    return call.started_at, call.trace_id, call.span_id
