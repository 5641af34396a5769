"""Tools that the application runs: one span each, linked to the call that asked for it, and nothing changed."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

import claude_telemetry
from claude_telemetry.asked import (
    REMEMBERED,
    CallRef,
    asked_here,
    asker_of,
    last_call,
    remember_tool_uses,
)
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import tool_use_block
from claude_telemetry.guard import slips
from claude_telemetry.record import ToolUse
from claude_telemetry.tools import tool, tool_run
from tests.support.otlp import OtlpReceiver
from tests.support.recorded import Recorded, recording, sdk_tracing

ASK: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Which weather?"}],
}
SECRET = "a sentence that somebody wrote"


@pytest.fixture(autouse=True)
def nothing_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_telemetry.asked._last", ContextVar[None]("no_call_yet", default=None))


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as recorded:
        yield recorded


@pytest.fixture
def recorded_with_faults() -> Iterator[Recorded]:
    """The same for a test in which telemetry fails, on purpose."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    claude_telemetry.instrument(tracer_provider=provider, export=False)
    yield Recorded(provider, exporter)
    claude_telemetry.uninstrument()


def runs(recorded: Recorded) -> list[ReadableSpan]:
    """The spans of tool runs since the last time of asking."""
    return [span for span in recorded.spans() if facts(span).get("gen_ai.operation.name") == "execute_tool"]


def only_run(recorded: Recorded) -> ReadableSpan:
    found = runs(recorded)
    assert len(found) == 1, f"expected one run, recorded {[span.name for span in found]}"
    return found[0]


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def call_of(span: ReadableSpan) -> CallRef:
    context = span.get_span_context()
    assert context is not None
    return CallRef(format_trace_id(context.trace_id), format_span_id(context.span_id))


def linked_calls(span: ReadableSpan) -> list[CallRef]:
    return [CallRef(format_trace_id(one.context.trace_id), format_span_id(one.context.span_id)) for one in span.links]


def asked_by(call: CallRef) -> dict[str, str]:
    return {"claude.tool.asked_by.trace_id": call.trace_id, "claude.tool.asked_by.span_id": call.span_id}


def ask_for(claude: FakeClaude, *blocks: dict[str, Any]) -> None:
    claude.answer(content=blocks, stop_reason="tool_use")


def calls_in(spans: list[ReadableSpan]) -> list[ReadableSpan]:
    return [span for span in spans if span.kind is SpanKind.CLIENT]


# What a run says


@tool
def weather(city: str) -> str:
    """Says what the weather is in `city`."""
    if city == "Atlantis":
        raise LookupError(SECRET)
    return f"sunny in {city}"


def test_a_run_is_a_span_by_the_genai_conventions(recorded: Recorded) -> None:
    with claude_telemetry.label(user="u_42", session="s_7", feature="forecast"):
        assert weather("Rome") == "sunny in Rome"
    span = only_run(recorded)
    assert (span.name, span.kind, span.status.status_code) == (
        "execute_tool weather",
        SpanKind.INTERNAL,
        StatusCode.OK,
    )
    assert facts(span) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.type": "function",
        "claude.tool.outcome": "ok",
        "user.id": "u_42",
        "session.id": "s_7",
        "claude.feature": "forecast",
    }


def test_an_exception_passes_through_and_only_its_type_is_recorded(recorded: Recorded) -> None:
    with pytest.raises(LookupError) as caught:
        weather("Atlantis")
    assert caught.value.args == (SECRET,)
    span = only_run(recorded)
    assert span.status.status_code is StatusCode.ERROR
    assert (facts(span)["claude.tool.outcome"], facts(span)["error.type"]) == ("error", "LookupError")
    assert SECRET not in span.to_json()


def test_what_the_application_named_is_told_with_each_run() -> None:
    with recording(service="shop", environment="production") as recorded:
        weather("Rome")
        span = only_run(recorded)
    assert (facts(span)["service.name"], facts(span)["deployment.environment.name"]) == ("shop", "production")


def test_in_an_application_without_tracing_a_run_is_delivered_all_the_same() -> None:
    with OtlpReceiver() as receiver:
        claude_telemetry.instrument(endpoint=receiver.url)
        weather("Rome")
        assert claude_telemetry.flush(10)
        claude_telemetry.uninstrument()
    assert receiver.spans == ["execute_tool weather"]


