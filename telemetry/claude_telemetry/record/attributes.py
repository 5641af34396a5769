"""Records to span attributes, and back.

What a fact's attribute is called stands with the field, in the record. Here is only what differs between the two
sides: money (an exact integer of picodollars on the wire), and the sums and doubles that OpenTelemetry's readers expect
beside our exact parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from functools import cache
from types import MappingProxyType
from typing import Any

from claude_telemetry.record.attempt import Attempt
from claude_telemetry.record.call import Call
from claude_telemetry.record.field import Column, columns_of
from claude_telemetry.record.identity import ids_of_told
from claude_telemetry.record.tool_use import ToolUse

AttributeValue = str | bool | int | float | Sequence[str]

SCOPE = "claude_telemetry"
"""The instrumentation scope of the spans that we start ourselves."""

RECORDER_VERSION = "claude.telemetry.version"
"""On each span that our capture wrote or completed: which version of it did."""

DELIVERED = "claude.telemetry.delivered"
"""`True` on each call that our own delivery sends, with all that is known of it. An application's exporters may send
the same call's span, which can have ended before the last was known, and leaves out what is long."""

USAGE_RECORD = "claude.usage_record"
"""The `event.name` of the log record that carries a call whose trace is not recorded."""


class UsageRecord:
    """What a span holds in its structure, as attributes of a usage record."""

    STATUS = "claude.status"
    SPAN_NAME = "claude.span.name"
    START_NS = "claude.start_ns"
    PARENT = "claude.parent_span_id"


ATTEMPTED_AT_NS = "claude.attempt.at_ns"
"""When an attempt began, among its facts in the body of a usage record."""

ATTEMPT_EVENT = "claude.attempt"
"""The name of the span event that carries one `Attempt`; the event's time is the attempt's start."""

PICODOLLARS_PER_USD = 10**12

# Not the current context: this runs inside somebody's application, which may have set its own precision or traps.
_EXACT = Context(prec=60, Emin=-999_999, Emax=999_999, traps=[InvalidOperation])

NOTHING_SENT: Mapping[str, Any] = MappingProxyType(
    {
        "attempts": 0,
        "cost_usd": Decimal(0),
        "net_cost_usd": Decimal(0),
        "cost_status": "priced",
        "cost_flags": "",
        "billed": False,
        "usage_partial": False,
    }
)
"""What is due, by column, for a call that sent nothing: its argument was bad, or a middleware knew the answer. A span
that counts no attempt is of such a call; that spares writing this on all the others when they start."""

# Standard names for readers other than our collector. Each repeats what an exact field says.
TOTAL_INPUT_TOKENS = "gen_ai.usage.input_tokens"
TIME_TO_FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
COST_USD = "claude.cost.usd"
RESEND_COUNT = "http.request.resend_count"
COST_USD_ALIAS = "gen_ai.usage.cost"
"""`gen_ai.usage.cost` is not in the conventions; OpenLIT writes it and Langfuse reads it (read 2026-11-20)."""
DOLLARS = (COST_USD, COST_USD_ALIAS)


def attributes_of(call: Call) -> dict[str, AttributeValue]:
    """The span attributes of `call`. What is not known is left out."""
    return attributes_of_facts({name: getattr(call, name) for name in _attribute_names()})


