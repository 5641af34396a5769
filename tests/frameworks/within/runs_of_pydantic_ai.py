"""pydantic-ai: each call once, with the run of the agent that it is part of."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import pytest
from pydantic import BaseModel

from tests.frameworks.watched import MODEL, Run, Watched

pydantic_ai: Any = import_module("pydantic_ai")


class City(BaseModel):
    name: str
    size: int


@pytest.fixture
def poet(watched: Watched) -> Any:
    return pydantic_ai.Agent(f"anthropic:{MODEL}", name="poet")


def a_city(**found: object) -> dict[str, Any]:
    block = {"type": "tool_use", "id": "toolu_1", "name": "final_result", "input": found}
    return {"content": [block], "stop_reason": "tool_use"}


def test_a_run_of_an_agent(poet: Any, watched: Watched) -> None:
    result = asyncio.run(poet.run("Say hello."))
    assert result.output == "Hello! How can I help you today?"
    assert watched.runs() == [Run("pydantic-ai", "poet", result.run_id, 0)]


def test_a_run_from_code_that_is_not_async(poet: Any, watched: Watched) -> None:
    result = poet.run_sync("Say hello.")
    assert watched.runs() == [Run("pydantic-ai", "poet", result.run_id, 0)]


def test_a_run_that_is_streamed(poet: Any, watched: Watched) -> None:
    async def ask() -> str:
        async with poet.run_stream("Say hello.") as result:
            said = [text async for text in result.stream_text(delta=True)]
            assert "".join(said) == "Hello! How can I help you today?"
            return str(result.run_id)

    run_id = asyncio.run(ask())
    assert watched.runs() == [Run("pydantic-ai", "poet", run_id, 0)]


def test_all_turns_of_a_run_have_its_id(poet: Any, watched: Watched) -> None:
    def get_weather() -> str:
        return "sunny"

    poet.tool_plain(get_weather)
    watched.claude.answer("", tools=["get_weather"])
    result = asyncio.run(poet.run("Is it sunny?"))
    assert watched.runs() == [Run("pydantic-ai", "poet", result.run_id, 0)] * 2


def test_an_output_that_does_not_fit_is_asked_for_again_within_the_run(watched: Watched) -> None:
    agent = pydantic_ai.Agent(f"anthropic:{MODEL}", name="cities", output_type=City, retries=2)
    watched.claude.answer(**a_city(name="Rome"))
    watched.claude.answer(**a_city(name="Rome", size="big"))
    watched.claude.answer(**a_city(name="Rome", size=3))
    result = asyncio.run(agent.run("A city."))
    assert result.output == City(name="Rome", size=3)
    assert watched.runs() == [Run("pydantic-ai", "cities", result.run_id, reask) for reask in (0, 1, 2)]


def test_runs_at_once_are_told_apart(poet: Any, watched: Watched) -> None:
    async def ask() -> set[str]:
        results = await asyncio.gather(*(poet.run("Say hello.") for _ in range(3)))
        return {result.run_id for result in results}

    run_ids = asyncio.run(ask())
    assert {run.id for run in watched.runs()} == run_ids
    assert len(run_ids) == 3
