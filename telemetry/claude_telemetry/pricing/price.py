"""What a model costs on a day, for people: the rates, since when, and how far they can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from claude_telemetry.pricing.book import (
    BATCH,
    DATA_ZONE,
    FAST,
    FOREVER,
    OVER_LIMIT,
    US_ONLY,
    Alias,
    Book,
    Discount,
    Evidence,
    Model,
    Rates,
)
from claude_telemetry.pricing.discount import Deal, discount_for
from claude_telemetry.pricing.endpoint import Offer, UnpricedError, offer_of, unaliased
from claude_telemetry.pricing.in_use import the_book
from claude_telemetry.pricing.terms import utc_day
from claude_telemetry.record.attributes import usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens of one model at one endpoint, by line of a cost (`input`, `output` and so on)."""

    model: Model
    platform: str
    since: date
    """The UTC day from which these numbers hold."""
    until: date | None
    """The UTC day from which they no longer hold, or `None` when no end is known."""
    rates: Mapping[str, Decimal]
    over_prompt_tokens: int | None
    """A prompt of more tokens than this pays `over_rates` for the whole request."""
    over_rates: Mapping[str, Decimal] | None
    fast_rates: Mapping[str, Decimal] | None
    """In the fast mode. `None` where it has no price."""
    batch_multiplier: Decimal | None
    """What a batch does to each rate. `None` where no price for batches is published."""
    us_only_multiplier: Decimal | None
    """What computing in the US only does to each rate. `None` where that is no choice of the request."""
    endpoint_multiplier: Decimal | None
    """What this endpoint has done to each rate already. `None` for nothing."""
    web_search_usd: Decimal | None
    """USD for each web search. `None` where no price for them is published."""
    stands_for: Alias | None
    """What the user says that the model's name stands for."""
    discount: Discount | None
    """The user's, which is not in any rate."""
    evidence: Evidence
    """How far `rates` and `over_rates` can be believed."""
    fast_evidence: Evidence | None


def price_of(
    model: str,
    at: datetime,
    platform: str = "anthropic",
    region: str | None = None,
    deployment_type: str | None = None,
    workspace_id: str | None = None,
    book: Book | None = None,
) -> Price | None:
    """What `model` cost at `at` at that endpoint; the endpoint, the workspace and the book are said as for
    `cost_of`.

    `None` for a model that the book does not hold, a day without a known price, or an endpoint whose price is unknown.
    """
    try:
        if book is None:
            book = the_book()
        platform, name, region, deployment_type = unaliased(book, platform, model, region, deployment_type)
        offer, day = offer_of(book, platform, name, region, deployment_type), utc_day(at)
    except UnpricedError:
        return None
    span, place = offer.model.span_on(day), _place(offer)
    if span is None or place is None:
        return None
    in_the_us = offer.model.us_only and platform in book.us_only_platforms
    fast = platform in span.fast_platforms
    return Price(
        model=offer.model,
        platform=platform,
        since=date.fromordinal(span.first_day),
        until=None if span.day_after == FOREVER else date.fromordinal(span.day_after),
        rates=_per_million(span.rates[place]),
        over_prompt_tokens=span.over_prompt_tokens,
        over_rates=None if span.over_prompt_tokens is None else _per_million(span.rates[place | OVER_LIMIT]),
        fast_rates=_per_million(span.rates[place | FAST]) if fast else None,
        batch_multiplier=book.multipliers[BATCH] if platform in book.batch_platforms else None,
        us_only_multiplier=book.multipliers[US_ONLY] if in_the_us else None,
        endpoint_multiplier=book.multipliers[place] if place else None,
        web_search_usd=usd(book.web_search) if platform in book.search_platforms else None,
        stands_for=book.aliases.get(model),
        discount=discount_for(book, Deal(offer.model.family, platform, workspace_id, day))[0],
        evidence=span.evidence,
        fast_evidence=span.fast_evidence if fast else None,
    )


def known_models(book: Book | None = None) -> tuple[Model, ...]:
    """Every model of the price book, the user's own first, then newest first. `book` is as for `cost_of`."""
    return (the_book() if book is None else book).models


def _place(offer: Offer) -> int | None:
    """The term of the endpoint that changes this model's price; `None` when it is not known whether one does."""
    model, place = offer
    costs_more = model.us_only if place == DATA_ZONE else model.regional_premium
    return place if costs_more else 0


def _per_million(rates: Rates) -> dict[str, Decimal]:
    return {line: usd(rate * 10**6) for line, rate in rates._asdict().items()}
