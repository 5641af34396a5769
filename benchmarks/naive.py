"""The simplest collector that does not lie: parse, a row for each span, commit, answer. What ours is measured against.

It parses with the official classes (upb), writes the same columns of `calls` as ours does, and commits each request
before it is acknowledged. It takes calls for what they say they are: nothing is looked up, priced, or told apart.

    python -m benchmarks.naive FILE     prints its port; `GET /count` tells how many rows are there
"""

from __future__ import annotations

import json
import sys
import threading
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from claude_telemetry.record import Call, columns_of
from claude_telemetry_collector.store import open_database

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the columns have it: UTC, without saying so
_COLUMNS = [column for column in columns_of(Call) if column.fact.attribute is not None]
_OF_THE_SPAN = ("trace_id", "span_id", "started_at", "duration_ms", "status", "source", "attributes", "received_at")
_STATUS = ("cancelled", "ok", "error")
_NAMES = (*(column.name for column in _COLUMNS if column.name not in _OF_THE_SPAN), *_OF_THE_SPAN, "whole")
_INSERT = f"INSERT INTO calls ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)})"  # noqa: S608
_PLAIN = ("string_value", "int_value", "bool_value", "double_value")
_LARGEST = 64 * 1024 * 1024


class Naive:
    """One connection to the database, one request at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = open_database(path, memory_limit="1GB")
        self._lock = threading.Lock()

    def keep(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(zlib.decompress(body, 31, _LARGEST))
        rows = [_row(span) for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany(_INSERT, rows)
            self._connection.execute("COMMIT")

    def count(self) -> int:
        cursor: duckdb.DuckDBPyConnection = self._connection.cursor()
        return int(cursor.execute("SELECT count(*) FROM calls").fetchall()[0][0])


def _row(span: Span) -> list[object]:
    told = {attribute.key: _value(attribute.value) for attribute in span.attributes}
    facts: list[object] = []
    for column in _COLUMNS:
        value = told.pop(column.fact.attribute or "", None)
        if column.name not in _OF_THE_SPAN:
            facts.append(Decimal(value) / 10**12 if column.type is Decimal and value is not None else value)
    started_at = _EPOCH + timedelta(microseconds=span.start_time_unix_nano // 1000)
    duration_ms = (span.end_time_unix_nano - span.start_time_unix_nano) // 1_000_000
    status = _STATUS[span.status.code]
    rest = json.dumps(told)
    now = datetime.now(UTC).replace(tzinfo=None)
    return [*facts, span.trace_id.hex(), span.span_id.hex(), started_at, duration_ms, status, "naive", rest, now, True]


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in _PLAIN else str(value)


def main(path: Path) -> None:
    """Serves until it is killed."""
    naive = Naive(path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            naive.keep(self.rfile.read(int(self.headers["content-length"])))
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(str(naive.count()).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
            pass

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
