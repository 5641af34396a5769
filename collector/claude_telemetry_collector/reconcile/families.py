"""Which of Anthropic's reports are fetched, and in which stretches of days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TypeVar

import anthropic

from claude_telemetry.errors import BillingError
from claude_telemetry_collector.reconcile.admin import AdminReports
from claude_telemetry_collector.reconcile.analytics import (
    DAYS_BACK,
    FIRST_DAY,
    MOST_DAYS,
    AnalyticsReports,
    analytics_of,
)
from claude_telemetry_collector.reconcile.asking import Asking, NotServedError
from claude_telemetry_collector.reconcile.key import KEY_HELP
from claude_telemetry_collector.store.billed import BilledCost, BilledUsage, Family, Pulled

_Row = TypeVar("_Row", BilledUsage, BilledCost)


def fetch(since: date, until: date, *, key: str, base_url: str | None, family: Family | None, now: datetime) -> Pulled:
    """See `pull`."""
    # The SDK would log on its own what a retry waits for, and wait for any time that an answer names: see `asking`.
    with anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=0) as client:
        asking = Asking(client, key)
        refused = None
        if family != "admin":
            try:
                return _pull_analytics(client, asking, since, until, now)
            except NotServedError as error:
                refused = str(error)
                if family == "analytics":
                    raise BillingError(f"the analytics reports cannot be had: {refused}. {KEY_HELP}") from None
        try:
            return _pull_admin(client, asking, since, until, now, refused)
        except NotServedError as error:
            also = "" if refused is None else f", nor the analytics reports: {refused}"
            raise BillingError(f"the Admin API's reports cannot be had: {error}{also}. {KEY_HELP}") from None


def _pull_analytics(client: anthropic.Anthropic, asking: Asking, since: date, until: date, now: datetime) -> Pulled:
    """Raises `NotServedError` for what only the older reports can answer."""
    analytics = analytics_of(client)
    if analytics is None:
        raise NotServedError(f"anthropic {anthropic.__version__} does not know them, 2.2 and later do")
    first = max(FIRST_DAY, now.date() - timedelta(days=DAYS_BACK - 1))
    if since < first:
        raise NotServedError(f"they go back to {first}, and {since} was asked for")
    usage: list[BilledUsage] = []
    costs: list[BilledCost] = []
    refreshed: list[datetime | None] = []
    for first_day, end in _months(since, until):
        reports = AnalyticsReports(analytics, asking, first_day, end)
        used, billed = reports.both()
        usage += used
        costs += billed
        refreshed.append(reports.refreshed_at())
    known = [at for at in refreshed if at is not None]
    return Pulled(
        family="analytics",
        since=since,
        until=until,
        usage=_of_these_days(usage, since, until),
        costs=_of_these_days(costs, since, until),
        refreshed_at=min(known) if len(known) == len(refreshed) else None,
        fetched_at=now,
    )


def _pull_admin(
    client: anthropic.Anthropic, asking: Asking, since: date, until: date, now: datetime, refused: str | None
) -> Pulled:
    reports = AdminReports(client, asking)
    months = list(_months(since, until))
    return Pulled(
        family="admin",
        since=since,
        until=until,
        usage=_of_these_days((row for month in months for row in reports.usage(*month)), since, until),
        costs=_of_these_days((row for month in months for row in reports.costs(*month)), since, until),
        refreshed_at=None,
        fetched_at=now,
        fallback_reason=refused,
    )


def _months(since: date, until: date) -> Iterator[tuple[date, date]]:
    """These days in stretches that one question may be about."""
    while since < until:
        end = min(since + timedelta(days=MOST_DAYS), until)
        yield since, end
        since = end


def _of_these_days(rows: Iterable[_Row], since: date, until: date) -> tuple[_Row, ...]:
    """Without those of other days, which an answer might bring along: kept, they would never be replaced."""
    return tuple(row for row in rows if since <= row.starting_at.date() < until)
