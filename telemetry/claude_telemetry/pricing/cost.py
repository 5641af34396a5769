"""What one call costs in dollars, line by line.

A *line* of a cost is what one kind of token, or the web searches, come to; the lines add up to the total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from claude_telemetry.pricing.book import Book, Rates
from claude_telemetry.pricing.charge import Charge, charge_of
from claude_telemetry.pricing.iterations import Part
from claude_telemetry.record.attributes import usd
from claude_telemetry.record.call import CostStatus

_LINES = (*Rates._fields, "web_search", "session_runtime")
_NOTHING = Decimal(0)  # rather than the `0E-12` that zero picodollars would print as
_NO_CATEGORIES: Mapping[str, str | None] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationCost:
    """What one iteration of an answer costs."""

    type: str
    model: str
    usd: Decimal
    billed: bool
    """False for an attempt that declined before it said anything: its tokens are listed and not charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call costs at list price, and with the user's discounts."""

    usd: Decimal | None
    """The sum of the lines, exact. `None` when it is not known; a lower bound when the status is `partial`."""
    status: CostStatus
    """`priced`; `partial` without its output; `contract` when it is paid by contract and this is the list value;
    `unknown`."""
    breakdown: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """USD by line: `input` and `output` always (but for an output that is not known), others when they are not zero."""
    flags: tuple[str, ...] = ()
    """What had to be assumed, or why the cost is unknown. The words are explained in `docs/pricing.md`."""
    price_version: str
    iterations: tuple[IterationCost, ...] = ()
    """The same cost by iteration, where the answer took several. Web searches are not in it."""
    net_usd: Decimal | None = None
    """What `usd` comes to with the discounts that the user stated: the same without any, `None` like it."""


def cost_of(
    usage: Mapping[str, Any],
    *,
    model: str | None,
    at: datetime,
    platform: str = "anthropic",
    region: str | None = None,
    deployment_type: str | None = None,
    workspace_id: str | None = None,
    batch: bool = False,
    empty_refusal: bool = False,
    refusal_category: str | None = None,
    declined: Mapping[str, str | None] = _NO_CATEGORIES,
    incomplete: bool = False,
    book: Book | None = None,
) -> Cost:
    """What the call with this usage object, as it comes over the wire, costs. Never raises for odd input.

    `model` is the id as the platform knows it: the answer's on the Claude API, Claude Platform on AWS and Foundry, the
    requested one on Bedrock and Google Cloud, where it says more than the answer does.
    `at` is when the request was made; without a time zone it counts as UTC.
    `region` is the location of a Google Cloud client, `deployment_type` that of a Foundry deployment. `workspace_id` is
    the workspace of the API key, which a discount of the user's may depend on.
    `batch`: a batch's result, whatever the usage says. `empty_refusal`: `stop_reason` is `refusal` and there is no
    content. `refusal_category`: `stop_details.category` of a refusal. `declined`: for each `fallback` block of the
    content, `from.model` and `trigger.category`.
    `incomplete`: a stream that was not read to its end, so that the output count is not the true one.
    `book` is what to price with; `None` for the book that this process uses.
    """
    charge = charge_of(
        usage,
        model=model,
        at=at,
        platform=platform,
        region=region,
        deployment_type=deployment_type,
        workspace_id=workspace_id,
        batch=batch,
        empty_refusal=empty_refusal,
        refusal_category=refusal_category,
        declined=declined,
        incomplete=incomplete,
        book=book,
    )
    return cost_from(charge)


def cost_from(charge: Charge) -> Cost:
    """`charge` in dollars."""
    total = None if charge.picodollars is None else dollars(charge.picodollars)
    net = charge.net_picodollars
    return Cost(
        usd=total,
        status=charge.status,
        breakdown=lines_of(charge),
        flags=charge.flags,
        price_version=charge.price_version,
        iterations=tuple(_iteration(part) for part in charge.parts),
        net_usd=total if net is None or net == charge.picodollars else dollars(net),
    )


def lines_of(charge: Charge) -> dict[str, Decimal]:
    """The lines: `input` and `output` always (but for an output that is not known), others when they are not zero."""
    amounts = charge.amounts
    lines = {line: usd(amount) for line, amount in zip(_LINES, amounts, strict=False) if amount}
    if amounts and not (amounts[0] and amounts[1]):
        lines = {"input": _NOTHING, "output": _NOTHING, **lines}
    if not charge.output_known:
        lines.pop("output", None)
    return lines


def _iteration(part: Part) -> IterationCost:
    return IterationCost(type=part.type, model=part.model, usd=dollars(sum(part.amounts)), billed=part.billed)


def dollars(picodollars: int) -> Decimal:
    """`picodollars` in USD, exact; zero as a plain one."""
    return usd(picodollars) if picodollars else _NOTHING
