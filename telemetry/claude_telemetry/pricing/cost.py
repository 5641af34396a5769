"""What one call costs: usage times price, line by line.

    cost = (sum of tokens times rate) times the terms of the request, plus web searches

Nothing is rounded. A *line* of a cost is what one kind of token, or the web searches, come to; the lines add up to the
total. The rules and how far each can be believed are in `docs/pricing.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import mul
from typing import Any, cast

from claude_telemetry.pricing.book import Book, Rates
from claude_telemetry.pricing.counts import count, counts_of, mapping_in
from claude_telemetry.pricing.edition import the_book
from claude_telemetry.pricing.endpoint import Offer, UnpricedError, offer_of
from claude_telemetry.pricing.iterations import Part, Refusal, parts_of
from claude_telemetry.pricing.terms import Terms, rates_for, terms_of
from claude_telemetry.record.attributes import usd
from claude_telemetry.record.call import CostStatus

_MOST = 10**18  # a million dollars: what does not fit a column of `DECIMAL(18,12)` is no cost of a call
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
    """What a call costs at list price."""

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


def cost_of(
    usage: Mapping[str, Any],
    *,
    model: str | None,
    at: datetime,
    platform: str = "anthropic",
    region: str | None = None,
    deployment_type: str | None = None,
    batch: bool = False,
    empty_refusal: bool = False,
    refusal_category: str | None = None,
    declined: Mapping[str, str | None] = _NO_CATEGORIES,
    incomplete: bool = False,
) -> Cost:
    """What the call with this usage object, as it comes over the wire, costs. Never raises for odd input.

    `model` is the id as the platform knows it: the answer's on the Claude API, Claude Platform on AWS and Foundry, the
    requested one on Bedrock and Google Cloud, where it says more than the answer does.
    `at` is when the request was made; without a time zone it counts as UTC.
    `region` is the location of a Google Cloud client, `deployment_type` that of a Foundry deployment.
    `batch`: a batch's result, whatever the usage says. `empty_refusal`: `stop_reason` is `refusal` and there is no
    content. `refusal_category`: `stop_details.category` of a refusal. `declined`: for each `fallback` block of the
    content, `from.model` and `trigger.category`.
    `incomplete`: a stream that was not read to its end, so that the output count is not the true one.
    """
    book = the_book()
    flags: list[str] = []
    try:
        usage = object_of(usage)
        offer = offer_of(platform, model, region, deployment_type)
        if platform == "foundry" and deployment_type is None:
            flags.append("deployment_unreported")
        terms = terms_of(book, usage, at=at, platform=platform, batch=batch)
        searches, tools_ran = searches_of(book, usage, platform, flags)
        iterations = usage.get("iterations")
        if iterations is not None and iterations != []:
            refusal = _refusal(book, terms, empty_refusal, refusal_category, declined)
            parts = parts_of(iterations, str(model), offer, terms, refusal, flags, output_known=not incomplete)
            amounts = [sum(line) for line in zip(*(part.amounts for part in parts), strict=True)]
        elif empty_refusal and _refusal(book, terms, empty_refusal, refusal_category, declined).is_free():
            parts, amounts, incomplete = [], [0] * len(Rates._fields), False
            flags.append("refusal_not_billed")
        else:
            parts, amounts = [], amounts_of(usage, offer, terms, flags, summed=tools_ran, output_known=not incomplete)
        status: CostStatus = "contract" if terms.contract else "partial" if incomplete else "priced"
        return total(book, [*amounts, searches], flags, status, parts, output_known=not incomplete)
    except UnpricedError as why:
        return unknown(book, why)


def nothing_due() -> Cost:
    """The cost of what is known to be free: a count of tokens, an attempt that was turned away."""
    return Cost(usd=_NOTHING, status="priced", price_version=the_book().version)


def not_known() -> Cost:
    """The cost of a call of which nobody saw what it used."""
    return Cost(usd=None, status="unknown", price_version=the_book().version)


def amounts_of(
    usage: Mapping[str, Any], offer: Offer, terms: Terms, flags: list[str], *, summed: bool, output_known: bool = True
) -> list[int]:
    """Picodollars for the counts at the top of `usage`, in the order of `Rates`."""
    counts = counts_of(usage, flags, output_known=output_known)
    rates = rates_for(offer, terms, counts, flags, summed=summed)
    return list(map(mul, counts, rates))


def total(
    book: Book,
    amounts: Sequence[int],
    flags: list[str],
    status: CostStatus,
    parts: Sequence[Part] = (),
    *,
    output_known: bool = True,
) -> Cost:
    """The cost that `amounts`, in picodollars and in the order of `_LINES`, come to.

    Raises `UnpricedError` for a sum that no call can cost.
    """
    picodollars = sum(amounts)
    if picodollars >= _MOST:
        raise UnpricedError("too_large")
    breakdown = {line: usd(amount) for line, amount in zip(_LINES, amounts, strict=False) if amount}
    if not amounts[0] or not amounts[1]:
        breakdown = {"input": _NOTHING, "output": _NOTHING, **breakdown}
    if not output_known:
        del breakdown["output"]
        flags.append("output_unknown")
    return Cost(
        usd=usd(picodollars) if picodollars else _NOTHING,
        status=status,
        breakdown=breakdown,
        flags=tuple(dict.fromkeys(flags)) if flags else (),
        price_version=book.version,
        iterations=tuple(_iteration(part) for part in parts) if parts else (),
    )


def unknown(book: Book, why: UnpricedError) -> Cost:
    """No cost, and the reason."""
    return Cost(usd=None, status="unknown", flags=(why.flag,), price_version=book.version)


def _iteration(part: Part) -> IterationCost:
    amount = sum(part.amounts)
    return IterationCost(type=part.type, model=part.model, usd=usd(amount) if amount else _NOTHING, billed=part.billed)


def object_of(usage: object) -> Mapping[str, Any]:
    """`usage`, if it is an object at all; else raises `UnpricedError`."""
    if type(usage) is not dict and not isinstance(usage, Mapping):
        raise UnpricedError("tokens_unknown")
    return cast("Mapping[str, Any]", usage)


def searches_of(book: Book, usage: Mapping[str, Any], platform: str, flags: list[str]) -> tuple[int, bool]:
    """What the web searches cost in picodollars, and whether any tool ran on the server."""
    used = mapping_in(usage, "server_tool_use")
    if used is None:
        return 0, False
    searches = count(used, "web_search_requests")
    executions = count(used, "code_execution_requests")
    if searches and platform not in book.search_platforms:
        raise UnpricedError("search_price_unknown")
    if executions:
        flags.append("container_time_excluded")
    return searches * book.web_search, bool(searches or executions or count(used, "web_fetch_requests"))


def _refusal(
    book: Book, terms: Terms, empty: bool, category: str | None, declined: Mapping[str, str | None]
) -> Refusal:
    rule = next((rule for rule in book.refusal_rules if rule.holds(terms.day, terms.platform)), None)
    if empty and rule is None and terms.platform not in book.refusal_rules[-1].platforms:
        # Before its first rule the Claude API charged for refusals; of the cloud platforms that is not known.
        raise UnpricedError("refusal_billing_unknown")
    return Refusal(rule, empty, category, declined)
