"""Live: the newest arrivals on top, until it is held still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def arriving(feature: str, seconds: float, **facts: Any) -> Any:
    """A call of a second that came in so many seconds ago."""
    at = ago(seconds=seconds + 1)
    return a_call(feature=feature, started_at=at, received_at=ago(seconds=seconds), duration_ms=1000, **facts)


def listed(page: Pages) -> list[str]:
    return [str(feature) for feature in page.tables[0]["feature"]]


def test_without_calls_it_waits_for_some(open_page: OpenPage) -> None:
    assert "No calls in the last 24 hours with these filters. They will appear here." in open_page("live").said


def test_what_came_in_last_stands_on_top_with_a_link_to_it(store: Store, open_page: OpenPage) -> None:
    long = a_call(feature="long", started_at=ago(minutes=10), received_at=ago(seconds=4), duration_ms=595_000)
    store.land(arriving("short", 9), long)

    page = open_page("live")

    assert listed(page) == ["long", "short"]
    assert page.tables[0]["open"][0] == f"calls?call={long.record.call.trace_id}-{long.record.call.span_id}"
    assert "2 calls ended in the last minute, none failed" in page.said


def test_it_goes_on_by_itself_and_keeps_to_the_filters(store: Store, open_page: OpenPage) -> None:
    store.land(arriving("a", 9, model="claude-opus-5"))
    page = open_page("live", model="claude-opus-5", status="ok")

    store.land(
        arriving("b", 8, model="claude-opus-5"),
        arriving("c", 7, model="claude-haiku-4-5"),
        arriving("d", 6, model="claude-opus-5", status="error"),
    )
    page.run()

    assert listed(page) == ["b", "a"]


def test_held_still_it_does_not_move_and_says_what_came_since(store: Store, open_page: OpenPage) -> None:
    store.land(arriving("a", 9))
    page = open_page("live")
    page.test.toggle(key="live-paused").set_value(True)
    page.run()
    assert "Held still. Nothing newer yet." in page.said

    store.land(arriving("b", 5), arriving("c", 4))
    page.run()
    assert listed(page) == ["a"]
    assert "Held still. 2 newer since." in page.said

    page.test.toggle(key="live-paused").set_value(False)
    page.run()
    assert listed(page) == ["c", "b", "a"]


def test_it_says_when_the_collector_is_away_and_goes_on_when_it_is_back(store: Store, open_page: OpenPage) -> None:
    store.land(arriving("a", 9))
    store.go_away()
    page = open_page("live")
    assert page.test.warning[0].value.startswith("The collector is not running")

    store.answer()
    page.run()
    assert listed(page) == ["a"]


def test_names_that_want_to_be_more_are_text(store: Store, open_page: OpenPage) -> None:
    evil = "[a](javascript:alert(1)) **b** :red[x]"
    store.land(arriving(evil, 9, model=evil, error_type=evil, status="error"))
    page = open_page("live")
    assert listed(page) == [evil]
    assert not [shown for _, shown in page.rendered_markdown() if "javascript:" in shown]


def test_another_filter_is_followed_also_while_it_is_held_still(store: Store, open_page: OpenPage) -> None:
    store.land(arriving("a", 9), arriving("b", 8))
    page = open_page("live")
    page.test.toggle(key="live-paused").set_value(True)
    page.run()

    page.choose("feature", "b")

    assert listed(page) == ["b"]
