"""A body becomes calls, runs of tools and events. Whatever it holds, this returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from claude_telemetry.guard import slipped
from claude_telemetry_collector.decode import events, otlp_json, reference, tool_runs, usage_records
from claude_telemetry_collector.decode.dialects import Dialect, dialect_of, is_known_scope
from claude_telemetry_collector.decode.landed import Decoded, LandedCall, LandedEvent, LandedToolRun, UnreadableError
from claude_telemetry_collector.decode.reading import Identity
from claude_telemetry_collector.decode.span import Span, times
from claude_telemetry_collector.segments import Encoding, Signal

_READERS: dict[tuple[Signal, Encoding], Callable[[bytes, Callable[[str], bool]], Iterator[Span | None]]] = {
    ("traces", "protobuf"): reference.spans,
    ("traces", "json"): otlp_json.spans,
    ("logs", "protobuf"): usage_records.protobuf,
    ("logs", "json"): usage_records.from_json,
}


Told = LandedCall | LandedToolRun | LandedEvent
_Read = Callable[[Span, Identity, datetime], Told]


def decode(signal: Signal, encoding: Encoding, body: bytes, received_at: datetime) -> Decoded:
    """What is kept of `body`. Other spans and log records are counted; metrics tell of nothing yet. Never raises.

    A span that cannot be read does not cost the others of its body.
    """
    spans_of = _READERS.get((signal, encoding))
    if spans_of is None:
        return Decoded()
    found: list[Told] = []
    counted: Counter[str] = Counter()
    try:
        for span in spans_of(body, is_known_scope):
            read = _reader_of(span) if span is not None else None
            told = _told(span, read, received_at) if span is not None and read is not None else None
            if told is not None:
                found.append(told)
            counted["ignored" if read is None else "kept" if told is not None else "refused"] += 1
    except UnreadableError as error:
        return Decoded(error=str(error))
    return Decoded(
        calls=tuple(one for one in found if isinstance(one, LandedCall)),
        tool_runs=tuple(one for one in found if isinstance(one, LandedToolRun)),
        events=tuple(one for one in found if isinstance(one, LandedEvent)),
        spans=counted.total(),
        ignored=counted["ignored"],
        refused=counted["refused"],
    )


def _reader_of(span: Span) -> _Read | None:
    """What reads `span`, or `None` when it is nothing that is kept."""
    # First what is no call: a dialect may take whatever has its mark for a call.
    if tool_runs.is_tool_run(span):
        return tool_runs.read
    if events.is_event(span):
        return events.read
    dialect = dialect_of(span)
    return partial(_call, dialect) if dialect is not None else None


def _told(span: Span, read: _Read, received_at: datetime) -> Told | None:
    """What `span` tells, or `None` when it cannot be told which it is or when it was, or not be read."""
    when = times(span, received_at)
    if span.trace_id is None or span.span_id is None or when is None:
        return None
    started_at, duration_ms = when
    identity = Identity(trace_id=span.trace_id, span_id=span.span_id, started_at=started_at, duration_ms=duration_ms)
    try:
        return read(span, identity, received_at)
    except Exception as error:  # noqa: BLE001 - one span must not cost the others, whatever is wrong with it
        slipped("read a span", error)
        return None


def _call(dialect: Dialect, span: Span, identity: Identity, received_at: datetime) -> LandedCall:
    reading = dialect.read(span, identity, received_at)
    return LandedCall(
        record=reading.record,
        source=dialect.source,
        attributes=reading.attributes,
        whole=reading.whole,
        received_at=received_at,
    )
