"""The Usage and Cost Analytics API, through the SDK (2.2 and later).

It groups by at most five dimensions, and calls are told apart by six: model, tier, speed, place, key and workspace. A
key belongs to one workspace, so:

1. everything is asked by model, tier, speed, place and *key*; of that the rows with a key are taken;
2. what no key was used for (the Console's workbench, OAuth) is asked again, alone, with the *workspace* in the key's
   place. The two parts have no request in common;
3. keys by workspace, from which the workspace of the rows of 1 follows. It stays `None` should a key have several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import anthropic

from claude_telemetry.errors import BillingError
from claude_telemetry_collector.reconcile import figures
from claude_telemetry_collector.reconcile.asking import Asking
from claude_telemetry_collector.store.billed import BilledCost, BilledUsage, day_start

if TYPE_CHECKING:  # older versions of the SDK do not have them
    from anthropic import Omit
    from anthropic._types import SequenceNotStr
    from anthropic.pagination import SyncReportPageCursor
    from anthropic.resources.beta.organization.analytics import Analytics
    from anthropic.types.beta.organization.analytics import BetaAnalyticsCostItem, BetaAnalyticsUsageItem

    _Page = SyncReportPageCursor[BetaAnalyticsUsageItem] | SyncReportPageCursor[BetaAnalyticsCostItem]

FIRST_DAY = date(2026, 1, 1)
"""Before it the reports have nothing, by the SDK's own words (2.10)."""
DAYS_BACK = 365
MOST_DAYS = 31
"""In one question."""

_ROWS_A_PAGE = 1000
_Dimension = Literal["model", "service_tier", "speed", "inference_geo", "api_key_id", "workspace_id"]
_SHARED: tuple[_Dimension, ...] = ("model", "service_tier", "speed", "inference_geo")
_NO_KEY = ("",)
"""As a filter on keys: what was asked without one."""
_Row = Mapping[str, Any]
_Ask = Callable[["list[_Dimension]", "SequenceNotStr[str] | Omit"], "_Page"]
"""The first page of a report, grouped by these and of these keys only."""


def analytics_of(client: anthropic.Anthropic) -> Analytics | None:
    """The part of the SDK that asks these reports; `None` when it is too old to have it."""
    organization = getattr(client.beta, "organization", None)
    analytics = getattr(organization, "analytics", None)
    return analytics if hasattr(analytics, "cost") and hasattr(analytics, "usage") else None


class AnalyticsReports:
    """Both reports, by the day, of days of which there are at most `MOST_DAYS`."""

    def __init__(self, analytics: Analytics, asking: Asking, since: date, until: date) -> None:
        self._analytics = analytics
        self._asking = asking
        self._from, self._to = (f"{day_start(day):%Y-%m-%dT%H:%M:%SZ}" for day in (since, until))
        self._refreshed: list[datetime | None] = []

    def refreshed_at(self) -> datetime | None:
        """Up to when all that was asked is complete; `None` when some answer did not say."""
        known = [at for at in self._refreshed if at is not None]
        return min(known) if known and len(known) == len(self._refreshed) else None

    def both(self) -> tuple[list[BilledUsage], list[BilledCost]]:
        """What was used in these days, and what is billed for it."""
        usage = self._told_apart(self._ask_usage, _tokens_of)
        costs = self._told_apart(self._ask_cost, _list_usd_of)
        workspaces = self._workspaces() if any(_key_of(row) is not None for row in (*usage, *costs)) else {}
        used = [one for row in usage for one in _used(row, workspaces)]
        return used, [_billed(row, workspaces) for row in costs]

    def _told_apart(self, ask: _Ask, size_of: Callable[[_Row], int | Decimal]) -> list[_Row]:
        """Steps 1 and 2."""
        rows = list(self._rows(ask([*_SHARED, "api_key_id"], anthropic.omit)))
        keyed = [row for row in rows if _key_of(row) is not None]
        keyless = [row for row in rows if _key_of(row) is None]
        if keyless:
            in_workspaces = list(self._rows(ask([*_SHARED, "workspace_id"], _NO_KEY)))
            # Unless both say the same, the filter was not understood or something came in between. Then the
            # workspace stays unknown, and nothing is counted twice.
            if sum(map(size_of, in_workspaces)) == sum(map(size_of, keyless)):
                keyless = in_workspaces
        return [*keyed, *keyless]

    def _workspaces(self) -> dict[str, str]:
        """Step 3: the workspace of each key that has one and no other."""
        found: dict[str, set[str]] = {}
        for row in self._rows(self._ask_usage(["api_key_id", "workspace_id"], anthropic.omit)):
            key, workspace = _key_of(row), figures.word_in(figures.object_in(row, "group"), "workspace_id")
            if key is not None and workspace is not None:
                found.setdefault(key, set()).add(workspace)
        return {key: next(iter(workspaces)) for key, workspaces in found.items() if len(workspaces) == 1}

    def _ask_usage(self, groups: list[_Dimension], keys: SequenceNotStr[str] | Omit) -> _Page:
        return self._asking(
            lambda: self._analytics.usage.list(
                starting_at=self._from,
                ending_at=self._to,
                time_bucket_width="1d",
                group_by=[*groups],
                api_key_ids=keys,
                order_by="time",
                order="asc",
                limit=_ROWS_A_PAGE,
            )
        )

    def _ask_cost(self, groups: list[_Dimension], keys: SequenceNotStr[str] | Omit) -> _Page:
        return self._asking(
            lambda: self._analytics.cost.list(
                starting_at=self._from,
                ending_at=self._to,
                time_bucket_width="1d",
                group_by=[*groups, "cost_type", "token_type"],
                api_key_ids=keys,
                order_by="time",
                order="asc",
                limit=_ROWS_A_PAGE,
            )
        )

    def _rows(self, page: _Page) -> Iterator[_Row]:
        """The rows of all pages, as the API wrote them."""
        seen: set[object] = set()
        while True:
            answer = page.to_dict(mode="json", warnings=False)
            told = answer.get("data_refreshed_at")
            self._refreshed.append(None if told is None else figures.time_in(answer, "data_refreshed_at"))
            yield from figures.rows_in(answer, "data")
            if answer.get("has_more") is not True:
                return
            cursor = answer.get("next_page")
            if cursor is None or cursor in seen:
                raise BillingError("Anthropic's report says that there is more, and not where: try again later")
            seen.add(cursor)
            following: Callable[[], _Page] = page.get_next_page
            page = self._asking(following)


