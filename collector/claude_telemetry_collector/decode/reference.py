"""OTLP as protobuf, through the official classes: the plain path, and the judge of any faster one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry_collector.decode.door import MAX_STATUS_MESSAGE, let_in, sealed_texts
from claude_telemetry_collector.decode.landed import UnreadableError
from claude_telemetry_collector.decode.span import KINDS, STATUSES, Span, SpanEvent, tells_of_a_model

_DEEPEST = 8
"""Deeper values are cut here, before they can exhaust Python's stack; the door lets in less."""


def spans(body: bytes, wanted: Callable[[str], bool]) -> Iterator[Span]:
    """Each span of `body`. Of one that is not of a `wanted` scope, and says nothing of a model, only its place in its
    trace. Raises `UnreadableError`."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise UnreadableError("it is no ExportTraceServiceRequest in protobuf") from error
    for resource_spans in request.resource_spans:
        resource: dict[str, object] | None = None
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            every = wanted(scope)
            for span in scope_spans.spans:
                if not every and not any(tells_of_a_model(pair.key) for pair in span.attributes):
                    yield _place(span, scope)
                    continue
                if resource is None:
                    resource = attributes_in(resource_spans.resource.attributes)
                yield _span(span, scope, resource)


def _place(span: ProtoSpan, scope: str) -> Span:
    return Span(
        trace_id=hex_id(span.trace_id, 16),
        span_id=hex_id(span.span_id, 8),
        parent_span_id=hex_id(span.parent_span_id, 8),
        name="",
        kind="unspecified",
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status="unset",
        scope=scope,
        attributes={},
        events=(),
        resource={},
    )


def _span(span: ProtoSpan, scope: str, resource: dict[str, object]) -> Span:
    # Ours are read as they stand; nothing in them is sealed.
    foreign = scope != SCOPE
    # Most values are texts. One that is not empty is seen without asking what kind of value it is.
    pairs = [(pair.key, pair.value.string_value or value_of(pair.value, _DEEPEST)) for pair in span.attributes]
    return Span(
        trace_id=hex_id(span.trace_id, 16),
        span_id=hex_id(span.span_id, 8),
        parent_span_id=hex_id(span.parent_span_id, 8),
        name=span.name,
        kind=KINDS[span.kind] if 0 <= span.kind < len(KINDS) else "unspecified",
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=STATUSES[span.status.code] if 0 <= span.status.code < len(STATUSES) else "unset",
        scope=scope,
        attributes=let_in(pairs),
        events=tuple(
            SpanEvent(name=event.name, at_ns=event.time_unix_nano, attributes=attributes_in(event.attributes))
            for event in span.events
        ),
        resource=resource,
        sealed=sealed_texts(pairs) if foreign else {},
        status_message=span.status.message[:MAX_STATUS_MESSAGE] if foreign else "",
    )


def hex_id(raw: bytes, length: int) -> str | None:
    return raw.hex() if len(raw) == length and any(raw) else None


def attributes_in(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return let_in((pair.key, pair.value.string_value or value_of(pair.value, _DEEPEST)) for pair in pairs)


def sealed_in(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return sealed_texts((pair.key, pair.value.string_value) for pair in pairs)


def value_of(value: AnyValue, depth: int = _DEEPEST) -> object:
    """Bytes count as not sent: no fact is bytes, and what they hold cannot be judged."""
    kind = value.WhichOneof("value")
    if kind is None or kind == "bytes_value" or depth == 0:
        return None
    if kind == "array_value":
        return [value_of(item, depth - 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value, depth - 1) for pair in value.kvlist_value.values}
    scalar: Any = getattr(value, kind)
    return scalar if kind != "string_value_strindex" else None
