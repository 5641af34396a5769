"""A body becomes calls. Whatever it holds, this returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from claude_telemetry.guard import slipped
from claude_telemetry_collector.decode import otlp_json, reference
from claude_telemetry_collector.decode.dialects import Dialect, dialect_of, is_known_scope
from claude_telemetry_collector.decode.landed import Decoded, LandedCall, UnreadableError
from claude_telemetry_collector.decode.reading import Identity
from claude_telemetry_collector.decode.span import Span, times
from claude_telemetry_collector.segments import Encoding, Signal

_READERS: dict[Encoding, Callable[[bytes, Callable[[str], bool]], Iterator[Span | None]]] = {
    "protobuf": reference.spans,
    "json": otlp_json.spans,
}


def decode(signal: Signal, encoding: Encoding, body: bytes, received_at: datetime) -> Decoded:
    """The calls in `body`. Spans of others are counted; logs and metrics tell of no calls yet. Never raises.

    A span that cannot be read does not cost the others of its body.
    """
    if signal != "traces":
        return Decoded()
    calls: list[LandedCall] = []
    counted: Counter[str] = Counter()
    try:
        for span in _READERS[encoding](body, is_known_scope):
            dialect = dialect_of(span) if span is not None else None
            call = _call(span, dialect, received_at) if span is not None and dialect is not None else None
            if call is not None:
                calls.append(call)
            counted["ignored" if dialect is None else "calls" if call is not None else "refused"] += 1
    except UnreadableError as error:
        return Decoded(error=str(error))
    return Decoded(calls=tuple(calls), spans=counted.total(), ignored=counted["ignored"], refused=counted["refused"])


def _call(span: Span, dialect: Dialect, received_at: datetime) -> LandedCall | None:
    """The call, or `None` when it cannot be told which or when it was, or not be read."""
    when = times(span, received_at)
    if span.trace_id is None or span.span_id is None or when is None:
        return None
    started_at, duration_ms = when
    identity = Identity(trace_id=span.trace_id, span_id=span.span_id, started_at=started_at, duration_ms=duration_ms)
    try:
        reading = dialect.read(span, identity, received_at)
    except Exception as error:  # noqa: BLE001 - one span must not cost the others, whatever is wrong with it
        slipped(f"read a span of {dialect.source}", error)
        return None
    return LandedCall(
        record=reading.record, source=dialect.source, attributes=reading.attributes, received_at=received_at
    )
