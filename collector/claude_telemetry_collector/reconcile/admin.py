"""The older reports of the Admin API: usage by hour or day, and cost by day, oldest first, with the empty days.

Facts: https://platform.claude.com/docs/en/api/admin/usage_report and …/cost_report, read 2026-11-20. The SDK has no
methods for them. Usage can be grouped by everything at once; cost only by workspace and *description*, which brings
model, kind, tier and place with it, but neither key nor speed, and no list price. Priority Tier is not in the cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast
from urllib.parse import urlencode

import anthropic

from claude_telemetry.errors import BillingError
from claude_telemetry_collector.reconcile import figures
from claude_telemetry_collector.reconcile.asking import Asking
from claude_telemetry_collector.store.billed import BilledCost, BilledUsage, day_start

_USAGE = "/v1/organizations/usage_report/messages"
_COST = "/v1/organizations/cost_report"
_DAYS_A_PAGE = 31
_GROUPS = ("model", "service_tier", "speed", "inference_geo", "context_window", "api_key_id", "workspace_id")
# Grouping by speed is refused without it.
_HEADERS = {"anthropic-beta": "fast-mode-2026-02-01"}


class AdminReports:
    """Both reports, by the day."""

    def __init__(self, client: anthropic.Anthropic, asking: Asking) -> None:
        self._client = client
        self._asking = asking

    def usage(self, since: date, until: date) -> Iterator[BilledUsage]:
        """What was used in these days."""
        for starting_at, ending_at, row in self._rows(_USAGE, since, until, _GROUPS):
            group = {name: figures.word_in(row, name) for name in _GROUPS}
            for kind, amount in figures.amounts_in(row).items():
                yield BilledUsage(
                    starting_at=starting_at, ending_at=ending_at, token_type=kind, amount=amount, requests=None, **group
                )

    def costs(self, since: date, until: date) -> Iterator[BilledCost]:
        """What is billed for these days."""
        for starting_at, ending_at, row in self._rows(_COST, since, until, ("workspace_id", "description")):
            yield BilledCost(
                starting_at=starting_at,
                ending_at=ending_at,
                model=figures.word_in(row, "model"),
                cost_type=figures.word_in(row, "cost_type"),
                token_type=figures.word_in(row, "token_type"),
                service_tier=figures.word_in(row, "service_tier"),
                speed=figures.word_in(row, "speed"),
                inference_geo=figures.word_in(row, "inference_geo"),
                context_window=figures.word_in(row, "context_window"),
                api_key_id=None,
                workspace_id=figures.word_in(row, "workspace_id"),
                description=figures.word_in(row, "description"),
                currency="USD",
                amount_usd=figures.usd_in(row, "amount"),
                list_usd=None,
            )

    def _rows(
        self, path: str, since: date, until: date, groups: Sequence[str]
    ) -> Iterator[tuple[datetime, datetime, Mapping[str, Any]]]:
        """Each row with the bounds of its day."""
        for page in self._pages(path, since, until, groups):
            for bucket in figures.rows_in(page, "data"):
                bounds = figures.time_in(bucket, "starting_at"), figures.time_in(bucket, "ending_at")
                for row in figures.rows_in(bucket, "results"):
                    yield (*bounds, row)

    def _pages(self, path: str, since: date, until: date, groups: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        asked = [
            ("starting_at", f"{day_start(since):%Y-%m-%dT%H:%M:%SZ}"),
            ("ending_at", f"{day_start(until):%Y-%m-%dT%H:%M:%SZ}"),
            ("bucket_width", "1d"),
            ("limit", str(_DAYS_A_PAGE)),
            *(("group_by[]", group) for group in groups),
        ]
        seen: set[str] = set()
        while True:
            page = self._page(f"{path}?{urlencode(asked)}")
            yield page
            if page.get("has_more") is not True:
                return
            cursor = page.get("next_page")
            if not isinstance(cursor, str) or cursor in seen:
                raise BillingError(f"{path} says that there is more, and not where: nothing was changed, try again")
            seen.add(cursor)
            asked = [*(pair for pair in asked if pair[0] != "page"), ("page", cursor)]

    def _page(self, path: str) -> Mapping[str, Any]:
        # The query is part of the path, since versions of the SDK differ in how they write lists.
        answer = self._asking(lambda: self._client.get(path, cast_to=object, options={"headers": _HEADERS}))
        if not isinstance(answer, Mapping):
            raise BillingError(f"{path.partition('?')[0]} answered no object: is something else answering there?")
        return cast("Mapping[str, Any]", answer)
