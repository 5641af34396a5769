"""An OTLP request that is too large for its receiver, as two."""

from __future__ import annotations

import gzip

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from claude_telemetry.spool import Signal


def halves(signal: Signal, body: bytes) -> list[tuple[bytes, int]]:
    """Two requests, gzipped as `body` is, with the number of calls in each. None when it holds fewer than two calls."""
    plain = gzip.decompress(body)
    part_of = _part_of_spans if signal == "traces" else _part_of_logs
    _, calls = part_of(plain, 0, None)
    if calls < 2:
        return []
    parts = (part_of(plain, 0, calls // 2), part_of(plain, calls // 2, calls))
    return [(gzip.compress(part, compresslevel=1), kept) for part, kept in parts]


def _part_of_spans(plain: bytes, start: int, end: int | None) -> tuple[bytes, int]:
    """The request with its spans from `start` to `end` only, and how many these are."""
    request = ExportTraceServiceRequest.FromString(plain)
    seen = kept = 0
    for scope in [scope for resource in request.resource_spans for scope in resource.scope_spans]:
        part = list(scope.spans)[max(start - seen, 0) : None if end is None else max(end - seen, 0)]
        seen += len(scope.spans)
        kept += len(part)
        del scope.spans[:]
        scope.spans.extend(part)
    return request.SerializeToString(), kept


def _part_of_logs(plain: bytes, start: int, end: int | None) -> tuple[bytes, int]:
    """The request with its log records from `start` to `end` only, and how many these are."""
    request = ExportLogsServiceRequest.FromString(plain)
    seen = kept = 0
    for scope in [scope for resource in request.resource_logs for scope in resource.scope_logs]:
        part = list(scope.log_records)[max(start - seen, 0) : None if end is None else max(end - seen, 0)]
        seen += len(scope.log_records)
        kept += len(part)
        del scope.log_records[:]
        scope.log_records.extend(part)
    return request.SerializeToString(), kept
