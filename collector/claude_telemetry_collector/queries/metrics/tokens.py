"""What calls used."""

from __future__ import annotations

from claude_telemetry_collector.queries.metrics.conditions import HAS_USAGE, MAY_USE, TOTAL
from claude_telemetry_collector.queries.metrics.metric import Metric, largest, total

_WHOLE_NUMBER = "try_cast({value} AS BIGINT)"
_BOTH_KNOWN = "input_tokens IS NOT NULL AND output_tokens IS NOT NULL"


def _tokens(name: str, title: str, meaning: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="token",
        formula=_WHOLE_NUMBER,
        parts={"value": total(f"{name}::HUGEINT")},
        over=MAY_USE,
        known=f"{name} IS NOT NULL",
        meaning=meaning,
        unknowns="A call that does not say adds nothing, and is counted as unknown.",
    )


TOKENS = (
    _tokens("input_tokens", "Uncached input tokens", "Input that was neither read from nor written to a cache."),
    _tokens("cache_read_tokens", "Cache read tokens", "Input read from the prompt cache."),
    _tokens("cache_write_tokens", "Cache write tokens", "Input written to the prompt cache."),
    _tokens("output_tokens", "Output tokens", "All output, thinking included."),
    Metric(
        name="total_tokens",
        title="Tokens",
        unit="token",
        formula=_WHOLE_NUMBER,
        parts={"value": total(TOTAL, HAS_USAGE)},
        over=MAY_USE,
        known=_BOTH_KNOWN,
        meaning="Uncached input, cache reads, cache writes and output, each token once.",
        unknowns="A call that does not say adds nothing, or the part that it says, and is counted as unknown.",
    ),
    Metric(
        name="call_tokens_max",
        title="Largest call",
        unit="token",
        formula=_WHOLE_NUMBER,
        parts={"value": largest(TOTAL, HAS_USAGE)},
        over=MAY_USE,
        known=_BOTH_KNOWN,
        meaning="The tokens of the one call that took most: input of every kind and output.",
        unknowns="A call that does not say is left out, or counts with the part that it says.",
    ),
)
