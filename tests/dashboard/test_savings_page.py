"""The page of what could be saved, and what of it stands on other pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.insights import RULES, all_of
from claude_telemetry_collector.queries.readiness import observed, scorecard
from claude_telemetry_collector.store import LocalReader
from claude_telemetry_dashboard import filters
from claude_telemetry_dashboard.app import GROUPS
from claude_telemetry_dashboard.panels import findings
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]


def a_clock(number: int, feature: str = "digest", **facts: Any) -> list[LandedCall]:
    """Calls every minute up to now, of 0.006 USD each."""
    now = datetime.now(UTC)
    return [
        a_call(started_at=now - timedelta(minutes=minute), feature=feature, stream=False, **facts)
        for minute in range(number)
    ]


def labels(page: Pages) -> list[str]:
    return [str(expander.label) for expander in page.test.expander]


def test_without_calls_the_page_says_that_there_are_none(open_page: OpenPage) -> None:
    page = open_page("savings")
    assert not list(page.test.metric)
    assert page.said


def test_one_call_is_nothing_to_save(open_page: OpenPage, store: Store) -> None:
    store.land(*a_clock(1))
    page = open_page("savings")
    assert page.texts[0] == "Nothing to save was found in the last 24 hours."
    assert page.tile("Could be saved a month") == "—"


def test_a_finding_is_worth_its_dollars_a_month(open_page: OpenPage, store: Store) -> None:
    """100 calls of 0.006 in a day: half of 0.60 is 0.30, and 30 times that are 9; a little more, as of the last half
    hour a part is still to come."""
    store.land(*a_clock(100))
    page = open_page("savings")
    assert "calls that could have been batched." in page.texts[0]
    assert labels(page)[0].endswith("a month** · Calls that could have been batched")
    assert float(page.tile("Of that, exact").removeprefix("\\$")) == pytest.approx(9, abs=0.25)
    assert float(page.tile("Cost a month").removeprefix("\\$")) == pytest.approx(18, abs=0.5)


def test_filters_change_what_is_found(open_page: OpenPage, store: Store) -> None:
    store.land(*a_clock(100), *a_clock(1, feature="chat"))
    assert "batched" in labels(open_page("savings", feature="digest"))[0]
    assert open_page("savings", feature="chat").texts[0].startswith("Nothing to save")


def test_what_is_known_from_one_side_only_says_so(open_page: OpenPage, store: Store) -> None:
    store.land(*a_clock(30, stop_reason="max_tokens", user_id="ann"))
    page = open_page("savings")
    assert labels(page)[0].startswith("**Up to \\$")


def test_names_from_calls_are_only_ever_text(open_page: OpenPage, store: Store) -> None:
    name = "**bold** [a](javascript:alert(1)) $x$ <script>"
    store.land(*a_clock(60, feature=name, stop_reason="max_tokens", prompt_fingerprint=name, model=name))
    page = open_page("savings")
    assert any(name in table.get("feature", []) for table in page.tables)
    # A link's address holds it with all of its signs escaped.
    assert not any(name in markdown for _, markdown in page.rendered_markdown())


def test_a_month_cannot_be_saved_twice(open_page: OpenPage, store: Store) -> None:
    """A prompt of 100,000 tokens that nobody caches, from a clock: a batch and a cache overlap."""
    cost = Decimal("0.204")
    store.land(*a_clock(60, input_tokens=100_000, prompt_fingerprint="a" * 16, cost_usd=cost, stop_reason="max_tokens"))
    page = open_page("savings")
    assert page.tile("Could be saved a month").removeprefix("up to ") == page.tile("Cost a month")


def test_an_address_keeps_what_the_page_is_narrowed_to(open_page: OpenPage, store: Store) -> None:
    store.land(*a_clock(60, feature="a&b=c"))
    page = open_page("savings", range="7d", user="ann&bob", which="other")
    links = [link for table in page.tables for link in table.get(findings.CALLS_COLUMN, [])]
    assert links == []  # nobody is called that here
    page = open_page("savings", range="7d")
    links = [link for table in page.tables for link in table.get(findings.CALLS_COLUMN, [])]
    assert all(link.startswith("calls?range=7d") for link in links)
    assert "calls?range=7d&feature=a%26b%3Dc&service=shop" in links


def test_every_page_that_is_pointed_at_is_there(store: Store) -> None:
    reader = LocalReader(store.connection)
    window = Window.last(timedelta(days=1))
    links = [link for rule in RULES for finding in all_of([rule(reader, window, Segment())]) for link in finding.links]
    items = scorecard(dict(observed(reader, window, Segment())), (), None, None, sees_people=True)
    there = {entry.url_path for group in GROUPS.values() for entry in group}
    assert {link.page for link in links} | {item.page for item in items} <= there
    assert {name for link in links for name in link.parameters} <= filters.LABELS.keys() | filters.MORE_LABELS.keys()


def test_features_are_told_what_one_of_each_costs(open_page: OpenPage, store: Store) -> None:
    store.land(*a_clock(2, user_id="ann"), *a_clock(2, user_id="bob"))
    table = next(table for table in open_page("savings").tables if "per_user_usd" in table)
    assert table["per_user_usd"] == [Decimal("0.012")]


def test_the_overview_says_where_the_month_is_heading_and_what_changed(open_page: OpenPage, store: Store) -> None:
    now = datetime.now(UTC)
    store.land(a_call(started_at=now, feature="chat"), a_call(started_at=now - timedelta(hours=30), feature="search"))
    page = open_page("overview")
    assert any("A forecast needs 3 whole days" in text for text in page.texts)
    assert any(text.endswith("against the period before: $0.006 after $0.006.") for text in page.texts) or any(
        "as much as in the period before" in text for text in page.texts
    )
    told = next(table for table in page.tables if "Volume" in table)
    assert set(told["Which"]) == {"chat · feature", "search · feature"}


def test_the_cost_page_has_the_forecast_too(open_page: OpenPage, store: Store) -> None:
    now = datetime.now(UTC)
    store.land(*(a_call(started_at=now - timedelta(days=day)) for day in range(20)))
    assert any("at its end (" in text for text in open_page("cost").texts)
