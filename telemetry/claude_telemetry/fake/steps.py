"""What the stand-in can be told to do with one request: a *step*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from claude_telemetry.fake import wire
from claude_telemetry.fake.delivery import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A message."""

    content: Sequence[Mapping[str, Any]] = ({"type": "text", "text": "Hello! How can I help you today?"},)
    """Content blocks, as the API has them."""
    usage: Mapping[str, Any] | None = None
    """Sent exactly as it is. `None`: worked out from the request and the content, prompt cache included."""
    started_usage: Mapping[str, Any] | None = None
    """What a stream's `message_start` says. `None`: the parts of `usage` that the API sends there."""
    stop_reason: str = "end_turn"
    stop_details: Mapping[str, Any] | None = None
    model: str | None = None
    """Who answers. `None`: the model that was asked for."""
    delay_s: float = 0.0
    """Before the first byte."""
    chunk_delay_s: float = 0.0
    """Before each piece of content of a stream."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delivery: Delivery | None = None
    """How it goes over the wire. `None`: as the stand-in delivers everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error envelope with its status."""

    status: int
    type: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A connection that breaks after `after_events` events of a stream, or in the middle of a JSON body."""

    after_events: int
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamError:
    """An `error` event after `after_events` events, and then the end. Not for an answer that is no stream."""

    after_events: int
    type: str
    message: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """No byte for so long, and then a broken connection."""

    seconds: float


Step = Answer | Failure | Cut | StreamError | Hang

Outcome = Answer | Failure | Literal["canceled", "expired"]
"""What becomes of one request of a batch."""

TYPE_OF_STATUS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The error types of https://platform.claude.com/docs/en/api/errors (read 2026-11-20)."""

MESSAGE_OF_STATUS: Mapping[int, str] = {
    429: "This request would exceed your account's rate limit. Please try again later.",
    500: "Internal server error",
    529: "Overloaded",
}


def failure(
    status: int,
    kind: str | None = None,
    message: str | None = None,
    headers: Mapping[str, str] | None = None,
    delay_s: float = 0.0,
) -> Failure:
    """An error as the API words it: type and message follow from the status, a 429 asks to wait a second."""
    if headers is None:
        headers = {"retry-after": "1"} if status == 429 else {}
    return Failure(
        status=status,
        type=kind or TYPE_OF_STATUS.get(status, "api_error"),
        message=message or MESSAGE_OF_STATUS.get(status, "The stand-in was told to fail."),
        headers=headers,
        delay_s=delay_s,
    )


_BILLED_REFUSALS = ("bio", "frontier_llm", "reasoning_extraction")


def is_unbilled(message: Mapping[str, Any]) -> bool:
    """Whether a message is a refusal before anything was said, which is free but for some categories (since 2026-09-24,
    see `docs/pricing.md`)."""
    details: Mapping[str, Any] = message.get("stop_details") or {}
    category = details.get("category")
    return message.get("stop_reason") == "refusal" and not message["content"] and category not in _BILLED_REFUSALS


def refusal(
    category: str | None = None, *, text: str = "", usage: Mapping[str, Any] | None = None, model: str | None = None
) -> Answer:
    """A refusal by the policy `category`: after `text`, which is billed, or before anything was said, which is not."""
    return Answer(
        content=[text_block(text)] if text else [],
        usage=usage,
        stop_reason="refusal",
        stop_details={"type": "refusal", "category": category, "explanation": None},
        model=model,
    )


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def thinking_block(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": "ErUBCkYIARgCIkA="}


def tool_use_block(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": wire.new_id("toolu_01"),
        "name": name,
        "input": dict(arguments),
        "caller": {"type": "direct"},
    }


def compaction_block(summary: str) -> dict[str, Any]:
    return {"type": "compaction", "content": summary}


def fallback_block(declined: str, serving: str, category: str | None = None) -> dict[str, Any]:
    """The mark in an answer where the model `declined` hands over to the model `serving`."""
    return {
        "type": "fallback",
        "from": {"model": declined},
        "to": {"model": serving},
        "trigger": {"type": "refusal", "category": category},
    }
