"""How the stand-in behaves when left to itself."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import anthropic
import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import Answer, Failure
from claude_telemetry.fake.weather import Weather

PLAIN: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Hi"}],
}


def test_the_same_seed_gives_the_same_answers() -> None:
    one, same, other = Weather(seed=1, pace=0), Weather(seed=1, pace=0), Weather(seed=2, pace=0)
    answers = [one(PLAIN) for _ in range(20)]
    assert answers == [same(PLAIN) for _ in range(20)]
    assert answers != [other(PLAIN) for _ in range(20)]


def test_a_few_in_a_hundred_fail_and_the_rest_are_answered_within_their_limit() -> None:
    behaviour = Weather(seed=3, pace=0)
    answers = [behaviour(PLAIN) for _ in range(2000)]
    failed = Counter(step.status for step in answers if isinstance(step, Failure))
    assert set(failed) == {429, 500, 529}
    assert 0.005 < failed.total() / len(answers) < 0.03
    lengths = [len(step.content[0]["text"].split()) for step in answers if isinstance(step, Answer)]
    assert max(lengths) == 200
    assert {step.stop_reason for step in answers if isinstance(step, Answer)} == {"end_turn", "max_tokens"}


def test_without_a_pace_nothing_takes_time_and_with_one_a_larger_model_takes_more() -> None:
    at_once = [step for _ in range(50) if isinstance(step := Weather(seed=4, pace=0)(PLAIN), Answer)]
    assert {(step.delay_s, step.chunk_delay_s) for step in at_once} == {(0.0, 0.0)}

    def seconds(model: str) -> float:
        paced = Weather(seed=5)
        return sum(step.delay_s for _ in range(200) if isinstance(step := paced({**PLAIN, "model": model}), Answer))

    assert seconds("claude-fable-5-2") > seconds("claude-opus-5-5") > seconds("claude-haiku-5-5") > 0


def test_a_spell_of_overload_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    behaviour = Weather(seed=6)

    def share_turned_away(after_s: float) -> float:
        nonlocal now
        now = 1000.0 + after_s
        return sum(isinstance(behaviour(PLAIN), Failure) for _ in range(400)) / 400

    assert share_turned_away(19) < 0.1
    assert share_turned_away(21) > 0.5
    assert share_turned_away(44) > 0.5
    assert share_turned_away(46) < 0.1


def test_tools_are_asked_for_thinking_is_thought_and_a_tools_result_is_answered_in_words() -> None:
    behaviour = Weather(seed=7, pace=0)
    asked = {**PLAIN, "tools": [{"name": "find_order"}], "thinking": {"type": "adaptive"}}
    answers = [step for _ in range(100) if isinstance(step := behaviour(asked), Answer)]
    kinds = Counter(tuple(block["type"] for block in step.content) for step in answers)
    assert set(kinds) == {("thinking", "tool_use"), ("thinking", "text")}
    told = {**asked, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]}]}
    after = [step for _ in range(100) if isinstance(step := behaviour(told), Answer)]
    assert {step.content[-1]["type"] for step in after} == {"text"}


def test_the_sdk_can_read_what_it_says() -> None:
    with (
        FakeClaude(behaviour=Weather(seed=8, pace=0)) as claude,
        anthropic.Anthropic(api_key="any", base_url=claude.url) as client,
    ):
        message = client.messages.create(
            model="claude-opus-5-5",
            max_tokens=300,
            thinking={"type": "adaptive"},
            messages=[{"role": "user", "content": "Hi"}],
        )
        served = claude.ledger[-1].usage
    assert message.usage.output_tokens == served["output_tokens"] > 0
    assert 0 < served["output_tokens_details"]["thinking_tokens"] < served["output_tokens"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [({"type": "any"}, {"one", "two"}), ({"type": "tool", "name": "two"}, {"two"}), ({"type": "none"}, {None})],
)
def test_a_tool_choice_is_obeyed(choice: dict[str, str], names: set[str | None]) -> None:
    behaviour = Weather(seed=4, pace=0)
    body = {**PLAIN, "tools": [{"name": "one"}, {"name": "two"}], "tool_choice": choice}
    answers = [step for step in (behaviour(body) for _ in range(40)) if isinstance(step, Answer)]
    assert {answer.content[-1].get("name") for answer in answers} == names
