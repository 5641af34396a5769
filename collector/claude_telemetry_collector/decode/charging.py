"""What a call costs that somebody else told, by our price book, and whether money was due for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from claude_telemetry.pricing import charge_of, cost_columns, model_to_price, not_known, nothing_due

API_ERRORS = frozenset(
    {
        "api_error",
        "authentication_error",
        "billing_error",
        "conflict_error",
        "invalid_request_error",
        "not_found_error",
        "overloaded_error",
        "permission_error",
        "rate_limit_error",
        "request_too_large",
        "timeout_error",
    }
)
"""What the API answers instead of an answer, and takes no money for."""


def charged(
    facts: Mapping[str, Any],
    at: datetime,
    *,
    compaction_input_tokens: int | None = None,
    compaction_output_tokens: int | None = None,
) -> dict[str, Any]:
    """The columns about money of a call with `facts`, by column, made at `at`: its usage, as far as it was told, what
    that costs at list price, and whether it is due."""
    usage = usage_of(facts, compaction_input_tokens, compaction_output_tokens)
    if was_turned_away(facts):
        return _columns({}, billed=False) | cost_columns(nothing_due()) | {"cost_flags": None}
    if usage is None:
        # What ran out of time or lost its connection may have been answered, and then it is billed.
        billed = True if facts.get("status") == "ok" else None
        return _columns({}, billed=billed) | cost_columns(not_known()) | {"cost_flags": None}
    platform = facts.get("platform") or "anthropic"
    empty_refusal = facts.get("empty_refusal") is True
    charge = charge_of(
        usage,
        model=model_to_price(platform, asked=model_asked(facts), answered=facts.get("model")),
        at=at,
        platform=platform,
        region=facts.get("region"),
        workspace_id=facts.get("workspace_id"),
        empty_refusal=empty_refusal,
        incomplete=facts.get("output_tokens") is None,
    )
    columns = cost_columns(charge, flags_of(facts, usage))
    billed = not (empty_refusal and charge.picodollars == 0)
    return _columns(usage, billed=billed) | columns | {"cost_flags": columns["cost_flags"] or None}


def was_turned_away(facts: Mapping[str, Any]) -> bool:
    """Whether the API answered with an error, so that nothing is due."""
    if facts.get("status") != "error" or facts.get("output_tokens"):
        return False
    http_status, error_type = facts.get("http_status"), facts.get("error_type") or ""
    if http_status is not None:
        return bool(http_status >= 400)
    return error_type in API_ERRORS or (error_type.isdecimal() and error_type[:1] in ("4", "5"))


def tokens_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The token counts of the API's usage object, from columns; `None` when they tell nothing of the input."""
    if facts.get("input_tokens") is None:
        return None
    tokens: dict[str, Any] = {
        "input_tokens": facts["input_tokens"],
        "cache_read_input_tokens": facts.get("cache_read_tokens"),
        "cache_creation_input_tokens": facts.get("cache_write_tokens"),
        "output_tokens": facts.get("output_tokens"),
    }
    five, hour = facts.get("cache_write_5m_tokens"), facts.get("cache_write_1h_tokens")
    if five is not None or hour is not None:
        tokens["cache_creation"] = {"ephemeral_5m_input_tokens": five or 0, "ephemeral_1h_input_tokens": hour or 0}
    return tokens


def usage_of(
    facts: Mapping[str, Any], compaction_input_tokens: int | None, compaction_output_tokens: int | None
) -> dict[str, Any] | None:
    """The API's usage object, as far as `facts` tell it; `None` when they tell nothing of the input."""
    tokens = tokens_of(facts)
    if tokens is None:
        return None
    usage = tokens | {name: facts[name] for name in ("service_tier", "speed", "inference_geo") if facts.get(name)}
    tools = {name: facts[name] for name in _TOOLS if facts.get(name) is not None}
    if tools:
        usage["server_tool_use"] = tools
    compaction = {"input_tokens": compaction_input_tokens, "output_tokens": compaction_output_tokens}
    if any(count is not None for count in compaction.values()):
        # Compaction is billed beside the counts above, and where there are iterations, they are what is summed.
        compaction = {name: count or 0 for name, count in compaction.items()}
        usage["iterations"] = [{"type": "message"} | tokens, {"type": "compaction"} | compaction]
    return usage


_TOOLS = ("web_search_requests", "web_fetch_requests", "code_execution_requests")


def flags_of(facts: Mapping[str, Any], usage: Mapping[str, Any]) -> list[str]:
    """What was not told, and can make the call dearer than it is shown. Pricing itself flags the region."""
    flags: list[str] = []
    if facts.get("web_search_requests") is None:
        flags.append("server_tools_unreported")
    if facts.get("speed") is None:
        flags.append("speed_unreported")
    if "iterations" in usage:
        flags.append("compaction_cache_unreported")
    return flags


def _columns(usage: Mapping[str, Any], *, billed: bool | None) -> dict[str, Any]:
    kept = {name: value for name, value in usage.items() if value is not None}
    return {"usage": json.dumps(kept, separators=(",", ":")) if kept else None, "billed": billed}


def model_asked(facts: Mapping[str, Any]) -> str | None:
    """The model that was asked for, without the gateway's word for the vendor."""
    asked = facts.get("request_model") or facts.get("model")
    return asked if asked is None or asked.startswith("arn:") else asked.rpartition("/")[2]
