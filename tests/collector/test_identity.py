"""One billed call is one call, whoever tells of it: in whatever order, in however many requests, and how often."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import CallRecord
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.decode.dialects import SOURCES
from claude_telemetry_collector.decode.identity import total_input
from claude_telemetry_collector.decode.libraries import GENERIC
from claude_telemetry_collector.store import Writer, open_database
from tests.support.calls import NOON, a_call
from tests.support.spans import our_span
from tests.support.telling import (
    API,
    SAMPLES,
    SDK,
    START_NS,
    Told,
    a_log_record,
    a_span,
    api_span,
    calls_of,
    counts,
    landed,
    samples,
    sdk_span,
    state,
    together,
)

EXPECTED = json.loads((SAMPLES / "expected.json").read_text())
FILES = sorted(EXPECTED["files"])
PLAIN = ("request_id", "message_id", "model", "input_total", "cache_read", "cache_write", "output", "status", "billed")
TOTAL = "input_tokens + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)"

SONNET = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-sonnet-5-5"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_database(tmp_path_factory.mktemp("data") / "calls.duckdb", memory_limit="300MB")
    yield connection
    connection.close()


def expected_of(names: Sequence[str]) -> list[str]:
    """The calls of the files, each once: those that tell of the same call are in `cross_file`."""
    repeated = {
        name
        for row in EXPECTED["cross_file"]
        for name in [known for known in row["files"] if known in names and EXPECTED["files"][known]["calls"]][1:]
    }
    rows = [row for name in names if name not in repeated for row in EXPECTED["files"][name]["calls"]]
    return sorted(json.dumps({word: row[word] for word in PLAIN}) for row in rows)


def shown(call: LandedCall) -> str:
    facts = call.record.call
    numbers = (total_input(call), facts.cache_read_tokens, facts.cache_write_tokens, facts.output_tokens)
    row = (facts.request_id, facts.message_id, facts.model, *numbers, facts.status, facts.billed)
    return json.dumps(dict(zip(PLAIN, row, strict=True)))


def shown_in(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        f"SELECT request_id, message_id, model, {TOTAL}, cache_read_tokens, cache_write_tokens, output_tokens, status,"
        " billed FROM calls WHERE operation <> 'count_tokens'"
    ).fetchall()
    return sorted(json.dumps(dict(zip(PLAIN, row, strict=True))) for row in rows)


# The samples.


@pytest.mark.parametrize("name", FILES)
def test_a_sample_lands_as_expected_in_any_order_and_split(name: str, database: duckdb.DuckDBPyConnection) -> None:
    told = samples(name)
    outcomes: list[Any] = []
    for seed in range(2):
        landed(database, told, random.Random(seed))
        assert shown_in(database) == expected_of([name])
        outcomes.append(state(database))
    assert outcomes[0] == outcomes[1]


def test_any_two_samples_come_to_the_calls_of_both() -> None:
    told = {name: samples(name) for name in FILES}
    decoded = {name: [one.decoded() for one in told[name]] for name in FILES}
    for pair in itertools.combinations(FILES, 2):
        for order in (pair, pair[::-1]):
            calls = together([one for name in order for one in decoded[name]])
            assert sorted(map(shown, calls)) == expected_of(sorted(pair)), pair


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.sampled_from(FILES), min_size=2), seed=st.integers(0, 2**32))
def test_any_samples_land_as_expected_and_the_order_leaves_no_trace(
    database: duckdb.DuckDBPyConnection, names: set[str], seed: int
) -> None:
    told = [one for name in sorted(names) for one in samples(name)]
    landed(database, told, random.Random(seed))
    once = state(database)
    landed(database, told, random.Random(seed + 1))

    assert shown_in(database) == expected_of(sorted(names))
    assert state(database) == once


# Who is who.


def ids(calls: Sequence[LandedCall]) -> list[str | None]:
    return [call.record.call.request_id for call in calls]


def test_a_call_and_its_attempts_are_billed_as_the_api_did() -> None:
    """The client gave up on the first attempt; the API finished it."""
    told = [
        sdk_span(counts(20110, 902), request="req_b", message="msg_1", span="1", took_s=9),
        api_span(counts(20110, 877), request="req_a", span="2", parent="1", took_s=4),
        api_span(counts(20110, 902), request="req_b", span="3", parent="1", at_s=5, took_s=3),
    ]

    first, second = calls_of(told)

    assert [(call.record.call.output_tokens, call.record.call.billed) for call in (first, second)] == [
        (902, True),
        (877, True),
    ]
    assert (first.source, first.sources, first.server_ms, first.client_ms) == ("anthropic_sdk", 2, 3000, 6000)
    assert (second.source, second.sources, second.client_ms) == ("anthropic_api_messages", None, None)


def test_a_failed_attempt_is_a_call_that_cost_nothing() -> None:
    failed = {"http.response.status_code": 529, "error.type": "overloaded_error"}
    told = [
        sdk_span(counts(100, 10), request="req_b", span="1", took_s=3),
        api_span(failed, request="req_a", span="2", parent="1", status=2),
        api_span(counts(100, 10), request="req_b", span="3", parent="1", at_s=1),
    ]

    call, attempt = calls_of(told)

    assert (call.record.call.status, call.record.call.billed) == ("ok", True)
    assert (attempt.record.call.error_type, attempt.record.call.cost_usd, attempt.record.call.billed) == (
        "overloaded_error",
        Decimal(0),
        False,
    )


def test_a_call_that_does_not_know_its_request_is_the_last_attempt() -> None:
    told = [
        sdk_span({"error.type": "client_timeout_error"}, span="1", took_s=9, status=2),
        api_span(counts(100, 10), request="req_a", span="2", parent="1"),
        api_span(counts(100, 12), request="req_b", span="3", parent="1", at_s=4),
    ]

    call, attempt = calls_of(told)

    # The application got nothing, and pays for both.
    assert (ids([call, attempt]), call.record.call.status) == (["req_b", "req_a"], "error")
    assert [one.record.call.billed for one in (call, attempt)] == [True, True]


def test_two_requests_are_never_one_call() -> None:
    told = [
        sdk_span(counts(100, 10), request="req_a", message="msg_1", span="1"),
        api_span(counts(100, 10), request="req_b", span="2", parent="1"),
        a_span("litellm", "litellm_request", SONNET | counts(100, 10) | {"gen_ai.response.id": "msg_1"}, span="3"),
    ]

    assert len(calls_of(told)) == 2


def test_two_spans_of_the_sdk_are_never_one_call() -> None:
    told = [sdk_span(counts(100, 10), request="req_a", message="msg_1", span=number) for number in "12"]

    assert len(calls_of(told)) == 2


def test_numbers_are_those_of_the_best_and_the_others_add_what_it_leaves_out() -> None:
    library = {
        "gen_ai.response.id": "msg_1",
        "traceloop.association.properties.user_id": "u-1",
        "traceloop.workflow.name": "search",
        "traceloop.prompt.version": "7",
    }
    told = [
        sdk_span(counts(3620, 45, 3000, 500), request="req_a", message="msg_1", span="1"),
        a_span(
            "opentelemetry.instrumentation.anthropic",
            "anthropic.chat",
            SONNET | counts(3620, 46, 3000, 500) | library,
            span="2",
            trace="2",
        ),
    ]

    (call,) = calls_of(told)

    facts = call.record.call
    assert (facts.output_tokens, facts.user_id, facts.feature, facts.prompt_version) == (45, "u-1", "search", "7")


def test_what_others_know_of_searches_and_place_is_in_the_price() -> None:
    metadata = {"server_tool_use": {"web_search_requests": 2}}
    inference = {"metadata": json.dumps(metadata), "output.value": '{"id": "msg_1"}', "openinference.span.kind": "LLM"}
    tokens = {"llm.token_count.prompt": 1000, "llm.token_count.completion": 100}
    told = [
        sdk_span(counts(1000, 100), request="req_a", message="msg_1", span="1", parent="2"),
        a_span("openinference.instrumentation.anthropic", "messages", inference | tokens, span="2", kind=1),
    ]

    (call,) = calls_of(told)

    # 1000 x 2 + 100 x 10 millionths, and two searches at a cent each.
    assert (call.record.call.cost_usd, call.source) == (Decimal("0.023"), "anthropic_sdk")


def test_searches_are_counted_where_the_api_tells_of_each() -> None:
    tool = {"gen_ai.tool.name": "web_search"}
    told = [
        api_span(counts(1000, 100), request="req_a", span="1"),
        a_span(API, "anthropic.tool_use web_search", tool, span="2", parent="1", kind=1, status=1),
        a_span(API, "anthropic.model_request", counts(1000, 100), span="3", parent="1", kind=1, status=1),
        a_span(API, "anthropic.tool_use web_search", tool, span="4", parent="3", kind=1, status=1),
        a_span(API, "anthropic.tool_use web_search", tool, span="5", parent="1", kind=1, status=2),
    ]

    (call,) = calls_of(told)

    assert (call.record.call.web_search_requests, call.record.call.cost_usd) == (2, Decimal("0.023"))


def test_compaction_is_billed_once_whoever_tells_of_it() -> None:
    within = {"anthropic.usage.compaction.input_tokens": 90000, "anthropic.usage.compaction.output_tokens": 1200}
    span = a_span(API, "anthropic.compaction", counts(90000, 1200), span="3", parent="2", kind=1, status=1)
    untold = [api_span(counts(1000, 100), request="req_a", span="2"), span]
    twice = [
        sdk_span(counts(1000, 100) | within, request="req_a", span="1"),
        api_span(counts(1000, 100) | within, request="req_a", span="2", parent="1"),
        span,
    ]

    for told in (untold, twice):
        (call,) = calls_of(told)
        assert (call.compaction_input_tokens, call.compaction_output_tokens) == (90000, 1200)
        # 1000 x 2 + 100 x 10, and 90 000 x 2 + 1200 x 10 millionths.
        assert call.record.call.cost_usd == Decimal("0.195")


# What lies around.

GENERATION = {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": "claude-sonnet-5-5",
    "langfuse.observation.usage_details": '{"input": 3000, "output": 150}',
    "langfuse.observation.prompt.name": "reply",
    "user.id": "u-7",
    "session.id": "s-9",
}


def test_a_generation_around_two_calls_is_none_and_leaves_them_its_labels() -> None:
    told = [
        a_span("langfuse-sdk", "draft", GENERATION, span="1", kind=1, took_s=9),
        a_span("acme", "step", {}, span="2", parent="1", kind=1, took_s=9),
        sdk_span(counts(1400, 70), request="req_a", message="msg_a", span="3", parent="2"),
        sdk_span(counts(1600, 80), request="req_b", message="msg_b", span="4", parent="2", at_s=2),
    ]

    calls = calls_of(told)

    assert [(total_input(call), call.record.call.output_tokens) for call in calls] == [(1400, 70), (1600, 80)]
    assert {
        (call.record.call.user_id, call.record.call.session_id, call.record.call.prompt_name) for call in calls
    } == {("u-7", "s-9", "reply")}


def test_a_generation_around_one_call_is_that_call() -> None:
    told = [
        a_span("langfuse-sdk", "draft", GENERATION, span="1", kind=1, took_s=9),
        a_span("acme", "step", {}, span="2", parent="1", kind=1, took_s=9),
        sdk_span(counts(1400, 70), request="req_a", message="msg_a", span="3", parent="2"),
    ]

    (call,) = calls_of(told)

    assert (total_input(call), call.record.call.user_id, call.source) == (1400, "u-7", "anthropic_sdk")


def test_a_library_that_leaves_the_cache_out_does_not_count_beside_the_sdk() -> None:
    old = SONNET | {"gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 9, "telemetry.sdk.name": "openlit"}
    told = [
        a_span("openlit.otel.tracing", "anthropic.messages", old, span="1"),
        sdk_span(counts(5060, 9, 5000), request="req_a", message="msg_a", span="2", parent="1"),
    ]

    (call,) = calls_of(told)

    assert (total_input(call), call.record.call.output_tokens) == (5060, 9)


def test_an_agent_that_asks_claude_within_a_tool_is_another_call() -> None:
    told = [
        a_span(
            "openinference.instrumentation.anthropic", "m", _inference(900, 30, "msg_1"), span="1", kind=1, took_s=9
        ),
        sdk_span(counts(100, 10), request="req_b", message="msg_2", span="2", parent="1"),
    ]

    assert [total_input(call) for call in calls_of(told)] == [900, 100]


def test_a_library_around_another_is_one_call_without_the_sdk_too() -> None:
    told = [
        a_span(
            "openinference.instrumentation.langchain", "Chat", _inference(900, 30, None), span="1", kind=1, took_s=3
        ),
        a_span(
            "openinference.instrumentation.anthropic", "m", _inference(900, 30, "msg_1"), span="2", parent="1", kind=1
        ),
    ]

    (call,) = calls_of(told)

    assert (call.record.call.message_id, total_input(call)) == ("msg_1", 900)


def _inference(total: int, output: int, message: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"openinference.span.kind": "LLM", "llm.model_name": "claude-sonnet-5-5"}
    facts |= {"llm.token_count.prompt": total, "llm.token_count.completion": output, "llm.provider": "anthropic"}
    return facts if message is None else facts | {"output.value": json.dumps({"id": message})}


def test_retries_that_only_the_api_tells_of_are_attempts_of_the_call_around_them() -> None:
    failed = {"http.response.status_code": 529, "error.type": "overloaded_error"}
    told = [
        a_span(
            "gen_ai", "chat", SONNET | counts(940, 33, 600, 100) | {"gen_ai.response.id": "msg_1"}, span="1", took_s=5
        ),
        api_span(failed, request="req_a", span="2", parent="1", status=2),
        api_span(counts(940, 33, 600, 100), request="req_b", span="3", parent="1", at_s=2),
    ]

    call, attempt = calls_of(told)

    assert (call.record.call.request_id, call.record.call.message_id) == ("req_b", "msg_1")
    assert (attempt.record.call.request_id, attempt.record.call.billed) == ("req_a", False)


def test_the_nearest_around_a_call_says_whose_it_is() -> None:
    def agent(span: str, user: str, parent: str = "") -> Told:
        facts = {"openinference.span.kind": "AGENT", "user.id": user, "session.id": f"of {user}"}
        facts |= {"session.id": "s-outer"} if not parent else {}
        return a_span(
            "openinference.instrumentation.crewai", "agent", facts, span=span, parent=parent, kind=1, took_s=9
        )

    told = [
        agent("1", "outer"),
        agent("2", "inner", "1"),
        sdk_span(counts(1, 1), request="req_a", span="3", parent="2"),
    ]

    (call,) = calls_of(told)

    assert (call.record.call.user_id, call.record.call.session_id) == ("inner", "of inner")


# Where nothing names the answer.

STREAM = "openinference.instrumentation.langchain"


def test_equal_counts_of_one_process_at_one_time_are_one_call() -> None:
    told = [
        a_span(STREAM, "Chat", _inference(3655, 61, None), span="1", trace="7", kind=1, at_s=0, took_s=1.3),
        sdk_span(counts(3655, 61, 3500), request="req_a", message="msg_a", span="2", at_s=0.1, took_s=1),
    ]

    (call,) = calls_of(told)

    assert (call.record.call.request_id, call.sources) == ("req_a", 2)


@pytest.mark.parametrize(
    "other",
    [
        {"resource": {"service.instance.id": "pod-2"}},
        {"at_s": 60},
        {"at_s": 0.5},
        {"facts": _inference(3655, 62, None)},
        {"facts": _inference(3656, 61, None)},
        {"facts": _inference(3655, 61, "msg_other")},
        {"facts": _inference(3655, 61, None) | {"llm.model_name": "claude-opus-5-5"}},
    ],
    ids=str,
)
def test_what_differs_in_anything_else_is_two_calls(other: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"facts": _inference(3655, 61, None), "at_s": 0, "took_s": 1.3} | other
    told = [
        a_span(STREAM, "Chat", fields.pop("facts"), span="1", trace="7", kind=1, **fields),
        sdk_span(counts(3655, 61, 3500), request="req_a", message="msg_a", span="2", at_s=0.1, took_s=1),
    ]

    assert len(calls_of(told)) == 2


def test_calls_that_count_alike_are_paired_one_by_one() -> None:
    told = [
        a_span(STREAM, "Chat", _inference(10, 5, None), span=f"a{number}", trace=f"a{number}", kind=1, at_s=number / 10)
        for number in range(3)
    ]
    told += [
        sdk_span(
            counts(10, 5),
            request=f"req_{number}",
            span=f"b{number}",
            trace=f"b{number}",
            at_s=number / 10 + 0.01,
            took_s=0.9,
        )
        for number in range(2)
    ]

    calls = calls_of(told)

    assert [call.sources for call in calls] == [2, 2, None]


def test_the_record_of_a_stream_begins_late_and_ends_with_the_call() -> None:
    """Logfire's clock runs from the head of the answer on, which a question that takes long to read comes late with."""
    raw = {"gen_ai.usage.raw": json.dumps({"cache_read_input_tokens": 600, "cache_creation_input_tokens": 0})}
    told_late = SONNET | {"gen_ai.usage.input_tokens": 940, "gen_ai.usage.output_tokens": 33} | raw
    told = [
        a_span("logfire.anthropic", "Message with", SONNET, span="1", took_s=3),
        sdk_span(counts(940, 33, 600), request="req_a", message="msg_a", span="2", parent="1", took_s=5),
        a_span(
            "logfire.anthropic",
            "streaming response",
            told_late | {"logfire.span_type": "log", "duration": 2.0},
            span="3",
            trace="3",
            kind=1,
            at_s=5.01,
            took_s=0,
        ),
    ]

    (call,) = calls_of(told)

    assert (call.record.call.request_id, call.sources, call.record.call.duration_ms) == ("req_a", 2, 5000)


