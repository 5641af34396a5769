"""The terms of a request: when, where and how it ran, as far as that changes its price."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from claude_telemetry.pricing.book import BATCH, DATA_ZONE, FAST, OVER_LIMIT, US_ONLY, Book, Rates
from claude_telemetry.pricing.counts import Counts
from claude_telemetry.pricing.endpoint import Offer, UnpricedError

_DAY_NS = 86_400_000_000_000
_DAY_OF_1970 = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a day, whatever the zone


class Terms(NamedTuple):
    """What holds for every part of one request."""

    day: int
    """The ordinal of its UTC day."""
    platform: str
    batch: int
    """`BATCH` or 0."""
    fast: bool
    contract: bool
    """Served by capacity that is paid for by contract."""
    us_only: bool
    geo_unreported: bool
    """Where it ran would matter here, and is not reported."""


def terms_of(book: Book, usage: Mapping[str, Any], *, day: int, platform: str, batch: bool) -> Terms:
    """What `usage` says about how the request ran, on the UTC day with the ordinal `day`; `batch` when it came as a
    batch's result.

    Raises `UnpricedError` for terms that have no published price.
    """
    tier, speed, geo = usage.get("service_tier"), usage.get("speed"), usage.get("inference_geo")
    if tier not in (None, "standard", "batch", "priority"):
        raise UnpricedError("service_tier_unknown")
    batch = batch or tier == "batch"
    if batch and platform not in book.batch_platforms:
        raise UnpricedError("batch_price_unknown")
    contract = tier == "priority" and not batch
    if contract and platform not in book.priority_platforms:
        raise UnpricedError("service_tier_unknown")
    if speed not in (None, "standard", "fast"):
        raise UnpricedError("speed_unknown")
    if speed == "fast" and batch:
        raise UnpricedError("fast_price_unknown")
    geo_matters = platform in book.us_only_platforms
    if geo_matters and geo not in (None, "global", "not_available", "us"):
        raise UnpricedError("geo_unknown")
    if platform == "google_cloud" and geo == "us":
        raise UnpricedError("geo_unknown")  # whether it costs more there is not published
    return Terms(
        day,
        platform,
        BATCH if batch else 0,
        speed == "fast",
        contract,
        geo_matters and geo == "us",
        geo_matters and geo is None,
    )


def utc_day(at: datetime | int) -> int:
    """The ordinal of the UTC day of `at`, which is taken as UTC when it has no time zone. A number is nanoseconds since
    1970.

    Raises `UnpricedError` when there is no such day.
    """
    if isinstance(at, int):
        return at // _DAY_NS + _DAY_OF_1970
    try:
        if at.tzinfo is not None and at.tzinfo is not UTC:
            at = at.astimezone(UTC)
        return at.toordinal()
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise UnpricedError("time_unknown") from None


class Standing(NamedTuple):
    """The rates of a model on a day on its terms, but for the length of the prompt."""

    rates: Rates
    over_prompt_tokens: int | None
    """The prompt beyond which `rates_over` hold, or `None`."""
    rates_over: Rates
    flags: tuple[str, ...]
    contract: bool
    family: str
    """Of the model."""


def standing_of(offer: Offer, terms: Terms, *, own: bool = True) -> Standing:
    """What holds for a part: of the call's `own` model or of another that took part.

    Raises `UnpricedError` when there is no price on these terms.
    """
    model, place = offer
    span = model.span_on(terms.day)
    if span is None:
        raise UnpricedError("day_unknown")
    flags: list[str] = []
    bits = terms.batch
    if model.us_only:
        if terms.us_only:
            bits |= US_ONLY
        elif terms.geo_unreported:
            flags.append("geo_unreported")
    if place is None:
        if model.regional_premium:
            raise UnpricedError("region_unknown")
    elif place and (model.us_only if place == DATA_ZONE else model.regional_premium):
        bits |= place
    if terms.fast and _runs_fast(terms.platform in span.fast_platforms, flags, own=own):
        # The fast price holds for prompts of any length.
        rates = span.rates[bits | FAST]
        return Standing(rates, None, rates, tuple(flags), terms.contract, model.family)
    over = span.over_prompt_tokens
    rates = span.rates[bits]
    rates_over = rates if over is None else span.rates[bits | OVER_LIMIT]
    return Standing(rates, over, rates_over, tuple(flags), terms.contract, model.family)


def rates_for(
    offer: Offer, terms: Terms, counts: Counts, flags: list[str], *, own: bool = True, summed: bool = False
) -> Rates:
    """The rates of a part with these `counts`. `own`: as for `standing_of`.

    `summed`: the counts may be those of several requests, so that a limit on the prompt is compared with their sum.
    Raises `UnpricedError` when there is no price on these terms.
    """
    return rates_of(standing_of(offer, terms, own=own), counts, flags, summed=summed)


def rates_of(standing: Standing, counts: Counts, flags: list[str], *, summed: bool) -> Rates:
    """Of `standing`, the rates for a prompt as long as these `counts` say."""
    if standing.flags:
        flags.extend(standing.flags)
    if standing.over_prompt_tokens is None or counts.prompt <= standing.over_prompt_tokens:
        return standing.rates
    if summed:
        flags.append("tier_on_sum")
    return standing.rates_over


def _runs_fast(has_price: bool, flags: list[str], *, own: bool) -> bool:
    """`usage.speed` is that of the serving model; what another model of the same request ran at is assumed."""
    if own:
        if not has_price:
            raise UnpricedError("fast_price_unknown")
        return True
    flags.append("speed_assumed")
    return has_price
