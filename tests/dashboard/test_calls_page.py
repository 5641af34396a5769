"""Explore: which calls are listed, in what order and with which columns; and the trace of one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry.record import Attempt
from claude_telemetry_collector.queries import LISTED
from claude_telemetry_collector.queries.trace import Step
from claude_telemetry_dashboard.panels import call_detail, export, waterfall
from tests.dashboard.conftest import Store
from tests.support.calls import NOON, a_call
from tests.support.pages import PLAIN, Pages

OpenPage = Callable[..., Pages]

EVIL = "**b** [a](javascript:alert(1)) <img src=x> :red[x] $x$"
TRACE = "ab" * 16


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def listed(page: Pages) -> list[str]:
    return [str(feature) for feature in page.tables[0]["feature"]]


def land_some(store: Store) -> None:
    store.land(
        a_call(feature="dear", cost_usd=Decimal(3), duration_ms=5, started_at=ago(minutes=3)),
        a_call(feature="slow", cost_usd=Decimal(1), duration_ms=70_000, started_at=ago(minutes=2)),
        a_call(feature="unpriced", cost_usd=None, duration_ms=6, started_at=ago(minutes=1), output_tokens=10**6),
    )


def test_a_link_brings_back_the_order(store: Store, open_page: OpenPage) -> None:
    land_some(store)
    for order, features, words in (
        ("newest", ["unpriced", "slow", "dear"], "newest first"),
        ("dearest", ["dear", "slow"], "the dearest 2 of 3, 1 unknown and not ranked"),
        ("slowest", ["slow", "unpriced", "dear"], "the slowest 3 of 3"),
        ("largest", ["unpriced", "slow", "dear"], "the largest 3 of 3"),
    ):
        page = open_page("calls", order=order)
        assert listed(page) == features
        assert f"Calls in the last 24 hours, {words}." in page.said


def test_a_link_brings_back_the_columns(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=1), effort="high"))
    assert list(open_page("calls", columns="effort").tables[0]) == ["effort"]
    assert "model" in open_page("calls", columns="usage").tables[0]


def test_a_call_is_found_by_an_id_of_one_of_its_attempts(store: Store, open_page: OpenPage) -> None:
    attempts = [Attempt(started_at=ago(minutes=1), http_status=529, request_id="req_first")]
    store.land(a_call(feature="retried", attempt_rows=attempts, started_at=ago(minutes=1)), a_call(started_at=ago()))

    assert listed(open_page("calls", find=" req_first ")) == ["retried"]


def test_an_id_that_nothing_has_can_be_looked_for_further_back(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(feature="old", session_id="s_1", started_at=ago(days=60)))
    page = open_page("calls", find="s_1")
    assert "No call of this time range and these filters has this id." in page.said

    page.click("Look in the last 90 days")

    assert listed(page) == ["old"]


def test_what_is_taken_along_is_the_whole_list_with_every_column(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: dict[str, Callable[[], pa.Table]] = {}

    def offer(table: Callable[[], pa.Table], name: str) -> None:
        offered[name] = table

    monkeypatch.setattr(export, "offer", offer)
    store.land(*(a_call(started_at=ago(minutes=1 + n), feature="a" if n % 2 else "b") for n in range(120)))

    open_page("calls", feature="a")
    open_page("calls", feature="b", order="slowest")

    # As when it is downloaded: outside of a page.
    rows = offered["calls"]()
    assert (rows.num_rows, set(rows["feature"].to_pylist())) == (60, {"a"})
    assert set(LISTED) <= set(rows.column_names)
    assert set(offered["slowest-calls"]()["feature"].to_pylist()) == {"b"}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "claude-sonnet-5-5 answered after 1.0 s. It cost $0.006."),
        ({"attempts": 3, "cost_status": "partial"}, "answered after 1.0 s and 3 attempts. It cost at least $0.006."),
        ({"status": "error", "error_type": "x", "cost_usd": None}, "failed after 1.0 s: x. What it cost is not known."),
        ({"status": "cancelled", "billed": False, "cost_usd": None}, "was stopped by the application after 1.0 s."),
        ({"billed": False, "cost_usd": None, "duration_ms": None}, "claude-sonnet-5-5 answered. It cost nothing."),
    ],
)
def test_what_became_of_a_call_is_said_in_words(facts: dict[str, Any], words: str) -> None:
    assert words in call_detail.sentence(a_call(**facts).record.call)


def a_trace(store: Store) -> str:
    """A trace of two calls, the first of two attempts. The URL's name of the first."""
    attempts = [
        Attempt(started_at=NOON, duration_ms=300, http_status=529, error_type=EVIL),
        Attempt(started_at=NOON + timedelta(seconds=1), duration_ms=700, http_status=200),
    ]
    first = a_call(trace_id=TRACE, span_id="1" * 16, model=EVIL, attempt_rows=attempts, duration_ms=1700, attempts=2)
    second = a_call(trace_id=TRACE, span_id="2" * 16, started_at=NOON + timedelta(seconds=2), status="error")
    store.land(first, second)
    return f"{TRACE}-{'1' * 16}"