def test_a_generation_that_names_no_model_still_says_whose_the_call_is() -> None:
    facts = {"langfuse.observation.type": "generation", "user.id": "u-7", "langfuse.trace.metadata.feature": '"chat"'}
    told = [
        a_span("langfuse-sdk", "draft", facts, span="1", kind=1, took_s=9),
        sdk_span(counts(1400, 70), request="req_a", message="msg_a", span="3", parent="1"),
    ]

    (call,) = calls_of(told)

    assert (call.record.call.user_id, call.record.call.feature) == ("u-7", "chat")


# Ours.


def our(facts: dict[str, Any], **fields: Any) -> Told:
    record = a_call(**facts).record
    call = record.call
    span: dict[str, Any] = our_span(CallRecord(call=call, attempts=record.attempts)) | {
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 2_000_000_000),
    }
    delivered = {"key": "claude.telemetry.delivered", "value": {"boolValue": True}}
    span["attributes"].append(delivered)
    scopes = [{"scope": {"name": "claude_telemetry"}, "spans": [span | fields]}]
    return Told("traces", json.dumps({"resourceSpans": [{"scopeSpans": scopes}]}).encode())


def test_what_our_own_capture_saw_stays_and_the_api_adds_its_half() -> None:
    facts: dict[str, Any] = {"request_id": "req_a", "message_id": "msg_a", "web_search_requests": 1, "user_id": "u-1"}
    facts |= {"trace_id": "1".rjust(32, "0"), "span_id": "1".rjust(16, "0"), "cost_usd": Decimal("0.016")}
    told = [
        our(facts),
        api_span(counts(1000, 400) | {"user.id": "other"}, request="req_a", span="2", parent="1", took_s=1.5),
    ]

    (call,) = calls_of(told)

    facts_then = call.record.call
    assert (call.source, facts_then.user_id, facts_then.cost_usd) == ("claude_telemetry", "u-1", Decimal("0.016"))
    assert (facts_then.price_version, call.server_ms, call.client_ms) == ("made-up", 1500, 500)


