"""What OTLP says about bodies and answers.

Source: https://opentelemetry.io/docs/specs/otlp/, read 2026-11-20. An answer over HTTP is in the encoding of its
request; an error is a `google.rpc.Status` whose message is the sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped]  # its stubs come without py.typed
    status_pb2,  # pyright: ignore[reportMissingTypeStubs]
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from claude_telemetry_collector.receive import json_body, protobuf
from claude_telemetry_collector.receive.items import Checked
from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.segments import Encoding, Signal

ENCODINGS: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
MEDIA_TYPES: dict[Encoding, str] = {encoding: media_type for media_type, encoding in ENCODINGS.items()}

_CODES = {400: 3, 401: 16, 404: 12, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
"""HTTP statuses as `google.rpc.Code`; anything else is 13, INTERNAL."""
_REJECTED: Mapping[Signal, str] = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}


def check(signal: Signal, encoding: Encoding, body: bytes) -> Checked:
    """What of `body` can be kept. Raises a `Refusal` when it is no request of `signal`, so that nothing is
    acknowledged that cannot land."""
    if not body:
        raise Refusal(400, f"the body is empty: send an OTLP export request with {signal}")
    return protobuf.check(signal, body) if encoding == "protobuf" else json_body.check(signal, body)


def accepted(signal: Signal, encoding: Encoding, checked: Checked) -> bytes:
    """The answer to a body that was kept, in full or in part."""
    if not checked.rejected:
        return b"" if encoding == "protobuf" else b"{}"
    count, told = checked.rejected_items, checked.told(signal)
    if encoding == "json":  # 64-bit numbers are text there
        return json.dumps({"partialSuccess": {_REJECTED[signal]: str(count), "errorMessage": told}}).encode()
    return _partial_success(signal, count, told).SerializeToString()


def refused(status: int, sentence: str, encoding: Encoding) -> bytes:
    """The answer that says why not."""
    code = _CODES.get(status, 13)
    if encoding == "protobuf":
        answer: Message = status_pb2.Status(code=code, message=sentence)
        return answer.SerializeToString()
    return json.dumps({"code": code, "message": sentence}).encode()


def _partial_success(signal: Signal, count: int, told: str) -> Message:
    if signal == "traces":
        spans = ExportTracePartialSuccess(rejected_spans=count, error_message=told)
        return ExportTraceServiceResponse(partial_success=spans)
    if signal == "logs":
        records = ExportLogsPartialSuccess(rejected_log_records=count, error_message=told)
        return ExportLogsServiceResponse(partial_success=records)
    points = ExportMetricsPartialSuccess(rejected_data_points=count, error_message=told)
    return ExportMetricsServiceResponse(partial_success=points)
