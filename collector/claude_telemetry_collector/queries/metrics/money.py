"""What calls cost."""

from __future__ import annotations

from claude_telemetry_collector.queries.metrics.conditions import (
    HAS_USAGE,
    MAY_COST,
    NO_PRICE,
    NO_PRICE_THOUGH_USED,
    WHOLE_PRICE,
)
from claude_telemetry_collector.queries.metrics.metric import Metric, count, largest, total

_AT_LEAST = (
    "A call without a price adds nothing, one with a partial price adds that part; both are counted as "
    "unknown, and the cost is at least the value."
)

_SAYS_OUTPUT = f"{WHOLE_PRICE} AND output_tokens IS NOT NULL"

MONEY = (
    Metric(
        name="cost_usd",
        title="Cost",
        unit="USD",
        parts={"value": total("cost_usd")},
        over=MAY_COST,
        known=WHOLE_PRICE,
        meaning="What the calls cost at list price, to the picodollar.",
        unknowns=_AT_LEAST,
    ),
    Metric(
        name="net_cost_usd",
        title="Net cost",
        unit="USD",
        # A call that landed before discounts were told has no net cost of its own, and no discount was stated then.
        parts={"value": total("coalesce(net_cost_usd, cost_usd)")},
        over=MAY_COST,
        known=WHOLE_PRICE,
        meaning="What the calls come to with the discounts that you have stated; the list price where you stated none.",
        unknowns=_AT_LEAST,
    ),
    Metric(
        name="unpriced_calls",
        title="Unpriced calls",
        unit="{call}",
        parts={"value": count(f"{MAY_COST} AND {NO_PRICE}")},
        over=MAY_COST,
        known="TRUE",
        meaning="Calls that may cost something, and of which it is not known what.",
        unknowns="None: it is the count of the unknown.",
    ),
    Metric(
        name="no_price_calls",
        title="Calls without a price",
        unit="{call}",
        parts={"value": count(NO_PRICE_THOUGH_USED)},
        over=f"({MAY_COST} AND {HAS_USAGE})",
        known="TRUE",
        meaning=(
            "Of the unpriced calls, those that say what they used: it is the price that is missing, as for a model "
            "that the price book does not hold."
        ),
        unknowns="None: an unpriced call that does not say what it used, such as after a timeout, is not part of it.",
    ),
    Metric(
        name="call_cost_max_usd",
        title="Dearest call",
        unit="USD",
        parts={"value": largest("cost_usd")},
        over=MAY_COST,
        known=WHOLE_PRICE,
        meaning="The cost of the one call that cost most.",
        unknowns="A call without a price is left out, one with a partial price counts with that part.",
    ),
    Metric(
        name="cost_per_request_usd",
        title="Cost per request",
        unit="USD",
        formula="CAST({cost} / nullif({priced}, 0) AS DECIMAL(38, 12))",
        parts={"cost": total("cost_usd"), "priced": count("cost_usd IS NOT NULL")},
        over=MAY_COST,
        known=WHOLE_PRICE,
        meaning="What a call costs on average, at list price.",
        unknowns="A call without a price is left out of both sides, one with a partial price counts with that part.",
    ),
    Metric(
        name="cost_per_1k_output_usd",
        title="Cost per 1k output",
        unit="USD",
        formula="CAST({cost} / nullif({output}, 0) * 1000 AS DECIMAL(38, 12))",
        parts={
            "cost": total("cost_usd", _SAYS_OUTPUT),
            "output": total("output_tokens::HUGEINT", _SAYS_OUTPUT),
        },
        over=MAY_COST,
        known=_SAYS_OUTPUT,
        meaning="The whole list price of the calls, input included, for every thousand output tokens.",
        unknowns="A call without a price, or of which the output is not known, is left out of both sides.",
    ),
)