def test_of_a_stream_that_was_closed_early_a_library_knows_no_more_than_who_saw_it() -> None:
    facts: dict[str, Any] = {"message_id": "msg_a", "output_tokens": None, "usage_partial": True, "status": "cancelled"}
    facts |= {"trace_id": "1".rjust(32, "0"), "span_id": "1".rjust(16, "0"), "cost_usd": Decimal("0.002")}
    facts |= {"cost_status": "partial"}
    placeholder = {"gen_ai.response.id": "msg_a", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1}
    library = a_span(
        "opentelemetry.instrumentation.genai.anthropic", "chat", SONNET | placeholder, span="2", parent="1"
    )

    (call,) = calls_of([our(facts), library])

    facts_then = call.record.call
    assert call.sources == 2
    assert (facts_then.output_tokens, facts_then.cost_usd, facts_then.cost_status) == (
        None,
        Decimal("0.002"),
        "partial",
    )


def test_of_a_stream_that_was_closed_early_the_api_knows_what_it_came_to() -> None:
    facts: dict[str, Any] = {"request_id": "req_a", "output_tokens": None, "usage_partial": True, "status": "cancelled"}
    facts |= {"trace_id": "1".rjust(32, "0"), "span_id": "1".rjust(16, "0"), "cost_usd": Decimal("0.002")}
    told = [our(facts), api_span(counts(1000, 400), request="req_a", span="2", parent="1")]

    (call,) = calls_of(told)

    facts_then = call.record.call
    assert (facts_then.status, facts_then.output_tokens, facts_then.billed) == ("cancelled", 400, True)
    assert (facts_then.cost_usd, facts_then.cost_status) == (Decimal("0.006"), "priced")


