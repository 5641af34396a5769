"""Log records of both encodings, as far as they may tell of a call: our usage records, and events of others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from claude_telemetry_collector.decode import otlp_json, reference
from claude_telemetry_collector.decode.landed import UnreadableError


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record. Attributes are those that the door has let in."""

    scope: str
    event_name: str
    trace_id: str | None
    span_id: str | None
    """Of the span that it was written in."""
    at_ns: int
    attributes: Mapping[str, object]
    resource: Mapping[str, object]
    sealed: Mapping[str, str]
    body: object
    """Whatever it holds, content too: no more than a dialect asks of it may be kept."""


def protobuf(body: bytes, wanted: Callable[[str, str], bool]) -> Iterator[LogRecord | None]:
    """Each record of `body` whose scope and event are `wanted`, and `None` for each other. Raises `UnreadableError`."""
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise UnreadableError("it is no ExportLogsServiceRequest in protobuf") from error
    for resource_logs in request.resource_logs:
        resource: dict[str, object] | None = None
        for scope_logs in resource_logs.scope_logs:
            scope = scope_logs.scope.name
            for record in scope_logs.log_records:
                named = record.event_name or next(
                    (pair.value.string_value for pair in record.attributes if pair.key == "event.name"), ""
                )
                event = _event(named, record.body.string_value)
                # An application may send its whole log here: what is of others is not looked into.
                if not wanted(scope, event):
                    yield None
                    continue
                if resource is None:
                    resource = reference.attributes_in(resource_logs.resource.attributes)
                yield LogRecord(
                    scope=scope,
                    event_name=event,
                    trace_id=reference.hex_id(record.trace_id, 16),
                    span_id=reference.hex_id(record.span_id, 8),
                    at_ns=record.time_unix_nano or record.observed_time_unix_nano,
                    attributes=reference.attributes_in(record.attributes),
                    resource=resource,
                    sealed=reference.sealed_in(record.attributes),
                    body=reference.value_of(record.body),
                )


def from_json(body: bytes, wanted: Callable[[str, str], bool]) -> Iterator[LogRecord | None]:
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
            scope = otlp_json.text_in(otlp_json.object_in(scope_logs, "scope"), "name")
            for record in otlp_json.objects(scope_logs, "logRecords"):
                told = otlp_json.value_of(otlp_json.object_in(record, "body"))
                named = otlp_json.text_in(record, "eventName") or _named(record)
                event = _event(named, told)
                if not wanted(scope, event):
                    yield None
                    continue
                at_ns = otlp_json.time_ns(record, "timeUnixNano")
                yield LogRecord(
                    scope=scope,
                    event_name=event,
                    trace_id=otlp_json.hex_id(record, "traceId", 32),
                    span_id=otlp_json.hex_id(record, "spanId", 16),
                    at_ns=at_ns or otlp_json.time_ns(record, "observedTimeUnixNano"),
                    attributes=otlp_json.attributes_in(record),
                    resource=resource,
                    sealed=otlp_json.sealed_in(record),
                    body=told,
                )


def _event(named: str, body: object) -> str:
    """The event's name. Claude Code's is the body, whole, where an attribute has the last of its words."""
    text = body[:_NAME] if isinstance(body, str) else ""
    return text if text.startswith("claude_code.") or not named else named


def _named(record: dict[str, object]) -> str:
    """What the attribute says that names the event."""
    for pair in otlp_json.objects(record, "attributes"):
        if pair.get("key") == "event.name":
            return otlp_json.text_in(otlp_json.object_in(pair, "value"), "stringValue")
    return ""


_NAME = 128
"""No event has a longer name. A body may be the name of its event, as Claude Code's is; no more of it is looked at."""
