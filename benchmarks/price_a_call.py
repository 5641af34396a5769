"""What pricing a call costs in time, beside the least that a hand-written table of floats could do.

`charge_of` is what runs within an application's call; `cost_of` is the same in dollars, line by line. `own` is
`charge_of` with a user's price file that has names and discounts.

    python benchmarks/price_a_call.py

Trust the ratio, not the microseconds: both are measured in turn in the same run, on whatever machine this is.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from claude_telemetry.pricing import book_from, charge_of, cost_of, price_version, shipped

ROUNDS, CALLS = 15, 10_000
AT = datetime(2026, 11, 12, 8, tzinfo=UTC)
MODEL = "claude-opus-5-5"

FLOATS = {MODEL: (4e-6, 20e-6, 5e-6, 8e-6, 0.2e-6)}

OWN = """
[aliases.prod]
id = "claude-opus-5-5"
[[discounts]]
percent = 10
from = 2026-01-01
[[discounts]]
percent = 15
model = "claude-opus-5-5"
from = 2026-01-01
"""

TYPICAL: dict[str, Any] = {
    "cache_creation": None,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 12_000,
    "inference_geo": "global",
    "input_tokens": 640,
    "output_tokens": 310,
    "output_tokens_details": None,
    "server_tool_use": None,
    "service_tier": "standard",
    "speed": "standard",
}
EVERY_LINE: dict[str, Any] = {
    **TYPICAL,
    "cache_creation_input_tokens": 7_500,
    "cache_creation": {"ephemeral_5m_input_tokens": 1_500, "ephemeral_1h_input_tokens": 6_000},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
}
ITERATION = {"type": "message", "input_tokens": 400, "output_tokens": 100, "model": None}
ADVISED: dict[str, Any] = {
    **TYPICAL,
    "iterations": [ITERATION, {**ITERATION, "type": "advisor_message", "model": "claude-fable-5-2"}, ITERATION],
}


def main() -> None:
    """Prints microseconds a call for each usage, and how many times the table's the first of them is."""
    own = book_from(shipped(), OWN.encode())
    print(f"price book {price_version()}, Python {platform.python_version()}, {_processor()}")
    print(f"median of {ROUNDS} rounds of {CALLS:,} calls, in microseconds\n")
    print(f"{'usage':<44}{'charge_of':>10}{'own':>7}{'cost_of':>9}{'table':>7}{'ratio':>7}")
    for name, usage in (
        ("typical: input, output, cache read", TYPICAL),
        ("every line: two writes, two web searches too", EVERY_LINE),
        ("three iterations, one an advisor's", ADVISED),
    ):
        charge, with_own, cost, floats = _in_turn(
            partial(charge_of, usage, model=MODEL, at=AT),
            partial(charge_of, usage, model=MODEL, at=AT, book=own),
            partial(cost_of, usage, model=MODEL, at=AT),
            partial(_table, usage),
        )
        print(f"{name:<44}{charge:>10.2f}{with_own:>7.2f}{cost:>9.2f}{floats:>7.2f}{charge / floats:>7.1f}")


def _table(usage: Mapping[str, Any]) -> float:
    """Five products: no dates, no terms, no iterations, no checks, and rounding."""
    rates = FLOATS[MODEL]
    split: Mapping[str, int] = usage["cache_creation"] or {}
    return float(
        usage["input_tokens"] * rates[0]
        + usage["output_tokens"] * rates[1]
        + split.get("ephemeral_5m_input_tokens", 0) * rates[2]
        + split.get("ephemeral_1h_input_tokens", 0) * rates[3]
        + usage["cache_read_input_tokens"] * rates[4]
    )


def _in_turn(*actions: Callable[[], object]) -> list[float]:
    """Microseconds a call of each action, the median of rounds that alternate."""
    spent: list[list[float]] = [[] for _ in actions]
    for _ in range(ROUNDS):
        for action, times in zip(actions, spent, strict=True):
            start = time.perf_counter()
            for _ in range(CALLS):
                action()
            times.append((time.perf_counter() - start) / CALLS * 1e6)
    return [median(times) for times in spent]


def _processor() -> str:
    """The machine as Linux names it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else f"{platform.system()} {platform.machine()}"


if __name__ == "__main__":
    main()
