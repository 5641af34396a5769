"""OTLP as protobuf, through the official classes: the plain path, and the judge of any faster one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from claude_telemetry_collector.decode.door import let_in
from claude_telemetry_collector.decode.landed import UnreadableError
from claude_telemetry_collector.decode.span import KINDS, STATUSES, Span, SpanEvent

_DEEPEST = 8
"""Deeper values are cut here, before they can exhaust Python's stack; the door lets in less."""


def spans(body: bytes, wanted: Callable[[str], bool]) -> Iterator[Span | None]:
    """Each span of `body` whose scope is `wanted`, and `None` for each other. Raises `UnreadableError`."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise UnreadableError("it is no ExportTraceServiceRequest in protobuf") from error
    for resource_spans in request.resource_spans:
        resource: dict[str, object] | None = None
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            if not wanted(scope):
                yield from (None for _ in scope_spans.spans)
                continue
            if resource is None:
                resource = attributes_in(resource_spans.resource.attributes)
            for span in scope_spans.spans:
                yield _span(span, scope, resource)


def _span(span: ProtoSpan, scope: str, resource: dict[str, object]) -> Span:
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
        attributes=attributes_in(span.attributes),
        events=tuple(
            SpanEvent(name=event.name, at_ns=event.time_unix_nano, attributes=attributes_in(event.attributes))
            for event in span.events
        ),
        resource=resource,
    )


def hex_id(raw: bytes, length: int) -> str | None:
    return raw.hex() if len(raw) == length and any(raw) else None


def attributes_in(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return let_in((pair.key, value_of(pair.value, _DEEPEST)) for pair in pairs)


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
