"""The application is never broken, slowed or changed by being recorded."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import get_current_span

import claude_telemetry
from claude_telemetry.capture import body
from claude_telemetry.capture import recording as recording_module
from claude_telemetry.emit.delivery import Delivery
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from claude_telemetry.record.attributes import RECORDER_VERSION
from tests.support.otlp import OtlpReceiver
from tests.support.recorded import Recorded, recording, sdk_tracing

ASK: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as recorded:
        yield recorded


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[Anthropic]:
    with Anthropic(api_key="k", base_url=claude.url, open_telemetry={"traces": False}) as client:
        yield client


def broken(*_: object, **__: object) -> None:
    raise RuntimeError(ASK["messages"][0]["content"])


def ignored(*_: object) -> None:
    pass


def events_of(client: Anthropic) -> list[str]:
    return [event.type for event in client.messages.create(stream=True, **ASK)]


@pytest.mark.parametrize("step", ["take", "attempt_answered", "returned", "sending", "end", "body_ended"])
def test_when_recording_fails_the_application_gets_its_whole_answer(
    client: Anthropic, monkeypatch: pytest.MonkeyPatch, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = events_of(client)
    before = sum(slips().values())

    monkeypatch.setattr(recording_module.Recording, step, broken)
    claude_telemetry.instrument(export=True, endpoint="http://127.0.0.1:9")
    try:
        with caplog.at_level(logging.DEBUG, "claude_telemetry"):
            assert events_of(client) == expected
            create: Any = client.messages.create
            assert create(**ASK).content
    finally:
        claude_telemetry.uninstrument()
    gc.collect()
    assert sum(slips().values()) > before
    assert "Hello" not in caplog.text


def test_the_applications_own_exception_comes_through_untouched(
    claude: FakeClaude, client: Anthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module.Recording, "end", broken)
    claude.fail(400, "invalid_request_error")
    claude_telemetry.instrument(export=False)
    try:
        with pytest.raises(anthropic.BadRequestError) as told:
            client.messages.create(**ASK)
    finally:
        claude_telemetry.uninstrument()
    assert told.value.__context__ is None or not isinstance(told.value.__context__, RuntimeError)


def test_a_body_that_cannot_be_read_along_is_read_by_the_application_all_the_same(
    client: Anthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = events_of(client)
    monkeypatch.setattr(body.BodyReader, "feed", broken)
    claude_telemetry.instrument(export=False)
    try:
        assert events_of(client) == expected
    finally:
        claude_telemetry.uninstrument()


def test_a_bad_argument_raises_what_it_always_raised(client: Anthropic, recorded: Recorded) -> None:
    create: Any = client.messages.create
    with pytest.raises(TypeError):
        create(model="claude-haiku-4-5")


def test_uninstrumenting_puts_back_what_was_there() -> None:
    def hooked() -> list[Any]:
        sync_api = next(base for base in Anthropic.__mro__ if "request" in vars(base))
        return [sync_api.__dict__["request"], httpx2.Client.__dict__["send"], httpx2.AsyncClient.__dict__["send"]]

    before = hooked()
    with recording():
        assert all(now is not then for now, then in zip(hooked(), before, strict=True))
    assert hooked() == before


def test_instrumenting_twice_records_once(client: Anthropic) -> None:
    with recording(), recording() as recorded:
        client.messages.create(**ASK)
        assert len(recorded.records()) == 1


def test_after_uninstrumenting_nothing_is_recorded(client: Anthropic) -> None:
    with recording() as recorded:
        claude_telemetry.uninstrument()
        client.messages.create(**ASK)
        assert recorded.records() == []


def test_clients_and_methods_from_before_are_recorded(client: Anthropic) -> None:
    kept = client.messages.create
    with recording() as recorded:
        kept(**ASK)
        client.with_options(max_retries=1).messages.create(**ASK)
        client.copy().messages.create(**ASK)
        assert len(recorded.records()) == 3


def test_somebody_who_patched_after_us_keeps_their_patch(client: Anthropic, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with recording() as recorded:
        ours = httpx2.Client.send

        def theirs(self: httpx2.Client, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
            seen.append(request.url.path)
            return ours(self, request, **kwargs)

        monkeypatch.setattr(httpx2.Client, "send", theirs)
        client.messages.create(**ASK)
        assert len(recorded.records()) == 1
    client.messages.create(**ASK)
    assert seen == ["/v1/messages", "/v1/messages"]
    with recording() as recorded:
        client.messages.create(**ASK)
        assert len(recorded.records()) == 1
    monkeypatch.undo()


def test_other_http_traffic_is_not_recorded(claude: FakeClaude, recorded: Recorded) -> None:
    with httpx2.Client() as http:
        http.post(claude.url + "/v1/messages", json=ASK, headers={"x-api-key": "k", "anthropic-version": "2023-06-01"})
    assert recorded.records() == []


def test_a_mock_transport_below_the_client_is_recorded_like_a_server(recorded: Recorded) -> None:
    answer: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [],
        "stop_reason": "end_turn", "usage": {"input_tokens": 1_000_000, "output_tokens": 0},
    }  # fmt: skip
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=answer)))
    with Anthropic(api_key="k", http_client=http, open_telemetry={"traces": False}) as client:
        client.messages.create(**ASK)
    assert recorded.only().call.cost_usd == 1


def test_a_span_is_current_while_a_request_is_out_and_not_after(recorded: Recorded) -> None:
    current: list[int] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        current.append(get_current_span().get_span_context().span_id)
        return httpx2.Response(400, json={"type": "error", "error": {"type": "invalid_request_error", "message": ""}})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with (
        Anthropic(api_key="k", http_client=http, open_telemetry={"traces": False}) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(**ASK)
    (span,) = recorded.spans()
    context = span.get_span_context()
    assert context is not None
    assert current == [context.span_id]
    assert not get_current_span().get_span_context().is_valid


def test_many_threads_have_one_span_each_with_their_own_labels(claude: FakeClaude, recorded: Recorded) -> None:
    def ask(user: str) -> None:
        with (
            Anthropic(api_key="k", base_url=claude.url, open_telemetry={"traces": False}) as client,
            claude_telemetry.label(user=user),
        ):
            client.messages.create(**ASK)
            for _ in client.messages.create(stream=True, **ASK):
                pass

    threads = [threading.Thread(target=ask, args=(f"u{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    users = sorted(record.call.user_id or "" for record in recorded.records())
    assert users == sorted([f"u{n}" for n in range(8)] * 2)


def test_answers_can_be_pickled_and_copied_as_before(client: Anthropic, recorded: Recorded) -> None:
    create: Any = client.messages.create
    message = create(**ASK)
    assert pickle.loads(pickle.dumps(message)) == message
    assert copy.deepcopy(message) == message


def test_a_stream_read_in_another_thread_has_the_labels_of_its_maker(client: Anthropic, recorded: Recorded) -> None:
    with claude_telemetry.label(user="maker"):
        events = client.messages.create(stream=True, **ASK)
    reader = threading.Thread(target=lambda: list(events))
    reader.start()
    reader.join()
    assert recorded.only().call.user_id == "maker"


def test_no_key_no_header_and_no_word_of_the_talk_is_recorded(claude: FakeClaude, recorded: Recorded) -> None:
    canaries = ("sk-ant-canary", "canary-question", "canary-answer", "canary-system", "canary-header", "canary-tool")
    claude.answer("canary-answer", tools=["lookup"])
    for tracing in ({"traces": False}, {"tracer_provider": recorded.provider}):
        with Anthropic(
            api_key="sk-ant-canary",
            base_url=claude.url,
            open_telemetry=tracing,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - a plain dict
            default_headers={"x-app": "canary-header"},
        ) as client:
            asked: dict[str, Any] = {
                **ASK,
                "messages": [{"role": "user", "content": "canary-question"}],
                "system": "canary-system",
                "tools": [{"name": "lookup", "description": "canary-tool", "input_schema": {"type": "object"}}],
            }
            client.messages.create(**asked)
            list(client.messages.create(stream=True, **asked))
    exported = "".join(span.to_json() for span in recorded.spans())
    assert "anthropic.messages.create" in exported
    assert [canary for canary in canaries if canary in exported] == []


def test_a_million_dropped_streams_would_leave_nothing_behind(claude: FakeClaude, recorded: Recorded) -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(thing, recording_module.Recording) for thing in gc.get_objects())

    with Anthropic(api_key="k", base_url=claude.url, open_telemetry={"traces": False}) as client:
        for _ in range(5):
            next(iter(client.messages.create(stream=True, **ASK)))
    claude_telemetry.totals()  # where nothing is delivered, some calls wait to be added up
    assert alive() == 0
    assert len(recorded.records()) == 5


def test_a_coroutine_that_nobody_awaits_any_more_is_closed_without_a_word(recorded: Recorded) -> None:
    sent = asyncio.Event()

    async def never(_: httpx2.Request) -> httpx2.Response:
        sent.set()
        await asyncio.Event().wait()
        raise AssertionError

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(never))
    client = anthropic.AsyncAnthropic(api_key="k", http_client=http, open_telemetry={"traces": False})
    create: Any = client.messages.create
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(ignored)  # asyncio's own word about a task that nobody awaits
    task: asyncio.Task[Any] = loop.create_task(create(**ASK))
    loop.run_until_complete(sent.wait())
    loop.close()
    call: Any = task.get_coro()
    call.close()  # as the garbage collector does, in another context than the task's
    assert recorded.only().call.status == "cancelled"


def test_a_patch_from_before_us_that_is_taken_away_after_takes_ours_and_instrument_brings_it_back(
    client: Anthropic,
) -> None:
    original = httpx2.Client.__dict__["send"]
    try:
        with recording():
            type.__setattr__(httpx2.Client, "send", original)
            with recording() as recorded:
                client.messages.create(**ASK)
                assert recorded.only().call.attempts == 1
        assert httpx2.Client.__dict__["send"] is original
    finally:
        type.__setattr__(httpx2.Client, "send", original)


@pytest.mark.parametrize("own_tracing", [True, False])
def test_a_sampler_is_asked_once_for_each_call(recorded: Recorded, own_tracing: bool) -> None:
    sampler = _Never()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    answers = [httpx2.Response(529, headers={"retry-after-ms": "1"})] * 2 + [httpx2.Response(400)]
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: answers.pop(0)))
    claude_telemetry.instrument(tracer_provider=provider, export=False)
    tracing: Any = {"tracer_provider": provider} if own_tracing else {"traces": False}
    with (
        Anthropic(api_key="k", http_client=http, open_telemetry=tracing) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(**ASK)
    assert sampler.asked == 1


class _Never(Sampler):
    def __init__(self) -> None:
        self.asked = 0

    def should_sample(self, *_: object, **__: object) -> SamplingResult:
        self.asked += 1
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "never"


def test_calls_that_begin_at_once_in_many_threads_are_each_delivered_once(claude: FakeClaude) -> None:
    class Slow(TracerProvider):
        def add_span_processor(self, span_processor: SpanProcessor) -> None:
            time.sleep(0.05)
            super().add_span_processor(span_processor)

    together = threading.Barrier(4)

    def ask() -> None:
        with Anthropic(api_key="k", base_url=claude.url, open_telemetry={"traces": False}) as client:
            together.wait()
            client.messages.create(**ASK)

    with OtlpReceiver() as receiver:
        claude_telemetry.instrument(tracer_provider=Slow(shutdown_on_exit=False), endpoint=receiver.url)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert claude_telemetry.flush()
        claude_telemetry.uninstrument()
        assert len(receiver.spans) == 4


def test_instrumenting_again_loses_no_call_that_waits_or_runs(claude: FakeClaude, client: Anthropic) -> None:
    with OtlpReceiver() as receiver:
        claude_telemetry.instrument(endpoint="http://127.0.0.1:9")
        client.messages.create(**ASK)
        events = client.messages.create(stream=True, **ASK)
        claude_telemetry.instrument(endpoint=receiver.url)
        list(events)
        assert claude_telemetry.flush()
        claude_telemetry.uninstrument()
        assert len(receiver.spans) == 2


def test_a_client_with_the_provider_of_an_earlier_instrument_is_delivered_still_and_once(claude: FakeClaude) -> None:
    earlier = TracerProvider(shutdown_on_exit=False)
    with (
        OtlpReceiver() as receiver,
        Anthropic(api_key="k", base_url=claude.url, open_telemetry={"tracer_provider": earlier}) as client,
    ):
        claude_telemetry.instrument(tracer_provider=earlier, endpoint=receiver.url)
        client.messages.create(**ASK)
        claude_telemetry.uninstrument()
        claude_telemetry.instrument(endpoint=receiver.url)
        client.messages.create(**ASK)
        client.with_options(open_telemetry={"traces": False}).messages.create(**ASK)
        claude_telemetry.uninstrument()
        assert len(receiver.spans) == 3


def test_a_span_that_cannot_be_queued_does_not_fail_the_call(
    client: Anthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Delivery, "add", broken)  # as when no thread can be started
    claude_telemetry.instrument(endpoint="http://127.0.0.1:9")
    before = sum(slips().values())
    try:
        create: Any = client.messages.create
        assert create(**ASK).content
        assert sum(slips().values()) > before
    finally:
        claude_telemetry.uninstrument()


def test_an_sdk_that_we_do_not_know_keeps_its_spans_and_gets_our_labels(
    claude: FakeClaude, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("claude_telemetry.capture.self_check", lambda: ["request takes no options"])
    with recording() as recorded:
        tracing = sdk_tracing(recorded.provider)
        with (
            Anthropic(api_key="k", base_url=claude.url, **tracing) as client,
            claude_telemetry.label(user="u_42", tags={"tier": "gold"}),
        ):
            client.messages.create(**ASK)
        (span,) = recorded.spans()
    attributes = dict(span.attributes or {})
    assert (span.name, attributes["user.id"]) == ("anthropic.messages.create", "u_42")
    assert attributes["claude.tags"] == '{"tier":"gold"}'
    assert attributes["gen_ai.usage.output_tokens"] == claude.ledger[0].usage["output_tokens"]
    assert RECORDER_VERSION not in attributes  # the collector is to read it as the SDK's own, and to price it
    (warning,) = (record.message for record in caplog.records if record.name == "claude_telemetry")
    assert warning.endswith("only the spans that it makes itself are completed: request takes no options")
