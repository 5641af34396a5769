"""What the prompt cache does."""

from __future__ import annotations

from claude_telemetry_collector.queries.metrics.conditions import INPUT, MAY_USE, WHOLE_PRICE
from claude_telemetry_collector.queries.metrics.cost_lines import line
from claude_telemetry_collector.queries.metrics.metric import Metric, count, total

CACHING = "(cache_read_tokens > 0 OR cache_write_tokens > 0)"
"""The calls that read from the cache or wrote to it, as SQL."""

_PICODOLLARS = f"CAST({line('input')} * 1000000000000 AS HUGEINT)"
# What a token of input cost is read off the call itself, so that it is the price that held, whatever it depended on.
_TELLS_RATE = (
    f"({CACHING} AND {WHOLE_PRICE} AND {_PICODOLLARS} % nullif(input_tokens, 0) = 0 AND hops IS NULL"
    # With several iterations it can be the price of several models.
    " AND (usage IS NULL OR NOT contains(usage, 'iterations')))"
)


def _uncached(tokens: str) -> str:
    """What `tokens` would have cost as uncached input of the same call, in USD."""
    # try_cast: a count that is none must not make every page fail.
    worth = f"coalesce({tokens}, 0)::HUGEINT * ({_PICODOLLARS} // nullif(input_tokens, 0))"
    return f"try_cast({worth} AS DECIMAL(25, 0)) * 0.000000000001"


_SAVED = total(f"{_uncached('cache_read_tokens')} - coalesce({line('cache_read')}, 0)", _TELLS_RATE)
_PREMIUM = total(
    f"coalesce({line('cache_write_5m')}, 0) + coalesce({line('cache_write_1h')}, 0)"
    f" - {_uncached('cache_write_tokens')}",
    _TELLS_RATE,
)
_RATE_NOT_TOLD = (
    "A call of which it is not known what a token of uncached input cost is left out: one without a price or without "
    "uncached input, or that several models answered."
)

CACHE = (
    Metric(
        name="cache_hit_ratio",
        title="Cache hit rate",
        unit="ratio",
        formula="{read}::DOUBLE / nullif({input}, 0)",
        parts={
            "read": total("coalesce(cache_read_tokens, 0)::HUGEINT", "input_tokens IS NOT NULL"),
            "input": total(INPUT),
        },
        over=MAY_USE,
        known="input_tokens IS NOT NULL",
        meaning="Input tokens read from the prompt cache over all input tokens: uncached, read and written.",
        unknowns="A call whose input is not known is left out of both sides.",
    ),
    Metric(
        name="cache_hit_calls_ratio",
        title="Hit rate by calls",
        unit="ratio",
        formula="{reading}::DOUBLE / nullif({known}, 0)",
        parts={
            "reading": count("input_tokens IS NOT NULL AND cache_read_tokens > 0"),
            "known": count("input_tokens IS NOT NULL"),
        },
        over=MAY_USE,
        known="input_tokens IS NOT NULL",
        meaning="Calls that read anything from the prompt cache over all calls whose input is known.",
        unknowns="A call whose input is not known is left out of both sides.",
    ),
    Metric(
        name="cache_saved_usd",
        title="Saved by reads",
        unit="USD",
        formula="CAST({saved} AS DECIMAL(38, 12))",
        parts={"saved": _SAVED},
        over=f"({MAY_USE} AND {CACHING})",
        known=_TELLS_RATE,
        meaning="What cache reads would have cost more as uncached input of the same call, at list price.",
        unknowns=_RATE_NOT_TOLD,
    ),
    Metric(
        name="cache_premium_usd",
        title="Paid for writes",
        unit="USD",
        formula="CAST({premium} AS DECIMAL(38, 12))",
        parts={"premium": _PREMIUM},
        over=f"({MAY_USE} AND {CACHING})",
        known=_TELLS_RATE,
        meaning="What cache writes cost more than the same tokens would have as uncached input, at list price.",
        unknowns=_RATE_NOT_TOLD,
    ),
    Metric(
        name="cache_net_saving_usd",
        title="Net cache saving",
        unit="USD",
        formula="CAST({saved} - {premium} AS DECIMAL(38, 12))",
        parts={"saved": _SAVED, "premium": _PREMIUM},
        over=f"({MAY_USE} AND {CACHING})",
        known=_TELLS_RATE,
        meaning="What the prompt cache saved by reads, less what writes to it cost on top; below zero it cost more.",
        unknowns=_RATE_NOT_TOLD,
    ),
)
