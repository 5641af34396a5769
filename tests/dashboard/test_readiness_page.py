"""The page of what is ready for production."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import streamlit as st

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry_collector.store.ticks import TickLog
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]


def test_without_calls_what_they_would_tell_is_not_known(open_page: OpenPage) -> None:
    page = open_page("readiness")
    assert page.texts[0].startswith("0 of ")
    assert "What is read off calls is not known" in page.said.replace("what", "What")


def test_what_the_calls_tell_is_met_partly_met_or_open(open_page: OpenPage, store: Store) -> None:
    now = datetime.now(UTC)
    store.land(*(a_call(started_at=now, feature="chat", user_id="ann" if number else None) for number in range(4)))
    page = open_page("readiness", range="1h")
    assert "100.0% of calls name their feature." in page.said
    assert "75.0% of calls name their user." in page.said
    assert "0.0% of calls set max_tokens." in page.said


def test_a_filter_changes_the_shares(open_page: OpenPage, store: Store) -> None:
    now = datetime.now(UTC)
    store.land(a_call(started_at=now, feature="chat", user_id="ann"), a_call(started_at=now, feature="search"))
    assert "50.0% of calls name their user." in open_page("readiness").said
    assert "100.0% of calls name their user." in open_page("readiness", feature="chat").said


def test_a_tick_is_kept_and_can_be_taken_back(open_page: OpenPage, store: Store) -> None:
    page = open_page("readiness")
    assert page.tile("Scalability").startswith("0 of")
    page.test.checkbox(key="tick-load_tested").check()
    page.run()
    st.cache_data.clear()
    assert open_page("readiness").test.checkbox(key="tick-load_tested").value
    kept = store.connection.execute("SELECT name, done FROM readiness_ticks").fetchall()
    assert kept == [("load_tested", True)]
    page.test.checkbox(key="tick-load_tested").uncheck()
    page.run()
    st.cache_data.clear()
    assert not open_page("readiness").test.checkbox(key="tick-load_tested").value


@pytest.mark.parametrize(
    "arguments", [{}, {"name": "load_tested"}, {"name": "x'; DROP", "done": True}, {"name": 1, "done": 1}]
)
def test_what_is_no_tick_is_refused(store: Store, arguments: dict[str, object]) -> None:
    with pytest.raises(QuestionRefusedError, match="a tick is"):
        TickLog(store.connection)(arguments)
