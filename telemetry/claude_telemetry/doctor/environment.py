"""What the environment and the file of settings say, and what they keep from working."""

from __future__ import annotations

import difflib
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from claude_telemetry.doctor.finding import Finding
from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import SETTINGS, file_in_use, settled

PARTS = tuple(dict.fromkeys(part for setting in SETTINGS for part in setting.parts))
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def environment(given: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Looks at every setting of every part, and at OpenTelemetry's switches."""
    yield from _settings(given, environ)
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding(
            "✗", "OTEL_SDK_DISABLED is true, so no call is recorded", "take it out of the application's environment"
        )
    yield from _unknown_variables(environ)


def redirections(given: str | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What OpenTelemetry's variables say about where calls go, where we heed them."""
    general, traces = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"), environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    named = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if traces else "OTEL_EXPORTER_OTLP_ENDPOINT"
    if given or not (general or traces):
        return
    yield Finding(
        "–",
        f"calls go where {named} says, unless the application has a tracer provider of its own",
        "to send them to our collector whatever others are sent to: CLAUDE_TELEMETRY_ENDPOINT",
    )
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or ""
    # Also where there is no scheme, as exporters of gRPC have it.
    place = (traces or general or "").rpartition("//")[2].partition("/")[0]
    if place.endswith(":4317") or protocol.strip().lower() == "grpc":
        yield Finding(
            "✗",
            f"{named} names a place for gRPC, and calls are sent over HTTP",
            "give the receiver's HTTP port, most often 4318, as CLAUDE_TELEMETRY_ENDPOINT",
        )
    if environ.get("CLAUDE_TELEMETRY_TOKEN") and "authorization" not in _headers_of(environ):
        yield Finding(
            "✗",
            f"CLAUDE_TELEMETRY_TOKEN is not sent where {named} says: that may be somebody else",
            "give our collector's address as CLAUDE_TELEMETRY_ENDPOINT",
        )


def proxies(url: str) -> Iterator[Finding]:
    """Whether a proxy stands between the application and `url`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy is None or urllib.request.proxy_bypass(parts.netloc):
        return
    variable = f"{parts.scheme.upper()}_PROXY"
    if host in _LOOPBACK:
        yield Finding(
            "–",
            f"{variable} is set, and holds for 127.0.0.1 too: calls go past it, other exporters do not",
            "NO_PROXY=127.0.0.1,localhost,::1",
        )
    else:
        yield Finding(
            "–",
            f"calls to {host} go through the proxy that {variable} names",
            f"if it cannot reach the collector: NO_PROXY={host}",
        )


def _settings(given: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    problems: dict[str, None] = {}
    for part in PARTS:
        own = {name: value for name, value in given.items() if name == "config"}
        try:
            list(settled(part, own, environ))
        except SettingsError as error:
            problems[str(error)] = None
    yield from (Finding("✗", problem) for problem in problems)
    if not problems:
        file = file_in_use(given.get("config"), environ)
        yield Finding("✓", "no file of settings" if file is None else f"settings from {file}")


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    known = {setting.variable for setting in SETTINGS}
    for name in sorted(environ):
        if name.startswith("CLAUDE_TELEMETRY_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/reference/settings.md has those that there are"
            yield Finding("✗", f"{name} is no setting", hint)


def _headers_of(environ: Mapping[str, str]) -> str:
    names = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
    return ",".join(environ.get(name, "") for name in names).lower()
