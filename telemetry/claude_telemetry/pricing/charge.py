"""What one call costs, worked out in whole picodollars: usage times price, and what of it is to pay.

    cost = (sum of tokens times rate) times the terms of the request, plus web searches

Nothing is rounded but what is left after the user's discounts. The rules and how far each can be believed are in
`docs/pricing.md`. This runs within somebody's call where a span has to tell the cost, so what can be known beforehand
is looked up: the rates of a model on a day, on its terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import mul
from typing import Any, NamedTuple, cast

from claude_telemetry.pricing.book import Book, Rates
from claude_telemetry.pricing.counts import count, counts_of, mapping_in
from claude_telemetry.pricing.discount import Deal, net_of
from claude_telemetry.pricing.endpoint import Offer, UnpricedError, offer_of, unaliased
from claude_telemetry.pricing.in_use import the_book
from claude_telemetry.pricing.iterations import Part, Refusal, parts_of
from claude_telemetry.pricing.terms import Standing, Terms, rates_for, rates_of, standing_of, terms_of, utc_day
from claude_telemetry.record.call import CostStatus

_MOST = 10**18  # a million dollars: what does not fit a column of `DECIMAL(18,12)` is no cost of a call
_NO_CATEGORIES: Mapping[str, str | None] = {}


class Charge(NamedTuple):
    """What a call costs at list price, and with the user's discounts."""

    picodollars: int | None
    """Exact. `None` when it is not known; a lower bound when the status is `partial`."""
    status: CostStatus
    flags: tuple[str, ...]
    """What had to be assumed, or why the cost is unknown. The words are explained in `docs/pricing.md`."""
    price_version: str
    amounts: Sequence[int] = ()
    """Picodollars line by line: in the order of `Rates`, then web searches and the time that a session ran."""
    parts: Sequence[Part] = ()
    """By iteration, where the answer took several. Web searches are not in it."""
    output_known: bool = True
    net_picodollars: int | None = None
    """What `picodollars` come to with the discounts that the user stated: the same without any, `None` like them."""


def charge_of(
    usage: Mapping[str, Any],
    *,
    model: str | None,
    at: datetime | int,
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
) -> Charge:
    """As `cost_of`, which explains the arguments, in picodollars. `at` may also be nanoseconds since 1970. Never raises
    for odd input."""
    if book is None:
        book = the_book()
    flags: list[str] = []
    try:
        usage = object_of(usage)
        if book.aliases:
            platform, model, region, deployment_type = unaliased(book, platform, model, region, deployment_type)
        iterations = usage.get("iterations")
        if (iterations is None or iterations == []) and not empty_refusal:
            return _plain(
                book, usage, model, at, platform, region, deployment_type, workspace_id, batch, incomplete, flags
            )
        offer = offer_of(book, platform, model, region, deployment_type)
        if platform == "foundry" and deployment_type is None:
            flags.append("deployment_unreported")
        terms = terms_of(book, usage, day=utc_day(at), platform=platform, batch=batch)
        searches, tools_ran = searches_of(book, usage, platform, flags)
        refusal = _refusal(book, terms, empty_refusal, refusal_category, declined)
        if iterations is not None and iterations != []:
            parts = parts_of(book, iterations, str(model), offer, terms, refusal, flags, output_known=not incomplete)
            amounts = [sum(line) for line in zip(*(part.amounts for part in parts), strict=True)]
        elif refusal.is_free():
            parts, amounts, incomplete = [], [0] * len(Rates._fields), False
            flags.append("refusal_not_billed")
        else:
            parts, amounts = [], amounts_of(usage, offer, terms, flags, summed=tools_ran, output_known=not incomplete)
        status: CostStatus = "contract" if terms.contract else "partial" if incomplete else "priced"
        deal = Deal(offer.model.family, platform, workspace_id, terms.day)
        return charge(book, [*amounts, searches], flags, status, deal, parts, output_known=not incomplete)
    except UnpricedError as why:
        return unknown(book, why)