def attributes_of_facts(facts: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The span attributes of the `facts` of a call, by the name of their column. What is `None` is left out.

    What a span holds in its own structure, such as its times, is no attribute, and is left out too.
    """
    names = _attribute_names()
    attributes: dict[str, AttributeValue] = {
        names[column]: value for column, value in facts.items() if value is not None and column in names
    }
    cost_usd = facts.get("cost_usd")
    if cost_usd is not None:
        attributes[names["cost_usd"]] = picodollars(cost_usd)
        attributes[COST_USD] = attributes[COST_USD_ALIAS] = float(cost_usd)
    net_cost_usd = facts.get("net_cost_usd")
    if net_cost_usd is not None:
        # Only where it is another than the list cost: few have discounts, and who reads puts it back.
        if net_cost_usd == cost_usd:
            del attributes[names["net_cost_usd"]]
        else:
            attributes[names["net_cost_usd"]] = picodollars(net_cost_usd)
    input_tokens = facts.get("input_tokens")
    if input_tokens is not None:
        attributes[TOTAL_INPUT_TOKENS] = (
            input_tokens + (facts.get("cache_read_tokens") or 0) + (facts.get("cache_write_tokens") or 0)
        )
    ttft_ms = facts.get("ttft_ms")
    if ttft_ms is not None:
        attributes[TIME_TO_FIRST_CHUNK_S] = ttft_ms / 1000
    attempts = facts.get("attempts")
    if attempts is not None and attempts > 1:
        attributes[RESEND_COUNT] = attempts - 1
    return attributes


def attempt_attributes(attempt: Attempt) -> dict[str, AttributeValue]:
    """The attributes of the `claude.attempt` event of `attempt`."""
    return {
        attribute: value
        for column, attribute in _carried(Attempt)
        if (value := getattr(attempt, column.name)) is not None
    }


def tool_use_attributes(tool_uses: Sequence[ToolUse]) -> dict[str, AttributeValue]:
    """Parallel lists, one for each field of `ToolUse`; an unknown is an empty text. Empty without tools."""
    if not tool_uses:
        return {}
    return {
        attribute: [getattr(tool_use, column.name) or "" for tool_use in tool_uses]
        for column, attribute in _carried(ToolUse)
    }


def call_facts(attributes: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, object]]:
    """The columns of `Call` that `attributes` carry, and the attributes that are none of ours.

    A value of another type than its column's is left among the rest: it is kept, but not believed.
    """
    rest = dict(attributes)
    facts: dict[str, Any] = {}
    for column, attribute in _carried(Call):
        if attribute not in rest:
            continue
        value = _believed(column, rest[attribute])
        if value is not None:
            facts[column.name] = value
            del rest[attribute]
    if RECORDER_VERSION in attributes and "attempts" not in facts and not _told_within(facts):
        facts.update(NOTHING_SENT)
    if "cost_usd" in facts:
        facts.setdefault("net_cost_usd", facts["cost_usd"])
    _forget_what_became_untrue(facts)
    return facts, rest


def _told_within(facts: Mapping[str, Any]) -> bool:
    """Whether a call was told within the body of another, so that it has no attempts of its own."""
    return ids_of_told(*(facts.get(name) for name in ("operation", "batch_id", "custom_id", "message_id"))) is not None


def _forget_what_became_untrue(facts: dict[str, Any]) -> None:
    """Attributes cannot be taken back: an attempt that cost nothing may be followed by one that nobody knows, a refusal
    by another model's answer, and the split of the cache writes that a stream starts with be outgrown by their total.
    """
    if facts.get("stop_reason") != "refusal":
        facts.pop("empty_refusal", None)
    if facts.get("cost_status") == "unknown":
        facts.pop("cost_usd", None)
        facts.pop("net_cost_usd", None)
        facts.pop("cost_breakdown", None)
        if facts.get("billed") is False:
            del facts["billed"]
    split = ("cache_write_5m_tokens", "cache_write_1h_tokens")
    if "cache_write_tokens" in facts and sum(facts.get(part, 0) for part in split) != facts["cache_write_tokens"]:
        for part in split:
            facts.pop(part, None)


def attempt_from(started_at: datetime, attributes: Mapping[str, object]) -> Attempt:
    """The attempt that a `claude.attempt` event carries. What has a wrong type counts as unknown."""
    facts: dict[str, Any] = {
        column.name: value
        for column, attribute in _carried(Attempt)
        if (value := _believed(column, attributes.get(attribute))) is not None
    }
    return Attempt(started_at=started_at, **facts)


def tool_uses_from(attributes: Mapping[str, object]) -> tuple[ToolUse, ...]:
    """The tool uses that the parallel lists of `tool_use_attributes` carry. Empty when there are none."""
    lists: dict[str, Sequence[object]] = {}
    for column, attribute in _carried(ToolUse):
        value = attributes.get(attribute)
        if isinstance(value, list | tuple):
            lists[column.name] = value
    count = max((len(values) for values in lists.values()), default=0)
    return tuple(ToolUse(**{name: _text_at(values, index) for name, values in lists.items()}) for index in range(count))


def picodollars(cost: Decimal) -> int:
    """`cost` in picodollars. Raises `ValueError` when it has a finer part: prices never give one, so it is a bug."""
    scaled = _EXACT.multiply(cost, PICODOLLARS_PER_USD)
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"{cost} USD is not a whole number of picodollars")
    return whole


def usd(amount: int) -> Decimal:
    """`amount` picodollars in USD, exact."""
    return _EXACT.scaleb(amount, -12)


@cache
def _attribute_names() -> Mapping[str, str]:
    return {column.name: attribute for column, attribute in _carried(Call)}


@cache
def _carried(record: type) -> tuple[tuple[Column, str], ...]:
    return tuple((column, column.fact.attribute) for column in columns_of(record) if column.fact.attribute is not None)


def _believed(column: Column, value: object) -> object:
    if column.type is Decimal:
        return usd(value) if isinstance(value, int) and not isinstance(value, bool) else None
    if column.type is int and isinstance(value, int) and (isinstance(value, bool) or value < 0):
        return None
    if column.type is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value if isinstance(value, column.type) else None


def _text_at(values: Sequence[object], index: int) -> str | None:
    value = values[index] if index < len(values) else None
    return value if isinstance(value, str) and value else None
