"""Spans of the Anthropic SDK's own tracing, without our capture.

They count input with the cached parts in it, and leave out web searches, speed and region. What a call cost is worked
out here from what they do tell, and a flag says what they cannot.
Source: `_tracing.py` and `lib/_tracing/` of anthropic 2.10.0, read 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from claude_telemetry.pricing import Charge, charge_of, cost_columns, model_to_price, not_known, nothing_due
from claude_telemetry.record import Call, CallRecord, columns_of
from claude_telemetry.record.attributes import (
    RESEND_COUNT,
    TIME_TO_FIRST_CHUNK_S,
    TOTAL_INPUT_TOKENS,
    call_facts,
)
from claude_telemetry_collector.decode.charging import tokens_of
from claude_telemetry_collector.decode.facts import believable, bounded
from claude_telemetry_collector.decode.models import plain_model, platform_of
from claude_telemetry_collector.decode.paths import parsed
from claude_telemetry_collector.decode.reading import STATUS_OF, Identity, Reading, resource_facts
from claude_telemetry_collector.decode.span import Span
from claude_telemetry_collector.decode.values import count_of, text_of

SCOPE_PREFIX = "com.anthropic.sdk."

CREATE = "anthropic.messages.create"
COUNT_TOKENS = "anthropic.messages.count_tokens"

COMPACTION_INPUT = "anthropic.usage.compaction.input_tokens"
COMPACTION_OUTPUT = "anthropic.usage.compaction.output_tokens"
CONVERSATION = "gen_ai.conversation.id"
LANGFUSE_FEATURE = "langfuse.trace.metadata.feature"

UNREPORTED = ("server_tools_unreported", "speed_unreported")
"""What these spans never tell, and what can make a call dearer than it is shown. Pricing itself flags the region."""

_PLATFORMS = {
    "bedrock": "bedrock",
    "vertex": "vertex",
    "google_cloud": "google_cloud",
    "aws": "claude_platform_aws",
    "foundry": "foundry",
}
_COUNTS = frozenset(
    {column.fact.attribute for column in columns_of(Call) if column.type is int}
    | {TOTAL_INPUT_TOKENS, RESEND_COUNT, COMPACTION_INPUT, COMPACTION_OUTPUT}
)
_LOCATION = re.compile(r"/locations/([a-z0-9-]+)/")
_BEDROCK_HOST = re.compile(r"\bbedrock[a-z-]*\.([a-z0-9-]+)\.")


def is_native(span: Span) -> bool:
    """Whether `span` is a call, or a count of tokens, by the SDK's own tracing."""
    if not span.scope and span.resource.get("service.name") == "claude-platform":
        return False  # the API's span of the same name
    return span.kind in ("client", "unspecified") and span.name in (CREATE, COUNT_TOKENS)


def read(span: Span, identity: Identity, received_at: datetime) -> Reading:  # noqa: ARG001 - dialects share a shape
    """The call that `span` tells."""
    named, resource = resource_facts(span)
    found, rest = call_facts(named | _as_numbers(span))
    facts = believable(found, Call)
    told_input = _count(rest.pop(TOTAL_INPUT_TOKENS, None))
    facts.update(_tokens(facts, told_input))
    facts.update(_told_otherwise(span, facts, rest))
    facts.update(_cost(facts, rest, identity.started_at))
    call = Call(
        **facts,
        started_at=identity.started_at,
        duration_ms=identity.duration_ms,
        trace_id=identity.trace_id,
        span_id=identity.span_id,
        parent_span_id=span.parent_span_id,
    )
    return Reading(
        record=CallRecord(call=call),
        attributes=bounded(({"resource": resource} if resource else {}) | rest),
        input_basis="inclusive" if told_input is not None else None,
        told_input_tokens=told_input,
        compaction_input_tokens=_count(rest.get(COMPACTION_INPUT)),
        compaction_output_tokens=_count(rest.get(COMPACTION_OUTPUT)),
    )


def _as_numbers(span: Span) -> dict[str, object]:
    """The attributes of `span` with its counts as numbers, whatever the SDK of a language wrote them as."""
    given = dict(span.attributes)
    given.update((name, text) for name, text in span.sealed.items() if name in _COUNTS)
    for name in given.keys() & _COUNTS:
        value = given[name]
        if type(value) is not int and (count := count_of(value)) is not None:
            given[name] = count
    return given


def _tokens(facts: Mapping[str, Any], total: int | None) -> dict[str, Any]:
    """The counts that do not overlap. A split of cache writes that does not add up is left out."""
    written = facts.get("cache_write_tokens")
    uncached = None
    if total is not None:
        uncached = total - (facts.get("cache_read_tokens") or 0) - (written or 0)
    five, hour = facts.get("cache_write_5m_tokens"), facts.get("cache_write_1h_tokens")
    if written is None or (five or 0) + (hour or 0) != written:
        five = hour = None
    return {
        "input_tokens": uncached if uncached is not None and uncached >= 0 else None,
        "cache_write_5m_tokens": five,
        "cache_write_1h_tokens": hour,
    }