def test_a_run_that_is_cancelled_is_no_error(recorded: Recorded) -> None:
    @tool
    async def waits() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    span = only_run(recorded)
    assert (facts(span)["claude.tool.outcome"], span.status.status_code) == ("cancelled", StatusCode.UNSET)
    assert "error.type" not in facts(span)


def test_a_run_can_fail_without_an_exception(recorded: Recorded) -> None:
    with tool_run("search") as run:
        run.fail("index_missing")
    assert facts(only_run(recorded))["error.type"] == "index_missing"
    with tool_run("search") as run:
        run.fail(TimeoutError(SECRET))
    assert facts(only_run(recorded))["error.type"] == "TimeoutError"
    with tool_run("search") as run:
        run.fail(SECRET)  # a sentence is no type
    assert facts(only_run(recorded))["error.type"] == "tool_error"


def test_calls_that_a_tool_makes_nest_under_its_run(recorded: Recorded, claude: FakeClaude) -> None:
    @tool
    def summarize() -> None:
        with Anthropic(api_key="any", base_url=claude.url, **sdk_tracing(None)) as client:
            client.messages.create(**ASK)

    summarize()
    spans = recorded.spans()
    [run] = [span for span in spans if span.name == "execute_tool summarize"]
    [call] = calls_in(spans)
    assert call.parent is not None
    assert format_span_id(call.parent.span_id) == call_of(run).span_id


# What is run is untouched


def a_generator(count: int) -> Generator[int, str | None, str]:
    got: list[str] = []
    for number in range(count):
        try:
            got.append((yield number) or "-")
        except KeyError:
            got.append("thrown")
    return ",".join(got)


async def an_async_generator(count: int) -> AsyncGenerator[int, str]:
    for number in range(count):
        try:
            yield number
        except KeyError:
            yield -1


def test_a_result_is_the_very_object(recorded: Recorded) -> None:
    result = object()
    raised = ValueError()

    async def fails() -> None:
        raise raised

    assert tool(lambda: result)() is result
    with pytest.raises(ValueError) as caught:
        asyncio.run(tool(fails)())
    assert caught.value is raised
    with tool_run("any") as run:
        assert run.output(result) is result


def test_a_generator_is_one_run_from_its_first_step_to_its_end(recorded: Recorded) -> None:
    steps = tool(a_generator)(3)
    assert (next(steps), steps.send("a"), steps.throw(KeyError())) == (0, 1, 2)
    assert runs(recorded) == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "a,thrown,-"
    assert inspect.isgenerator(steps)
    assert facts(only_run(recorded))["claude.tool.outcome"] == "ok"


def test_a_generator_that_nobody_reads_on_is_cancelled(recorded: Recorded) -> None:
    steps = tool(a_generator)(3)
    next(steps)
    steps.close()
    assert facts(only_run(recorded))["claude.tool.outcome"] == "cancelled"


def test_an_async_generator_is_one_run(recorded: Recorded) -> None:
    async def main() -> list[int]:
        steps = tool(an_async_generator)(3)
        first = await anext(steps)
        assert trace.get_current_span() is trace.INVALID_SPAN
        thrown = await steps.athrow(KeyError())
        return [first, thrown, *[number async for number in steps]]

    assert asyncio.run(main()) == [0, -1, 1, 2]
    assert facts(only_run(recorded))["claude.tool.outcome"] == "ok"


def test_an_async_generator_closed_early_is_cancelled(recorded: Recorded) -> None:
    async def main() -> None:
        steps = tool(an_async_generator)(3)
        await anext(steps)
        await steps.aclose()

    asyncio.run(main())
    assert facts(only_run(recorded))["claude.tool.outcome"] == "cancelled"


def test_methods_partials_and_callable_objects_are_tools_too(recorded: Recorded) -> None:
    class Shop:
        @tool
        def stock(self, item: str) -> str:
            return item

        @tool
        @staticmethod
        def hours() -> str:
            return "9-17"

        @tool
        @classmethod
        def title(cls) -> str:
            return cls.__name__

    class Search:
        async def __call__(self, query: str) -> str:
            return query

    assert (Shop().stock("tea"), Shop.hours(), Shop.title()) == ("tea", "9-17", "Shop")
    assert tool(functools.partial(forecast, "Rome"))() == "sunny in Rome for 1"
    assert asyncio.run(tool(Search())("x")) == "x"
    assert [span.name for span in runs(recorded)] == [
        f"execute_tool {name}" for name in ("stock", "hours", "title", "forecast", "Search")
    ]


