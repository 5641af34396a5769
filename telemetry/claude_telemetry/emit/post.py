"""One delivery: a body as an OTLP request over HTTP.

OpenTelemetry's exporters tell their caller only "failed", drop the batch and log an error of their own each time.
Delivery needs to know more: whether to keep the body and try again, and how long to wait.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.spool import Signal

# The statuses that OTLP says to try again: https://opentelemetry.io/docs/specs/otlp/#failures-1, read 2026-11-20.
_RETRYABLE = frozenset({408, 429, 502, 503, 504})
_TOO_LARGE = 413
_ANSWER_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a delivery."""

    outcome: Literal["delivered", "later", "too_much", "refused"]
    """`later`: keep it and try again. `too_much`: less at a time may do. `refused`: it will never be taken."""
    wait_s: float | None = None
    """How long the receiver asked us to wait."""
    rejected: int = 0
    """Calls of a delivered body that the receiver did not take, and never will."""


class Post:
    """Delivers bodies. For one thread."""

    def __init__(self) -> None:
        self._opener: tuple[Endpoint, urllib.request.OpenerDirector] | None = None

    def deliver(self, endpoint: Endpoint, signal: Signal, body: bytes) -> Answer:
        """Sends `body`, gzipped protobuf, to the `endpoint` of `signal`. Never raises for what the network does.

        Raises `OSError` when a certificate of `endpoint` cannot be used.
        """
        content, coding = _coded(endpoint, body)
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked when the endpoint is made
            endpoint.url,
            data=content,
            method="POST",
            headers={**endpoint.headers, "content-type": "application/x-protobuf", **coding},
        )
        opener = self._opener_for(endpoint)
        try:
            with opener.open(request, timeout=endpoint.timeout_s) as response:
                return Answer(outcome="delivered", rejected=_rejected(signal, response.read(_ANSWER_BYTES)))
        except urllib.error.HTTPError as error:
            with error:
                wait = error.headers.get("retry-after") or ""
            if error.code in _RETRYABLE:
                return Answer(outcome="later", wait_s=float(wait) if wait.isascii() and wait.isdigit() else None)
            return Answer(outcome="too_much" if error.code == _TOO_LARGE else "refused")
        except (OSError, http.client.HTTPException):
            return Answer(outcome="later")

    def _opener_for(self, endpoint: Endpoint) -> urllib.request.OpenerDirector:
        # Reading the system's certificates takes tens of milliseconds, so not for each delivery.
        if self._opener is None or self._opener[0] != endpoint:
            self._opener = endpoint, _opener(endpoint)
        return self._opener[1]


def _coded(endpoint: Endpoint, body: bytes) -> tuple[bytes, dict[str, str]]:
    if endpoint.compression == "gzip":
        return body, {"content-encoding": "gzip"}
    plain = gzip.decompress(body)
    if endpoint.compression == "deflate":
        return zlib.compress(plain, 1), {"content-encoding": "deflate"}
    return plain, {}


def _rejected(signal: Signal, answer: bytes) -> int:
    """How many calls the answer to a delivery says were not taken. An answer in another format says nothing."""
    # Late, as all that needs protobuf.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        if signal == "traces":
            return ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
        return ExportLogsServiceResponse.FromString(answer).partial_success.rejected_log_records
    except DecodeError:
        return 0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """OTLP knows no redirects, and following one would hand the calls to somebody else."""
        return


def _opener(endpoint: Endpoint) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    parts = urlsplit(endpoint.url)
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        # A proxy from the environment cannot reach our loopback.
        handlers.append(urllib.request.ProxyHandler({}))
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=endpoint.certificate)
        if endpoint.client_certificate is not None:
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)
