"""Whatever happens in a call, and in whatever order: a reader of its span is told what is true, and nothing stale.

An adopted span is the SDK's to end, so facts are written to it while the call runs, and none can be taken back.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import claude_telemetry
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import Answer
from tests.support.recorded import Recorded, record_of, recording, sdk_tracing

ASK: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
USAGE: dict[str, Any] = {
    "input_tokens": 1000,
    "output_tokens": 10,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
    "inference_geo": "global",
}
# By hand, at 4 / 20 / 5 USD per million tokens: 1000 * 4 + 100 * 5 millionths, and 10 * 20 for the output.
INPUT_COST, COST = Decimal("0.0045"), Decimal("0.0047")
NOW = {"retry-after-ms": "1"}
NOT_KNOWN = {"cost_usd": None, "cost_status": "unknown", "cost_breakdown": None, "billed": None}
NOTHING_DUE = {"cost_usd": Decimal(0), "cost_status": "priced", "billed": False}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as recorded:
        yield recorded


@pytest.fixture(params=["adopted", "own"])
def tracing(request: pytest.FixtureRequest, recorded: Recorded) -> dict[str, Any]:
    return sdk_tracing(recorded.provider if request.param == "adopted" else None)


@pytest.fixture
def client(claude: FakeClaude, tracing: dict[str, Any]) -> Iterator[Anthropic]:
    with Anthropic(api_key="k", base_url=claude.url, timeout=0.3, max_retries=2, **tracing) as client:
        yield client


def create(client: Anthropic) -> None:
    client.messages.create(**ASK)


def read_stream(client: Anthropic) -> None:
    list(client.messages.create(stream=True, **ASK))


def look_at_stream(client: Anthropic) -> None:
    next(iter(client.messages.create(stream=True, **ASK)))
    gc.collect()


def drop_stream(client: Anthropic) -> None:
    client.messages.create(stream=True, **ASK)
    gc.collect()


Way = Callable[[Anthropic], None]


def busy(claude: FakeClaude) -> None:
    claude.fail(529, headers=NOW)


def busy_thrice(claude: FakeClaude) -> None:
    claude.fail(529, headers=NOW, times=3)


def silence(claude: FakeClaude) -> None:
    claude.hang(2)


def answer(claude: FakeClaude) -> None:
    claude.answer(usage=USAGE)


def unpriced_answer(claude: FakeClaude) -> None:
    claude.answer(usage=USAGE, model="claude-opus-9-9")


def cut_at_once(claude: FakeClaude) -> None:
    claude.cut(after_events=0)


def cut_after_the_start(claude: FakeClaude) -> None:
    claude.cut(after_events=1, answer=Answer(usage=USAGE))


def cut_before_the_end(claude: FakeClaude) -> None:
    claude.cut(after_events=5, answer=Answer(usage=USAGE))


def error_event(claude: FakeClaude) -> None:
    claude.sse_error(after_events=0)


def empty_refusal(claude: FakeClaude) -> None:
    claude.answer(text="", stop_reason="refusal", usage={**USAGE, "output_tokens": 0})


def outgrown_split(claude: FakeClaude) -> None:
    claude.answer(usage={**USAGE, "cache_creation_input_tokens": 300}, started_usage=USAGE)


def price_lost_on_the_way(claude: FakeClaude) -> None:
    unknown = [{"type": "message", "model": "claude-opus-9-9", "input_tokens": 1, "output_tokens": 1}]
    claude.answer(usage={**USAGE, "iterations": unknown}, started_usage=USAGE)


@pytest.mark.parametrize(
    ("steps", "way", "expected"),
    [
        ([busy, silence, silence], create, {**NOT_KNOWN, "http_status": None, "request_id": None, "status": "error"}),
        ([silence, busy, busy], create, {**NOT_KNOWN, "http_status": 529, "error_type": "overloaded_error"}),
        ([silence, answer], create, {"cost_usd": COST, "billed": True, "cost_flags": "abandoned_attempts"}),
        ([busy, answer], create, {"cost_usd": COST, "billed": True, "cost_flags": "", "http_status": 200}),
        ([busy, unpriced_answer], create, {"cost_usd": None, "cost_status": "unknown", "billed": True}),
        ([busy, cut_at_once], read_stream, {**NOT_KNOWN, "stream_end": "cut", "http_status": 200}),
        ([busy, cut_after_the_start], read_stream, {"cost_usd": INPUT_COST, "cost_status": "partial", "billed": True}),
        ([busy, error_event], read_stream, {**NOT_KNOWN, "stream_end": "cut", "error_type": "overloaded_error"}),
        ([busy, answer], read_stream, {"cost_usd": COST, "cost_status": "priced", "stream_end": "read"}),
        ([busy, unpriced_answer], read_stream, {"cost_usd": None, "cost_status": "unknown", "stream_end": "read"}),
        ([busy_thrice], read_stream, {**NOTHING_DUE, "stream_end": None, "http_status": 529, "status": "error"}),
        ([cut_before_the_end], read_stream, {"cost_usd": INPUT_COST, "output_tokens": None, "stream_end": "cut"}),
        ([answer], look_at_stream, {"cost_usd": INPUT_COST, "cost_status": "partial", "status": "cancelled"}),
        ([busy, answer], drop_stream, {**NOT_KNOWN, "status": "cancelled", "http_status": 200}),
        ([empty_refusal], read_stream, {**NOTHING_DUE, "stop_reason": "refusal", "cost_flags": "refusal_not_billed"}),
        (
            [outgrown_split],
            read_stream,
            {"cache_write_tokens": 300, "cache_write_5m_tokens": None, "cache_write_1h_tokens": None},
        ),
        ([price_lost_on_the_way], read_stream, {**NOT_KNOWN, "billed": True, "stream_end": "read"}),
    ],
)
def test_what_is_told_of_a_call_is_true_at_its_end(
    claude: FakeClaude,
    client: Anthropic,
    recorded: Recorded,
    steps: list[Callable[[FakeClaude], None]],
    way: Way,
    expected: dict[str, Any],
) -> None:
    for step in steps:
        step(claude)
    try:
        way(client)
    except (anthropic.AnthropicError, httpx2.TransportError):
        assert expected.get("status", "error") == "error"
    record = recorded.only()
    assert {name: getattr(record.call, name) for name in expected} == expected


def test_other_readers_find_no_cost_of_zero_for_a_call_whose_cost_nobody_knows(
    claude: FakeClaude, recorded: Recorded
) -> None:
    busy(claude)
    unpriced_answer(claude)
    tracing = sdk_tracing(recorded.provider)
    with Anthropic(api_key="k", base_url=claude.url, **tracing) as client:
        create(client)
    (span,) = recorded.spans()
    assert "gen_ai.usage.cost" not in (span.attributes or {})
    assert "claude.cost.usd" not in (span.attributes or {})


MESSAGE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": [],
    "stop_reason": "end_turn", "usage": USAGE,
}  # fmt: skip


def answering(*responses: httpx2.Response, tracing: dict[str, Any], **settings: Any) -> Anthropic:
    left = list(responses)
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: left.pop(0)), **settings.pop("http", {}))
    return Anthropic(api_key="k", http_client=http, max_retries=0, **tracing, **settings)


def test_a_middleware_that_knows_the_answer_costs_nothing(recorded: Recorded, tracing: dict[str, Any]) -> None:
    def cached(request: Any, _: Any) -> Any:
        raise LookupError("answered from somewhere else")

    with answering(tracing=tracing, middleware=[cached]) as client, pytest.raises(LookupError):
        create(client)
    call = recorded.only().call
    assert (call.cost_usd, call.cost_status, call.billed, call.http_status) == (Decimal(0), "priced", False, None)


def test_a_middleware_that_asks_twice_makes_one_call_that_costs_both_answers(
    recorded: Recorded, tracing: dict[str, Any]
) -> None:
    def twice(request: Any, send: Any) -> Any:
        send(request)
        return send(request)

    answers = (httpx2.Response(200, json=MESSAGE), httpx2.Response(200, json=MESSAGE))
    with answering(*answers, tracing=tracing, middleware=[twice]) as client:
        create(client)
    call = recorded.only().call
    assert (call.attempts, call.cost_usd, call.cost_status) == (2, 2 * COST, "priced")
    assert [hop["message_id"] for hop in json.loads(call.hops or "[]")] == ["msg_1", "msg_1"]


def test_a_stream_that_an_event_hook_of_the_application_has_read_is_recorded(
    claude: FakeClaude, recorded: Recorded, tracing: dict[str, Any]
) -> None:
    def log(response: httpx2.Response) -> None:
        response.read()

    answer(claude)
    http = httpx2.Client(event_hooks={"response": [log]})
    with Anthropic(api_key="k", base_url=claude.url, http_client=http, **tracing) as client:
        read_stream(client)
    call = recorded.only().call
    assert (call.status, call.stream_end, call.cost_usd, call.output_tokens) == ("ok", "read", COST, 10)


def test_a_streamed_answer_that_we_cannot_read_is_no_error_of_the_api() -> None:
    class Chunks(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"frames"

    response = httpx2.Response(200, stream=Chunks(), headers={"content-type": "application/vnd.amazon.eventstream"})
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    claude_telemetry.instrument(tracer_provider=provider, export=False)
    try:
        with (
            answering(response, tracing=sdk_tracing(None)) as client,
            client.messages.with_streaming_response.create(stream=True, **ASK) as answer,
        ):
            assert b"".join(answer.iter_bytes()) == b"frames"
    finally:
        claude_telemetry.uninstrument()
    call = record_of(exporter.get_finished_spans()[0]).call
    assert (call.status, call.error_type, call.stream_end, call.cost_status) == ("ok", None, "read", "unknown")


@pytest.mark.parametrize("mode", ["SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("adopted", [False, True])
def test_content_goes_where_it_was_asked_for_and_nowhere_else(
    claude: FakeClaude, mode: str, streamed: bool, adopted: bool
) -> None:
    answer(claude)
    with recording(capture_content=mode) as recorded:
        tracing = sdk_tracing(recorded.provider if adopted else None)
        with Anthropic(api_key="k", base_url=claude.url, **tracing) as client:
            if streamed:
                read_stream(client)
            else:
                create(client)
        (span,) = recorded.spans()
    events = [event for event in span.events if event.name == "gen_ai.client.inference.operation.details"]
    where = [attributes for attributes in (span.attributes, *(event.attributes for event in events)) if attributes]
    assert ["gen_ai.input.messages" in attributes for attributes in where] == {
        "SPAN_ONLY": [True],
        "EVENT_ONLY": [False, True],
        "SPAN_AND_EVENT": [True, True],
    }[mode]
    assert ["gen_ai.output.messages" in attributes for attributes in where] == [
        "gen_ai.input.messages" in attributes for attributes in where
    ]
