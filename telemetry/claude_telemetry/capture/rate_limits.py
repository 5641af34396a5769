"""The rate limits that the headers of an answer tell of.

Three families of headers name the same three facts for each kind of limit: `anthropic-ratelimit-*` on every answer,
`anthropic-priority-*` with a Priority Tier commitment, `anthropic-fast-*` with fast mode.
Source: https://platform.claude.com/docs/en/api/rate-limits, …/api/service-tiers and …/build-with-claude/fast-mode, read
2026-11-20.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from claude_telemetry.record.rate_limit import RateLimit, RateLimits

_KINDS = {
    "requests": b"anthropic-ratelimit-requests",
    "tokens": b"anthropic-ratelimit-tokens",
    "input_tokens": b"anthropic-ratelimit-input-tokens",
    "output_tokens": b"anthropic-ratelimit-output-tokens",
    "priority_input_tokens": b"anthropic-priority-input-tokens",
    "priority_output_tokens": b"anthropic-priority-output-tokens",
    "fast_input_tokens": b"anthropic-fast-input-tokens",
    "fast_output_tokens": b"anthropic-fast-output-tokens",
}
_FACTS = ("limit", "remaining", "reset")

# A look-up of the whole name, since an answer has some thirty headers, and most are none of these.
_HEADERS = {prefix + b"-" + fact.encode(): (kind, fact) for kind, prefix in _KINDS.items() for fact in _FACTS}

_TOO_MANY = 2**63
"""What no metric can hold is no count."""


def rate_limits_of(headers: Iterable[tuple[bytes, bytes]]) -> RateLimits | None:
    """What raw response `headers` say about rate limits. `None` when they say nothing. Never raises for a bad value."""
    found: dict[str, dict[str, bytes]] = {}
    for name, value in headers:
        known = _HEADERS.get(name.lower())
        if known is not None:
            found.setdefault(known[0], {})[known[1]] = value
    if not found:
        return None
    return RateLimits(
        limits=tuple(
            RateLimit(
                kind=kind,
                limit=_count(facts.get("limit")),
                remaining=_count(facts.get("remaining")),
                reset_at=_time(facts.get("reset")),
            )
            for kind, facts in found.items()
        )
    )


def _count(value: bytes | None) -> int | None:
    # `isdigit` first: `int` would take signs, spaces and underscores, and as many digits as there are.
    if value is None or len(value) > 19 or not value.isdigit():
        return None
    count = int(value)
    return count if count < _TOO_MANY else None


def _time(value: bytes | None) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value.decode("ascii"))
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
