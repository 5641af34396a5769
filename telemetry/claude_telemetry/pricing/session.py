"""What a Managed Agents session costs: its tokens at list price, and the time that it ran.

Source: https://platform.claude.com/docs/en/about-claude/pricing, read 2026-08-21: $0.08 for an hour in the state
`running`; sessions take no part in batches. The session's own `list_cost` is the API's figure for the same, in cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from claude_telemetry.pricing.charge import amounts_of, charge, object_of, searches_of, unknown
from claude_telemetry.pricing.cost import Cost, cost_from
from claude_telemetry.pricing.edition import the_book
from claude_telemetry.pricing.endpoint import UnpricedError, offer_of
from claude_telemetry.pricing.terms import terms_of, utc_day
from claude_telemetry.record.call import CostStatus

_MS_PER_HOUR = 3_600_000


def session_cost_of(usage: Mapping[str, Any], *, model: str | None, at: datetime, running_ms: int) -> Cost:
    """What the session with this usage so far, which ran for `running_ms`, costs. Never raises for odd input.

    `at` is when it began: all of it is priced as on that day. The counts are sums over many requests, so a price that
    depends on the length of a prompt is uncertain, and flagged `tier_on_sum`. The time is rounded to a picodollar.
    """
    book = the_book()
    flags: list[str] = []
    try:
        usage = object_of(usage)
        if type(running_ms) is not int or running_ms < 0:
            raise UnpricedError("time_unknown")
        terms = terms_of(book, usage, day=utc_day(at), platform="anthropic", batch=False)
        searches, _ = searches_of(book, usage, "anthropic", flags)
        amounts = amounts_of(usage, offer_of("anthropic", model, None, None), terms, flags, summed=True)
        runtime = round(Fraction(running_ms * book.session_hour, _MS_PER_HOUR))
        status: CostStatus = "contract" if terms.contract else "priced"
        return cost_from(charge(book, [*amounts, searches, runtime], flags, status))
    except UnpricedError as why:
        return cost_from(unknown(book, why))
