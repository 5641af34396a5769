"""The page about tools: without any, with some, with names that want to be more than text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from claude_telemetry.record import ToolUse
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry_collector.decode import LandedToolRun
from claude_telemetry_collector.store import Writer
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages
from tests.support.selecting import select_first_rows

OpenPage = Callable[..., Pages]

HOSTILE = "[a](javascript:alert(1)) **b** <script>"


def land(store: Store, name: str = "find", outcome: str = "ok", **facts: Any) -> None:
    """A call that asks for a tool twice, and one run of it."""
    at = datetime.now(UTC) - timedelta(minutes=5)
    uses = [ToolUse(tool_use_id=f"{facts.get('feature')} {number}", name=name, type="tool_use") for number in range(2)]
    call = a_call(started_at=at, tool_uses=uses, **facts)
    run = ToolRun(
        started_at=at,
        duration_ms=250,
        name=name,
        outcome=outcome,
        tool_use_id=uses[0].tool_use_id,
        error_type=facts.get("error_type"),
        user_id=facts.get("user_id"),
        trace_id=call.record.call.trace_id,
        span_id="ab" * 8,
    )
    Writer(store.connection).land([], tool_runs=[LandedToolRun(run=run, source="claude_telemetry", received_at=at)])
    store.land(call)


def test_without_calls_the_page_says_how_to_begin(open_page: OpenPage) -> None:
    assert "No calls yet" in open_page("tools").said


def test_without_tools_the_page_says_how_runs_are_recorded(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=datetime.now(UTC) - timedelta(minutes=2)))

    page = open_page("tools")

    assert "No answer asked for a tool in the last 24 hours" in page.said
    assert "@claude_telemetry.tool" in page.said


def test_tools_are_told_with_what_became_of_them(store: Store, open_page: OpenPage) -> None:
    land(store, outcome="error", feature="chat")

    page = open_page("tools")

    assert page.texts[0] == (
        "Tools were asked for 2 times in the last 24 hours, most often find. 1 runs are recorded, 100% failed, "
        "95 of 100 done within 250 ms. 1 were asked for and not run."
    )
    assert (page.tile("Asked for"), page.tile("Failed runs"), page.tile("Never run")) == ("2", "100%", "1")
    assert page.tables[0]["name"] == ["find"]
    assert "No tool was asked for that often at once" in page.said


def test_filters_narrow_tools_and_their_runs(store: Store, open_page: OpenPage) -> None:
    land(store, feature="chat")

    assert "No calls with these filters" in open_page("tools", feature="mail").said
    assert open_page("tools", feature="chat").tile("Runs") == "1"
    assert "No run is like that." in open_page("tools", **{"run-search": "nothing of the kind"}).said
    assert open_page("tools", **{"run-outcome": "ok", "run-search": "FIND"}).tables[-1]["name"] == ["find"]


def test_names_on_the_page_are_only_ever_text(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    select_first_rows(monkeypatch)
    land(store, name=HOSTILE, feature=HOSTILE, user_id=HOSTILE)

    page = open_page("tools")

    assert HOSTILE in str(page.tables)
    assert not [kind for kind, text in page.rendered_markdown() if HOSTILE in text]
