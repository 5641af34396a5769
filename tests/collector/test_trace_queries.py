"""A trace is put together from what is known of it, whatever order it came in and whatever it says of itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from claude_telemetry.record import Attempt
from claude_telemetry.record.event import Event
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry_collector.decode import LandedCall, LandedEvent, LandedToolRun
from claude_telemetry_collector.decode.landed import LandedPart, SpanLink
from claude_telemetry_collector.queries.trace import MOST, Step, Trace, trace
from claude_telemetry_collector.store import LocalReader, Writer
from tests.support.calls import NOON, a_call, land

TRACE = "ab" * 16


def at(ms: int) -> datetime:
    return NOON + timedelta(milliseconds=ms)


def span(number: int) -> str:
    return f"{number:016x}"


def a_step(number: int, ms: int, parent: int | None = None, **facts: Any) -> LandedCall:
    above = None if parent is None else span(parent)
    return a_call(trace_id=TRACE, span_id=span(number), parent_span_id=above, started_at=at(ms), **facts)


def a_run(number: int, ms: int, **facts: Any) -> LandedToolRun:
    usual: dict[str, Any] = {"name": "weather", "outcome": "ok", "duration_ms": 40, "trace_id": TRACE}
    run = ToolRun(started_at=at(ms), span_id=span(number), **(usual | facts))
    return LandedToolRun(run=run, source="claude_telemetry", received_at=NOON)


def a_link(number: int, parent: int) -> SpanLink:
    return SpanLink(trace_id=TRACE, span_id=span(number), parent_span_id=span(parent), started_at=NOON)


def test_a_trace_is_its_calls_with_their_attempts_and_the_tools_that_they_asked_for(
    store: duckdb.DuckDBPyConnection,
) -> None:
    attempts = (
        Attempt(started_at=at(1), duration_ms=20, http_status=529, error_type="overloaded_error"),
        Attempt(started_at=at(521), duration_ms=400, http_status=200, wait_ms=500),
    )
    asking = a_step(1, 0, duration_ms=921, attempt_rows=attempts, stop_reason="tool_use", cost_usd=Decimal("0.5"))
    asked = {"asked_by_trace_id": TRACE, "asked_by_span_id": span(1)}
    event = Event(
        happened_at=at(1100),
        name="fallback",
        trace_id="1" * 32,
        span_id=span(9),
        call_trace_id=TRACE,
        call_span_id=span(3),
    )
    Writer(store).land(
        [a_step(3, 1000, duration_ms=300, status="error", error_type="api_error", cost_usd=None), asking],
        tool_runs=[a_run(2, 930, trace_id="cd" * 16, outcome="error", error_type="KeyError", **asked)],
        events=[LandedEvent(event=event, received_at=NOON)],
    )

    found = trace(LocalReader(store), TRACE, NOON)

    model = "claude-sonnet-5-5"
    call = (TRACE, span(1))
    attempt: dict[str, Any] = {"kind": "attempt", "place": call, "depth": 1}
    assert found == Trace(
        steps=(
            Step(
                kind="call",
                name=model,
                started_at=at(0),
                duration_ms=921,
                status="ok",
                said="tool_use",
                cost_usd=Decimal("0.5"),
                place=call,
            ),
            Step(name="1", started_at=at(1), duration_ms=20, status="error", said="overloaded_error", **attempt),
            Step(name="2", started_at=at(521), duration_ms=400, status="ok", said="200", **attempt),
            Step(
                kind="tool",
                name="weather",
                started_at=at(930),
                duration_ms=40,
                status="error",
                said="KeyError",
                place=("cd" * 16, span(2)),
                depth=1,
            ),
            Step(
                kind="call",
                name=model,
                started_at=at(1000),
                duration_ms=300,
                status="error",
                said="api_error",
                place=(TRACE, span(3)),
            ),
            Step(
                kind="event",
                name="fallback",
                started_at=at(1100),
                duration_ms=None,
                status=None,
                place=(TRACE, span(3)),
                depth=1,
            ),
        )
    )


def test_what_lies_between_two_steps_and_tells_nothing_is_passed_over(store: duckdb.DuckDBPyConnection) -> None:
    agent = LandedPart(
        source="pydantic_ai",
        role="wrapper",
        trace_id=TRACE,
        span_id=span(1),
        started_at=NOON,
        facts={"operation": "invoke_agent"},
        received_at=NOON,
    )
    Writer(store).land(
        [a_step(4, 20, parent=3), a_step(5, 10, parent=99)],
        parts=[agent],
        links=[
            a_link(2, 1),
            a_link(3, 2),
        ],
    )

    found = trace(LocalReader(store), TRACE, NOON)

    assert [(step.depth, step.kind, step.place[1]) for step in found.steps] == [
        (0, "around", span(1)),
        (1, "call", span(4)),
        (0, "call", span(5)),
    ]


def test_a_trace_that_says_it_is_below_itself_is_shown_once(store: duckdb.DuckDBPyConnection) -> None:
    Writer(store).land(
        [a_step(1, 0, parent=2), a_step(2, 10, parent=1), a_step(3, 20, parent=3), a_step(4, 30, parent=7)],
        links=[
            a_link(7, 8),
            a_link(8, 7),
        ],
    )

    places = [step.place[1] for step in trace(LocalReader(store), TRACE, NOON).steps]

    assert sorted(places) == [span(number) for number in (1, 2, 3, 4)]


def test_calls_of_other_traces_and_other_days_are_not_in_it(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_step(1, 0), a_call(), a_step(2, 86_400_000 * 2)])

    assert [step.place[1] for step in trace(LocalReader(store), TRACE, NOON).steps] == [span(1)]
    assert trace(LocalReader(store), "' OR 1=1 --", NOON) == Trace(steps=())


def test_of_a_large_trace_it_says_how_much_is_left_out(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_step(number, number) for number in range(1, MOST + 8)])

    found = trace(LocalReader(store), TRACE, NOON)

    assert (len(found.steps), found.left_out, found.steps[-1].place[1]) == (MOST, 7, span(MOST))