def _plain(
    book: Book,
    usage: Mapping[str, Any],
    model: str | None,
    at: datetime | int,
    platform: str,
    region: str | None,
    deployment_type: str | None,
    workspace_id: str | None,
    batch: bool,
    incomplete: bool,
    flags: list[str],
) -> Charge:
    """The charge of nearly every answer: one request to one model, that was not refused."""
    if platform == "foundry" and deployment_type is None:
        flags.append("deployment_unreported")
    day = utc_day(at)
    try:
        standing = _standing(
            book,
            platform,
            model,
            region,
            deployment_type,
            day,
            batch,
            usage.get("service_tier"),
            usage.get("speed"),
            usage.get("inference_geo"),
        )
    except TypeError:
        # Something that is no word where a word should be; `terms_of` says which.
        offer_of(book, platform, model, region, deployment_type)
        terms_of(book, usage, day=day, platform=platform, batch=batch)
        raise UnpricedError("model_unknown") from None
    searches, tools_ran = searches_of(book, usage, platform, flags)
    counts = counts_of(usage, flags, output_known=not incomplete)
    rates = rates_of(standing, counts, flags, summed=tools_ran)
    amounts = [*map(mul, counts, rates), searches]
    status: CostStatus = "contract" if standing.contract else "partial" if incomplete else "priced"
    deal = Deal(standing.family, platform, workspace_id, day) if book.discounts else None
    return charge(book, amounts, flags, status, deal, output_known=not incomplete)


@lru_cache(maxsize=1024)
def _standing(
    book: Book,
    platform: str,
    model: str | None,
    region: str | None,
    deployment_type: str | None,
    day: int,
    batch: bool,
    tier: object,
    speed: object,
    geo: object,
) -> Standing:
    """Looked up once a day for each model and its terms. Raises `TypeError` for arguments that cannot be looked up."""
    usage = {"service_tier": tier, "speed": speed, "inference_geo": geo}
    offer = offer_of(book, platform, model, region, deployment_type)
    return standing_of(offer, terms_of(book, usage, day=day, platform=platform, batch=batch))


def amounts_of(
    usage: Mapping[str, Any], offer: Offer, terms: Terms, flags: list[str], *, summed: bool, output_known: bool = True
) -> list[int]:
    """Picodollars for the counts at the top of `usage`, in the order of `Rates`."""
    counts = counts_of(usage, flags, output_known=output_known)
    rates = rates_for(offer, terms, counts, flags, summed=summed)
    return list(map(mul, counts, rates))


def charge(
    book: Book,
    amounts: Sequence[int],
    flags: list[str],
    status: CostStatus,
    deal: Deal | None,
    parts: Sequence[Part] = (),
    *,
    output_known: bool = True,
) -> Charge:
    """What `amounts`, in picodollars, come to; `deal` may be missing where the book has no discounts.

    Raises `UnpricedError` for a sum that no call can cost.
    """
    net = picodollars = sum(amounts)
    if picodollars >= _MOST:
        raise UnpricedError("too_large")
    if deal is not None and book.discounts:
        shares = [(part.family, sum(part.amounts)) for part in parts if part.family is not None]
        net = net_of(book, deal, picodollars, shares, flags)
    if not output_known:
        flags.append("output_unknown")
    distinct = tuple(dict.fromkeys(flags)) if flags else ()
    return Charge(picodollars, status, distinct, book.version, amounts, parts, output_known, net)


def unknown(book: Book, why: UnpricedError) -> Charge:
    """No charge that is known, and the reason."""
    return Charge(None, "unknown", (why.flag,), book.version)


def nothing_due() -> Charge:
    """The charge of what is known to be free: a count of tokens, an attempt that was turned away."""
    return Charge(0, "priced", (), the_book().version, net_picodollars=0)


def not_known() -> Charge:
    """The charge of a call of which nobody saw what it used."""
    return Charge(None, "unknown", (), the_book().version)


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
