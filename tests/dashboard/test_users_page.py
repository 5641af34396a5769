"""The page about users and sessions: everybody, one user, one session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from claude_telemetry_collector.decode import LandedCall
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages
from tests.support.selecting import select_first_rows

OpenPage = Callable[..., Pages]

HOSTILE = "[a](javascript:alert(1)) **b** <script>"


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def a_turn(user: str | None, session: str | None, dollars: int, minutes: int = 5, **facts: Any) -> LandedCall:
    return a_call(user_id=user, session_id=session, cost_usd=Decimal(dollars), started_at=ago(minutes=minutes), **facts)


def test_without_calls_the_page_says_how_to_begin(open_page: OpenPage) -> None:
    assert "No calls yet" in open_page("users").said


def test_without_users_the_page_says_how_to_name_them(store: Store, open_page: OpenPage) -> None:
    store.land(a_turn(None, None, 1))

    page = open_page("users")

    assert page.texts[0] == "None of 1 call in the last 24 hours names a user."
    assert "claude_telemetry.label(user=" in page.said


def test_users_and_sessions_are_ranked_by_what_they_take(store: Store, open_page: OpenPage) -> None:
    store.land(a_turn("u1", "s1", 1), a_turn("u1", "s2", 1), a_turn("u2", "s3", 3), a_turn(None, None, 5))

    page = open_page("users")

    assert page.texts[0] == "2 users made 3 calls in the last 24 hours. 1 call more name nobody."
    assert (page.tile("Users"), page.tile("Sessions"), page.tile("Ten dearest users")) == ("2", "3", "50.0%")
    users, sessions = page.tables
    assert (users["user_id"], users["share"]) == (["u2", "u1"], [0.3, 0.2])
    assert sessions["session_id"] == ["s3", "s1", "s2"]
    assert open_page("users", **{"ranked-by": "Requests"}).tables[0]["user_id"] == ["u1", "u2"]


def test_one_user_is_in_the_url(store: Store, open_page: OpenPage) -> None:
    store.land(a_turn("u1", "s1", 1, feature="chat"), a_turn("u1", "s2", 1), a_turn("u2", "s3", 6))

    page = open_page("users", user="u1")

    assert page.texts[0].startswith("u1: 2 calls in the last 24 hours, none failed")
    assert "That is 25.0% of the cost of everybody." in page.said
    assert (page.tile("Requests"), page.tile("Cost")) == ("2", "\\$2.00")
    assert page.tables[-1]["session_id"] == ["s1", "s2"]
    page.click("All users")
    assert page.tables[0]["user_id"] == ["u2", "u1"]


def test_a_selected_user_gets_a_page_of_their_own(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.land(a_turn("u1", "s1", 1), a_turn("u2", "s2", 3))
    select_first_rows(monkeypatch)
    page = open_page("users")

    page.click("This user's page")

    assert page.test.session_state["user"] == "u2"
    assert page.texts[0].startswith("u2: 1 call")


def test_one_session_is_told_call_by_call(store: Store, open_page: OpenPage) -> None:
    turns = [
        a_turn("u1", "s1", number, minutes=9 - number, message_count=2 * number - 1, input_tokens=1000 * number)
        for number in (1, 2, 3)
    ]
    store.land(*turns, a_turn("u1", "s2", 9))

    page = open_page("users", session="s1")

    assert page.texts[0] == "s1"
    assert page.texts[1] == (
        "3 calls in 2 min, none failed, $6.00. Its input went from 1,000 to 3,000 tokens a call (×3.0), 0% of all of "
        "it from a cache."
    )
    assert page.tables[0]["message_count"] == [1, 3, 5]
    assert page.tables[0]["cost_so_far_usd"] == [Decimal(1), Decimal(3), Decimal(6)]
    assert "No calls of this session" in open_page("users", session="s9").said


def test_names_on_the_page_are_only_ever_text(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    select_first_rows(monkeypatch)
    store.land(a_turn(HOSTILE, HOSTILE, 1, feature=HOSTILE, model=HOSTILE))

    for page in (open_page("users"), open_page("users", user=HOSTILE), open_page("users", session=HOSTILE)):
        assert HOSTILE in str(page.tables)
        assert not [kind for kind, text in page.rendered_markdown() if HOSTILE in text]
