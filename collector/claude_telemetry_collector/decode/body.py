"""A body becomes calls, parts of calls, runs of tools and events. Whatever it holds, this returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from claude_telemetry.guard import slipped
from claude_telemetry.record.identity import ids_named
from claude_telemetry_collector.decode import (
    claude_code,
    events,
    foreign,
    otlp_json,
    records,
    reference,
    tool_runs,
    usage_records,
)
from claude_telemetry_collector.decode.dialects import (
    Dialect,
    dialect_of,
    is_known_scope,
    is_wanted_record,
    sources_of,
)
from claude_telemetry_collector.decode.landed import (
    Decoded,
    LandedCall,
    LandedEvent,
    LandedPart,
    LandedToolRun,
    SpanLink,
    UnreadableError,
)
from claude_telemetry_collector.decode.paths import Told
from claude_telemetry_collector.decode.reading import Identity
from claude_telemetry_collector.decode.records import LogRecord
from claude_telemetry_collector.decode.source import Says, Source
from claude_telemetry_collector.decode.span import Span, times
from claude_telemetry_collector.segments import Encoding, Signal

Kept = LandedCall | LandedPart | LandedToolRun | LandedEvent
_Read = Callable[[Span, Identity, datetime], Kept | None]


def decode(signal: Signal, encoding: Encoding, body: bytes, received_at: datetime) -> Decoded:
    """What is kept of `body`. Other spans and log records are counted. Never raises.

    A span that cannot be read does not cost the others of its body. Metrics tell of nothing that is kept: they are sums
    of calls that spans and records tell of one by one, and no call is made of them.
    """
    spans_of = _READERS.get((signal, encoding))
    if spans_of is None:
        return Decoded()
    found: list[Kept] = []
    links: list[SpanLink] = []
    counted: Counter[str] = Counter()
    try:
        for span in spans_of(body):
            kept, refused = _kept(span, received_at) if span is not None else (None, False)
            if kept is not None:
                found.append(kept)
            elif span is not None and not refused and (link := _link(span, received_at)) is not None:
                links.append(link)
            counted["kept" if kept is not None else "refused" if refused else "ignored"] += 1
            if isinstance(kept, LandedToolRun) and span is not None and (link := _link(span, received_at)) is not None:
                links.append(link)  # a tool may ask Claude as well
    except UnreadableError as error:
        return Decoded(error=str(error))
    return Decoded(
        calls=tuple(one for one in found if isinstance(one, LandedCall)),
        parts=tuple(one for one in found if isinstance(one, LandedPart)),
        links=tuple(links),
        tool_runs=tuple(one for one in found if isinstance(one, LandedToolRun)),
        events=tuple(one for one in found if isinstance(one, LandedEvent)),
        spans=counted.total(),
        ignored=counted["ignored"],
        refused=counted["refused"],
    )


def _records(
    read: Callable[[bytes, Callable[[str, str], bool]], Iterator[LogRecord | None]], body: bytes
) -> Iterator[Span | None]:
    for record in read(body, _is_wanted):
        if record is None:
            yield None
        elif usage_records.is_usage_record(record.scope, record.event_name):
            yield usage_records.span_of(record)
        else:
            yield _as_span(record)


def _is_wanted(scope: str, event_name: str) -> bool:
    return usage_records.is_usage_record(scope, event_name) or is_wanted_record(scope, event_name)


_READERS: dict[tuple[Signal, Encoding], Callable[[bytes], Iterator[Span | None]]] = {
    ("traces", "protobuf"): lambda body: reference.spans(body, is_known_scope),
    ("traces", "json"): lambda body: otlp_json.spans(body, is_known_scope),
    ("logs", "protobuf"): partial(_records, records.protobuf),
    ("logs", "json"): partial(_records, records.from_json),
}


def _as_span(record: LogRecord) -> Span:
    """A log record as a span of no length, below the one that it was written in."""
    span = Span(
        trace_id=record.trace_id,
        span_id=None,
        parent_span_id=record.span_id,
        name="",
        kind="unspecified",
        start_ns=record.at_ns or claude_code.said_at_ns(record.attributes),
        end_ns=record.at_ns or claude_code.said_at_ns(record.attributes),
        status="unset",
        scope=record.scope,
        attributes=record.attributes,
        events=(),
        resource=record.resource,
        event_name=record.event_name,
        sealed=record.sealed,
    )
    names = claude_code.record_names(Told(span))
    if names is None:
        said = (repr(sorted(record.attributes.items(), key=str)), repr(record.body))
        names = (record.event_name, str(record.at_ns), record.trace_id or "", record.span_id or "", *said)
    trace_id, span_id = ids_named("log record", record.scope, *names)
    return replace(span, trace_id=record.trace_id or format(trace_id, "032x"), span_id=format(span_id, "016x"))


def _readers_of(span: Span) -> tuple[_Read, ...]:
    """What may read `span`, the first that does; none when it is nothing that is kept."""
    # First what is no call: a dialect may take whatever has its mark for a call.
    if tool_runs.is_tool_run(span):
        return (tool_runs.read,)
    if events.is_event(span):
        return (events.read,)
    dialect = dialect_of(span)
    if dialect is not None:
        return (partial(_call, dialect),)
    return tuple(
        partial(_foreign, source, says) for source in sources_of(span) if (says := source.says(Told(span))) is not None
    )


def _kept(span: Span, received_at: datetime) -> tuple[Kept | None, bool]:
    """What is kept of `span`, and whether it had to be refused: it cannot be told which it is or when it was, or it
    cannot be read."""
    try:
        reads = _readers_of(span)
        if not reads:
            return None, False
        when = times(span, received_at)
        if span.trace_id is None or span.span_id is None or when is None:
            return None, True
        at, duration_ms = when
        identity = Identity(trace_id=span.trace_id, span_id=span.span_id, started_at=at, duration_ms=duration_ms)
        for read in reads:
            kept = read(span, identity, received_at)
            if kept is not None:
                return kept, False
    except Exception as error:  # noqa: BLE001 - one span must not cost the others, whatever is wrong with it
        slipped("read a span", error)
        return None, True
    return None, False


def _link(span: Span, received_at: datetime) -> SpanLink | None:
    when = times(span, received_at)
    if span.trace_id is None or span.span_id is None or span.parent_span_id is None or when is None:
        return None
    return SpanLink(
        trace_id=span.trace_id, span_id=span.span_id, parent_span_id=span.parent_span_id, started_at=when[0]
    )


def _call(dialect: Dialect, span: Span, identity: Identity, received_at: datetime) -> LandedCall:
    reading = dialect.read(span, identity, received_at)
    return LandedCall(
        record=reading.record,
        source=dialect.source,
        attributes=reading.attributes,
        whole=reading.whole,
        input_basis=reading.input_basis,
        told_input_tokens=reading.told_input_tokens,
        compaction_input_tokens=reading.compaction_input_tokens,
        compaction_output_tokens=reading.compaction_output_tokens,
        instance=foreign.instance_of(span.resource),
        received_at=received_at,
    )


def _foreign(source: Source, says: Says, span: Span, identity: Identity, received_at: datetime) -> Kept | None:
    call = foreign.call_from(source, Told(span), identity, received_at) if says == "call" else None
    if call is not None:
        return call
    # What names no model of Claude may lie around a call that does.
    return foreign.part_from(source, "detail" if says == "detail" else "wrapper", Told(span), identity, received_at)