def test_a_call_is_shown_within_its_trace(store: Store, open_page: OpenPage) -> None:
    page = open_page("calls", call=a_trace(store))

    steps = page.tables[0]
    space = "\N{NO-BREAK SPACE}"
    assert steps["Step"] == [
        f"1{space}{EVIL} (this call)",
        f"2{space * 4}✗ attempt 1",
        f"3{space * 4}attempt 2",
        f"4{space}✗ claude-sonnet-5-5",
    ]
    assert (steps["After"], steps["Took"]) == (
        ["0 ms", "0 ms", "1.0 s", "2.0 s"],
        ["1.7 s", "300 ms", "700 ms", "1.0 s"],
    )
    assert (steps["Said"], steps["Cost"][0]) == (["end_turn", EVIL, "200", "end_turn"], "$0.006")
    assert len(page.test.get("vega_lite_chart")) == 1
    assert not [shown for kind, shown in page.rendered_markdown() if kind not in PLAIN and "javascript:" in shown]


def test_a_call_says_when_it_was_on_the_clocks_of_the_reader(store: Store, open_page: OpenPage) -> None:
    name = a_trace(store)
    assert "in Europe/Berlin" not in open_page("calls", call=name).texts
    texts = open_page("calls", call=name, tz="Europe/Berlin").texts
    assert texts[texts.index("in Europe/Berlin") + 1] == "2026-11-20 13:00:00"
    assert "2026-11-20 12:00:00" in texts


def test_a_call_of_a_trace_of_its_own_has_no_picture(store: Store, open_page: OpenPage) -> None:
    landed = a_call(attempt_rows=[Attempt(started_at=NOON)])
    store.land(landed)
    page = open_page("calls", call=f"{landed.record.call.trace_id}-{landed.record.call.span_id}")
    assert "**Trace**" not in [heading.value for heading in page.test.markdown]


def test_who_told_of_a_call_and_what_they_say_it_cost_stands_beside_our_numbers(
    store: Store, open_page: OpenPage
) -> None:
    name = a_trace(store)
    store.connection.execute(
        "UPDATE calls SET server_ms = 1400, client_ms = 300, reported_cost_usd = 0.0071, sources = 1"
    )
    store.connection.execute(
        "INSERT INTO call_parts (call_trace_id, call_span_id, source, role, carries, trace_id, span_id, started_at,"
        " record, received_at, reported_cost_usd) VALUES"
        f" ('{TRACE}', '{'1' * 16}', '{EVIL}', 'call', true, '{'c' * 32}', '{'d' * 16}', '2026-11-20 12:00:00', '{{}}',"
        " '2026-11-20 12:00:02', 0.0071)"
    )

    page = open_page("calls", call=name)

    for text in ("at the API", "1.4 s", "on the way", "300 ms", "as others report it", "$0.0071", "$0.006"):
        assert text in page.texts, text
    told = page.tables[2]
    assert (told["Source"], told["Counts"], told["Cost as told"]) == ([EVIL], ["✓"], ["$0.0071"])


def test_a_picture_has_a_bar_for_each_step_and_names_only_in_its_data() -> None:
    def step(kind: Any, name: str, ms: int, status: str | None, took: int | None, depth: int = 0) -> Step:
        at = NOON + timedelta(milliseconds=ms)
        facts: dict[str, Any] = {"started_at": at, "duration_ms": took, "status": status, "depth": depth}
        return Step(kind=kind, name=name, place=("1" * 32, "1" * 16), **facts)

    steps = [
        step("call", EVIL, 5, "ok", 1000),
        step("tool", "t", 1010, "error", 40, depth=1),
        step("event", "e", 0, None, None),
    ]

    drawn = waterfall.drawing(steps)

    rows = drawn.table.to_pylist()
    assert [(row["from"], row["until"], row["group"], row["took"]) for row in rows] == [
        (5, 1005, "call", "1.0 s"),
        (1010, 1050, "failed", "40 ms"),
        (0, 0, "event", "—"),
    ]
    assert rows[0]["name"].endswith(EVIL)
    assert "javascript:" not in str(drawn.spec)
    assert drawn.spec["encoding"]["color"]["scale"]["domain"] == ["call", "event", "failed"]
    assert waterfall.drawing([step("call", "other", 0, "ok", 1), *steps[1:]]).spec == drawn.spec
