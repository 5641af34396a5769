"""Each HTTP request within a call: status, wait, retry-after, and whether it reached anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from claude_telemetry.record import Attempt

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


@dataclass(slots=True)
class Attempts:
    """The attempts of a call so far. Times are nanoseconds since the epoch."""

    done: list[Attempt] = field(default_factory=list[Attempt])
    abandoned: int = 0
    """Attempts that reached the server, maybe, and whose answer nobody saw. The API may have billed them."""
    http_status: int | None = None
    request_id: str | None = None
    organization_id: str | None = None
    workspace_id: str | None = None
    _last_end_ns: int | None = None

    def answered(
        self, start_ns: int, end_ns: int, status: int, headers: Mapping[str, str], error_type: str | None
    ) -> Attempt:
        """Takes in an attempt that had an answer. `error_type` is the API's, if its body was read."""
        self.http_status = status
        self.request_id = headers.get("request-id") or None
        self.organization_id = headers.get("anthropic-organization-id") or self.organization_id
        self.workspace_id = headers.get("anthropic-workspace-id") or self.workspace_id
        failed = status >= 400
        return self._add(
            start_ns,
            end_ns,
            http_status=status,
            request_id=self.request_id,
            error_type=(error_type or _TYPE_OF_STATUS.get(status) or str(status)) if failed else None,
            retry_after_ms=retry_after_ms(headers) if failed else None,
        )

    def failed(self, start_ns: int, end_ns: int, error: BaseException) -> Attempt:
        """Takes in an attempt that had no answer."""
        self.http_status = None
        self.request_id = None
        if type(error).__name__ not in _NEVER_SENT:
            self.abandoned += 1
        return self._add(start_ns, end_ns, error_type=connection_error_type(error))

    @property
    def last_failed(self) -> bool:
        """Whether the last attempt had no answer, or one with an error status. Also when there was none."""
        return self.http_status is None or self.http_status >= 400

    @property
    def none_was_billed(self) -> bool:
        """Whether each attempt so far is known to have cost nothing: refused with an error status, or never sent."""
        return self.abandoned == 0 and all(a.http_status is None or a.http_status >= 300 for a in self.done)

    def _add(self, start_ns: int, end_ns: int, **facts: Any) -> Attempt:
        wait_ns = None if self._last_end_ns is None else max(start_ns - self._last_end_ns, 0)
        self._last_end_ns = end_ns
        attempt = Attempt(
            started_at=utc(start_ns),
            duration_ms=milliseconds(end_ns - start_ns),
            wait_ms=None if wait_ns is None else milliseconds(wait_ns),
            **facts,
        )
        self.done.append(attempt)
        return attempt


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


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long an answer asks to wait; a date counts as unknown. `retry-after-ms` first, as the SDK does."""
    for name, factor in (("retry-after-ms", 1), ("retry-after", 1000)):
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
