"""Events that the application tells of: what they say, and which call they belong to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

import claude_telemetry
from claude_telemetry import events
from claude_telemetry.asked import CallRef, last_call
from claude_telemetry.events import event
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from claude_telemetry.record.event import allowed
from tests.support.recorded import Recorded, http_library, recording, sdk_tracing

ASK: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Which weather?"}],
}
SENTENCE = "a sentence that somebody wrote"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setattr(events, "_told", set[str]())
    monkeypatch.setattr("claude_telemetry.asked._last", ContextVar[None]("no_call_yet", default=None))
    with recording() as recorded:
        yield recorded


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[Anthropic]:
    with Anthropic(api_key="any", base_url=claude.url, max_retries=0, **sdk_tracing(None)) as client:
        yield client


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def told(recorded: Recorded) -> list[dict[str, Any]]:
    """What the events since the last time of asking say."""
    return [facts(span) for span in recorded.spans() if "claude.event.name" in facts(span)]


def only_call(spans: list[ReadableSpan]) -> CallRef:
    [context] = [span.get_span_context() for span in spans if span.kind is SpanKind.CLIENT]
    assert context is not None
    return CallRef(format_trace_id(context.trace_id), format_span_id(context.span_id))


def about(call: CallRef) -> dict[str, str]:
    return {"claude.event.call.trace_id": call.trace_id, "claude.event.call.span_id": call.span_id}


def test_an_event_is_a_span_without_length_that_says_what_happened(recorded: Recorded) -> None:
    with claude_telemetry.label(user="u_42", feature="forecast"):
        event("circuit_breaker", state="open", failures=5, ratio=0.5, forced=False, until=None)
    [span] = recorded.spans()
    assert (span.name, span.start_time) == ("claude.event circuit_breaker", span.end_time)
    assert facts(span) == {
        "claude.event.name": "circuit_breaker",
        "claude.event.attributes.state": "open",
        "claude.event.attributes.failures": 5,
        "claude.event.attributes.ratio": 0.5,
        "claude.event.attributes.forced": False,
        "user.id": "u_42",
        "claude.feature": "forecast",
    }


def test_a_fallback_belongs_to_the_call_that_failed(recorded: Recorded, claude: FakeClaude, client: Anthropic) -> None:
    claude.fail(529)
    with pytest.raises(APIStatusError):
        client.messages.create(**ASK)
    event("fallback", from_model="claude-haiku-5-5", to_model="claude-opus-5-5", reason="overloaded_error")
    spans = recorded.spans()
    failed = only_call(spans)
    [span] = [span for span in spans if "claude.event.name" in facts(span)]
    assert facts(span) == {
        "claude.event.name": "fallback",
        "claude.event.attributes.from_model": "claude-haiku-5-5",
        "claude.event.attributes.to_model": "claude-opus-5-5",
        "claude.event.attributes.reason": "overloaded_error",
        **about(failed),
    }
    [link] = span.links
    assert (link.context.trace_id, link.context.span_id) == (int(failed.trace_id, 16), int(failed.span_id, 16))


@pytest.mark.parametrize("adopted", [True, False], ids=["adopted", "own"])
def test_during_a_call_an_event_belongs_to_it(adopted: bool, recorded: Recorded, claude: FakeClaude) -> None:
    def seen(_: object) -> None:
        event("sending")

    http_client = http_library().Client(event_hooks={"request": [seen]})
    tracing = sdk_tracing(recorded.provider if adopted else None)
    with Anthropic(api_key="any", base_url=claude.url, http_client=http_client, **tracing) as client:
        client.messages.create(**ASK)
    spans = recorded.spans()
    [span] = [span for span in spans if "claude.event.name" in facts(span)]
    assert facts(span).items() >= about(only_call(spans)).items()


@pytest.mark.parametrize("adopted", [True, False], ids=["adopted", "own"])
def test_while_a_stream_is_read_an_event_belongs_to_it(adopted: bool, recorded: Recorded, claude: FakeClaude) -> None:
    tracing = sdk_tracing(recorded.provider if adopted else None)
    with Anthropic(api_key="any", base_url=claude.url, **tracing) as client:
        client.messages.create(**ASK)
        recorded.spans()
        with client.messages.stream(**ASK) as stream:
            next(stream)
            event("slow_start")
            stream.until_done()
    spans = recorded.spans()
    [span] = [span for span in spans if "claude.event.name" in facts(span)]
    assert facts(span).items() >= about(only_call(spans)).items()


def test_an_event_of_another_thread_can_say_which_call_it_is_about(recorded: Recorded, client: Anthropic) -> None:
    client.messages.create(**ASK)
    call = last_call()
    assert call is not None
    with ThreadPoolExecutor() as pool:
        pool.submit(lambda: event("judged", call=call, score=0.9)).result()
        pool.submit(lambda: event("judged")).result()
    first, second = told(recorded)
    assert first.items() >= about(call).items()
    assert "claude.event.call.trace_id" not in second


def test_no_prose_and_no_secret_is_told_and_a_warning_says_so_once(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    unfit: dict[str, Any] = {
        "note": SENTENCE,
        "api_key": "abc",
        "id": "sk-ant-api03-abc",
        "nothing": float("nan"),
        "cities": ["Rome"],
        "größe": 3,
        "long": "x" * 129,
    }
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            event("fallback", reason="overloaded", **unfit)
        event(SENTENCE)
    assert [attributes.keys() for attributes in told(recorded)] == [
        {"claude.event.name", "claude.event.attributes.reason"}
    ] * 2
    assert len(caplog.messages) == len(unfit) + 1
    assert all(SENTENCE not in message and "sk-ant" not in message for message in caplog.messages)


def test_of_many_attributes_the_first_16_are_told() -> None:
    assert list(allowed({f"n{number}": number for number in range(20)})) == [f"n{number}" for number in range(16)]


def test_without_instrument_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    event("fallback", note=SENTENCE)
    assert caplog.records == []


def test_a_fault_in_telemetry_does_not_reach_the_application(claude: FakeClaude) -> None:
    claude_telemetry.instrument(endpoint=claude.url)
    before = slips().get("record an event", 0)
    nonsense: Any = "no call"
    event("fallback", call=nonsense)
    claude_telemetry.uninstrument()
    assert slips()["record an event"] == before + 1