class _Group(TypedDict):
    """What the rows of both reports have in common."""

    starting_at: datetime
    ending_at: datetime
    model: str | None
    service_tier: str | None
    speed: str | None
    inference_geo: str | None
    context_window: str | None
    api_key_id: str | None
    workspace_id: str | None


def _group_of(row: _Row, workspaces: Mapping[str, str]) -> _Group:
    group = figures.object_in(row, "group")
    key = figures.word_in(group, "api_key_id")
    return {
        "starting_at": figures.time_in(row, "starting_at"),
        "ending_at": figures.time_in(row, "ending_at"),
        "model": figures.word_in(group, "model"),
        "service_tier": figures.word_in(group, "service_tier"),
        "speed": figures.word_in(group, "speed"),
        "inference_geo": figures.word_in(group, "inference_geo"),
        "context_window": None,
        "api_key_id": key,
        "workspace_id": figures.word_in(group, "workspace_id") if key is None else workspaces.get(key),
    }


def _used(row: _Row, workspaces: Mapping[str, str]) -> Iterator[BilledUsage]:
    usage = figures.object_in(row, "usage")
    requests = None if usage.get("requests") is None else figures.count(usage, "requests")
    amounts = figures.amounts_in(usage)
    if requests is not None:
        amounts.setdefault(figures.UNCACHED, 0)
    for kind, amount in amounts.items():
        told = requests if kind == figures.UNCACHED else None
        yield BilledUsage(**_group_of(row, workspaces), token_type=kind, amount=amount, requests=told)


def _billed(row: _Row, workspaces: Mapping[str, str]) -> BilledCost:
    group, cost = figures.object_in(row, "group"), figures.object_in(row, "cost")
    return BilledCost(
        **_group_of(row, workspaces),
        cost_type=figures.word_in(group, "cost_type"),
        token_type=figures.word_in(group, "token_type"),
        description=None,
        currency="USD",
        amount_usd=figures.usd_in(cost, "amount"),
        list_usd=figures.usd_in(cost, "list_amount"),
    )


def _key_of(row: _Row) -> str | None:
    return figures.word_in(figures.object_in(row, "group"), "api_key_id")


def _tokens_of(row: _Row) -> int:
    return sum(figures.amounts_in(figures.object_in(row, "usage")).values())


def _list_usd_of(row: _Row) -> Decimal:
    return figures.usd_in(figures.object_in(row, "cost"), "list_amount")
