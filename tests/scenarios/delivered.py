"""What leaves the process: calls as a receiver of OTLP finds them, as spans or as usage records."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from claude_telemetry.record import Attempt, Call, CallRecord
from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    ATTEMPTED_AT_NS,
    RECORDER_VERSION,
    UsageRecord,
    attempt_from,
    call_facts,
    tool_uses_from,
)

_STATUS = {Status.STATUS_CODE_OK: "ok", Status.STATUS_CODE_ERROR: "error", Status.STATUS_CODE_UNSET: "cancelled"}


class Receiver:
    """Keeps the calls that it is sent, with the names of their spans. Runs until the process ends."""

    def __init__(self) -> None:
        self.got: list[tuple[str, CallRecord]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _keep(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            for spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.got.extend(
                    _from_span(span)
                    for scope in spans.scope_spans
                    for span in scope.spans
                    if RECORDER_VERSION in _values(span.attributes)
                )
        elif path.endswith("/v1/logs"):
            for logs in ExportLogsServiceRequest.FromString(body).resource_logs:
                self.got.extend(_from_log(log) for scope in logs.scope_logs for log in scope.log_records)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                receiver._keep(self.path, gzip.decompress(body) if packed else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
                pass

        return Handler


def _from_span(span: Span) -> tuple[str, CallRecord]:
    attributes = _values(span.attributes)
    attempts = [
        attempt_from(_at(event.time_unix_nano), _values(event.attributes))
        for event in span.events
        if event.name == ATTEMPT_EVENT
    ]
    milliseconds = round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6)
    structure = {"status": _STATUS[span.status.code], "parent_span_id": span.parent_span_id.hex() or None}
    return span.name, _record(span, span.start_time_unix_nano, milliseconds, structure, attributes, attempts)


def _from_log(log: LogRecord) -> tuple[str, CallRecord]:
    attributes = _values(log.attributes)
    started_ns = attributes[UsageRecord.START_NS]
    tried = [_value(value) for value in log.body.array_value.values]
    attempts = [attempt_from(_at(attempt[ATTEMPTED_AT_NS]), attempt) for attempt in tried]
    milliseconds = round((log.time_unix_nano - started_ns) / 1e6)
    structure = {"status": attributes[UsageRecord.STATUS], "parent_span_id": attributes.get(UsageRecord.PARENT)}
    return attributes[UsageRecord.SPAN_NAME], _record(log, started_ns, milliseconds, structure, attributes, attempts)


def _record(
    item: Span | LogRecord,
    started_ns: int,
    duration_ms: int,
    structure: Mapping[str, Any],
    attributes: Mapping[str, Any],
    attempts: Sequence[Attempt],
) -> CallRecord:
    facts, _ = call_facts(attributes)
    call = Call(
        started_at=_at(started_ns),
        duration_ms=duration_ms,
        trace_id=item.trace_id.hex(),
        span_id=item.span_id.hex(),
        **structure,
        **facts,
    )
    return CallRecord(call=call, attempts=tuple(attempts), tool_uses=tool_uses_from(attributes))


def _values(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _values(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def _at(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)
