"""What metrics about money, the cache and streams come to, worked out slowly from what they promise.

Each function gives, by metric: value, calls, unknown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from claude_telemetry.record import Call

Told = dict[str, tuple[Any, int, int]]

LINES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "web_search", "session_runtime")


def of_money(calls: Sequence[Call]) -> Told:
    """By request, by output, by line."""
    may = [call for call in calls if call.cost_usd is not None or call.billed is not False]
    costs = [call.cost_usd for call in may if call.cost_usd is not None]
    answered = [call for call in calls if is_whole(call) and call.output_tokens is not None]
    output = sum(call.output_tokens or 0 for call in answered)
    spent = sum((call.cost_usd or Decimal(0) for call in answered), Decimal(0))
    result: Told = {
        "cost_per_request_usd": (
            rounded(Fraction(sum(costs)) / len(costs)) if costs else None,
            len(may),
            sum(not is_whole(call) for call in may),
        ),
        "cost_per_1k_output_usd": (
            rounded(Fraction(spent) * 1000 / output) if output else None,
            len(may),
            sum(call not in answered for call in may),
        ),
    }
    told = [lines for call in calls if (lines := lines_of(call)) is not None]
    silent = sum(not (is_whole(call) and (call.cost_breakdown is not None or not call.cost_usd)) for call in may)
    for line in LINES:
        amount = sum((lines.get(line, Decimal(0)) for lines in told), Decimal(0)) if told else None
        result[f"{line}_cost_usd"] = (amount, len(may), silent)
    return result


def of_cache(calls: Sequence[Call]) -> Told:
    """By calls, and what it saved."""
    using = [call for call in calls if has_usage(call) or call.billed is not False]
    known = [call for call in using if call.input_tokens is not None]
    reading = sum(bool(call.cache_read_tokens) for call in known)
    caching = [call for call in using if call.cache_read_tokens or call.cache_write_tokens]
    worth = [found for call in caching if (found := saved_and_paid(call)) is not None]
    counts = len(caching), len(caching) - len(worth)
    saved = sum((each for each, _ in worth), Decimal(0)) if worth else None
    paid = sum((each for _, each in worth), Decimal(0)) if worth else None
    return {
        "cache_hit_calls_ratio": (reading / len(known) if known else None, len(using), len(using) - len(known)),
        "cache_saved_usd": (saved, *counts),
        "cache_premium_usd": (paid, *counts),
        "cache_net_saving_usd": (None if saved is None or paid is None else saved - paid, *counts),
    }


def of_streams(calls: Sequence[Call]) -> Told:
    """How soon they begin, how fast they write, how they end. The percentile is left to others."""
    streams = [call for call in calls if call.status != "cancelled" and (call.stream or call.ttft_ms is not None)]
    written = [
        (call.output_tokens, call.duration_ms - call.ttft_ms)
        for call in streams
        if call.output_tokens
        and call.duration_ms is not None
        and call.ttft_ms is not None
        and call.duration_ms > call.ttft_ms
        and not call.usage_partial
        and call.stream_end in (None, "read")
    ]
    took = sum(ms for _, ms in written)
    ends = [call for call in calls if call.stream_end is not None]
    streamed = sum(call.stream is True or call.stream_end is not None for call in calls)
    return {
        "output_tokens_per_s": (
            sum(tokens for tokens, _ in written) * 1000 / took if took else None,
            len(streams),
            len(streams) - len(written),
        ),
        "stream_cut_ratio": (
            sum(call.stream_end == "cut" for call in ends) / len(ends) if ends else None,
            streamed,
            streamed - len(ends),
        ),
    }


def saved_and_paid(call: Call) -> tuple[Decimal, Decimal] | None:
    """What the cache saved on a call, and what writing cost on top. `None` where a token of input has no price."""
    lines = lines_of(call)
    if lines is None or not is_whole(call) or not call.input_tokens or call.hops or "iterations" in (call.usage or ""):
        return None
    rate = Fraction(lines.get("input", Decimal(0))) * 10**12 / call.input_tokens
    if rate.denominator != 1:
        return None
    read, written = (
        Decimal(int(rate) * (tokens or 0)) / 10**12 for tokens in (call.cache_read_tokens, call.cache_write_tokens)
    )
    writes = lines.get("cache_write_5m", Decimal(0)) + lines.get("cache_write_1h", Decimal(0))
    return read - lines.get("cache_read", Decimal(0)), writes - written


def lines_of(call: Call) -> dict[str, Decimal] | None:
    if call.cost_breakdown is None:
        return None
    return {line: Decimal(usd) for line, usd in json.loads(call.cost_breakdown).items()}


def is_whole(call: Call) -> bool:
    return call.cost_usd is not None and call.cost_status != "partial"


def has_usage(call: Call) -> bool:
    return call.input_tokens is not None or call.output_tokens is not None


def rounded(value: Fraction) -> Any:
    """As a matcher: an average is worked out in floating point, and is right to ten digits."""
    return Nearly(value)


class Nearly:
    """Equal to what is within one part in 10**10, or within a picodollar."""

    def __init__(self, value: Fraction) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decimal):
            return NotImplemented
        return abs(Fraction(other) - self._value) <= max(abs(self._value) / 10**10, Fraction(1, 10**12))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"nearly {float(self._value)}"
