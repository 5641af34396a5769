"""The page of prompts and their versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels.prompt_charts import Mark, versions_over_time
from tests.dashboard.conftest import Store
from tests.support.calls import NOON, a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

HOUR = timedelta(hours=1)


def support(number: int, version: str | None, hours_ago: float, **facts: Any) -> list[LandedCall]:
    """Calls of one minute after another, with outputs that vary."""
    first = datetime.now(UTC) - hours_ago * HOUR
    calls: list[LandedCall] = []
    for place in range(number):
        varying: dict[str, Any] = {"prompt_name": "support", "output_tokens": 100 + place % 7, **facts}
        calls.append(a_call(prompt_version=version, started_at=first + timedelta(minutes=place), **varying))
    return calls


def test_without_prompts_the_page_says_how_to_name_one(open_page: OpenPage, store: Store) -> None:
    store.land(a_call(started_at=datetime.now(UTC)))
    page = open_page("prompts")
    assert page.test.code[0].value.startswith('SUPPORT = claude_telemetry.prompt("support"')


def test_one_call_is_one_version_and_nothing_to_compare(open_page: OpenPage, store: Store) -> None:
    store.land(*support(1, "v1", 1))
    page = open_page("prompts")
    assert page.texts[0] == "1 version in the last 24 hours."
    assert not any("against" in text for text in page.texts)


def test_two_versions_get_a_verdict_with_its_p(open_page: OpenPage, store: Store) -> None:
    store.land(*support(40, "v1", 10), *support(40, "v2", 2))
    page = open_page("prompts")
    assert "v2 against v1: no sure difference in what was measured." in page.texts
    store.land(*(call for place in range(10) for call in support(40, "v3", 6, output_tokens=200 + place)))
    page = open_page("prompts", first="v1", second="v3")
    assert "v3 against v1: output tokens doubled (p < 0.001)." in page.texts


def test_versions_without_a_name_are_told_apart_by_their_text(open_page: OpenPage, store: Store) -> None:
    store.land(*support(3, None, 5, prompt_fingerprint="a" * 16), *support(3, None, 1, prompt_fingerprint="b" * 16))
    page = open_page("prompts")
    assert page.tables[0]["Version"] == ["text aaaaaaaa", "text bbbbbbbb"]


def test_filters_and_the_choice_in_the_url_change_what_is_shown(open_page: OpenPage, store: Store) -> None:
    store.land(*support(3, "v1", 1), *support(2, "v9", 1, prompt_name="triage", feature="triage"))
    assert open_page("prompts").tables[0]["Version"] == ["v1"]
    assert open_page("prompts", which="triage").tables[0]["Version"] == ["v9"]
    assert open_page("prompts", feature="triage").tables[0]["Version"] == ["v9"]
    assert open_page("prompts", which="no such prompt", first="x", second="y").tables[0]["Version"] == ["v1"]


def test_names_of_prompts_and_versions_are_only_ever_text(open_page: OpenPage, store: Store) -> None:
    name = "**v** [a](javascript:alert(1)) $x$ <b>"
    store.land(*support(31, name, 9, prompt_name=name), *support(31, f"{name}2", 1, prompt_name=name, model=name))
    page = open_page("prompts")
    assert any(name in text for text in page.texts)
    assert not any(name in markdown for _, markdown in page.rendered_markdown())


def test_a_mark_stands_where_a_version_came() -> None:
    table = pa.table(
        {
            "bucket": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")),
            "version": ["v1"],
            "rest": [False],
            "calls": [3],
        }
    )
    window = Window(NOON - HOUR, NOON + HOUR)
    drawn = versions_over_time(table, [Mark(NOON, "v1 came")], window, HOUR, {"v1": "v1"})
    assert drawn is not None
    rows = drawn.table.to_pylist()
    assert [row["mark"] for row in rows if row["mark"]] == ["v1 came"]
    assert sum(row["value"] or 0 for row in rows) == 3
    layers: Any = drawn.spec["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["bar", "rule"]
