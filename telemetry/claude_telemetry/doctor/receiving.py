"""Whether somebody takes calls at an address, as an application would send them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from claude_telemetry import probe
from claude_telemetry.doctor.finding import Finding
from claude_telemetry.emit.otlp import Endpoint

_MOST_SKEW_S = 60
"""Clocks that are further apart show calls in the wrong minute, and alerts look at the last five."""


def receiving(target: Endpoint) -> Iterator[Finding]:
    """Who is there, whether it takes calls, and whether it takes ours."""
    base = target.url.removesuffix("/v1/traces")
    health = probe.asked(f"{base}/healthz")
    if health is None:
        yield _nobody(base)
        return
    if health.status != 200:
        yield Finding(
            "✗",
            f"who answers at {base} is no collector of ours (it says {health.status} to /healthz)",
            "if something else took the port, give the collector another one with --otlp-http, and its address as "
            "CLAUDE_TELEMETRY_ENDPOINT",
        )
        return
    yield Finding("✓", f"a collector answers at {base}")
    yield from _ready(base)
    yield from _clock(health)
    distrust, trusting = _trust(base, target.certificate)
    if distrust is not None:
        yield distrust
    else:
        yield from _token(base, target.headers, trusting)


def _nobody(base: str) -> Finding:
    advice = "start one with `claude-telemetry up`, or say where it is: --endpoint, CLAUDE_TELEMETRY_ENDPOINT"
    if not probe.listens(base):
        return Finding("✗", f"no collector of ours answers at {base}", advice)
    parts = urlsplit(base)
    other = "https" if parts.scheme == "http" else "http"
    if probe.asked(f"{other}://{parts.netloc}/healthz") is not None:
        return Finding("✗", f"who listens at {parts.netloc} speaks {other}", f"give the address with {other}://")
    return Finding("✗", f"who listens at {base} does not speak HTTP: another program, or a port for gRPC", advice)


def _ready(base: str) -> Iterator[Finding]:
    ready = probe.asked(f"{base}/readyz")
    if ready is not None and ready.status not in (200, 404):
        yield Finding(
            "✗",
            f"it takes nothing at the moment: {ready.sentence}",
            "calls wait on disk meanwhile; look at `claude-telemetry status` where the collector runs",
        )


def _trust(base: str, certificate: str | None) -> tuple[Finding | None, ssl.SSLContext | None]:
    """Whether the application will believe that it is who it says; what it believes by."""
    if not base.startswith("https:"):
        return None, None
    try:
        trusting = ssl.create_default_context(cafile=certificate)
    except OSError as error:
        return Finding("✗", f"the certificate file {certificate} cannot be used ({error})", "give one in PEM"), None
    if probe.asked(f"{base}/healthz", trusting=trusting) is not None:
        return None, trusting
    advice = (
        "give the certificate that has signed it as CLAUDE_TELEMETRY_CERTIFICATE, or as OTEL_EXPORTER_OTLP_CERTIFICATE "
        "for OpenTelemetry's endpoint, and use a name that stands in it"
    )
    return Finding("✗", "its certificate is not trusted here, so applications send it nothing", advice), None


def _token(base: str, headers: Mapping[str, str], trusting: ssl.SSLContext | None) -> Iterator[Finding]:
    """Its metrics are for whoever may send, and asking for them changes nothing."""
    asked = probe.asked(f"{base}/metrics", headers=headers, trusting=trusting)
    if asked is None or asked.status not in (401, 403):
        return
    if "authorization" in headers:
        text = "it does not know our token"
        advice = "`claude-telemetry token list`, where the collector runs, shows which there are; `token add` makes one"
    else:
        text = "it wants a token, and none is set"
        advice = "make one with `claude-telemetry token add NAME` where it runs, and set it as CLAUDE_TELEMETRY_TOKEN"
    yield Finding("✗", text, advice)


def _clock(answered: probe.Answered) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(answered.headers["date"]).astimezone(UTC)
    except (LookupError, ValueError, TypeError):
        return
    ahead_s = (there - datetime.now(UTC)).total_seconds()
    if abs(ahead_s) > _MOST_SKEW_S:
        how = "ahead of" if ahead_s > 0 else "behind"
        yield Finding(
            "✗",
            f"its clock is {abs(ahead_s):.0f} seconds {how} ours, so calls are shown at the wrong time",
            "set both by NTP",
        )
