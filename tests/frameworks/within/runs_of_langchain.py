"""LangChain: each call once, with the outermost run that it is part of."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import anthropic
import pytest

import claude_telemetry
from tests.frameworks.watched import MODEL, Run, Watched

langchain_anthropic: Any = import_module("langchain_anthropic")
caches: Any = import_module("langchain_core.caches")
prompts: Any = import_module("langchain_core.prompts")
runnables: Any = import_module("langchain_core.runnables")
tools: Any = import_module("langchain_core.tools")
agents: Any = import_module("langchain.agents")

NAMED = {"run_name": "greeting", "run_id": UUID("11111111-2222-4333-8444-555555555555")}
GREETING = Run("langchain", "greeting", "11111111-2222-4333-8444-555555555555", None)


@pytest.fixture
def model(watched: Watched) -> Any:
    return langchain_anthropic.ChatAnthropic(model=MODEL, max_tokens=50)


@pytest.fixture
def chain(model: Any) -> Any:
    return prompts.ChatPromptTemplate.from_messages([("user", "Say {what}.")]) | model


def ids_of(runs: list[Run]) -> set[str | None]:
    return {run.id for run in runs}


def test_a_model_that_is_invoked_is_a_run(model: Any, watched: Watched) -> None:
    assert model.invoke("Say hello.", config=NAMED).content == "Hello! How can I help you today?"
    assert watched.runs() == [GREETING]


def test_a_run_without_a_name_has_that_of_the_model_class(model: Any, watched: Watched) -> None:
    model.invoke("Say hello.")
    (run,) = watched.runs()
    assert run == Run("langchain", "ChatAnthropic", run.id, None)
    assert UUID(run.id)


def test_a_stream_is_a_run(model: Any, watched: Watched) -> None:
    said = "".join(chunk.content for chunk in model.stream("Say hello.", config=NAMED))
    assert said == "Hello! How can I help you today?"
    assert watched.runs() == [GREETING]


def test_each_question_of_a_batch_is_a_run(model: Any, watched: Watched) -> None:
    model.batch(["one", "two", "three"])
    runs = watched.runs()
    assert [run.name for run in runs] == ["ChatAnthropic"] * 3
    assert len(ids_of(runs)) == 3


def test_what_is_asked_asynchronously_is_a_run(model: Any, watched: Watched) -> None:
    async def ask() -> None:
        await model.ainvoke("Say hello.", config=NAMED)
        assert watched.runs() == [GREETING]
        assert len([chunk async for chunk in model.astream("Say hello.", config=NAMED)]) > 1
        assert watched.runs() == [GREETING]
        await model.abatch(["one", "two"])
        assert len(ids_of(watched.runs())) == 2

    asyncio.run(ask())


def test_in_a_chain_a_call_is_part_of_the_chain_s_run(chain: Any, watched: Watched) -> None:
    chain.invoke({"what": "hello"}, config=NAMED)
    assert watched.runs() == [GREETING]
    list(chain.stream({"what": "hello"}, config=NAMED))
    assert watched.runs() == [GREETING]
    asyncio.run(chain.ainvoke({"what": "hello"}, config=NAMED))
    assert watched.runs() == [GREETING]
    chain.batch([{"what": "hello"}, {"what": "goodbye"}])
    runs = watched.runs()
    assert [run.name for run in runs] == ["RunnableSequence"] * 2
    assert len(ids_of(runs)) == 2


def test_branches_that_run_at_once_are_part_of_one_run(chain: Any, watched: Watched) -> None:
    both = runnables.RunnableParallel(one=chain, other=chain)
    both.invoke({"what": "hello"}, config=NAMED)
    assert watched.runs() == [GREETING, GREETING]
    asyncio.run(both.ainvoke({"what": "hello"}, config=NAMED))
    assert watched.runs() == [GREETING, GREETING]


def test_all_turns_of_an_agent_and_what_its_tools_ask_are_one_run(model: Any, watched: Watched) -> None:
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return str(model.invoke(f"Make up the weather in {city}.").content)

    agent = agents.create_agent(model, [tools.tool(get_weather)], name="forecaster")
    watched.claude.answer(content=[TOOL_USE], stop_reason="tool_use")
    answer = agent.invoke({"messages": [("user", "Is it sunny in Rome?")]})
    assert answer["messages"][-1].content == "Hello! How can I help you today?"
    runs = watched.runs()
    assert [run.name for run in runs] == ["forecaster"] * 3
    assert len(ids_of(runs)) == 1


TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}


def test_what_the_application_asks_between_two_chunks_is_not_part_of_the_run(model: Any, watched: Watched) -> None:
    client = anthropic.Anthropic()
    for number, _ in enumerate(model.stream("Say hello.", config=NAMED)):
        if number == 1:
            client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "And?"}])
    client.close()
    assert watched.runs() == [GREETING, Run(None, None, None, None)]


def test_an_answer_from_the_cache_leaves_nothing_for_the_next_call(watched: Watched) -> None:
    model = langchain_anthropic.ChatAnthropic(model=MODEL, max_tokens=50, cache=caches.InMemoryCache())
    model.invoke("Say hello.", config=NAMED)
    model.invoke("Say hello.")
    with anthropic.Anthropic() as client:
        client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "And?"}])
    assert watched.runs() == [GREETING, Run(None, None, None, None)]


def test_a_call_that_fails_is_part_of_its_run(model: Any, watched: Watched) -> None:
    watched.claude.fail(400)
    with pytest.raises(anthropic.BadRequestError):
        model.invoke("Say hello.", config=NAMED)
    (record,) = watched.recorded.records()
    assert (record.call.status, record.call.run_name) == ("error", "greeting")


def test_labels_hold_beside_the_run(model: Any, watched: Watched) -> None:
    with claude_telemetry.label(user="u_42", feature="greetings"):
        model.batch(["one", "two"])
    calls = [record.call for record in watched.recorded.records()]
    assert [(call.user_id, call.feature, call.framework) for call in calls] == [("u_42", "greetings", "langchain")] * 2


def test_after_uninstrument_langchain_goes_on_without_us(model: Any, watched: Watched) -> None:
    claude_telemetry.uninstrument()
    assert model.invoke("Say hello.", config={"run_id": uuid4()}).content
    assert watched.recorded.spans() == []
