"""Pulling the bill from the stand-in by both families of reports, through the real SDK."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import anthropic
import pytest

from claude_telemetry.errors import BillingError, SettingsError
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.billing import DEFAULT_WORKSPACE, Traffic
from claude_telemetry_collector.reconcile import BilledCost, BilledUsage, Family, Pulled, admin_key, asking, pull
from claude_telemetry_collector.reconcile import analytics as analytics_module
from tests.support.billing import (
    ADMIN_KEY,
    DAY,
    HAIKU,
    LAB,
    LAB_KEY,
    OPUS,
    SHOP,
    SHOP_KEY,
    TODAY,
    WORKSPACE_KEY,
    at,
    traffic,
)

NEXT = DAY + timedelta(days=1)
FAMILIES: tuple[Family, ...] = ("analytics", "admin")


@pytest.fixture
def books(claude: FakeClaude) -> FakeClaude:
    claude.billing.add(*traffic())
    claude.billing.discount(OPUS, Decimal("0.9"))
    return claude


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.001)


def pulled(
    claude: FakeClaude,
    family: Family | None = None,
    *,
    since: date = DAY,
    until: date = NEXT,
    key: str = ADMIN_KEY,
) -> Pulled:
    return pull(since, until, key=key, base_url=claude.url, family=family)


def used(group: Mapping[str, Any], amounts: Mapping[str, int], requests: int | None = None) -> list[BilledUsage]:
    """The rows of a group on `DAY`."""
    return [
        BilledUsage(
            starting_at=at(DAY, 0),
            ending_at=at(NEXT, 0),
            token_type=kind,
            amount=amount,
            requests=requests if kind == "uncached_input_tokens" else None,
            **{"speed": "standard", "context_window": None, **group},
        )
        for kind, amount in amounts.items()
    ]


LAB_GROUP: Mapping[str, Any] = {
    "model": OPUS,
    "service_tier": "standard",
    "inference_geo": "global",
    "api_key_id": LAB_KEY,
    "workspace_id": LAB,
}
SHOP_GROUP: Mapping[str, Any] = {
    "model": OPUS,
    "service_tier": "batch",
    "inference_geo": "us",
    "api_key_id": SHOP_KEY,
    "workspace_id": SHOP,
}
CONSOLE_GROUP: Mapping[str, Any] = {
    "model": HAIKU,
    "service_tier": "standard",
    "inference_geo": None,
    "api_key_id": None,
    "workspace_id": LAB,
}
LAB_AMOUNTS = {
    "uncached_input_tokens": 1_001_000,
    "output_tokens": 250_000,
    "cache_read_input_tokens": 2_000,
    "cache_creation.ephemeral_5m_input_tokens": 4_000,
    "web_search_requests": 3,
}
EXPECTED_USAGE = [
    *used(LAB_GROUP, LAB_AMOUNTS, 11),
    *used(SHOP_GROUP, {"uncached_input_tokens": 10_000}, 5),
    *used(CONSOLE_GROUP, {"uncached_input_tokens": 7, "output_tokens": 3}, 1),
]


def as_text(rows: Iterable[BilledUsage | BilledCost]) -> list[str]:
    """In any order, and with what is no text beside what is."""
    return sorted(map(repr, rows))


def test_the_analytics_family_tells_all_that_calls_are_told_apart_by(books: FakeClaude) -> None:
    books.billing.refresh(at(TODAY, 0))
    found = pulled(books)

    assert (found.family, found.since, found.until, found.fallback_reason) == ("analytics", DAY, NEXT, None)
    assert found.refreshed_at == at(TODAY, 0)
    assert as_text(found.usage) == as_text(EXPECTED_USAGE)


def test_the_analytics_family_tells_list_and_discounted_money_exactly(books: FakeClaude) -> None:
    by_kind = {
        (row.model, row.service_tier, row.cost_type, row.token_type): (row.list_usd, row.amount_usd)
        for row in pulled(books).costs
    }
    assert by_kind == {
        (OPUS, "standard", "tokens", "uncached_input_tokens"): (Decimal("4.004"), Decimal("3.6036")),
        (OPUS, "standard", "tokens", "output_tokens"): (Decimal("5"), Decimal("4.5")),
        (OPUS, "standard", "tokens", "cache_read_input_tokens"): (Decimal("0.0004"), Decimal("0.00036")),
        (OPUS, "standard", "tokens", "cache_creation.ephemeral_5m_input_tokens"): (Decimal("0.02"), Decimal("0.018")),
        (OPUS, "standard", "web_search", None): (Decimal("0.03"), Decimal("0.027")),
        (OPUS, "batch", "tokens", "uncached_input_tokens"): (Decimal("0.022"), Decimal("0.0198")),
        (HAIKU, "standard", "tokens", "uncached_input_tokens"): (Decimal("0.0000007"), Decimal("0.0000007")),
        (HAIKU, "standard", "tokens", "output_tokens"): (Decimal("0.0000015"), Decimal("0.0000015")),
    }


def test_both_families_tell_the_same_as_far_as_each_says(books: FakeClaude) -> None:
    newer, older = pulled(books, "analytics"), pulled(books, "admin")

    assert as_text([replace(row, context_window=None) for row in older.usage]) == as_text(
        [replace(row, requests=None) for row in newer.usage]
    )
    assert {row.context_window for row in older.usage} == {"0-200k"}

    def told_by_both(row: BilledCost) -> BilledCost:
        # The older family has neither key, speed nor list price, and of a search no more than its cost.
        search = {"model": None, "service_tier": None, "inference_geo": None} if row.cost_type == "web_search" else {}
        silent: dict[str, Any] = {"speed": None, "api_key_id": None, "list_usd": None, **search}
        return replace(row, context_window=None, description=None, **silent)

    assert as_text([told_by_both(row) for row in older.costs]) == as_text([told_by_both(row) for row in newer.costs])
    assert {row.list_usd for row in older.costs} == {None}
    assert all(row.description for row in older.costs)
    assert older.refreshed_at is None


@pytest.mark.parametrize("family", FAMILIES)
def test_days_without_anything_bring_no_rows(claude: FakeClaude, family: Family) -> None:
    found = pulled(claude, family, since=DAY - timedelta(days=9))
    assert (found.usage, found.costs) == ((), ())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_range_is_asked_in_stretches_that_may_be_asked(claude: FakeClaude, family: Family) -> None:
    days = [TODAY - timedelta(days=n) for n in (70, 40, 39, 8, 0)]
    one = {"output_tokens": 1}
    claude.billing.add(*(Traffic(at=at(day, 0), model=OPUS, tokens=one, list_usd={}) for day in days))

    found = pulled(claude, family, since=days[0], until=TODAY + timedelta(days=1))

    outputs = [row for row in found.usage if row.token_type == "output_tokens"]
    assert [row.starting_at.date() for row in outputs] == days


@pytest.mark.parametrize("family", FAMILIES)
def test_all_pages_are_read(claude: FakeClaude, family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics_module, "_ROWS_A_PAGE", 2)
    monkeypatch.setattr("claude_telemetry_collector.reconcile.admin._DAYS_A_PAGE", 2)
    first = TODAY - timedelta(days=8)
    for n in range(7):
        claude.billing.add(
            Traffic(
                at=at(first + timedelta(days=n)),
                model=OPUS,
                api_key_id=f"apikey_{n}",
                workspace_id=LAB,
                tokens={"output_tokens": 2**n},
                list_usd={"output_tokens": Decimal(2**n)},
            )
        )
    found = pulled(claude, family, since=first, until=TODAY)

    assert sum(row.amount for row in found.usage) == 127
    assert sum(row.amount_usd for row in found.costs) == 127
    assert {row.workspace_id for row in found.usage} == {LAB}
    assert any("page=" in received.query for received in claude.requests)


def test_a_key_is_in_the_workspace_that_it_was_used_in_and_the_console_too(claude: FakeClaude) -> None:
    console = Traffic(at=at(DAY), model=HAIKU, tokens={"output_tokens": 5}, list_usd={"output_tokens": Decimal(5)})
    claude.billing.add(
        console,
        replace(console, workspace_id=SHOP),
        replace(console, api_key_id=LAB_KEY),
        replace(console, api_key_id=SHOP_KEY, workspace_id=SHOP),
    )
    found = pulled(claude, "analytics")

    places = [(row.api_key_id, row.workspace_id, row.amount) for row in found.usage if row.amount]
    assert sorted(places, key=repr) == [
        (LAB_KEY, DEFAULT_WORKSPACE, 5),
        (SHOP_KEY, SHOP, 5),
        (None, DEFAULT_WORKSPACE, 5),
        (None, SHOP, 5),
    ]
    assert sum(row.amount_usd for row in found.costs) == 20


def test_nothing_is_counted_twice_when_the_filter_for_no_key_is_not_understood(
    books: FakeClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics_module, "_NO_KEY", ())
    found = pulled(books, "analytics")

    assert sum(row.amount for row in found.usage if row.token_type == "output_tokens") == 250_003
    assert {row.workspace_id for row in found.usage if row.api_key_id is None} == {None}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_came_late_is_in_the_next_pull(claude: FakeClaude, family: Family) -> None:
    early = Traffic(at=at(DAY), model=HAIKU, tokens={"output_tokens": 5}, list_usd={"output_tokens": Decimal(5)})
    claude.billing.add(early, replace(early, known_at=at(NEXT, 6)))

    claude.billing.refresh(at(NEXT, 5))
    before = pulled(claude, family)
    claude.billing.refresh(at(NEXT, 6))
    after = pulled(claude, family)

    assert [sum(row.amount for row in found.usage) for found in (before, after)] == [5, 10]
    assert [sum(row.amount_usd for row in found.costs) for found in (before, after)] == [5, 10]
    if family == "analytics":
        assert (before.refreshed_at, after.refreshed_at) == (at(NEXT, 5), at(NEXT, 6))


@pytest.mark.parametrize("family", FAMILIES)
def test_fields_that_nobody_knows_are_left_alone(books: FakeClaude, family: Family) -> None:
    known = pulled(books, family)
    books.billing.unknown_fields = {"cost_center": "CC-7", "usage_2": {"tokens": 1}}
    assert (pulled(books, family).usage, pulled(books, family).costs) == (known.usage, known.costs)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_workspaces_key_is_told_which_key_is_needed(books: FakeClaude, family: Family) -> None:
    with pytest.raises(BillingError) as raised:
        pulled(books, family, key=WORKSPACE_KEY)

    assert "does not take this key (401: invalid x-api-key)" in str(raised.value)
    assert "ANTHROPIC_ADMIN_KEY has to hold an Admin API key (sk-ant-admin01-…)" in str(raised.value)
    assert WORKSPACE_KEY not in str(raised.value)


def test_where_the_newer_family_is_not_served_the_older_one_is_and_it_says_so(books: FakeClaude) -> None:
    books.billing.analytics = False
    found = pulled(books)

    assert (found.family, found.fallback_reason) == ("admin", "404: Not Found")
    assert sum(row.amount for row in found.usage if row.token_type == "output_tokens") == 250_003
    with pytest.raises(BillingError, match="the analytics reports cannot be had: 404: Not Found"):
        pulled(books, "analytics")


def test_an_sdk_without_the_newer_family_asks_the_older_one(books: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old(_: anthropic.Anthropic) -> None:
        return None

    monkeypatch.setattr("claude_telemetry_collector.reconcile.families.analytics_of", too_old)
    found = pulled(books)

    assert found.family == "admin"
    assert "2.2 and later do" in (found.fallback_reason or "")


def test_days_that_only_the_older_family_has_are_asked_there(claude: FakeClaude) -> None:
    long_ago = TODAY - timedelta(days=366)
    claude.billing.add(Traffic(at=at(long_ago), model=OPUS, tokens={"output_tokens": 5}))

    found = pulled(claude, since=long_ago, until=long_ago + timedelta(days=1))

    assert (found.family, [row.amount for row in found.usage]) == ("admin", [5])
    assert f"{long_ago} was asked for" in (found.fallback_reason or "")


def test_a_key_that_may_not_read_the_bill_is_told_so_for_both_families(books: FakeClaude) -> None:
    books.billing.permitted = False
    with pytest.raises(BillingError, match=r"Admin API's reports cannot be had: 403: .*nor the analytics reports: 403"):
        pulled(books)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_comes_back_when_it_is_asked_to(books: FakeClaude, family: Family, caplog: pytest.LogCaptureFixture) -> None:
    books.billing.fail(429, headers={"retry-after": "0.02"})
    books.billing.fail(500, times=2)
    with caplog.at_level(logging.WARNING):
        found = pulled(books, family)

    assert sum(row.amount for row in found.usage if row.token_type == "output_tokens") == 250_003
    assert len(caplog.records) == 3
    assert ADMIN_KEY not in caplog.text


def test_polling_too_often_is_waited_out(books: FakeClaude) -> None:
    first = pulled(books)
    books.billing.poll_gap_s = 0.1
    assert pulled(books).usage == first.usage
    assert pulled(books).usage == first.usage


def test_a_wait_that_is_too_long_is_an_error_at_once(books: FakeClaude) -> None:
    books.billing.fail(429, headers={"retry-after": "3600"})
    with pytest.raises(BillingError, match=r"429: .*another 3600 s, and a pull waits for 180 s in all: try again"):
        pulled(books)


def test_what_keeps_failing_is_given_up(books: FakeClaude) -> None:
    books.billing.fail(529, times=5)
    with pytest.raises(BillingError, match=r"cannot answer now \(529: Overloaded\), 5 times in a row"):
        pulled(books)
    assert len(books.requests) == 5


def test_nobody_at_the_other_end_is_an_error_that_names_the_address(claude: FakeClaude) -> None:
    claude.stop()
    with pytest.raises(BillingError, match=rf"{claude.url}/? cannot be reached"):
        pulled(claude)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "odd",
    [
        {"usage": None, "cost": None, "amount": None, "output_tokens": None},
        {"cost": {"amount": "12 cents", "list_amount": "12", "currency": "USD"}, "amount": "12 cents"},
        {"cost": {"amount": "12", "list_amount": "12", "currency": "EUR"}, "currency": "EUR"},
    ],
)
def test_a_figure_that_is_odd_is_an_error_and_not_zero(
    books: FakeClaude, family: Family, odd: Mapping[str, Any]
) -> None:
    books.billing.unknown_fields = odd
    with pytest.raises(BillingError, match="a row of Anthropic's report"):
        pulled(books, family)


def test_days_are_checked_before_anybody_is_asked(claude: FakeClaude) -> None:
    with pytest.raises(SettingsError, match="is no day"):
        pulled(claude, since=DAY, until=DAY)
    with pytest.raises(SettingsError, match="at the latest"):
        pulled(claude, until=TODAY + timedelta(days=3))
    assert claude.requests == []


def test_without_an_address_it_asks_where_the_sdk_would(books: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", books.url)
    assert pull(DAY, NEXT, key=ADMIN_KEY, base_url=None).usage == pulled(books).usage


def test_the_applications_own_key_is_not_sent(books: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", WORKSPACE_KEY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "somebody-elses")
    assert pulled(books).family == "analytics"


def test_the_key_comes_from_the_environment() -> None:
    assert admin_key({"ANTHROPIC_ADMIN_KEY": f" {ADMIN_KEY}\n"}) == ADMIN_KEY
    assert admin_key({"ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY, "ANTHROPIC_ADMIN_KEY": ""}) == ADMIN_KEY
    with pytest.raises(SettingsError, match="ANTHROPIC_ADMIN_KEY is not set"):
        admin_key({"ANTHROPIC_API_KEY": WORKSPACE_KEY})
    with pytest.raises(SettingsError, match="ANTHROPIC_ADMIN_KEY is no key") as raised:
        admin_key({"ANTHROPIC_ADMIN_KEY": "sk-ant-admin01-secret\nX-Evil: 1"})
    assert "secret" not in str(raised.value)


def test_fetched_at_is_when_the_pull_began(books: FakeClaude) -> None:
    before = datetime.now(at(DAY).tzinfo)
    assert before <= pulled(books).fetched_at <= datetime.now(at(DAY).tzinfo)
