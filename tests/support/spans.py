"""Calls as spans, and spans as request bodies: what an application would send."""

from __future__ import annotations

import base64
import copy
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from claude_telemetry.record import CallRecord
from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    RECORDER_VERSION,
    SCOPE,
    attempt_attributes,
    attributes_of,
    tool_use_attributes,
)

NATIVE_SCOPE = "com.anthropic.sdk.python"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {"cancelled": 0, "ok": 1, "error": 2}


def our_span(record: CallRecord) -> dict[str, Any]:
    """The span that our own capture writes for `record`, as OTLP/JSON."""
    call = record.call
    facts = {**attributes_of(call), **tool_use_attributes(record.tool_uses), RECORDER_VERSION: "0.1.0"}
    return {
        "traceId": call.trace_id,
        "spanId": call.span_id,
        "parentSpanId": call.parent_span_id or "",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(nanoseconds(call.started_at)),
        "endTimeUnixNano": str(nanoseconds(call.started_at) + (call.duration_ms or 0) * 1_000_000),
        "attributes": attributes(facts),
        "status": {"code": _STATUS[call.status]},
        "events": [
            {
                "name": ATTEMPT_EVENT,
                "timeUnixNano": str(nanoseconds(attempt.started_at)),
                "attributes": attributes(attempt_attributes(attempt)),
            }
            for attempt in record.attempts
        ],
    }


def native_span(facts: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A span as the SDK's own tracing writes it, with the attributes `facts` and other span fields as given."""
    usual: dict[str, Any] = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "anthropic.messages.create",
        "kind": 3,
        "startTimeUnixNano": "1794996000000000000",  # 2026-11-18 10:00
        "endTimeUnixNano": "1794996002140000000",
        "attributes": attributes(facts),
        "status": {"code": 1},
    }
    return usual | fields


def a_body(
    spans: Sequence[Mapping[str, Any]], *, scope: str = SCOPE, resource: Mapping[str, Any] | None = None
) -> bytes:
    """An export request with `spans`, as JSON."""
    resource = {"service.name": "shop"} if resource is None else resource
    scope_spans = {"scope": {"name": scope}, "spans": spans}
    request = {"resourceSpans": [{"resource": {"attributes": attributes(resource)}, "scopeSpans": [scope_spans]}]}
    return json.dumps(request).encode()


def as_protobuf(body: bytes) -> bytes:
    """The same request as protobuf, by the official classes."""
    request = copy.deepcopy(json.loads(body))
    for resource_spans in request["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    # Protobuf's own JSON has bytes in base 64, where OTLP has hexadecimal digits.
                    span[name] = base64.b64encode(bytes.fromhex(span.get(name, ""))).decode()
    return ParseDict(request, ExportTraceServiceRequest()).SerializeToString()


def attributes(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`facts` as OTLP/JSON attributes."""
    return [{"key": key, "value": _any_value(value)} for key, value in facts.items()]


def nanoseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def _any_value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attributes(cast("dict[str, object]", value))}}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_any_value(item) for item in cast("list[object]", value)]}}
    return {"stringValue": value}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
