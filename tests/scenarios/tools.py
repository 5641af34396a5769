"""Turns that the SDK makes by itself: its tool runner, and threads that the server holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, PLAIN, PLAIN_COST
from tests.scenarios.expected import ANYTHING, Expected, answered
from tests.scenarios.scenario import scenario


def get_weather(city: str = "Rome") -> str:
    """The weather of a city."""
    return f"sunny in {city}"


async def get_weather_async(city: str = "Rome") -> str:
    """The weather of a city."""
    return f"sunny in {city}"


# Made here and not in the scenarios: from Python 3.13 on, what pydantic keeps of a tool keeps alive where it was made.
WEATHER: Any = sdk.beta_tool(get_weather) if needs.tool_runner() else None
WEATHER_ASYNC: Any = sdk.beta_async_tool(get_weather_async) if needs.tool_runner() else None


def _two_turns(app: App, tool: str) -> None:
    app.claude.answer("Let me look.", usage=PLAIN, tools=[tool])
    app.claude.answer("Sunny.", usage=PLAIN)


def _turns(app: App, tool: str) -> Sequence[Expected]:
    """With the SDK's own tracing, the span of the run is between a call and the application's."""
    first, last = app.served
    inside = {"parent_span_id": ANYTHING}
    return [answered(first, PLAIN_COST, tools=[tool], **inside), answered(last, PLAIN_COST, **inside)]


@scenario(needs.tool_runner)
def tool_runner(app: App) -> Sequence[Expected]:
    _two_turns(app, "get_weather")
    runner = app.client().beta.messages.tool_runner(**ASK, tools=[WEATHER])
    app.saw([message.content[0].text for message in runner])
    return _turns(app, "get_weather")


@scenario(needs.tool_runner)
def tool_runner_until_done(app: App) -> Sequence[Expected]:
    _two_turns(app, "get_weather")
    runner = app.client().beta.messages.tool_runner(**ASK, tools=[WEATHER])
    app.saw(runner.until_done().content[0].text)
    return _turns(app, "get_weather")


@scenario(needs.tool_runner)
def tool_runner_streamed(app: App) -> Sequence[Expected]:
    _two_turns(app, "get_weather")
    runner = app.client().beta.messages.tool_runner(**ASK, tools=[WEATHER], stream=True)
    for events in runner:
        app.saw([event.type for event in events])
    return _turns(app, "get_weather")


@scenario(needs.tool_runner)
async def tool_runner_async(app: App) -> Sequence[Expected]:
    _two_turns(app, "get_weather_async")
    async with app.async_client() as client:
        async for message in client.beta.messages.tool_runner(**ASK, tools=[WEATHER_ASYNC]):
            app.saw(message.content[0].text)
    return _turns(app, "get_weather_async")


@scenario(needs.tool_runner)
def tool_runner_left_after_a_turn(app: App) -> Sequence[Expected]:
    app.claude.answer("Let me look.", usage=PLAIN, tools=["get_weather"])
    runner = app.client().beta.messages.tool_runner(**ASK, tools=[WEATHER])
    app.saw(next(iter(runner)).content[0].text)
    del runner
    app.forget()
    return [answered(app.served[0], PLAIN_COST, tools=["get_weather"], parent_span_id=ANYTHING)]


def _threaded(app: App) -> Any:
    arguments = {name: ASK[name] for name in ("model", "max_tokens")}
    return app.client().beta.messages.thread(**arguments)


@scenario(needs.threads)
def thread(app: App) -> Sequence[Expected]:
    app.claude.answer("One.", usage=PLAIN)
    app.claude.answer("Two.", usage=PLAIN)
    thread = _threaded(app)
    for text in ("First?", "Second?"):
        app.saw(thread.send({"role": "user", "content": text}).content[0].text)
    return [answered(served, PLAIN_COST) for served in app.served]


@scenario(needs.threads)
def thread_streamed(app: App) -> Sequence[Expected]:
    app.claude.answer("One.", usage=PLAIN)
    with _threaded(app).stream({"role": "user", "content": "First?"}) as events:
        app.saw(events.get_final_message().content[0].text)
    return [answered(app.served[0], PLAIN_COST)]