def test_a_request_of_a_session_that_its_event_and_the_api_tell_of_is_one_call() -> None:
    event = {"operation": AGENT_MODEL_REQUEST, "session_id": "sesn_1", "message_id": "sevt_1", "request_id": None}
    session = {"anthropic.session.id": "sesn_1", "gen_ai.request.model": "claude-sonnet-5-5"} | counts(1000, 400)
    told = [
        our(event | {"trace_id": "e" * 32, "span_id": "e" * 16}),
        a_span(API, "anthropic.model_request", session, span="2", at_s=1, kind=1, status=1, resource={}),
        a_span(
            API, "anthropic.model_request", session | {"anthropic.session.id": "sesn_2"}, span="3", kind=1, status=1
        ),
    ]

    calls = calls_of(told)

    assert sorted(call.sources or 1 for call in calls) == [1, 2]


# Claude Code.


def test_what_somebody_else_says_it_cost_stands_beside_ours() -> None:
    event = {"event.name": "api_request", "request_id": "req_1", "model": "claude-sonnet-5-5", "cost_usd": 0.00922}
    tokens = {"input_tokens": 310, "output_tokens": 220, "cache_read_tokens": 15000, "cache_creation_tokens": 1200}
    ttl = {"cache_creation_5m_tokens": 1200, "cache_creation_1h_tokens": 0}
    told = [
        a_log_record("com.anthropic.claude_code.events", event | tokens | ttl, trace="1", span="1"),
        a_span(
            "com.anthropic.claude_code.tracing",
            "claude_code.llm_request",
            {"request_id": "req_1"} | tokens,
            span="2",
            parent="1",
            kind=1,
        ),
        api_span(counts(16510, 220, 15000, 1200), request="req_1", span="3", parent="2"),
    ]

    (call,) = calls_of(told)

    # 310 x 2 + 15 000 x 0.10 + 1200 x 2.50 + 220 x 10 = 7320 millionths.
    assert (call.reported_cost_usd, call.record.call.cost_usd) == (Decimal("0.00922"), Decimal("0.00732"))
    assert (call.record.call.cache_write_5m_tokens, call.sources) == (1200, 3)


