"""A receiver of OTLP on loopback that keeps what it gets, and does as it is told."""

from __future__ import annotations

import gzip
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class OtlpReceiver:
    """Collects span names and headers. A context manager; port 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[str] = []
        self.usage_records: list[str] = []
        """The names of the spans that usage records stand for."""
        self.attributes: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self._answers: deque[tuple[int, dict[str, str]]] = deque()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, status: int, times: int = 1, **headers: str) -> None:
        """The next `times` deliveries are answered with `status`, and forgotten."""
        self._answers.extend([(status, headers)] * times)

    def __enter__(self) -> OtlpReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, headers = receiver._answers.popleft() if receiver._answers else (200, {})
                if status == 200:
                    receiver._keep(self.path, gzip.decompress(body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler

    def _keep(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/logs"):
            self._keep_records(ExportLogsServiceRequest.FromString(body))
            return
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.attributes.append({pair.key: str(pair.value) for pair in span.attributes})
                    self.spans.append(span.name)

    def _keep_records(self, request: ExportLogsServiceRequest) -> None:
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    attributes = {pair.key: pair.value.string_value for pair in record.attributes}
                    self.usage_records.append(attributes["claude.span.name"])


def eventually(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    """Waits until `condition` holds; fails when it does not within a generous time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
