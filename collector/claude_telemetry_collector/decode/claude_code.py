"""Claude Code and the Agent SDK: a log record and, where its tracing is on, a span for each request to the API.

Up to 2.0 the numbers of a record are texts, and there is no request id in it.
Source: 2.1.328 as captured, 1.0.60 and 2.0.76 as read, 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from claude_telemetry_collector.decode.paths import Told
from claude_telemetry_collector.decode.source import Facts, Says, Source
from claude_telemetry_collector.decode.values import count_of, number_of

EVENT = "claude_code_event"
SPAN = "claude_code_span"

_EVENTS = frozenset({"api_request", "api_error"})
_PLATFORMS = {
    "firstParty": "anthropic",
    "bedrock": "bedrock",
    "vertex": "vertex",
    "foundry": "foundry",
    "anthropicAws": "claude_platform_aws",
}


def _says_call(told: Told) -> Says | None:
    name = told.span.event_name
    return "call" if name is not None and name.removeprefix("claude_code.") in _EVENTS else None


def _says(told: Told) -> Says | None:
    return "call" if told.span.name == "claude_code.llm_request" else None


def _mend(told: Told, facts: Facts) -> None:
    facts["provider"] = "anthropic"
    facts["platform"] = _PLATFORMS.get(str(told.at("anthropic.provider") or ""))
    facts["request_model"] = facts.get("model")
    if "reported_cost" not in facts and (micros := count_of(told.at("cost_usd_micros"))) is not None:
        facts["reported_cost"] = micros / 1_000_000
    duration_ms = number_of(told.at("duration_ms"))
    if told.span.event_name is not None and duration_ms is not None:
        # A record is written once the answer is there.
        facts["ran_s"] = duration_ms / 1000
    if str(facts.get("request_id")).startswith("msg_"):
        # A span names its request twice, the second time where others have the message.
        facts["message_id"] = facts.pop("request_id")
    failed = told.span.event_name is not None and told.span.event_name.endswith("api_error")
    if failed or told.at("success") is False or told.at("success") == "false":
        facts["status"] = "error"
        facts.setdefault("error_type", _error_type(facts.get("http_status")))


def _error_type(http_status: int | None) -> str | None:
    """The API's word for the status. What a record says in words is for people."""
    return _BY_STATUS.get(http_status, str(http_status)) if http_status is not None else None


_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_PATHS = {
    "request_id": ("request_id",),
    "model": ("model", "gen_ai.request.model"),
    "told_input": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_tokens",),
    "cache_write_tokens": ("cache_creation_tokens",),
    "cache_write_5m_tokens": ("cache_creation_5m_tokens",),
    "cache_write_1h_tokens": ("cache_creation_1h_tokens",),
    "reported_cost": ("cost_usd",),
    "ttft_ms": ("ttft_ms",),
    "speed": ("speed",),
    "effort": ("effort",),
    "session_id": ("session.id",),
    "user_id": ("user.account_uuid", "user.id"),
    "organization_id": ("organization.id",),
    "feature": ("query_source", "query_source_safe"),
    "http_status": ("status_code",),
    "attempts": ("attempt",),
    "stop_reason": ("stop_reason", "gen_ai.response.finish_reasons"),
}

SOURCES = (
    Source(
        name=EVENT,
        basis="exclusive",
        scopes=("com.anthropic.claude_code.events",),
        says=_says_call,
        paths=_PATHS,
        only_claude=True,
        mend=_mend,
        event_names=_EVENTS | {f"claude_code.{name}" for name in _EVENTS},
    ),
    Source(
        name=SPAN,
        basis="exclusive",
        scopes=("com.anthropic.claude_code.tracing",),
        says=_says,
        paths={**_PATHS, "request_id": ("request_id", "gen_ai.response.id")},
        only_claude=True,
        mend=_mend,
    ),
)


def record_names(told: Told) -> tuple[str, ...] | None:
    """What names a record: its request, else its place in its session. `None` for one that is not named."""
    request_id = told.at("request_id")
    session, sequence, at = (told.at(name) for name in ("session.id", "event.sequence", "event.timestamp"))
    if isinstance(request_id, str) and request_id:
        return (told.span.event_name or "", request_id)
    if session is not None and (sequence is not None or at is not None):
        return (told.span.event_name or "", str(session), str(sequence), str(at))
    return None


def said_at_ns(attributes: Mapping[str, object]) -> int:
    """When a record says that it was written, in nanoseconds since 1970; 0 for one that does not."""
    said = attributes.get("event.timestamp")
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return 0
    return 0 if at is None or at.tzinfo is None else max(0, int(at.timestamp() * 1_000_000) * 1000)