# What hostile senders send.


@pytest.mark.parametrize("parents", [{"1": "1"}, {"1": "2", "2": "1"}, {"1": "2", "2": "3", "3": "1"}])
def test_spans_that_are_their_own_ancestors_are_calls_all_the_same(parents: dict[str, str]) -> None:
    told = [
        a_span("acme", "chat", SONNET | counts(10, 5), span=span, parent=parent) for span, parent in parents.items()
    ]

    assert 1 <= len(calls_of(told)) <= len(parents)


def test_a_thousand_calls_in_one_trace_are_grouped_without_delay() -> None:
    told = [
        sdk_span(counts(10, 5), request=f"req_{number}", span=f"{number:x}", parent="ffffffff")
        for number in range(1, 500)
    ]
    told += [
        api_span(counts(10, 5), request=f"req_{number}", span=f"a{number:x}", parent=f"{number:x}")
        for number in range(1, 500)
    ]

    assert len(calls_of(told)) == 499


# In the store.


def test_each_call_has_its_sources_whether_it_is_one_or_several(database: duckdb.DuckDBPyConnection) -> None:
    told = [
        sdk_span(counts(3620, 45, 3000, 500), request="req_a", message="msg_1", span="1"),
        a_span(
            "opentelemetry.instrumentation.anthropic",
            "anthropic.chat",
            SONNET | counts(3620, 46, 3000, 500) | {"gen_ai.response.id": "msg_1"},
            span="2",
            trace="2",
        ),
        a_span(
            "openlit.otel.tracing",
            "m",
            SONNET | {"gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 5},
            span="3",
            trace="3",
        ),
    ]

    landed(database, told, random.Random(1))

    rows = database.execute(
        "SELECT calls.request_id, sources.source, carries, sources.told_input_tokens,"
        " sources.input_basis, sources.output_tokens"
        " FROM calls JOIN call_sources AS sources"
        " ON (call_trace_id, call_span_id) = (calls.trace_id, calls.span_id) ORDER BY ALL"
    ).fetchall()
    assert rows == [
        ("req_a", "anthropic_sdk", True, 3620, "inclusive", 45),
        ("req_a", "openllmetry_anthropic", False, 3620, "inclusive", 46),
        (None, "openlit_anthropic", True, 60, "exclusive", 5),
    ]


def test_a_row_of_an_older_version_is_joined_by_what_comes_later(database: duckdb.DuckDBPyConnection) -> None:
    span = sdk_span(counts(3620, 45, 3000, 500), request="req_a", message="msg_1", span="1")
    landed(database, [span], random.Random(1))
    database.execute(
        "UPDATE calls SET input_basis = NULL, told_input_tokens = NULL, instance = NULL, sources = NULL,"
        " compaction_input_tokens = NULL, compaction_output_tokens = NULL"
    )
    writer = Writer(database)
    writer.land(
        api_span(counts(3620, 45, 3000, 500), request="req_a", span="2", parent="1", took_s=0.5).decoded().calls
    )

    rows = database.execute("SELECT source, request_id, server_ms, sources FROM calls").fetchall()

    assert rows == [("anthropic_sdk", "req_a", 500, 2)]


def test_a_copy_that_knows_more_takes_its_place_among_the_others(database: duckdb.DuckDBPyConnection) -> None:
    ids: dict[str, Any] = {
        "trace_id": "1".rjust(32, "0"),
        "span_id": "1".rjust(16, "0"),
        "request_id": "req_a",
        "message_id": "msg_a",
    }
    whole = a_call(**ids, started_at=NOON, whole=True, web_search_requests=2)
    early = a_call(**ids, started_at=NOON, web_search_requests=None, cost_usd=None, cost_status="unknown")
    at_s = (NOON - datetime.fromtimestamp(START_NS / 1e9, UTC)).total_seconds()
    server = api_span(counts(1000, 400), request="req_a", span="2", parent="1", at_s=at_s)

    rows: list[Any] = []
    for order in itertools.permutations([[early], [whole], list(server.decoded().calls)]):
        landed(database, [], random.Random(1))
        writer = Writer(database)
        for calls in order:
            writer.land(calls)
        rows.append(
            database.execute(
                "SELECT source, whole, web_search_requests, cost_usd, cost_status, sources FROM calls"
            ).fetchall()
        )

    assert rows == 6 * [[("claude_telemetry", True, 2, Decimal("0.006"), "priced", 2)]]


def test_calls_that_only_our_own_delivery_tells_of_are_not_looked_up(database: duckdb.DuckDBPyConnection) -> None:
    for table in ("calls", "call_parts", "span_links"):
        database.execute(f"DELETE FROM {table}")
    writer = Writer(database)

    writer.land([a_call(trace_id="9" * 32, request_id="req_same") for _ in range(3)])

    assert database.execute("SELECT count(*), count(sources) FROM calls").fetchall() == [(3, 0)]
    assert database.execute("SELECT count(*) FROM call_parts").fetchall() == [(0,)]


# Anything.

_IDS = st.sampled_from(["", "1", "2", "3"])


@st.composite
def anything(draw: st.DrawFn) -> list[Told]:
    """Spans and records of a few producers that share traces, parents, ids and counts as it comes."""
    return [_some_told(draw, f"{number + 1:x}") for number in range(draw(st.integers(2, 12)))]


def _some_told(draw: st.DrawFn, span: str) -> Told:
    parent = draw(st.sampled_from(["", *"123456789abc"]))
    where: dict[str, Any] = {"span": span, "parent": parent, "trace": draw(st.sampled_from("12"))}
    where |= {"at_s": draw(st.sampled_from([0, 0.1, 1, 5])), "took_s": draw(st.sampled_from([1, 1.2, 3]))}
    total, output = draw(st.sampled_from([(10, 5), (20, 6)]))
    request, message = (
        f"{kind}_{number}" if number else "" for kind, number in (("req", draw(_IDS)), ("msg", draw(_IDS)))
    )
    answer = {"gen_ai.response.id": message} if message else {}
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return sdk_span(counts(total, output), request=request, message=message, **where)
    if kind == 1:
        return api_span(counts(total, output), request=request, **where)
    if kind == 2:
        return api_span({"error.type": "overloaded_error"}, request=request, **(where | {"status": 2}))
    if kind == 3:
        return a_span(STREAM, "Chat", _inference(total, output, message or None), kind=1, **where)
    if kind == 4:
        return a_span(
            "opentelemetry.instrumentation.anthropic",
            "anthropic.chat",
            SONNET | counts(total, output) | answer,
            **where,
        )
    if kind == 5:
        return a_span("langfuse-sdk", "draft", GENERATION | {"user.id": f"u-{span}"}, kind=1, **where)
    if kind == 6:
        return a_span("acme", "step", {}, kind=1, **where)
    event = "gen_ai.client.inference.operation.details"
    place: dict[str, Any] = {"trace": where["trace"], "span": parent or "1", "at_s": where["at_s"]}
    return a_log_record(
        "opentelemetry.instrumentation.genai.x", SONNET | counts(total, output) | answer, name=event, **place
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=anything(), seed=st.integers(0, 2**32))
def test_whatever_is_told_the_order_leaves_no_trace(
    database: duckdb.DuckDBPyConnection, told: list[Told], seed: int
) -> None:
    landed(database, told, random.Random(seed))
    once = state(database)
    landed(database, told, random.Random(seed + 1))

    assert state(database) == once
    at_once = together([one.decoded() for one in told])
    keys = database.execute("SELECT trace_id, span_id FROM calls ORDER BY ALL").fetchall()
    assert keys == sorted((call.record.call.trace_id, call.record.call.span_id) for call in at_once)


ODD = st.one_of(
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.booleans(),
    st.sampled_from(
        [2**63 - 1, 2**63, -1, "9223372036854775807", "1e999", "NaN", "\0", "\ud800", "{", "msg_1", "req_1"]
    ),
)
PATHS = sorted(
    {path.partition("#")[0] for source in (*SOURCES, GENERIC) for paths in source.paths.values() for path in paths}
)
SCOPES = ["", "acme", API, SDK, *sorted({scope for source in SOURCES for scope in source.scopes})]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(
        st.tuples(st.sampled_from(SCOPES), st.dictionaries(st.sampled_from(PATHS), ODD, max_size=8)),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_foreign_spans_say_the_store_can_hold(
    database: duckdb.DuckDBPyConnection, spans: list[tuple[str, dict[str, Any]]]
) -> None:
    sure = SONNET | {
        "openinference.span.kind": "LLM",
        "langfuse.observation.type": "generation",
        "ai.operationId": "x.doStream",
    }
    told = [
        a_span(scope, "anthropic.messages.create", sure | counts(2**63 - 1, 5) | facts, span=f"{number + 1}")
        for number, (scope, facts) in enumerate(spans)
    ]

    landed(database, told, random.Random(1))

    assert database.execute("SELECT count(*) FROM call_sources").fetchall() is not None
    assert len(state(database)) == 3
