"""Each time a call's question goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from claude_telemetry.record.field import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One row of `attempts`, and one `claude.attempt` event of the call's span. `None` means not known."""

    started_at: Annotated[datetime, Fact(None, None, "When the request was sent, UTC.")]
    duration_ms: Annotated[
        int | None,
        Fact("claude.attempt.duration_ms", "ms", "From sending to the response's headers, or to the failure."),
    ] = None
    http_status: Annotated[
        int | None,
        Fact("http.response.status_code", None, "The status of the answer; unknown when there was none."),
    ] = None
    error_type: Annotated[
        str | None, Fact("error.type", None, "The API's error type, or what happened to the connection.")
    ] = None
    request_id: Annotated[str | None, Fact("anthropic.request.id", None, "The id that Anthropic gave the request.")] = (
        None
    )
    wait_ms: Annotated[
        int | None,
        Fact("claude.attempt.wait_ms", "ms", "The pause between the attempt before and this one."),
    ] = None
    retry_after_ms: Annotated[
        int | None,
        Fact("claude.attempt.retry_after_ms", "ms", "How long the answer asked to wait before the next attempt."),
    ] = None
