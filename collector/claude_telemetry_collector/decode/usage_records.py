"""Usage records: calls whose trace is not recorded, sent as log records. Each reads like the span it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    ATTEMPTED_AT_NS,
    SCOPE,
    USAGE_RECORD,
    UsageRecord,
)
from claude_telemetry_collector.decode import otlp_json, reference
from claude_telemetry_collector.decode.door import let_in
from claude_telemetry_collector.decode.landed import UnreadableError
from claude_telemetry_collector.decode.span import Span, SpanEvent, SpanStatus

_STATUS: Mapping[str, SpanStatus] = {"ok": "ok", "error": "error"}


def protobuf(body: bytes, wanted: Callable[[str], bool]) -> Iterator[Span | None]:  # noqa: ARG001 - readers are alike
    """Each usage record of `body` as a span, and `None` for each other log record. Raises `UnreadableError`."""
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise UnreadableError("it is no ExportLogsServiceRequest in protobuf") from error
    for resource_logs in request.resource_logs:
        resource = reference.attributes_in(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            # An application may send its whole log here: what is of others is not looked into.
            if scope_logs.scope.name != SCOPE:
                yield from (None for _ in scope_logs.log_records)
                continue
            for log_record in scope_logs.log_records:
                attributes = reference.attributes_in(log_record.attributes)
                if attributes.get("event.name") != USAGE_RECORD:
                    yield None
                    continue
                yield _span(
                    reference.hex_id(log_record.trace_id, 16),
                    reference.hex_id(log_record.span_id, 8),
                    log_record.time_unix_nano,
                    attributes,
                    resource,
                    reference.value_of(log_record.body),
                )


def from_json(body: bytes, wanted: Callable[[str], bool]) -> Iterator[Span | None]:  # noqa: ARG001 - readers are alike
    """The same of a body in JSON."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("it is not JSON") from error
    if not isinstance(request, dict):
        raise UnreadableError("it is no ExportLogsServiceRequest: a JSON object was expected")
    for resource_logs in otlp_json.objects(cast("dict[str, object]", request), "resourceLogs"):
        resource = otlp_json.attributes_in(otlp_json.object_in(resource_logs, "resource"))
        for scope_logs in otlp_json.objects(resource_logs, "scopeLogs"):
            log_records = otlp_json.objects(scope_logs, "logRecords")
            if otlp_json.text_in(otlp_json.object_in(scope_logs, "scope"), "name") != SCOPE:
                yield from (None for _ in log_records)
                continue
            for log_record in log_records:
                attributes = otlp_json.attributes_in(log_record)
                if attributes.get("event.name") != USAGE_RECORD:
                    yield None
                    continue
                yield _span(
                    otlp_json.hex_id(log_record, "traceId", 32),
                    otlp_json.hex_id(log_record, "spanId", 16),
                    otlp_json.time_ns(log_record, "timeUnixNano"),
                    attributes,
                    resource,
                    otlp_json.value_of(otlp_json.object_in(log_record, "body")),
                )


def _span(
    trace_id: str | None,
    span_id: str | None,
    end_ns: int,
    attributes: dict[str, object],
    resource: Mapping[str, object],
    attempts: object,
) -> Span:
    """The span that would have been."""
    del attributes["event.name"]
    status, name = attributes.pop(UsageRecord.STATUS, None), attributes.pop(UsageRecord.SPAN_NAME, None)
    start_ns, parent = attributes.pop(UsageRecord.START_NS, None), attributes.pop(UsageRecord.PARENT, None)
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent if isinstance(parent, str) else None,
        name=name if isinstance(name, str) else "",
        kind="client",
        start_ns=start_ns if isinstance(start_ns, int) else end_ns,
        end_ns=end_ns,
        status=_STATUS.get(status, "unset") if isinstance(status, str) else "unset",
        scope=SCOPE,
        attributes=attributes,
        events=tuple(_attempts(attempts)),
        resource=resource,
    )


def _attempts(body: object) -> Iterator[SpanEvent]:
    for attempt in cast("list[object]", body) if isinstance(body, list) else []:
        if isinstance(attempt, dict):
            facts = let_in(cast("dict[str, object]", attempt).items())
            at_ns = facts.pop(ATTEMPTED_AT_NS, None)
            yield SpanEvent(name=ATTEMPT_EVENT, at_ns=at_ns if isinstance(at_ns, int) else 0, attributes=facts)
