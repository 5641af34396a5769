"""What a Managed Agents session costs: its tokens at list price, and the time that it ran.

Source: https://platform.claude.com/docs/en/about-claude/pricing, read 2026-08-21: $0.08 for an hour in the state
`running`; sessions take no part in batches. The session's own `list_cost` is the API's figure for the same, in cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from claude_telemetry.pricing.book import Book
from claude_telemetry.pricing.charge import amounts_of, charge, object_of, searches_of, unknown
from claude_telemetry.pricing.cost import Cost, cost_from
from claude_telemetry.pricing.discount import Deal
from claude_telemetry.pricing.endpoint import UnpricedError, offer_of, unaliased
from claude_telemetry.pricing.in_use import the_book
from claude_telemetry.pricing.terms import terms_of, utc_day
from claude_telemetry.record.call import CostStatus

_MS_PER_HOUR = 3_600_000
_PLATFORMS = ("anthropic", "claude_platform_aws")
_MOST_MS = 10**15  # longer than anything has run
_MOST_PLACES = 100  # more zeros or decimals than any number of milliseconds is written with


def session_cost_of(
    usage: Mapping[str, Any],
    *,
    model: str | None,
    at: datetime,
    running_ms: int | Decimal,
    platform: str = "anthropic",
    workspace_id: str | None = None,
    book: Book | None = None,
) -> Cost:
    """What the session with this usage so far, which ran for `running_ms`, costs. Never raises for odd input.

    `at` is when it began: all of it is priced as on that day. The counts are sums over many requests, so a price that
    depends on the length of a prompt is uncertain, and flagged `tier_on_sum`. The time is rounded to a picodollar.
    """
    if book is None:
        book = the_book()
    flags: list[str] = []
    try:
        usage = object_of(usage)
        running = _milliseconds(running_ms)
        if platform not in _PLATFORMS:
            raise UnpricedError("platform_unknown")
        platform, model, region, deployment_type = unaliased(book, platform, model, None, None)
        offer = offer_of(book, platform, model, region, deployment_type)
        terms = terms_of(book, usage, day=utc_day(at), platform=platform, batch=False)
        if terms.batch:
            raise UnpricedError("batch_price_unknown")
        searches, _ = searches_of(book, usage, platform, flags)
        amounts = amounts_of(usage, offer, terms, flags, summed=True)
        runtime = round(running * book.session_hour / _MS_PER_HOUR)
        status: CostStatus = "contract" if terms.contract else "priced"
        deal = Deal(offer.model.family, platform, workspace_id, terms.day)
        return cost_from(charge(book, [*amounts, searches, runtime], flags, status, deal))
    except UnpricedError as why:
        return cost_from(unknown(book, why))


def _milliseconds(running_ms: object) -> Fraction:
    # Before it becomes a fraction: that of 1e999999999 takes more memory than there is.
    if isinstance(running_ms, Decimal) and not (running_ms.is_finite() and _is_written_out(running_ms)):
        raise UnpricedError("time_unknown")
    if type(running_ms) is int or isinstance(running_ms, Decimal):
        running = Fraction(running_ms)
        if 0 <= running <= _MOST_MS:
            return running
    raise UnpricedError("time_unknown")


def _is_written_out(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= _MOST_PLACES
