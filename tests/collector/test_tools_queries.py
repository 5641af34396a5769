"""Tools: what was asked for, what was run, and what goes round in circles, worked out by hand."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import ToolUse
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry_collector.decode import LandedToolRun
from claude_telemetry_collector.queries import Segment, Window, tools
from claude_telemetry_collector.store import LocalReader, Writer
from tests.support.calls import NOON, a_call, land

HOUR = Window(NOON, NOON + timedelta(hours=1))
ALL = Segment()
SECOND = timedelta(seconds=1)

_numbers = itertools.count(1)


def a_use(name: str, tool_use_id: str | None = None, kind: str = "tool_use") -> ToolUse:
    return ToolUse(tool_use_id=tool_use_id or f"toolu_{next(_numbers)}", name=name, type=kind)


def a_run(name: str, outcome: str = "ok", *, started_at: datetime = NOON + SECOND, **facts: Any) -> LandedToolRun:
    number = next(_numbers)
    usual: dict[str, Any] = {"duration_ms": 100, "trace_id": "cd" * 16, "span_id": f"{number:016x}"}
    run = ToolRun(started_at=started_at, name=name, outcome=outcome, **(usual | facts))
    return LandedToolRun(run=run, source="claude_telemetry", received_at=started_at)


def land_runs(store: duckdb.DuckDBPyConnection, *runs: LandedToolRun) -> None:
    Writer(store).land([], tool_runs=runs)


@pytest.fixture
def shop(store: duckdb.DuckDBPyConnection) -> LocalReader:
    """Three calls that ask for tools, and what was run of it."""
    land(
        store,
        [
            a_call(
                feature="chat",
                trace_id="ab" * 16,
                span_id="ef" * 8,
                tool_uses=[
                    a_use("find", "toolu_a"),
                    a_use("find", "toolu_b"),
                    a_use("web_search", kind="server_tool_use"),
                ],
            ),
            a_call(feature="mail", tool_uses=[a_use("find", "toolu_c"), a_use("send", "toolu_d")]),
            a_call(tool_uses=[a_use("find")], started_at=NOON - SECOND),
        ],
    )
    land_runs(
        store,
        # Of this one only the id of its use says which call asked for it.
        a_run("find", tool_use_id="toolu_a", duration_ms=100, session_id="s1"),
        a_run("find", "error", tool_use_id="toolu_a", duration_ms=300, error_type="KeyError"),
        a_run("find", "cancelled", tool_use_id="toolu_c", duration_ms=90_000),
        a_run("find", asked_by_trace_id="ab" * 16, asked_by_span_id="ef" * 8, duration_ms=None),
        a_run("lonely", user_id="100%"),
        a_run("find", started_at=NOON - SECOND),
    )
    return LocalReader(store)


def test_tools_are_told_by_name_with_what_became_of_them(shop: LocalReader) -> None:
    found = tools.tools(shop, HOUR, ALL).to_pylist()
    shown = ("name", "type", "uses", "runs", "failed", "cancelled", "failed_ratio", "p50_ms", "untimed", "never_run")
    assert [tuple(row[name] for name in shown) for row in found] == [
        # Four runs of three uses: the two of toolu_a are one use that was run again.
        ("find", "tool_use", 3, 4, 1, 1, pytest.approx(1 / 3), 200.0, 1, 0),
        ("lonely", None, 0, 1, 0, 0, 0.0, 100.0, 0, 0),
        ("send", "tool_use", 1, 0, 0, 0, None, None, 0, None),
        ("web_search", "server_tool_use", 1, 0, 0, 0, None, None, 0, None),
    ]
    assert {row["tools"] for row in found} == {4}


def test_all_tools_together(shop: LocalReader) -> None:
    totals = tools.tool_totals(shop, HOUR, ALL)
    assert totals == tools.ToolTotals(
        uses=5, server_uses=1, tools=3, runs=5, failed=1, cancelled=1, unlinked=1, never_run=0, p95_ms=280.0
    )
    assert totals.failed_ratio == 0.25


def test_a_tool_that_was_asked_for_oftener_than_run_is_told(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(tool_uses=[a_use("find", f"toolu_{number}x") for number in range(5)])])
    assert tools.tool_totals(LocalReader(store), HOUR, ALL).never_run is None
    land_runs(store, a_run("find", tool_use_id="toolu_1x"), a_run("find", tool_use_id="toolu_1x"))
    assert tools.tool_totals(LocalReader(store), HOUR, ALL).never_run == 4


def test_runs_belong_to_a_segment_when_the_call_that_asked_for_them_does(shop: LocalReader) -> None:
    assert tools.tool_totals(shop, HOUR, Segment(feature="chat")).runs == 3
    assert tools.tool_totals(shop, HOUR, Segment(feature="mail")).runs == 1
    nothing = tools.tool_totals(shop, HOUR, Segment(feature="nothing"))
    assert (nothing.uses, nothing.runs, nothing.never_run, nothing.p95_ms, nothing.failed_ratio) == (
        0,
        0,
        None,
        None,
        None,
    )


def test_uses_and_runs_over_time(shop: LocalReader) -> None:
    half = timedelta(minutes=30)
    assert tools.uses_over_time(shop, HOUR, ALL, half).to_pylist() == [
        {"bucket": NOON.replace(tzinfo=None), "name": name, "rest": False, "uses": uses}
        for name, uses in (("find", 3), ("send", 1), ("web_search", 1))
    ]
    assert [tuple(row.values())[1:] for row in tools.runs_course(shop, HOUR, ALL, half).to_pylist()] == [
        (5, 0.25, 280.0),
        (0, None, None),
    ]
    found = tools.runs_over_time(shop, HOUR, ALL, half).to_pylist()
    assert [(row["outcome"], row["runs"]) for row in found] == [("cancelled", 1), ("error", 1), ("ok", 3)]


def test_every_run_can_be_looked_for_by_what_it_says(shop: LocalReader) -> None:
    def looked_for(**narrowed: Any) -> list[str | None]:
        return [row["tool_use_id"] for row in tools.tool_runs(shop, HOUR, ALL, **narrowed).to_pylist()]

    assert len(looked_for()) == 5
    assert looked_for(outcome="error") == ["toolu_a"]
    assert looked_for(search="KEYERR") == ["toolu_a"]
    assert looked_for(search="toolu_c") == ["toolu_c"]
    # A search has no wildcards: `%` is what one user is called.
    assert looked_for(search="%") == [None]
    assert looked_for(search="' OR 1 = 1 --") == []
    assert looked_for(name="lonely") == [None]


def test_a_run_leads_to_the_call_that_asked_for_it(shop: LocalReader) -> None:
    runs = tools.tool_runs(shop, HOUR, ALL).to_pylist()
    by_id = {(row["tool_use_id"], row["outcome"]): (row["call_trace_id"], row["call_span_id"]) for row in runs}
    asking = ("ab" * 16, "ef" * 8)
    assert by_id["toolu_a", "ok"] == asking
    assert [row["found"] for row in tools.tool_runs(shop, HOUR, ALL, limit=1).to_pylist()] == [5]
    assert [(row["call_trace_id"]) for row in runs if row["name"] == "lonely"] == [None]


def test_a_tool_asked_for_ten_times_in_ten_minutes_of_a_session_is_a_loop(store: duckdb.DuckDBPyConnection) -> None:
    def calls(session: str | None, times: int, apart: timedelta, **facts: Any) -> list[Any]:
        return [
            a_call(session_id=session, started_at=NOON + number * apart, tool_uses=[a_use("find")], **facts)
            for number in range(times)
        ]

    minute = timedelta(minutes=1)
    land(
        store,
        [
            *calls("round", 12, timedelta(seconds=60), cost_usd=Decimal("0.5")),
            # Ten times, but over more than ten minutes; nine times at once; ten times in no session and ten traces.
            *calls("slow", 10, 2 * minute),
            *calls("few", 9, timedelta(seconds=1)),
            *calls(None, 10, timedelta(seconds=1)),
            # All in one answer.
            a_call(tool_uses=[a_use("read") for _ in range(10)], trace_id="ab" * 16, cost_usd=None),
        ],
    )
    shown = ("session_id", "name", "uses", "at_once", "calls", "cost_usd", "unpriced", "loops")
    found = tools.loops(LocalReader(store), HOUR, ALL).to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("round", "find", 12, 11, 12, Decimal(6), 0, 2),
        (None, "read", 10, 10, 1, None, 1, 2),
    ]
    assert found[1]["trace_id"] == "ab" * 16


_examples = itertools.count()
outcomes = st.lists(
    st.tuples(st.sampled_from(["find", "send"]), st.sampled_from(["ok", "error", "cancelled"])), max_size=9
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(uses=st.lists(st.sampled_from(["find", "send", "search"]), max_size=9), runs=outcomes)
def test_tools_equal_a_slow_reference(
    store: duckdb.DuckDBPyConnection, uses: list[str], runs: list[tuple[str, str]]
) -> None:
    start = NOON + next(_examples) * timedelta(days=7)
    window = Window(start, start + timedelta(hours=1))
    land(store, [a_call(started_at=start, tool_uses=[a_use(name) for name in uses])])
    land_runs(store, *(a_run(name, outcome, started_at=start) for name, outcome in runs))
    totals = tools.tool_totals(LocalReader(store), window, ALL)
    asked, ran = Counter(uses), Counter(name for name, _ in runs)
    missing = sum(max(asked[name] - number, 0) for name, number in ran.items())
    assert (totals.uses, totals.runs) == (len(uses), len(runs))
    assert totals.failed == sum(outcome == "error" for _, outcome in runs)
    assert totals.never_run == (missing if set(asked) & set(ran) else None)
    by_name = {
        row["name"]: (row["uses"], row["runs"]) for row in tools.tools(LocalReader(store), window, ALL).to_pylist()
    }
    assert by_name == {name: (asked[name], ran[name]) for name in {*asked, *ran}}
