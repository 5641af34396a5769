"""The SDK's calls become recorded calls: whichever way they are made, once each, with every fact."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic

from claude_telemetry import label
from claude_telemetry.fake import FakeClaude
from claude_telemetry.record import CallRecord, ToolUse
from tests.support.otlp import eventually
from tests.support.recorded import Recorded, recording, sdk_tracing

ASK: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How much is it?"}],
}
USAGE: dict[str, Any] = {
    "input_tokens": 120,
    "cache_read_input_tokens": 3000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
    "output_tokens": 45,
    "output_tokens_details": {"thinking_tokens": 12},
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    "service_tier": "standard",
    "inference_geo": "global",
    "speed": "standard",
}
# By hand, with Opus 5.5 at 4 / 20 / 5 / 8 / 0.20 USD per million tokens and a search at 0.01 USD:
# 120 * 4 + 200 * 5 + 300 * 8 + 3000 * 0.2 + 45 * 20 = 480 + 1000 + 2400 + 600 + 900 = 5380 millionths, and the search.
COST = Decimal("0.01538")
# As far as the input goes, without the output (900) and the search:
INPUT_COST = Decimal("0.00448")

NO_WAIT = {"retry-after-ms": "1"}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as recorded:
        yield recorded


@pytest.fixture(params=["adopted", "own"])
def tracing(request: pytest.FixtureRequest, recorded: Recorded) -> dict[str, Any]:
    """What a client is made with: the SDK's own tracing on, in the application's provider, or off."""
    return sdk_tracing(recorded.provider if request.param == "adopted" else None)


@pytest.fixture
def client(claude: FakeClaude, tracing: dict[str, Any]) -> Iterator[Anthropic]:
    with Anthropic(api_key="sk-ant-canary", base_url=claude.url, **tracing) as client:
        yield client


@pytest.fixture
def async_client(claude: FakeClaude, tracing: dict[str, Any]) -> AsyncAnthropic:
    return AsyncAnthropic(api_key="sk-ant-canary", base_url=claude.url, **tracing)


def create(client: Anthropic) -> None:
    client.messages.create(**ASK)


def create_streamed(client: Anthropic) -> None:
    for _ in client.messages.create(stream=True, **ASK):
        pass


def stream(client: Anthropic) -> None:
    with client.messages.stream(**ASK) as events:
        events.get_final_message()


def create_raw(client: Anthropic) -> None:
    raw: Any = client.messages.with_raw_response
    raw.create(**ASK).parse()


def create_raw_never_parsed(client: Anthropic) -> None:
    client.messages.with_raw_response.create(**ASK)


def create_streaming_response(client: Anthropic) -> None:
    streaming: Any = client.messages.with_streaming_response
    with streaming.create(**ASK) as response:
        response.parse()


def create_streaming_lines(client: Anthropic) -> None:
    with client.messages.with_streaming_response.create(stream=True, **ASK) as response:
        for _ in response.iter_lines():
            pass


def create_beta(client: Anthropic) -> None:
    client.beta.messages.create(**ASK)


SYNC_WAYS = [
    create,
    create_streamed,
    stream,
    create_raw,
    create_raw_never_parsed,
    create_streaming_response,
    create_streaming_lines,
    create_beta,
]


def facts_of(record: CallRecord, *names: str) -> dict[str, Any]:
    return {name: getattr(record.call, name) for name in names}


@pytest.mark.parametrize("ask", SYNC_WAYS, ids=lambda way: way.__name__)
def test_however_it_is_asked_a_call_is_one_span_with_every_count_and_its_cost(
    claude: FakeClaude, client: Anthropic, recorded: Recorded, ask: Callable[[Anthropic], None]
) -> None:
    claude.answer(usage=USAGE)
    ask(client)

    record = recorded.only()
    served = claude.ledger[0]
    assert facts_of(
        record,
        "status", "operation", "provider", "platform", "request_model", "model", "message_id", "request_id",
        "http_status",
        "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
        "output_tokens", "thinking_tokens", "web_search_requests", "cost_usd", "cost_status", "billed", "stop_reason",
        "max_tokens", "attempts", "service_tier", "speed", "inference_geo", "error_type",
    ) == {
        "status": "ok", "operation": "chat", "provider": "anthropic", "platform": "anthropic",
        "request_model": "claude-opus-5-5", "model": "claude-opus-5-5",
        "message_id": served.message_id, "request_id": served.request_id, "http_status": 200,
        "input_tokens": 120, "cache_read_tokens": 3000, "cache_write_tokens": 500,
        "cache_write_5m_tokens": 200, "cache_write_1h_tokens": 300,
        "output_tokens": 45, "thinking_tokens": 12, "web_search_requests": 1,
        "cost_usd": COST, "cost_status": "priced", "billed": True, "stop_reason": "end_turn",
        "max_tokens": 100, "attempts": 1, "service_tier": "standard", "speed": "standard", "inference_geo": "global",
        "error_type": None,
    }  # fmt: skip
    assert record.call.usage is not None
    assert json.loads(record.call.usage) == USAGE
    assert record.call.cost_breakdown is not None
    lines = {line: Decimal(usd) for line, usd in json.loads(record.call.cost_breakdown).items()}
    assert sum(lines.values()) == COST
    assert [attempt.http_status for attempt in record.attempts] == [200]


@pytest.mark.parametrize("way", ["create", "create_streamed", "stream"])
def test_async_calls_are_recorded_like_sync_ones(
    claude: FakeClaude, async_client: AsyncAnthropic, recorded: Recorded, way: str
) -> None:
    claude.answer(usage=USAGE)

    async def ask() -> None:
        async with async_client as client:
            if way == "create":
                await client.messages.create(**ASK)
            elif way == "create_streamed":
                async for _ in await client.messages.create(stream=True, **ASK):
                    pass
            else:
                async with client.messages.stream(**ASK) as events:
                    await events.get_final_message()

    asyncio.run(ask())
    record = recorded.only()
    assert facts_of(record, "status", "cost_usd", "output_tokens", "stream", "stream_end") == {
        "status": "ok",
        "cost_usd": COST,
        "output_tokens": 45,
        "stream": way != "create",
        "stream_end": None if way == "create" else "read",
    }


def test_a_streamed_call_knows_its_time_to_first_token(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.answer(chunk_delay_s=0.02)
    stream(client)
    call = recorded.only().call
    assert call.ttft_ms is not None
    assert call.duration_ms is not None
    # The SDK starts its span a moment after we begin to count, and each is rounded.
    assert 0 < call.ttft_ms <= call.duration_ms + 2


def test_a_call_that_is_not_streamed_has_no_time_to_first_token(client: Anthropic, recorded: Recorded) -> None:
    create(client)
    assert recorded.only().call.ttft_ms is None


def test_a_retried_call_is_one_call_with_two_attempts(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.fail(529, headers={"retry-after-ms": "3"})
    claude.answer(usage=USAGE)
    create(client)

    record = recorded.only()
    first, second = record.attempts
    assert (record.call.status, record.call.attempts, record.call.cost_usd) == ("ok", 2, COST)
    assert (first.http_status, first.error_type, first.retry_after_ms) == (529, "overloaded_error", 3)
    assert (second.http_status, second.error_type) == (200, None)
    assert second.wait_ms is not None
    assert second.wait_ms >= 3
    assert first.request_id == claude.ledger[0].request_id
    assert record.call.request_id == second.request_id == claude.ledger[1].request_id


def test_a_call_that_is_never_answered_well_is_an_error_and_costs_nothing(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.fail(529, times=3, headers=NO_WAIT)
    with pytest.raises(anthropic.APIStatusError):
        create(client)

    record = recorded.only()
    assert [attempt.http_status for attempt in record.attempts] == [529, 529, 529]
    assert facts_of(record, "status", "error_type", "http_status", "cost_usd", "cost_status", "billed") == {
        "status": "error",
        "error_type": "overloaded_error",
        "http_status": 529,
        "cost_usd": Decimal(0),
        "cost_status": "priced",
        "billed": False,
    }


def test_a_refused_request_has_the_apis_error_type_and_none_of_its_words(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.fail(400, "invalid_request_error", message="your prompt said: How much is it?")
    with pytest.raises(anthropic.BadRequestError):
        create(client)
    spans = recorded.exporter.get_finished_spans()
    assert recorded.only().call.error_type == "invalid_request_error"
    assert "How much" not in repr([(dict(s.attributes or {}), s.status.description, list(s.events)) for s in spans])


def test_a_failed_streaming_request_is_an_error_too(claude: FakeClaude, client: Anthropic, recorded: Recorded) -> None:
    claude.fail(400, "invalid_request_error")
    with pytest.raises(anthropic.BadRequestError):
        create_streamed(client)
    record = recorded.only()
    assert facts_of(record, "status", "error_type", "billed") == {
        "status": "error",
        "error_type": "invalid_request_error",
        "billed": False,
    }


def test_a_request_that_nobody_received_cost_nothing(claude: FakeClaude, client: Anthropic, recorded: Recorded) -> None:
    claude.stop()
    with pytest.raises(anthropic.APIConnectionError):
        client.with_options(max_retries=0).messages.create(**ASK)
    record = recorded.only()
    assert facts_of(record, "status", "error_type", "cost_usd", "billed", "http_status") == {
        "status": "error",
        "error_type": "connection_error",
        "cost_usd": Decimal(0),
        "billed": False,
        "http_status": None,
    }


def test_nobody_knows_what_a_request_without_an_answer_cost(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.hang(5)
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(max_retries=0, timeout=0.2).messages.create(**ASK)
    record = recorded.only()
    assert facts_of(record, "status", "error_type", "cost_usd", "cost_status", "billed", "cost_flags") == {
        "status": "error",
        "error_type": "client_timeout_error",
        "cost_usd": None,
        "cost_status": "unknown",
        "billed": None,
        "cost_flags": "abandoned_attempts",
    }


def test_a_stream_closed_early_keeps_its_input_and_a_lower_bound_of_its_cost(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.answer(usage=USAGE)
    events = client.messages.create(stream=True, **ASK)
    next(iter(events))
    events.close()

    record = recorded.only()
    assert facts_of(
        record, "status", "stream_end", "input_tokens", "cache_write_1h_tokens", "output_tokens", "cost_usd",
        "cost_status", "billed",
    ) == {
        "status": "cancelled", "stream_end": "closed", "input_tokens": 120, "cache_write_1h_tokens": 300,
        "output_tokens": None, "cost_usd": INPUT_COST, "cost_status": "partial", "billed": True,
    }  # fmt: skip


def test_a_stream_that_is_dropped_ends_too(claude: FakeClaude, client: Anthropic, recorded: Recorded) -> None:
    claude.answer(usage=USAGE)
    events = client.messages.create(stream=True, **ASK)
    next(iter(events))
    del events
    gc.collect()
    call = recorded.only().call
    assert (call.status, call.cost_status, call.input_tokens) == ("cancelled", "partial", 120)
    # The SDK's span has ended by the time that we hear of it, and says what was written first.
    assert call.stream_end in ("dropped", "closed")


def test_an_error_within_a_stream_is_an_error(claude: FakeClaude, client: Anthropic, recorded: Recorded) -> None:
    claude.sse_error(after_events=3, type="overloaded_error")
    with pytest.raises(anthropic.APIStatusError):
        create_streamed(client)
    call = recorded.only().call
    assert (call.status, call.error_type, call.stream_end) == ("error", "overloaded_error", "cut")
    assert (call.output_tokens, call.cost_status) == (None, "partial")


def test_a_connection_that_breaks_within_a_stream_is_an_error(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.cut(after_events=3)
    with pytest.raises(Exception, match=r"peer closed|incomplete"):
        create_streamed(client)
    call = recorded.only().call
    assert (call.status, call.error_type, call.stream_end) == ("error", "connection_error", "cut")


def test_a_cancelled_task_is_a_cancelled_call(
    claude: FakeClaude, async_client: AsyncAnthropic, recorded: Recorded
) -> None:
    claude.hang(5)

    async def ask() -> None:
        async with async_client as client:
            create: Any = client.messages.create
            task: asyncio.Task[Any] = asyncio.create_task(create(**ASK))
            await asyncio.to_thread(eventually, lambda: claude.requests != [])
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(ask())
    call = recorded.only().call
    assert (call.status, call.error_type, call.cost_usd, call.billed) == ("cancelled", None, None, None)


def test_an_empty_refusal_is_not_billed_though_it_shows_tokens(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    claude.answer(text="", stop_reason="refusal", usage={"input_tokens": 3300, "output_tokens": 0})
    create(client)
    call = recorded.only().call
    assert (call.stop_reason, call.input_tokens, call.cost_usd, call.billed) == ("refusal", 3300, Decimal(0), False)


def test_an_unknown_model_has_no_cost_and_not_a_zero(claude: FakeClaude, client: Anthropic, recorded: Recorded) -> None:
    claude.answer(usage=USAGE, model="claude-opus-9-9")
    create(client)
    call = recorded.only().call
    assert (call.cost_usd, call.cost_status, call.billed, call.input_tokens) == (None, "unknown", True, 120)


@pytest.mark.parametrize("ask", [create, stream], ids=lambda way: way.__name__)
def test_the_tools_that_an_answer_asks_for_are_recorded_by_name(
    claude: FakeClaude, client: Anthropic, recorded: Recorded, ask: Callable[[Anthropic], None]
) -> None:
    claude.answer(tools=["get_weather", "get_time"])
    ask(client)
    record = recorded.only()
    assert [(use.name, use.type) for use in record.tool_uses] == [
        ("get_weather", "tool_use"),
        ("get_time", "tool_use"),
    ]
    assert all(isinstance(use, ToolUse) and (use.tool_use_id or "").startswith("toolu_") for use in record.tool_uses)
    assert record.call.stop_reason == "tool_use"


def test_counting_tokens_is_recorded_and_free(client: Anthropic, recorded: Recorded) -> None:
    messages: Any = client.messages if hasattr(client.messages, "count_tokens") else client.beta.messages
    messages.count_tokens(model=ASK["model"], messages=ASK["messages"])
    call = recorded.only().call
    assert (call.operation, call.status, call.cost_usd, call.billed) == ("count_tokens", "ok", Decimal(0), False)
    assert call.input_tokens is None


def test_labels_are_on_the_calls_made_inside_them(client: Anthropic, recorded: Recorded) -> None:
    with label(user="u_42", session="s_7", feature="summary", prompt="summarize", prompt_version="v2", tenant="acme"):
        create(client)
    create(client)
    inside, outside = recorded.records()
    names = ("user_id", "session_id", "feature", "prompt_name", "prompt_version", "tenant")
    assert facts_of(inside, *names) == dict(
        zip(names, ("u_42", "s_7", "summary", "summarize", "v2", "acme"), strict=True)
    )
    assert facts_of(outside, *names) == dict.fromkeys(names)


def test_the_user_in_a_requests_metadata_is_the_user_when_nobody_says_another(
    client: Anthropic, recorded: Recorded
) -> None:
    client.messages.create(metadata={"user_id": "from_metadata"}, **ASK)
    with label(user="from_label"):
        client.messages.create(metadata={"user_id": "from_metadata"}, **ASK)
    assert [record.call.user_id for record in recorded.records()] == ["from_metadata", "from_label"]


def test_a_call_is_a_child_of_the_span_that_it_is_made_in(client: Anthropic, recorded: Recorded) -> None:
    with recorded.provider.get_tracer("app").start_as_current_span("handle request"):
        create(client)
    call, parent = recorded.spans()
    outer = parent.get_span_context()
    assert call.parent is not None
    assert outer is not None
    assert (call.parent.trace_id, call.parent.span_id) == (outer.trace_id, outer.span_id)


def test_what_the_application_gets_is_byte_for_byte_what_was_sent(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    def body() -> bytes:
        claude.answer("x" * 500, usage=USAGE)
        with client.messages.with_streaming_response.create(stream=True, **ASK) as response:
            return b"".join(response.iter_bytes())

    watched = body()
    assert recorded.only().call.cost_usd == COST
    message = json.loads(watched.split(b"data: ", 1)[1].split(b"\n", 1)[0])["message"]
    assert message["usage"]["input_tokens"] == 120
    assert watched.endswith(b'data: {"type":"message_stop"}\n\n') or b"message_stop" in watched[-80:]


def test_own_and_adopted_spans_have_the_same_shape(claude: FakeClaude, recorded: Recorded) -> None:
    def attributes(**tracing: Any) -> dict[str, Any]:
        claude.answer(usage=USAGE, tools=["get_weather"])
        with Anthropic(api_key="k", base_url=claude.url, **tracing) as client:
            stream(client)
        (span,) = recorded.spans()
        assert (span.name, span.kind.name, span.status.status_code.name) == (
            "anthropic.messages.create",
            "CLIENT",
            "OK",
        )
        return dict(span.attributes or {})

    adopted = attributes(**sdk_tracing(recorded.provider))
    own = attributes(**sdk_tracing(None))
    varying = {
        "gen_ai.response.id",
        "anthropic.request.id",
        "claude.ttft_ms",
        "claude.first_event_ms",
        "gen_ai.response.time_to_first_chunk",
        "claude.tool_use.ids",
    }
    assert own.keys() == adopted.keys()
    assert {k: v for k, v in own.items() if k not in varying} == {k: v for k, v in adopted.items() if k not in varying}


def test_a_refusal_in_a_billed_category_is_billed(claude: FakeClaude, client: Anthropic, recorded: Recorded) -> None:
    claude.answer(
        text="",
        stop_reason="refusal",
        stop_details={"type": "refusal", "category": "reasoning_extraction"},
        usage={"input_tokens": 1_000_000, "output_tokens": 0},
        times=2,
    )
    create(client)
    stream(client)
    told = [(record.call.refusal_category, record.call.cost_usd, record.call.billed) for record in recorded.records()]
    assert told == [("reasoning_extraction", Decimal(4), True)] * 2


def test_a_model_that_declined_before_the_answer_is_not_charged_to_it(
    claude: FakeClaude, client: Anthropic, recorded: Recorded
) -> None:
    handover = {
        "type": "fallback",
        "from": {"model": "claude-fable-5-2"},
        "to": {"model": "claude-opus-5-5"},
        "trigger": {"type": "refusal", "category": "cyber"},
    }
    iterations = [
        {"type": "message", "model": "claude-fable-5-2", "input_tokens": 2050, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-5-5", "input_tokens": 1900, "output_tokens": 220},
    ]
    claude.answer(
        content=[handover, {"type": "text", "text": "Yes."}],
        usage={"input_tokens": 1900, "output_tokens": 220, "iterations": iterations},
    )
    create(client)
    # By hand, at 4 and 20 USD per million tokens: 1900 * 4 + 220 * 20 millionths.
    assert recorded.only().call.cost_usd == Decimal("0.012")
