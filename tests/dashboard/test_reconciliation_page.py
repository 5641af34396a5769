"""The page that holds the calls against the bill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import streamlit as st

from tests.dashboard.conftest import Store
from tests.support.bills import OUTPUT, READ, Line, midnight, pulled
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

TODAY = datetime.now(UTC).date()
DAY = TODAY - timedelta(days=3)


def bill(store: Store, *lines: Line) -> None:
    """A bill up to yesterday, complete up to this morning, and today's, which is pending."""
    until = TODAY + timedelta(days=1)
    pulled(store.connection, *lines, since=DAY, until=until, refreshed_at=midnight(TODAY) + timedelta(minutes=1))
    st.cache_data.clear()


def seen(store: Store, tokens: int) -> None:
    store.land(a_call(started_at=midnight(DAY), input_tokens=tokens, output_tokens=0, inference_geo="global"))


def test_without_a_bill_it_says_how_to_get_one(open_page: OpenPage) -> None:
    page = open_page("reconciliation")

    assert page.test.code[0].value == "export ANTHROPIC_ADMIN_KEY=sk-ant-admin01-…\nclaude-telemetry reconcile"


def test_on_the_first_day_with_a_key_there_is_nothing_to_compare_and_that_is_no_error(
    store: Store, open_page: OpenPage
) -> None:
    store.land(a_call(started_at=midnight(TODAY), input_tokens=5, output_tokens=0))
    bill(store, Line(day=TODAY, tokens=5, usd="0.00001"))

    page = open_page("reconciliation")

    assert page.texts[0] == "The bill has no tokens for 3 days, and neither has telemetry."
    assert ("Nothing to compare" in page.said, "Fits" in page.said) == (True, False)
    assert f"Pending, in no number here: {TODAY:%d %b %Y}." in page.said
    assert not page.test.exception


def test_what_fits_is_said_in_one_sentence(store: Store, open_page: OpenPage) -> None:
    seen(store, 1_000_000)
    bill(store, Line(day=DAY, tokens=1_000_000, usd="2"))

    page = open_page("reconciliation")

    assert page.texts[0] == "Telemetry has seen all 1,000,000 tokens that were billed in 3 days. Prices are as billed."
    assert f"Pending, in no number here: {TODAY:%d %b %Y}." in page.said


def test_what_does_not_fit_is_shown_by_model_and_day_with_prices_and_discounts(
    store: Store, open_page: OpenPage
) -> None:
    seen(store, 900_000)
    bill(
        store,
        Line(day=DAY, tokens=1_000_000, usd="2", paid="0.9"),
        Line(day=DAY, model="claude-opus-5-5", kind=READ, tokens=1_000_000, usd="0.30", paid="0.9"),
        Line(day=TODAY, kind=OUTPUT, tokens=5, usd="0.00005"),
    )

    page = open_page("reconciliation")

    assert page.texts[0].startswith("It does not fit: telemetry has seen 45 % of the 2,000,000 tokens")
    assert f"claude-opus-5-5 cache reads since {DAY}: the book says $0.20, the bill says $0.30 per MTok" in page.texts
    by_model, by_kind, by_day, discounts = page.tables
    assert (by_model["Model"], by_model["Seen"]) == (["claude-opus-5-5", "claude-sonnet-5-5"], ["0 %", "90 %"])
    assert by_kind["Missing"] == ["1,000,000", "100,000"]
    assert by_day["Missing, list price"] == ["$0.50"]
    assert discounts["Paid"] == ["× 0.9", "× 0.9"]
    assert "multiplier = 0.9" in page.said


def test_names_on_the_bill_are_shown_as_they_are(store: Store, open_page: OpenPage) -> None:
    bill(store, Line(day=DAY, model="**claude**$x$", tokens=10, usd="0.001"))

    page = open_page("reconciliation")

    assert page.tables[0]["Model"] == ["**claude**$x$"]
    assert not [element for element in page.rendered_markdown() if "**claude**" in element[1]]


def test_the_older_report_shows_what_it_comes_to(store: Store, open_page: OpenPage) -> None:
    seen(store, 1_000_000)
    pulled(
        store.connection,
        Line(day=DAY, tokens=1_000_000, usd="1.8"),
        since=DAY,
        until=DAY + timedelta(days=1),
        family="admin",
    )
    st.cache_data.clear()

    page = open_page("reconciliation")

    assert page.tables[-1] == {
        "Model": ["claude-sonnet-5-5"],
        "At our list price": ["$2.00"],
        "Billed": ["$1.80"],
        "Of our price": ["0.9"],
    }
