"""Runs of tools land in `tool_runs`, once each, whoever made their span, and without content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import duckdb
import pytest
from anthropic import Anthropic
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import claude_telemetry
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import tool_use_block
from claude_telemetry.record import columns_of
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry.tools import tool, tool_run
from claude_telemetry_collector.decode import Decoded, LandedToolRun, decode
from claude_telemetry_collector.segments import Arrival, SegmentWriter
from claude_telemetry_collector.store import Landing, Writer
from tests.support.recorded import Recorded, recording, sdk_tracing
from tests.support.spans import NATIVE_SCOPE, a_body, as_protobuf, native_span

RECEIVED = datetime(2026, 11, 18, 10, 1, tzinfo=UTC)
SECRET = "a sentence that somebody wrote"
OURS: dict[str, Any] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "weather",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.call.id": "toolu_1",
    "claude.tool.outcome": "ok",
    "claude.tool.asked_by.trace_id": "ab" * 16,
    "claude.tool.asked_by.span_id": "cd" * 8,
    "user.id": "u_42",
    "session.id": "s_7",
    "claude.feature": "forecast",
}
THE_SDKS: dict[str, Any] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.tool.name": "weather",
    "gen_ai.tool.description": SECRET,
    "gen_ai.tool.call.id": "toolu_1",
    "gen_ai.tool.type": "function",
    "gen_ai.conversation.id": "conv_9",
    "gen_ai.tool.call.arguments": SECRET,
    "anthropic.tool_result.content": SECRET,
}
RESOURCE = {"service.name": "shop", "deployment.environment.name": "production"}


def a_run(facts: dict[str, Any], scope: str = "claude_telemetry", **fields: Any) -> bytes:
    """A request with the span of a run, from 10:00:00 on for 2140 ms."""
    span = native_span(facts, name="a run", kind=1, parentSpanId="11" * 8, **fields)
    return as_protobuf(a_body([span], scope=scope, resource=RESOURCE))


def decoded(body: bytes) -> Decoded:
    return decode("traces", "protobuf", body, RECEIVED)


def only_run(body: bytes) -> LandedToolRun:
    found = decoded(body)
    assert (found.calls, found.spans, found.ignored, found.refused) == ((), 1, 0, 0)
    [run] = found.tool_runs
    return run


def test_a_run_under_our_decorator_is_read_whole() -> None:
    assert only_run(a_run(OURS)) == LandedToolRun(
        run=ToolRun(
            started_at=datetime(2026, 11, 18, 10, tzinfo=UTC),
            duration_ms=2140,
            service="shop",
            environment="production",
            name="weather",
            tool_use_id="toolu_1",
            outcome="ok",
            trace_id="5b8efff798038103d269b633813fc60c",
            span_id="eee19b7ec3c1b174",
            parent_span_id="11" * 8,
            asked_by_trace_id="ab" * 16,
            asked_by_span_id="cd" * 8,
            user_id="u_42",
            session_id="s_7",
            feature="forecast",
        ),
        source="claude_telemetry",
        received_at=RECEIVED,
    )


def test_a_run_by_the_sdks_tool_runner_is_read_without_what_the_tool_was_asked_and_said() -> None:
    landed = only_run(a_run(THE_SDKS | {"error.type": "tool_error"}, NATIVE_SCOPE, status={"code": 2}))
    assert landed.source == "anthropic_sdk"
    run = landed.run
    assert (run.name, run.tool_use_id, run.session_id) == ("weather", "toolu_1", "conv_9")
    assert (run.outcome, run.error_type) == ("error", "tool_error")
    assert SECRET not in repr(landed)


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (0, {}, ("cancelled", None)),
        (1, {}, ("ok", None)),
        (1, {"claude.tool.outcome": "error", "claude.tool.raised": "KeyError"}, ("error", "KeyError")),
        (
            2,
            {"claude.tool.outcome": "error", "claude.tool.raised": "KeyError", "error.type": "tool_error"},
            ("error", "KeyError"),
        ),
        (2, {"claude.tool.outcome": "ok", "error.type": "tool_error"}, ("error", "tool_error")),
        (1, {"claude.tool.outcome": "splendid"}, ("ok", None)),
    ],
)
def test_a_run_is_as_good_as_the_worse_of_what_function_and_runner_say(
    status: int, told: dict[str, str], expected: tuple[str, str | None]
) -> None:
    run = only_run(a_run(THE_SDKS | told, NATIVE_SCOPE, status={"code": status})).run
    assert (run.outcome, run.error_type) == expected


@pytest.mark.parametrize("scope", ["opentelemetry.instrumentation.other", "claude_telemetry_other"])
def test_a_run_that_somebody_else_tells_of_is_not_kept(scope: str) -> None:
    assert decoded(a_run(OURS, scope)).tool_runs == ()


def test_a_run_without_an_identity_is_refused_and_costs_the_others_nothing() -> None:
    nameless = native_span(OURS, spanId="00" * 8)
    found = decoded(as_protobuf(a_body([nameless, native_span(OURS)])))
    assert (len(found.tool_runs), found.refused, found.ignored) == (1, 1, 0)


def test_a_run_lands_once(store: duckdb.DuckDBPyConnection) -> None:
    writer = Writer(store)
    one = only_run(a_run(OURS))
    other = only_run(a_run(OURS | {"gen_ai.tool.name": "search"}, spanId="22" * 8))
    writer.land((), tool_runs=[one, one])
    writer.land((), tool_runs=[other, one])
    names = [column.name for column in columns_of(ToolRun)]
    rows = store.execute(f"SELECT {', '.join(names)}, source, received_at FROM tool_runs ORDER BY name DESC").fetchall()
    assert [row[names.index("name")] for row in rows] == ["weather", "search"]
    expected = [getattr(one.run, name) for name in names]
    expected[0] = datetime(2026, 11, 18, 10)  # noqa: DTZ001 - as tables have it
    assert list(rows[0]) == [*expected, "claude_telemetry", RECEIVED.replace(tzinfo=None)]


def test_what_the_receiver_took_lands_in_the_tables_next_to_the_calls(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    run = native_span(OURS)
    event = native_span({"claude.event.name": "fallback"}, spanId="22" * 8)
    bodies = [as_protobuf(a_body([run, event])), as_protobuf(a_body([run])), as_protobuf(a_body([event]))]
    segments = SegmentWriter(tmp_path / "segments", segment_bytes=1 << 20)
    now = datetime.now(UTC)
    segments.append(Arrival(signal="traces", encoding="protobuf", received_at=now, body=body) for body in bodies)
    segments.sync()
    landing = Landing(store, tmp_path / "segments")
    while landing.land_waiting():
        pass
    segments.close()
    assert store.execute("SELECT name FROM tool_runs UNION ALL SELECT name FROM events").fetchall() == [
        ("weather",),
        ("fallback",),
    ]
    assert (landing.stats().ignored, landing.stats().refused, landing.stats().quarantined) == (0, 0, 0)


def test_runs_are_asked_for_in_sql_with_the_call_that_asked(
    store: duckdb.DuckDBPyConnection, claude: FakeClaude
) -> None:
    @tool
    def weather(city: str) -> str:
        """Where is it sunny?"""
        raise LookupError(SECRET)

    with recording(service="shop") as recorded:
        block = tool_use_block("weather", {"city": "Rome"})
        claude.answer(content=[block], stop_reason="tool_use")
        with (
            Anthropic(api_key="any", base_url=claude.url, **sdk_tracing(None)) as client,
            claude_telemetry.label(user="u_42"),
        ):
            client.messages.create(
                model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Where?"}]
            )
            with pytest.raises(LookupError), tool_run("weather", tool_use_id=block["id"]):
                weather("Rome")
        land(store, recorded)
    assert store.execute(
        "SELECT calls.service, calls.model, tool_runs.name, tool_runs.outcome, error_type_of_run, tool_runs.user_id "
        "FROM (SELECT *, error_type AS error_type_of_run FROM tool_runs) AS tool_runs JOIN calls "
        "ON asked_by_trace_id = calls.trace_id AND asked_by_span_id = calls.span_id"
    ).fetchall() == [("shop", "claude-haiku-5-5", "weather", "error", "LookupError", "u_42")]


@pytest.mark.skipif(not hasattr(anthropic, "beta_tool"), reason="this SDK has no tool runner")
@pytest.mark.parametrize("adopted", [True, False], ids=["adopted", "own"])
def test_a_conversation_of_the_sdks_tool_runner_is_so_many_calls_and_so_many_runs(
    adopted: bool, store: duckdb.DuckDBPyConnection, claude: FakeClaude
) -> None:
    def weather(city: str) -> str:
        """Where is it sunny?"""
        return f"sunny in {city}"

    blocks = [tool_use_block("weather", {"city": city}) for city in ("Rome", "Oslo")]
    for block in blocks:
        claude.answer(content=[block], stop_reason="tool_use")
    ask: dict[str, Any] = {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Where?"}],
    }
    with recording() as recorded:
        tracing = sdk_tracing(recorded.provider if adopted else None)
        with Anthropic(api_key="any", base_url=claude.url, **tracing) as client:
            made: Any = tool(anthropic.beta_tool(weather))
            messages: Any = client.beta.messages
            messages.tool_runner(**ask, tools=[made]).until_done()
        land(store, recorded)
    assert store.execute("SELECT count(*) FROM calls").fetchall() == [(3,)]
    assert store.execute("SELECT tool_use_id, outcome, source FROM tool_runs ORDER BY started_at").fetchall() == [
        (block["id"], "ok", "anthropic_sdk" if adopted else "claude_telemetry") for block in blocks
    ]


def test_what_a_policy_records_stays_out_of_the_store(store: duckdb.DuckDBPyConnection) -> None:
    with recording() as recorded:
        with tool_run("weather", input=SECRET, record_input=True, record_output=True) as run:
            run.output(SECRET)
        spans = recorded.spans()
    assert SECRET in spans[0].to_json()
    found = decoded_now(encode_spans(spans).SerializeToString())
    assert len(found.tool_runs) == 1
    assert SECRET not in repr(found)


def test_a_run_is_read_from_json_as_from_protobuf() -> None:
    body = a_body([native_span(OURS)], resource=RESOURCE)
    assert decode("traces", "json", body, RECEIVED) == decoded(as_protobuf(body))
    assert len(decoded(as_protobuf(body)).tool_runs) == 1


def land(store: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    """Lands what was recorded, delivered twice."""
    found = decoded_now(encode_spans(recorded.spans()).SerializeToString())
    for _ in range(2):
        Writer(store).land(found.calls, tool_runs=found.tool_runs, events=found.events)


def decoded_now(body: bytes) -> Decoded:
    return decode("traces", "protobuf", body, datetime.now(UTC) + timedelta(seconds=1))
