"""What of the cost went for which kind of token: the lines that were kept with each call, added up.

The lines of a call add up to its cost, so those of many calls do too, but for calls whose lines nobody told.
"""

from __future__ import annotations

from collections.abc import Mapping

from claude_telemetry_collector.queries.metrics.conditions import MAY_COST, WHOLE_PRICE
from claude_telemetry_collector.queries.metrics.metric import Metric, total

LINES: Mapping[str, tuple[str, str]] = {
    "input": ("Cost of uncached input", "What was neither read from nor written to a cache."),
    "cache_read": ("Cost of cache reads", "What was read from the prompt cache."),
    "cache_write_5m": ("Cost of cache writes, 5 minutes", "What was written to the prompt cache for five minutes."),
    "cache_write_1h": ("Cost of cache writes, 1 hour", "What was written to the prompt cache for an hour."),
    "output": ("Cost of output", "All output, thinking included."),
    "web_search": ("Cost of web searches", "The searches that the server made."),
    "session_runtime": ("Cost of sessions' running time", "The time that managed agents' sessions ran."),
}
"""The lines of a cost, as `cost_breakdown` names them: what they are called, and what is in them."""


def line(name: str) -> str:
    """A line of a call's cost in USD, as SQL; NULL where there is none. What others wrote there and is no amount counts
    as none."""
    return f"try_cast(json_extract_string(cost_breakdown, '$.{name}') AS DECIMAL(18, 12))"


def metric_of(name: str) -> str:
    """The metric of a line."""
    return f"{name}_cost_usd"


_HAS_LINES = "cost_breakdown IS NOT NULL"

COST_LINES = tuple(
    Metric(
        name=metric_of(name),
        title=title,
        unit="USD",
        parts={"value": total(f"coalesce({line(name)}, 0)", _HAS_LINES)},
        over=MAY_COST,
        known=f"{WHOLE_PRICE} AND ({_HAS_LINES} OR cost_usd = 0)",
        meaning=f"{meaning} At list price, exact.",
        unknowns="A call without a price, or of which nobody told the lines of its cost, adds nothing.",
    )
    for name, (title, meaning) in LINES.items()
)
