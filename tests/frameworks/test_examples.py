"""`examples/`: each runs as it is shown, and every call that it makes is recorded once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.weather import Weather
from claude_telemetry.record import Call
from tests.frameworks.environments import ran_in
from tests.matrix.environments import ROOT
from tests.scenarios.delivered import Receiver

EXAMPLES = ROOT / "examples"
IN_THE_MAIN_ENVIRONMENT = ("agent", "batch_job", "chat")
ELSEWHERE = {"with_instructor": "instructor", "with_langchain": "frameworks", "with_pydantic_ai": "frameworks"}
"""The example's environment."""


@pytest.fixture
def claude() -> Iterator[FakeClaude]:
    """As `claude-telemetry fake-claude --seed 3 --pace 0`."""
    with FakeClaude(behaviour=Weather(seed=3, pace=0)) as fake:
        yield fake


@pytest.fixture
def receiver(claude: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    receiver = Receiver()
    monkeypatch.setenv("CLAUDE_TELEMETRY_ENDPOINT", receiver.url)
    return receiver


def calls_of(name: str, claude: FakeClaude, receiver: Receiver, said: str = "") -> list[Call]:
    """The calls that an example asks a model, in the order of their beginning, when it is run, with `said` on its
    input. Fails unless they are the answers that the stand-in gave, each once."""
    sdk = {"ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": "any"}
    example = str(EXAMPLES / f"{name}.py")
    if name in ELSEWHERE:
        ran = ran_in(ELSEWHERE[name], example, **sdk)
    else:
        ran = subprocess.run(
            [sys.executable, example],
            input=said,
            env={**os.environ, **sdk},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
    calls = [record.call for _, record in receiver.got if record.call.operation == "chat"]
    answered = [served.message_id for served in claude.ledger] + [each.message_id for each in claude.batch_results]
    assert Counter(call.message_id for call in calls) == Counter(filter(None, answered))
    assert all(call.cost_usd for call in calls)
    return sorted(calls, key=lambda call: call.started_at)


def test_the_chat(claude: FakeClaude, receiver: Receiver) -> None:
    calls = calls_of("chat", claude, receiver, "Where is my order?\nAnd my lamp?\n")
    assert [(call.feature, call.user_id, call.message_count, call.stream) for call in calls] == [
        ("chat", "u_42", 1, True),
        ("chat", "u_42", 3, True),
    ]
    assert len({call.session_id for call in calls}) == 1


def test_the_batch_job(claude: FakeClaude, receiver: Receiver) -> None:
    calls = calls_of("batch_job", claude, receiver)
    assert sorted(call.custom_id or "" for call in calls) == ["r_1", "r_2", "r_3"]
    told = {(call.feature, call.prompt_name, call.prompt_version, call.service_tier) for call in calls}
    assert told == {("reviews", "sentiment", "2", "batch")}


def test_the_agent(claude: FakeClaude, receiver: Receiver) -> None:
    calls = calls_of("agent", claude, receiver)
    assert {call.feature for call in calls} == {"orders"}
    assert len(calls) > 3, "no tool was asked for: take another seed"


@pytest.mark.matrix
def test_langchain(claude: FakeClaude, receiver: Receiver) -> None:
    calls = calls_of("with_langchain", claude, receiver)
    assert {call.framework for call in calls} == {"langchain"}
    runs = Counter(call.run_name for call in calls)
    assert runs.pop("order-agent") >= 1
    assert runs == {"summary": 1, "summaries": 3, "summary, streamed": 1}


@pytest.mark.matrix
def test_instructor(claude: FakeClaude, receiver: Receiver) -> None:
    calls = calls_of("with_instructor", claude, receiver)
    assert {(call.framework, call.run_name) for call in calls} == {("instructor", "Order")}
    assert len({call.run_id for call in calls}) == 5
    assert len(calls) > 5, "every answer fits: take another seed"
    asked = Counter(call.reask for call in calls)
    assert asked[0] == 5
    assert len(calls) - 5 == sum(times for reask, times in asked.items() if reask)


@pytest.mark.matrix
def test_pydantic_ai(claude: FakeClaude, receiver: Receiver) -> None:
    calls = calls_of("with_pydantic_ai", claude, receiver)
    assert {call.framework for call in calls} == {"pydantic-ai"}
    assert len({(call.run_name, call.run_id) for call in calls}) == 2
    assert {call.run_name for call in calls} == {"order-finder", "helper"}


def test_every_example_is_run_and_in_the_list() -> None:
    there = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert there == sorted([*IN_THE_MAIN_ENVIRONMENT, *ELSEWHERE])
    listed = re.findall(r"^\| `(\w+)\.py` \|", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == there
    assert all(Path(EXAMPLES / f"{name}.py").read_text("utf-8").startswith('"""') for name in there)
