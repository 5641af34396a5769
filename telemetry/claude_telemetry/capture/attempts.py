"""Each HTTP request within a call: status, wait, retry-after, and whether it reached anybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from claude_telemetry.record import Attempt

Headers = Mapping[bytes, bytes]
"""Of a response, by their names in lower case."""

# The API's error types by status, for answers whose body the SDK has not read when it decides to try again.
# Source: https://platform.claude.com/docs/en/api/errors, read 2026-08-22.
_TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# Failures of the HTTP library before any byte of a request was sent: nobody can have billed it.
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"})


class _Try(NamedTuple):
    """One attempt, as it was seen. Times are nanoseconds since the epoch."""

    start_ns: int
    end_ns: int
    http_status: int | None
    error_type: str | None
    request_id: str | None
    retry_after_ms: int | None


class Attempts:
    """The attempts of a call so far."""

    __slots__ = ("_tries", "abandoned", "http_status", "organization_id", "request_id", "workspace_id")

    def __init__(self) -> None:
        self._tries: list[_Try] = []
        self.abandoned = 0
        """Attempts that reached the server, maybe, and whose answer nobody saw. The API may have billed them."""
        self.http_status: int | None = None
        self.request_id: str | None = None
        self.organization_id: str | None = None
        self.workspace_id: str | None = None

    def __len__(self) -> int:
        return len(self._tries)

    def answered(self, start_ns: int, end_ns: int, status: int, headers: Headers, error_type: str | None) -> None:
        """Takes in an attempt that had an answer. `error_type` is the API's, if its body was read."""
        self.http_status = status
        self.request_id = _text(headers.get(b"request-id"))
        self.organization_id = _text(headers.get(b"anthropic-organization-id")) or self.organization_id
        self.workspace_id = _text(headers.get(b"anthropic-workspace-id")) or self.workspace_id
        wait_ms = None
        if status >= 400:
            error_type = error_type or _TYPE_OF_STATUS.get(status) or str(status)
            wait_ms = retry_after_ms(headers)
        self._tries.append(_Try(start_ns, end_ns, status, error_type, self.request_id, wait_ms))

    def failed(self, start_ns: int, end_ns: int, error: BaseException) -> None:
        """Takes in an attempt that had no answer."""
        self.http_status = None
        self.request_id = None
        if type(error).__name__ not in _NEVER_SENT:
            self.abandoned += 1
        self._tries.append(_Try(start_ns, end_ns, None, connection_error_type(error), None, None))

    @property
    def trouble(self) -> bool:
        """Whether any attempt so far failed."""
        return len(self._tries) > 1 or self.http_status is None or self.http_status >= 400

    @property
    def none_was_billed(self) -> bool:
        """Whether each attempt so far is known to have cost nothing: refused with an error status, or never sent."""
        return self.abandoned == 0 and all(a.http_status is None or a.http_status >= 300 for a in self._tries)

    def records(self) -> tuple[Attempt, ...]:
        """As they are recorded, first to last."""
        return tuple(self._record(place) for place in range(len(self._tries)))

    def last_record(self) -> Attempt:
        """The last one, as it is recorded."""
        return self._record(len(self._tries) - 1)

    def _record(self, place: int) -> Attempt:
        one = self._tries[place]
        return Attempt(
            started_at=utc(one.start_ns),
            duration_ms=milliseconds(one.end_ns - one.start_ns),
            http_status=one.http_status,
            error_type=one.error_type,
            request_id=one.request_id,
            wait_ms=milliseconds(one.start_ns - self._tries[place - 1].end_ns) if place else None,
            retry_after_ms=one.retry_after_ms,
        )


def connection_error_type(error: BaseException) -> str:
    """What the client met, in the words of the SDK's own tracing; `cancelled` when the application stopped."""
    if not isinstance(error, Exception):
        return "cancelled"
    names = {base.__name__ for base in type(error).__mro__}
    if names & {"TimeoutException", "APITimeoutError"}:
        return "client_timeout_error"
    if names & {"TransportError", "APIConnectionError"}:
        return "connection_error"
    return "client_error"


def retry_after_ms(headers: Headers) -> int | None:
    """How long an answer asks to wait; a date counts as unknown. `retry-after-ms` first, as the SDK does."""
    for name, factor in ((b"retry-after-ms", 1), (b"retry-after", 1000)):
        try:
            return round(float(headers[name]) * factor)
        except (KeyError, ValueError, OverflowError):
            continue
    return None


def utc(ns: int) -> datetime:
    """Nanoseconds since the epoch as a UTC time, to the microsecond."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).replace(microsecond=ns // 1000 % 1_000_000)


def milliseconds(ns: int) -> int:
    """Whole milliseconds, rounded; never below zero, also when a clock was set back."""
    return max((ns + 500_000) // 1_000_000, 0)


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value else None
