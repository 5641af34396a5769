"""What OTLP over HTTP says about bodies and answers.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp, read 2026-11-20. An answer is in the encoding of its
request; an error is a `google.rpc.Status` whose message is the sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, cast

from google.protobuf.message import DecodeError, Message
from google.rpc import (  # type: ignore[import-untyped]  # its stubs come without py.typed
    status_pb2,  # pyright: ignore[reportMissingTypeStubs]
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.segments import Encoding, Signal

ENCODINGS: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
MEDIA_TYPES: dict[Encoding, str] = {encoding: media_type for media_type, encoding in ENCODINGS.items()}

_CODES = {400: 3, 404: 12, 405: 12, 408: 4, 413: 8, 415: 3, 503: 14}
"""HTTP statuses as `google.rpc.Code`; anything else is 13, INTERNAL."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the bodies of a signal look."""

    parse: Callable[[bytes], Message]
    lists: tuple[str, str, str]
    """The lists on the way down to the single items, by their names in JSON."""


_SHAPES: dict[Signal, _Shape] = {
    "traces": _Shape(ExportTraceServiceRequest.FromString, ("resourceSpans", "scopeSpans", "spans")),
    "logs": _Shape(ExportLogsServiceRequest.FromString, ("resourceLogs", "scopeLogs", "logRecords")),
    "metrics": _Shape(ExportMetricsServiceRequest.FromString, ("resourceMetrics", "scopeMetrics", "metrics")),
}


def check(signal: Signal, encoding: Encoding, body: bytes) -> None:
    """Raises a `Refusal` when `body` is not a request of `signal`, so that nothing is acknowledged that cannot land."""
    if not body:
        raise Refusal(400, f"the body is empty: send an OTLP export request with {signal}")
    if encoding == "protobuf":
        _check_protobuf(signal, body)
    else:
        _check_json(signal, body)


def accepted(encoding: Encoding) -> bytes:
    """The answer that says that everything was accepted: an empty export response."""
    return b"" if encoding == "protobuf" else b"{}"


def refused(status: int, sentence: str, encoding: Encoding) -> bytes:
    """The answer that says why not."""
    code = _CODES.get(status, 13)
    if encoding == "protobuf":
        answer: Message = status_pb2.Status(code=code, message=sentence)
        return answer.SerializeToString()
    return json.dumps({"code": code, "message": sentence}).encode()


def _check_protobuf(signal: Signal, body: bytes) -> None:
    try:
        message = _SHAPES[signal].parse(body)
    except DecodeError:
        raise Refusal(400, f"the body is not a protobuf OTLP export request with {signal}") from None
    if not message.ListFields():  # bytes of something else can happen to parse, as fields that nobody knows
        raise Refusal(400, f"the body is protobuf, but holds no {signal}")


def _check_json(signal: Signal, body: bytes) -> None:
    try:
        request: object = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON in UTF-8") from None
    lists = _SHAPES[signal].lists
    if not isinstance(request, dict) or (request and lists[0] not in request):
        raise Refusal(400, f'the body is JSON, but not an object with "{lists[0]}"')
    items: list[object] = [cast("object", request)]
    for name in lists:
        items = [inner for item in items for inner in _objects(item, name)]


def _objects(item: object, name: str) -> list[object]:
    inner: object = cast("dict[str, object]", item).get(name) or []
    if not isinstance(inner, list) or not all(isinstance(each, dict) for each in cast("list[object]", inner)):
        raise Refusal(400, f'in this JSON, "{name}" is not a list of objects')
    return cast("list[object]", inner)


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
