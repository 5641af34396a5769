"""What waits for delivery, as OTLP requests.

A call leaves as a span. One whose trace is not recorded, since a sampler said no, leaves as a *usage record*: a log
record with the same ids and attributes. So what calls cost does not depend on sampling, and traces keep to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from opentelemetry.sdk.trace import ReadableSpan

from claude_telemetry.emit.body import Body, Item
from claude_telemetry.emit.content import without_content
from claude_telemetry.emit.ended import EndedCall
from claude_telemetry.guard import guarded
from claude_telemetry.record import Attempt, CallRecord
from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    ATTEMPTED_AT_NS,
    DELIVERED,
    RECORDER_VERSION,
    SCOPE,
    USAGE_RECORD,
    UsageRecord,
    attempt_attributes,
    attributes_of,
    tool_use_attributes,
)
from claude_telemetry.shadow import version

_STATUS = {"ok": Status(code=Status.STATUS_CODE_OK), "error": Status(code=Status.STATUS_CODE_ERROR)}
_SAMPLED = 1


def bodies_of(items: Sequence[Item]) -> list[Body]:
    """The requests that carry `items`, at most one for each signal and kind. Runs on the delivery's thread.

    One that cannot be encoded is counted as a slip, and does not cost the others.
    """
    spans = [item for item in items if isinstance(item, ReadableSpan)]
    # Asked once: a sampler of the application's own choice may give two answers.
    calls = [(item, _is_sampled(item)) for item in items if not isinstance(item, ReadableSpan)]
    bodies = [
        _spans_of_calls([call for call, sampled in calls if sampled]),
        _usage_records([call for call, sampled in calls if not sampled]),
    ]
    if spans:
        with guarded("encode spans"):
            data: bytes = encode_spans([without_content(span) for span in spans]).SerializeToString()
            bodies.append(Body(signal="traces", data=data, calls=len(spans)))
    return [body for body in bodies if body.calls]


def _is_sampled(call: EndedCall) -> bool:
    with guarded("ask the sampler"):
        return call.sampled
    return True


def _spans_of_calls(calls: Sequence[EndedCall]) -> Body:
    request = ExportTraceServiceRequest()

    def spans_of(resource: Resource) -> Any:
        request.resource_spans.append(ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=_scope())]))
        return request.resource_spans[-1].scope_spans[0].spans

    count = _fill(calls, spans_of, _span)
    return Body(signal="traces", data=request.SerializeToString(), calls=count)


def _usage_records(calls: Sequence[EndedCall]) -> Body:
    request = ExportLogsServiceRequest()

    def records_of(resource: Resource) -> Any:
        request.resource_logs.append(ResourceLogs(resource=resource, scope_logs=[ScopeLogs(scope=_scope())]))
        return request.resource_logs[-1].scope_logs[0].log_records

    count = _fill(calls, records_of, _usage_record)
    return Body(signal="logs", data=request.SerializeToString(), calls=count)


def _fill(
    calls: Sequence[EndedCall],
    place_of: Callable[[Resource], Any],
    encoded: Callable[[EndedCall, CallRecord], Span | LogRecord],
) -> int:
    """Puts each of `calls` where those of its resource go; how many could be encoded."""
    places: dict[int, Any] = {}
    count = 0
    for call in calls:
        with guarded("encode a call"):
            message = encoded(call, call.record())
            resource = call.resource
            if id(resource) not in places:
                places[id(resource)] = place_of(Resource(attributes=key_values(resource)))
            places[id(resource)].append(message)
            count += 1
    return count


def _span(call: EndedCall, record: CallRecord) -> Span:
    trace_id, span_id, parent_span_id = call.ids
    span = Span(
        trace_id=trace_id.to_bytes(16),
        span_id=span_id.to_bytes(8),
        parent_span_id=b"" if parent_span_id is None else parent_span_id.to_bytes(8),
        name=call.span_name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=call.start_ns,
        end_time_unix_nano=call.end_ns or call.start_ns,
        attributes=key_values(_attributes(call, record)),
        status=_STATUS.get(record.call.status),
        flags=_SAMPLED,
    )
    for attempt in record.attempts:
        span.events.add(
            name=ATTEMPT_EVENT,
            time_unix_nano=_time_ns(attempt.started_at),
            attributes=key_values(attempt_attributes(attempt)),
        )
    return span


def _usage_record(call: EndedCall, record: CallRecord) -> LogRecord:
    """The call as a log record. What a span holds in its structure are attributes here."""
    trace_id, span_id, parent_span_id = call.ids
    structure: dict[str, Any] = {
        "event.name": USAGE_RECORD,  # and not the record's own field, which OpenTelemetry before 1.35 does not have
        UsageRecord.STATUS: record.call.status,
        UsageRecord.SPAN_NAME: call.span_name,
        UsageRecord.START_NS: call.start_ns,
    }
    if parent_span_id is not None:
        structure[UsageRecord.PARENT] = format(parent_span_id, "016x")
    return LogRecord(
        time_unix_nano=call.end_ns or call.start_ns,
        observed_time_unix_nano=call.end_ns or call.start_ns,
        severity_number=SEVERITY_NUMBER_INFO,
        trace_id=trace_id.to_bytes(16),
        span_id=span_id.to_bytes(8),
        attributes=key_values({**_attributes(call, record), **structure}),
        body=AnyValue(array_value=ArrayValue(values=[_attempt(attempt) for attempt in record.attempts])),
    )


def _attempt(attempt: Attempt) -> AnyValue:
    facts = {ATTEMPTED_AT_NS: _time_ns(attempt.started_at), **attempt_attributes(attempt)}
    return AnyValue(kvlist_value=KeyValueList(values=key_values(facts)))


def _time_ns(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000


def _attributes(call: EndedCall, record: CallRecord) -> dict[str, Any]:
    return {
        **call.further_attributes(),
        **attributes_of(record.call),
        **tool_use_attributes(record.tool_uses),
        RECORDER_VERSION: version(),
        DELIVERED: True,
    }


def _scope() -> InstrumentationScope:
    return InstrumentationScope(name=SCOPE, version=version())


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """`attributes` as protobuf has them."""
    return [KeyValue(key=name, value=_any_value(value)) for name, value in attributes.items()]


def _any_value(value: object) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8"))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list | tuple):
        return AnyValue(array_value=ArrayValue(values=[_any_value(one) for one in cast("Iterable[object]", value)]))
    return AnyValue(string_value=str(value))
