"""The page about errors and limits: without calls, with some, with names that want to be more than text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from claude_telemetry.record import Attempt
from claude_telemetry_collector.queries.errors import Headroom, PolicyCheck, RetryCost
from claude_telemetry_dashboard.panels import headroom, retry_policy
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages
from tests.support.selecting import select_first_rows

OpenPage = Callable[..., Pages]

HOSTILE = "[a](javascript:alert(1)) **b** <script>"


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def limited(**facts: Any) -> Any:
    """A call that met a rate limit twice and gave up."""
    at = ago(minutes=5)
    tries = [
        Attempt(started_at=at, duration_ms=100, http_status=429, error_type="rate_limit_error"),
        Attempt(started_at=at, duration_ms=100, http_status=429, error_type="rate_limit_error", wait_ms=400),
    ]
    usual: dict[str, Any] = {
        "status": "error",
        "error_type": "rate_limit_error",
        "http_status": 429,
        "attempts": 2,
        "started_at": at,
    }
    return a_call(attempt_rows=tries, stop_reason=None, cost_usd=None, billed=False, **(usual | facts))


def test_without_calls_nothing_can_have_failed(open_page: OpenPage) -> None:
    assert "No calls yet" in open_page("errors").said


def test_when_nothing_failed_the_page_says_so(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=2)))

    page = open_page("errors")

    assert page.texts[0] == "None of 1 calls failed in the last 24 hours."
    assert page.tile("Error rate") == "0%"
    assert "No call met a rate limit here, so nothing is known" in page.said


def test_what_failed_is_told_with_what_to_do(store: Store, open_page: OpenPage) -> None:
    store.land(limited(feature="chat"), limited(feature="mail"), *(a_call(started_at=ago(minutes=2)) for _ in range(2)))

    page = open_page("errors")

    assert page.texts[0] == (
        "2 of 4 calls failed in the last 24 hours, 50.0% of those that ended; most often rate_limit_error (Limits). "
        "Asking again saved 0 more, and did not help 2."
    )
    assert (page.tile("Lost at a limit"), page.tile("Retries")) == ("2", "2")
    assert page.tables[0]["error_type"] == ["rate_limit_error"]
    assert page.tables[0]["to_do"][0].startswith("Wait as long as retry-after says")
    assert page.tables[1]["label"] == ["claude-sonnet-5-5"]
    assert "2 of 2 break it" in str(page.tables)


def test_filters_and_the_label_to_tell_apart_by_are_in_the_url(store: Store, open_page: OpenPage) -> None:
    store.land(limited(feature="chat"), a_call(started_at=ago(minutes=2), feature="mail"))

    assert open_page("errors", feature="mail").tile("Failed calls") == "0"
    page = open_page("errors", **{"failed-by": "Feature"})
    assert page.tile("Failed calls") == "1"
    assert page.tables[1]["label"] == ["chat"]


def test_a_selected_row_says_more_and_leads_to_its_calls(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.land(limited(trace_id="ab" * 16, span_id="cd" * 8))
    select_first_rows(monkeypatch)

    page = open_page("errors", range="7d")

    assert any(text.startswith("A rate limit of the account was reached (429). Asking again") for text in page.texts)
    links = {button.proto.label: button.proto.url for button in page.test.get("link_button")}
    assert links["All of these calls"] == "calls?range=7d&status=error&error=rate_limit_error"
    assert links["The last one"] == f"calls?range=7d&call={'ab' * 16}-{'cd' * 8}"
    # Of the retry policy too: the last call that broke the first rule that is broken.
    assert links["The last call that broke it"] == links["The last one"]


@pytest.mark.parametrize("name", ["errors", "tools", "batches", "users"])
def test_a_collector_that_is_away_is_told(store: Store, open_page: OpenPage, name: str) -> None:
    store.go_away()
    assert "claude-telemetry collect --data" in open_page(name).said


def test_names_on_the_page_are_only_ever_text(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    select_first_rows(monkeypatch)
    store.land(
        limited(error_type=HOSTILE, feature=HOSTILE, model=HOSTILE, user_id=HOSTILE),
        a_call(started_at=ago(minutes=1), stop_reason="refusal", refusal_category=HOSTILE, model=HOSTILE),
        a_call(started_at=ago(minutes=1), stop_reason="max_tokens", feature=HOSTILE),
    )

    page = open_page("errors")

    assert HOSTILE in str(page.tables)
    assert not [kind for kind, text in page.rendered_markdown() if HOSTILE in text]


def a_cost(**facts: Any) -> RetryCost:
    usual: dict[str, Any] = {
        "calls": 10,
        "attempts_unknown": 0,
        "retried": 0,
        "saved": 0,
        "lost": 0,
        "cancelled": 0,
        "retries": 0,
        "told": 0,
        "waited_ms": None,
        "failed_ms": None,
        "unseen": 0,
        "unseen_at_most_usd": None,
        "unseen_unpriced": 0,
    }
    return RetryCost(**(usual | facts))


def test_retries_in_words_never_pass_the_unknown_for_nothing() -> None:
    assert retry_policy.in_words(a_cost(attempts_unknown=10), "today") == (
        "Whoever recorded these calls does not tell of their attempts."
    )
    assert retry_policy.in_words(a_cost(attempts_unknown=3), "today") == (
        "No call was asked more than once today. Of 3 calls nobody says how often they were asked."
    )
    unseen = a_cost(retried=2, saved=2, retries=2, unseen=2)
    assert retry_policy.in_words(unseen, "today").endswith("; what that comes to is not known.")


def test_a_rule_without_an_occasion_is_neither_kept_nor_broken() -> None:
    facts: dict[str, Any] = {"rule": "r", "title": "t", "expected": "e", "to_do": "d"}
    unknown = PolicyCheck(**facts, about=0, against=0)
    kept, broken = PolicyCheck(**facts, about=3, against=0), PolicyCheck(**facts, about=3, against=1, figure_ms=500.0)
    assert [retry_policy.seen(check) for check in (unknown, kept, broken)] == ["no occasion", "kept", "1 of 3 break it"]


def test_the_next_429_is_told_with_its_evidence() -> None:
    facts: dict[str, Any] = {
        "model": "claude-opus-5-5",
        "kind": "requests",
        "hits": 3,
        "hit_minutes": 2,
        "last_hit_at": None,
        "at_hits": 20.0,
        "lowest": 18.0,
        "highest": 22.0,
        "calm": 8.0,
    }
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rising = Headroom(**facts, pace=10.0, slope=1.0)
    assert headroom.in_words([rising], now) == (
        "3 answers were a 429; if requests of claude-opus-5-5 go on growing as in the last half hour, the next is due "
        "in 10 min, at 12:10 UTC."
    )
    assert "can come any minute" in headroom.in_words([Headroom(**facts, pace=25.0, slope=0.0)], now)
    assert "none is in sight" in headroom.in_words([Headroom(**facts, pace=10.0, slope=-1.0)], now)
