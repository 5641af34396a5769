"""One delivery: spans as an OTLP request over HTTP.

OpenTelemetry's exporter tells its caller only "failed", drops the batch and logs an error of its own each time.
Delivery needs to know more: whether to keep the batch and try again, and how long to wait. So the encoding is
OpenTelemetry's (`encode_spans`), and the sending is here.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from claude_telemetry.errors import SettingsError

Outcome = Literal["delivered", "later", "too_much", "refused"]

# The statuses that OTLP says to try again: https://opentelemetry.io/docs/specs/otlp/#failures-1, read 2026-11-20.
_RETRYABLE = frozenset({408, 429, 502, 503, 504})
_TOO_LARGE = 413

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where spans go, and with what."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = 10.0
    certificate: str | None = None
    """Path of a file with the certificate authorities to trust; the system's when `None`."""

    @classmethod
    def resolve(cls, given: str | None, environ: Mapping[str, str], *, use_otel_variables: bool) -> Endpoint:
        """Where to send, from the setting, else OpenTelemetry's variables (when they are meant for us), else loopback.

        OpenTelemetry's headers go only to OpenTelemetry's endpoint: they may hold somebody's key.
        """
        if given:
            return cls(url=_traces_url(given))
        if use_otel_variables:
            specific = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            general = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
            if specific or general:
                return cls(
                    url=specific or _traces_url(general or ""),
                    headers=_headers(_either(environ, "HEADERS") or ""),
                    timeout_s=_seconds(_either(environ, "TIMEOUT")),
                    certificate=_either(environ, "CERTIFICATE"),
                )
        return cls(url=_traces_url(DEFAULT_ENDPOINT))


def deliver(endpoint: Endpoint, spans: Sequence[ReadableSpan]) -> tuple[Outcome, float | None]:
    """Sends `spans`. `later`: keep them and try again, after the seconds that the answer asked for, if it did.

    `too_much`: fewer at a time may do. `refused`: the receiver will never take them. Never raises for what the network
    or the receiver does.
    """
    body = gzip.compress(encode_spans(spans).SerializeToString(), compresslevel=1)
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked when the endpoint is made
        endpoint.url,
        data=body,
        method="POST",
        headers={**endpoint.headers, "content-type": "application/x-protobuf", "content-encoding": "gzip"},
    )
    try:
        with _opener(endpoint).open(request, timeout=endpoint.timeout_s):
            return "delivered", None
    except urllib.error.HTTPError as error:
        with error:
            wait = error.headers.get("retry-after") or ""
        if error.code in _RETRYABLE:
            return "later", float(wait) if wait.isascii() and wait.isdigit() else None
        return "too_much" if error.code == _TOO_LARGE else "refused", None
    except (OSError, http.client.HTTPException):
        return "later", None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """OTLP knows no redirects, and following one would hand the spans to somebody else."""
        return


def _opener(endpoint: Endpoint) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    parts = urlsplit(endpoint.url)
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        # A proxy from the environment cannot reach our loopback.
        handlers.append(urllib.request.ProxyHandler({}))
    if parts.scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=endpoint.certificate)))
    return urllib.request.build_opener(*handlers)


def _traces_url(base: str) -> str:
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsError(f"the endpoint {base!r} is no address: give one such as {DEFAULT_ENDPOINT}")
    return base if parts.path.endswith("/v1/traces") else base.rstrip("/") + "/v1/traces"


def _either(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}")


def _headers(text: str) -> dict[str, str]:
    """`key=value` pairs between commas, percent-encoded, as OpenTelemetry specifies them."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {key.strip().lower(): unquote(value.strip()) for key, _, value in pairs}


def _seconds(text: str | None) -> float:
    try:
        return float(text) if text else 10.0
    except ValueError:
        return 10.0
