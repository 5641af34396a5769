"""Where things are forwarded to, and what it says about a request."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import unquote, urlsplit

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.segments import Encoding, Signal

_ANSWER_S = 30.0
_LONGEST_PAUSE_S = 300.0
_MEDIA_TYPES: Mapping[Encoding, str] = {"protobuf": "application/x-protobuf", "json": "application/json"}
_BAD_DATA = frozenset({400, 413, 422})
"""What is said of the data. Everything else may be mended where it is said: a token, an address, a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request."""

    kind: Literal["taken", "refused", "later"]
    said: str = ""
    """The status or the error, for the log."""
    after_s: float | None = None
    """When to come back, if that was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An OTLP/HTTP endpoint."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str
    """Before `/v1/…`."""
    headers: Mapping[str, str]
    """May hold secrets."""


def destination_of(endpoint: str, headers: str | None) -> Destination:
    """What the two settings say. Raises `SettingsError`, which never shows a header's value."""
    parts = urlsplit(endpoint.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.query or parts.fragment:
        raise _wrong(endpoint, "give a URL such as https://otlp.example.com, without /v1/traces")
    if parts.username is not None:
        raise _wrong("a URL with a password", "give that in CLAUDE_TELEMETRY_FORWARD_HEADERS")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Destination(
        scheme=scheme,
        host=parts.hostname,
        port=port or (443 if scheme == "https" else 80),
        path=parts.path.rstrip("/"),
        headers=_headers(headers or ""),
    )


class Sender:
    """One connection at a time, kept while it is good. Follows no redirect: headers with secrets would follow, too."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._connection: http.client.HTTPConnection | None = None

    def send(self, signal: Signal, encoding: Encoding, body: bytes) -> Outcome:
        """Sends `body` compressed. Never raises because of the other end."""
        destination = self._destination
        headers = {
            "content-type": _MEDIA_TYPES[encoding],
            "content-encoding": "gzip",
            "user-agent": "claude-telemetry-collector",
            **destination.headers,
        }
        try:
            connection = self._connection or self._connected()
            connection.request("POST", f"{destination.path}/v1/{signal}", gzip.compress(body, 1), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Outcome(kind="later", said=str(error) or type(error).__name__)
        if answer.will_close:
            self.close()
        said = f"{answer.status} {answer.reason}"
        if answer.status // 100 == 2:
            return Outcome(kind="taken", said=said)
        if answer.status in _BAD_DATA:
            return Outcome(kind="refused", said=said)
        return Outcome(kind="later", said=said, after_s=_seconds_in(answer.headers.get("retry-after")))

    def close(self) -> None:
        """The next request opens another connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> http.client.HTTPConnection:
        where = self._destination
        if where.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(where.host, where.port, timeout=_ANSWER_S, context=context)
        else:
            self._connection = http.client.HTTPConnection(where.host, where.port, timeout=_ANSWER_S)
        return self._connection


def _headers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        name, value = name.strip().lower(), unquote(value.strip())
        if not equals or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise SettingsError("CLAUDE_TELEMETRY_FORWARD_HEADERS is set, but not as name=value, separated by commas")
        if not value.isprintable() or not value.isascii():
            raise SettingsError(f"CLAUDE_TELEMETRY_FORWARD_HEADERS gives {name!r} a value that no header can have")
        found[name] = value
    return found


def _seconds_in(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    seconds = None
    with contextlib.suppress(ValueError):
        if retry_after.strip().isdecimal():
            seconds = float(retry_after)
        else:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
    return min(max(0.0, seconds), _LONGEST_PAUSE_S) if seconds is not None else None


def _wrong(value: str, what_to_do: str) -> SettingsError:
    return SettingsError(f"--forward-endpoint (CLAUDE_TELEMETRY_FORWARD_ENDPOINT) is {value!r}: {what_to_do}")