def _told_otherwise(span: Span, facts: Mapping[str, Any], rest: dict[str, object]) -> dict[str, Any]:
    """Facts that these spans carry under other names, or by leaving something out."""
    counts_tokens = span.name == COUNT_TOKENS
    ttft_s = rest.pop(TIME_TO_FIRST_CHUNK_S, None)
    ttft_ms = round(ttft_s * 1000) if isinstance(ttft_s, int | float) and 0 <= ttft_s < 10**6 else None
    resent = _count(rest.pop(RESEND_COUNT, None))
    _, _, suffix = span.scope.removeprefix(SCOPE_PREFIX).partition(".")
    conversation = rest.get(CONVERSATION)
    platform = _PLATFORMS.get(suffix, suffix) or platform_of(facts.get("provider"), facts.get("request_model"))
    asked = facts.get("request_model")
    return {
        # Nobody answers a call that fails; the model is the one that was asked for.
        "model": facts.get("model") or (plain_model(asked) if asked is not None else None),
        "status": STATUS_OF[span.status],
        "operation": "count_tokens" if counts_tokens else facts.get("operation") or "chat",
        "platform": platform,
        "stream": None if counts_tokens else facts.get("stream") or False,
        "ttft_ms": facts.get("ttft_ms", ttft_ms),
        "attempts": (resent or 0) + 1,
        "region": _region(platform, rest),
        "empty_refusal": facts.get("output_tokens") == 0 if facts.get("stop_reason") == "refusal" else None,
        "session_id": facts.get("session_id") or (conversation if isinstance(conversation, str) else None),
        # Langfuse puts what it was told about a trace on all its spans.
        "feature": facts.get("feature") or text_of(parsed(str(rest.get(LANGFUSE_FEATURE, "")))),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    charge: Charge
    billed: bool | None
    flags: tuple[str, ...] = ()


def _cost(facts: Mapping[str, Any], rest: Mapping[str, object], at: datetime) -> dict[str, Any]:
    bill = _bill(facts, rest, at)
    columns = cost_columns(bill.charge, bill.flags)
    return columns | {"cost_flags": columns["cost_flags"] or None, "billed": bill.billed}


def _bill(facts: Mapping[str, Any], rest: Mapping[str, object], at: datetime) -> _Bill:
    failed, http_status = facts["status"] == "error", facts.get("http_status")
    if facts["operation"] == "count_tokens" or (failed and http_status is not None and http_status >= 400):
        return _Bill(charge=nothing_due(), billed=False)
    usage = usage_told(facts, rest)
    if usage is None:
        # What ran out of time or lost its connection may have been answered, and then it is billed.
        return _Bill(charge=not_known(), billed=True if facts["status"] == "ok" else None)
    charge = charge_of(
        usage,
        model=model_to_price(facts["platform"], asked=facts.get("request_model"), answered=facts.get("model")),
        at=at,
        platform=facts["platform"],
        region=facts.get("region"),
        workspace_id=facts.get("workspace_id"),
        empty_refusal=facts.get("empty_refusal") is True,
        incomplete=facts.get("output_tokens") is None,
    )
    flags = (*UNREPORTED, "compaction_cache_unreported") if "iterations" in usage else UNREPORTED
    return _Bill(charge=charge, billed="refusal_not_billed" not in charge.flags, flags=flags)


def usage_told(facts: Mapping[str, Any], rest: Mapping[str, object]) -> dict[str, Any] | None:
    """The API's usage object, as far as the span told it: in `facts`, by column, and in its other attributes.

    `None` when it told nothing of the input.
    """
    tokens = tokens_of(facts)
    if tokens is None:
        return None
    usage = tokens | {"service_tier": facts.get("service_tier")}
    compaction = {
        "input_tokens": _count(rest.get(COMPACTION_INPUT)),
        "output_tokens": _count(rest.get(COMPACTION_OUTPUT)),
    }
    if any(count is not None for count in compaction.values()):
        # Compaction is billed beside the counts above, and where there are iterations, they are what is summed.
        usage["iterations"] = [{"type": "message"} | tokens, {"type": "compaction"} | compaction]
    return usage


def _region(platform: str, rest: Mapping[str, object]) -> str | None:
    if platform == "vertex":
        found = _LOCATION.search(str(rest.get("url.path", "")))
    elif platform == "bedrock":
        found = _BEDROCK_HOST.search(str(rest.get("server.address", "")))
    else:
        return None
    return found.group(1) if found else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