@pytest.mark.parametrize("what", [3, dict, "weather"])
def test_what_is_no_function_is_refused_when_it_is_decorated(what: Any) -> None:
    with pytest.raises(TypeError, match="give a function"):
        tool(what)


def test_a_run_left_in_another_context_says_nothing_in_the_applications_log(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    def stepwise() -> Generator[None]:
        with tool_run("search"):
            yield

    steps = stepwise()
    contextvars.Context().run(next, steps)
    with caplog.at_level(logging.DEBUG):
        steps.close()
    assert caplog.records == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert facts(only_run(recorded))["claude.tool.outcome"] == "cancelled"


def test_without_instrument_tools_run_and_nothing_is_recorded() -> None:
    assert weather("Rome") == "sunny in Rome"
    assert list(tool(a_generator)(2)) == [0, 1]
    with tool_run("search", tool_use_id="toolu_1") as run:
        assert trace.get_current_span() is trace.INVALID_SPAN
        assert run.output("found") == "found"
        run.fail()


@pytest.mark.parametrize("broken", ["source", "claim", "asked_here", "started"])
def test_a_fault_in_telemetry_leaves_the_tool_as_it_is(
    broken: str, recorded_with_faults: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(f"claude_telemetry.tools.run.{broken}", fault)
    before = slips().get("begin a tool run", 0)
    assert weather("Rome") == "sunny in Rome"
    with pytest.raises(LookupError):
        weather("Atlantis")
    assert list(tool(a_generator)(2)) == [0, 1]
    assert recorded_with_faults.spans() == []
    assert slips()["begin a tool run"] == before + 3


# Input and output


def test_input_and_output_are_not_recorded_unless_somebody_says_so(recorded: Recorded) -> None:
    weather(SECRET)
    with tool_run("search", input=SECRET) as run:
        run.output(SECRET)
    assert all(SECRET not in span.to_json() for span in runs(recorded))


def test_a_policy_says_what_is_recorded_of_them(recorded: Recorded) -> None:
    @tool(name="lookup", record_input=True, record_output=len)
    def find(customer: str, limit: int = 5) -> dict[str, str]:
        return {customer: SECRET}

    find("c_1", limit=2)
    span = only_run(recorded)
    assert facts(span)["gen_ai.tool.name"] == "lookup"
    assert facts(span)["gen_ai.tool.call.arguments"] == '{"customer": "c_1", "limit": 2}'
    assert facts(span)["gen_ai.tool.call.result"] == "1"
    with tool_run("search", input="x" * 9000, record_input=True, record_output=lambda _: None) as run:
        run.output("found")
    span = only_run(recorded)
    assert len(facts(span)["gen_ai.tool.call.arguments"]) == 8192
    assert "gen_ai.tool.call.result" not in facts(span)


def test_a_policy_that_fails_records_nothing_and_breaks_nothing(recorded_with_faults: Recorded) -> None:
    def fails(_: object) -> str:
        raise RuntimeError(SECRET)

    assert tool(record_input=fails, record_output=fails)(str.upper)("a") == "A"
    assert {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}.isdisjoint(facts(only_run(recorded_with_faults)))


# The call that asked for it


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[Anthropic]:
    with Anthropic(api_key="any", base_url=claude.url, **sdk_tracing(None)) as client:
        yield client


def test_a_run_is_linked_to_the_call_that_asked_for_it(
    recorded: Recorded, claude: FakeClaude, client: Anthropic
) -> None:
    block = tool_use_block("weather", {"city": "Rome"})
    ask_for(claude, block)
    client.messages.create(**ASK)
    client.messages.create(**ASK)  # it does not have to be the last one
    asking = call_of(calls_in(recorded.spans())[0])
    with ThreadPoolExecutor() as pool:  # nor the same thread

        def run_it() -> None:
            with tool_run("weather", tool_use_id=block["id"]):
                weather("Rome")

        pool.submit(run_it).result()
    span = only_run(recorded)  # the function is that run, and no second one
    assert linked_calls(span) == [asking]
    assert facts(span).items() >= {"gen_ai.tool.call.id": block["id"], **asked_by(asking)}.items()


def test_a_streamed_answer_asks_too(recorded: Recorded, claude: FakeClaude, client: Anthropic) -> None:
    block = tool_use_block("weather", {"city": "Rome"})
    ask_for(claude, block)
    with client.messages.stream(**ASK) as stream:
        stream.until_done()
    asking = call_of(calls_in(recorded.spans())[0])
    with tool_run("search", tool_use_id=block["id"]):
        pass
    assert linked_calls(only_run(recorded)) == [asking]


def test_a_tool_that_is_run_while_its_answer_streams_was_asked_for_by_that_call(
    recorded: Recorded, claude: FakeClaude, client: Anthropic
) -> None:
    block = tool_use_block("weather", {"city": "Rome"})
    ask_for(claude, block, tool_use_block("search", {}))
    with client.messages.stream(**ASK) as stream:
        for event in stream:
            if event.type == "content_block_stop" and event.content_block.type == "tool_use":
                with tool_run(event.content_block.name, tool_use_id=event.content_block.id):
                    pass
    spans = recorded.spans()
    asking = call_of(calls_in(spans)[0])
    found = [span for span in spans if span.kind is SpanKind.INTERNAL]
    assert [linked_calls(span) for span in found] == [[asking], [asking]]


def test_without_an_id_the_last_call_here_is_the_one_that_asked(
    recorded: Recorded, claude: FakeClaude, client: Anthropic
) -> None:
    block = tool_use_block("weather", {})
    ask_for(claude, block, tool_use_block("search", {}), tool_use_block("search", {}))
    client.messages.create(**ASK)
    asking = call_of(calls_in(recorded.spans())[0])
    weather("Rome")
    span = only_run(recorded)
    assert (linked_calls(span), facts(span)["gen_ai.tool.call.id"]) == ([asking], block["id"])
    with tool_run("search"):  # one of two, and nobody knows which
        pass
    span = only_run(recorded)
    assert (linked_calls(span), facts(span).get("gen_ai.tool.call.id")) == ([asking], None)
    with tool_run("translate"):  # not asked for
        pass
    assert linked_calls(only_run(recorded)) == []


def test_a_tool_that_a_tool_calls_was_not_asked_for(recorded: Recorded) -> None:
    remember_tool_uses(0xAB, 0xCD, [ToolUse(tool_use_id="toolu_9", name="weather", type="tool_use")])

    @tool
    def plan() -> None:
        weather("Rome")

    plan()
    inner, outer = runs(recorded)
    assert (inner.name, outer.name) == ("execute_tool weather", "execute_tool plan")
    assert inner.parent is not None
    assert format_span_id(inner.parent.span_id) == call_of(outer).span_id
    assert (linked_calls(inner), linked_calls(outer)) == ([], [])


def test_a_function_is_the_run_around_it_once(recorded: Recorded) -> None:
    with tool_run("weather"):
        weather("Rome")
        with pytest.raises(LookupError):
            weather("Atlantis")
    assert [facts(span)["claude.tool.outcome"] for span in runs(recorded)] == ["error", "ok"]


def test_a_failure_inside_the_run_around_it_is_that_runs_failure(recorded: Recorded) -> None:
    with tool_run("weather"), suppress(LookupError):
        weather("Atlantis")
    span = only_run(recorded)
    assert (facts(span)["claude.tool.outcome"], facts(span)["error.type"]) == ("error", "LookupError")


def test_only_the_latest_tool_uses_are_remembered() -> None:
    for number in range(5000):
        remember_tool_uses(number + 1, 0xCD, [ToolUse(tool_use_id=f"t_{number}", name="x")])
    assert asker_of("t_0") is None
    assert asker_of("t_4999") == CallRef(f"{5000:032x}", "00000000000000cd")
    assert sum(asker_of(f"t_{number}") is not None for number in range(5000)) == REMEMBERED == 4096


def test_a_call_of_long_ago_is_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    remember_tool_uses(0xAB, 0xCD, [ToolUse(tool_use_id="toolu_9", name="weather")])
    assert asked_here("weather") == (last_call(), "toolu_9")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    assert last_call() is None
    assert asked_here("weather") == (None, None)
    assert asker_of("toolu_9") is not None  # who knows the id, knows the call


def test_the_last_call_is_the_last_of_this_thread(recorded: Recorded, client: Anthropic) -> None:
    client.messages.create(**ASK)
    assert last_call() == call_of(calls_in(recorded.spans())[0])
    with ThreadPoolExecutor() as pool:
        assert pool.submit(last_call).result() is None


# Tools that the SDK runs

beta_tool: Any = getattr(anthropic, "beta_tool", None)
beta_async_tool: Any = getattr(anthropic, "beta_async_tool", None)
needs_the_runner = pytest.mark.skipif(beta_tool is None, reason="this SDK has no tool runner")


def forecast(city: str, days: int = 1) -> str:
    """The forecast.

    Args:
        city: where
        days: how far ahead
    """
    if city == "Atlantis":
        raise LookupError(SECRET)
    return f"sunny in {city} for {days}"


async def forecast_async(city: str, days: int = 1) -> str:
    """The forecast, awaited."""
    return forecast(city, days)


def run_tools(client: Any, *tools: Any) -> Any:
    """To the end of the conversation."""
    return client.beta.messages.tool_runner(**ASK, tools=tools).until_done()


def in_both_orders(named: str, function: Any, make: Any) -> Any:
    return {"outside": lambda: tool(make(function)), "inside": lambda: make(tool(function))}[named]()


@pytest.fixture(params=["adopted", "own"])
def tracing(request: pytest.FixtureRequest, recorded: Recorded) -> dict[str, Any]:
    """What a client is made with: the SDK's own tracing on, in the application's provider, or off."""
    return sdk_tracing(recorded.provider if request.param == "adopted" else None)


def check_of_the_sdks_runs(recorded: Recorded, blocks: list[dict[str, Any]], adopted: bool) -> None:
    spans = recorded.spans()
    good, bad = [span for span in spans if facts(span).get("gen_ai.operation.name") == "execute_tool"]
    asking = [call_of(span) for span in calls_in(spans)]
    assert [linked_calls(good), linked_calls(bad)] == [[asking[0]], [asking[1]]]
    for span, block in zip((good, bad), blocks, strict=True):
        assert span.name == ("anthropic.custom_tool_use " if adopted else "execute_tool ") + block["name"]
        assert facts(span)["gen_ai.tool.call.id"] == block["id"]
        assert facts(span)["user.id"] == "u_42"
    assert [facts(span)["claude.tool.outcome"] for span in (good, bad)] == ["ok", "error"]
    assert facts(bad)["claude.tool.raised" if adopted else "error.type"] == "LookupError"
    assert SECRET not in bad.to_json()


@needs_the_runner
@pytest.mark.parametrize("order", ["outside", "inside"])
def test_a_tool_of_the_sdk_has_one_run_on_whichever_side_it_is_decorated(
    order: str, recorded: Recorded, claude: FakeClaude, tracing: dict[str, Any]
) -> None:
    made = in_both_orders(order, forecast, beta_tool)
    assert made.to_dict() == beta_tool(forecast).to_dict()
    blocks = [tool_use_block("forecast", {"city": city}) for city in ("Rome", "Atlantis")]
    for block in blocks:
        ask_for(claude, block)
    with (
        Anthropic(api_key="any", base_url=claude.url, **tracing) as client,
        claude_telemetry.label(user="u_42"),
    ):
        run_tools(client, made)
    sent = [message for request in claude.requests for message in request.body["messages"]]
    assert "sunny in Rome for 1" in str(sent)
    check_of_the_sdks_runs(recorded, blocks, adopted=bool(tracing.get("open_telemetry", {}).get("tracer_provider")))
    assert made("Oslo") == "sunny in Oslo for 1"
    assert only_run(recorded).name == "execute_tool forecast"


@needs_the_runner
@pytest.mark.parametrize("order", ["outside", "inside"])
def test_an_async_tool_of_the_sdk_too(
    order: str, recorded: Recorded, claude: FakeClaude, tracing: dict[str, Any]
) -> None:
    made = in_both_orders(order, forecast_async, beta_async_tool)
    assert made.to_dict() == beta_async_tool(forecast_async).to_dict()
    blocks = [tool_use_block("forecast_async", {"city": city}) for city in ("Rome", "Atlantis")]
    for block in blocks:
        ask_for(claude, block)

    async def main() -> None:
        async with AsyncAnthropic(api_key="any", base_url=claude.url, **tracing) as client:
            with claude_telemetry.label(user="u_42"):
                await run_tools(client, made)

    asyncio.run(main())
    check_of_the_sdks_runs(recorded, blocks, adopted=bool(tracing.get("open_telemetry", {}).get("tracer_provider")))


@needs_the_runner
def test_the_sdks_span_of_a_tool_that_is_not_decorated_is_completed(recorded: Recorded, claude: FakeClaude) -> None:
    tracing = sdk_tracing(recorded.provider)
    block = tool_use_block("forecast", {"city": "Rome"})
    ask_for(claude, block)
    with (
        Anthropic(api_key="any", base_url=claude.url, **tracing) as client,
        claude_telemetry.label(user="u_42", session="s_7"),
    ):
        run_tools(client, beta_tool(forecast))
    spans = recorded.spans()
    [run] = [span for span in spans if facts(span).get("gen_ai.operation.name") == "execute_tool"]
    asking = call_of(calls_in(spans)[0])
    assert linked_calls(run) == [asking]
    assert facts(run).items() >= {"user.id": "u_42", "session.id": "s_7", **asked_by(asking)}.items()


@needs_the_runner
def test_another_tool_within_a_run_of_the_sdk_has_a_run_of_its_own(recorded: Recorded, claude: FakeClaude) -> None:
    tracing = sdk_tracing(recorded.provider)

    def plan(city: str) -> str:
        """Plans."""
        return weather(city)

    ask_for(claude, tool_use_block("plan", {"city": "Rome"}))
    with Anthropic(api_key="any", base_url=claude.url, **tracing) as client:
        run_tools(client, beta_tool(plan))
    inner, outer = runs(recorded)
    assert (inner.name, outer.name) == ("execute_tool weather", "anthropic.custom_tool_use plan")
    assert inner.parent is not None
    assert format_span_id(inner.parent.span_id) == call_of(outer).span_id


@needs_the_runner
def test_a_generator_is_no_context_manager_for_the_sdk(recorded: Recorded) -> None:
    def pages(count: int) -> Iterator[dict[str, str]]:
        """Pages."""
        for number in range(count):
            yield {"type": "text", "text": str(number)}

    made = beta_tool(tool(pages))
    assert made.to_dict() == beta_tool(pages).to_dict()
    assert [block["text"] for block in made.call({"count": 2})] == ["0", "1"]
    assert only_run(recorded).name == "execute_tool pages"


@needs_the_runner
@pytest.mark.parametrize("order", ["outside", "inside"])
def test_a_tool_that_is_set_up_by_a_context_manager_is_recorded(order: str, recorded: Recorded) -> None:
    if not hasattr(beta_tool(forecast), "_context_manager"):
        pytest.skip(f"anthropic {anthropic.__version__} takes no context managers")

    @contextmanager
    def searching() -> Generator[Callable[[str], str]]:
        def search(query: str) -> str:
            """Searches."""
            return query.upper()

        yield search

    made = in_both_orders(order, searching, functools.partial(beta_tool, name="searching"))
    assert made.call({"query": "tea"}) == "TEA"
    assert only_run(recorded).name == "execute_tool searching"


@needs_the_runner
def test_an_async_context_manager_too(recorded: Recorded) -> None:
    if not hasattr(beta_tool(forecast), "_context_manager"):
        pytest.skip(f"anthropic {anthropic.__version__} takes no context managers")

    @tool
    @asynccontextmanager
    async def searching() -> AsyncGenerator[Callable[..., Any]]:
        async def search(query: str) -> str:
            return query.upper()

        yield search

    schema = {"type": "object", "properties": {"query": {"type": "string"}}}
    made = beta_async_tool(searching, name="searching", input_schema=schema)
    assert asyncio.run(made.call({"query": "tea"})) == "TEA"
    assert only_run(recorded).name == "execute_tool searching"
