"""Where calls go: the places of an OTLP receiver, and what OpenTelemetry's variables say about them.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/, read 2026-11-20.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from claude_telemetry.errors import SettingsError
from claude_telemetry.spool import Signal

log = logging.getLogger("claude_telemetry")

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"

Compression = Literal["gzip", "deflate", "none"]

_VARIABLES = ("PROTOCOL", "HEADERS", "TIMEOUT", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "COMPRESSION")
_COMPRESSIONS: dict[str, Compression] = {"gzip": "gzip", "deflate": "deflate", "none": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where spans go, and with what; and log records, which hold the calls that no trace has."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = 10.0
    certificate: str | None = None
    """Path of a file with the certificate authorities to trust; the system's when `None`."""
    client_certificate: str | None = None
    """Path of the certificate that shows who we are. `None`: none is shown."""
    client_key: str | None = None
    """Path of its key; in the same file when `None`."""
    compression: Compression = "gzip"
    logs: Endpoint | None = None
    """Where log records go, and with what. `None`: beside the spans, with the same."""

    @classmethod
    def resolve(
        cls,
        given: str | None,
        environ: Mapping[str, str],
        *,
        use_otel_variables: bool,
        token: str | None = None,
        certificate: Path | None = None,
    ) -> Endpoint:
        """Where to send, from the setting, else OpenTelemetry's variables (when they are meant for us), else loopback.

        OpenTelemetry's headers go only to OpenTelemetry's endpoint, and `token` only to ours: they are somebody's keys.
        `certificate` is ours, too. Raises `SettingsError` for what is no address.
        """
        own = {} if token is None else {"authorization": f"Bearer {token}"}
        if given:
            authority = None if certificate is None else str(certificate)
            return cls(url=_signal_url(given, "traces"), headers=own, certificate=authority)
        if not use_otel_variables:
            return cls(url=_signal_url(DEFAULT_ENDPOINT, "traces"), headers=own)
        spans, logs = _from_variables(environ, "traces"), _from_variables(environ, "logs")
        if spans is None:
            spans = cls(url=_signal_url(DEFAULT_ENDPOINT, "traces"), headers=own)
        elif logs is None and not spans.url.endswith("/v1/traces"):
            # An address for spans alone, of which nobody knows what lies beside it.
            logs = cls(url=_signal_url(DEFAULT_ENDPOINT, "logs"), headers=own)
        return replace(spans, logs=logs) if logs is not None and logs != spans.of("logs") else spans

    def of(self, signal: Signal) -> Endpoint:
        """Where that signal goes."""
        if signal == "traces":
            return self
        if self.logs is not None:
            return self.logs
        return replace(self, url=self.url.removesuffix("/v1/traces").rstrip("/") + "/v1/logs")


def _from_variables(environ: Mapping[str, str], signal: Signal) -> Endpoint | None:
    """What OpenTelemetry's variables say about a signal. `None` when they do not say where it goes."""
    specific = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    general = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not specific and not general:
        return None
    said = {name: _either(environ, signal, name) for name in _VARIABLES}
    _check_protocol(said["PROTOCOL"])
    return Endpoint(
        url=_address(specific) if specific else _signal_url(general or "", signal),
        headers=_headers(said["HEADERS"] or ""),
        timeout_s=_seconds(said["TIMEOUT"]),
        certificate=said["CERTIFICATE"],
        client_certificate=said["CLIENT_CERTIFICATE"],
        client_key=said["CLIENT_KEY"],
        compression=_COMPRESSIONS.get((said["COMPRESSION"] or "").strip().lower(), "gzip"),
    )


def _either(environ: Mapping[str, str], signal: Signal, name: str) -> str | None:
    return environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}")


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        # What stands before an `@` or behind a `?` may be somebody's secret, and this is logged.
        shown = text.rpartition("@")[2].partition("?")[0]
        raise SettingsError(f"the endpoint {shown!r} is no address: give one such as {DEFAULT_ENDPOINT}")
    return text


def _signal_url(base: str, signal: Signal) -> str:
    base = _address(base).removesuffix("/v1/traces").rstrip("/")
    return f"{base}/v1/{signal}"


def _check_protocol(protocol: str | None) -> None:
    """Tells once of a protocol that is not spoken here."""
    if protocol is None or protocol.strip().lower() in ("http/protobuf", "") or protocol in _told_of:
        return
    _told_of.add(protocol)
    log.warning(
        "OTEL_EXPORTER_OTLP_PROTOCOL is %s, and Claude calls are sent as http/protobuf all the same: give the address "
        "of the receiver's HTTP port (most often 4318, where gRPC has 4317) as CLAUDE_TELEMETRY_ENDPOINT",
        protocol,
    )


_told_of: set[str] = set()


def _headers(text: str) -> dict[str, str]:
    """`key=value` pairs between commas, percent-encoded, as OpenTelemetry specifies them."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {key.strip().lower(): unquote(value.strip()) for key, _, value in pairs}


def _seconds(text: str | None) -> float:
    try:
        value = float(text) if text else 10.0
    except ValueError:
        return 10.0
    return value if 0 < value < float("inf") else 10.0
