"""What the stand-in's answers say they used: iterations, refusals, compactions, hand-overs to a fallback."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest
from anthropic.types.beta import BetaMessageParam

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import compaction_block, fallback_block, text_block
from claude_telemetry.fake.usage import iteration, usage_of_iterations

ASK: list[BetaMessageParam] = [{"role": "user", "content": "Hi"}]
MODEL = "claude-opus-5-5"


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[anthropic.Anthropic]:
    # Strict: whatever differs from the SDK's types is an error.
    with anthropic.Anthropic(
        api_key="any", base_url=claude.url, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def test_the_top_level_is_the_sum_of_the_models_own_runs() -> None:
    iterations = [
        iteration("message", 100, 10, written_5m=5, written_1h=6, read=7),
        iteration("compaction", 9000, 300),
        iteration("advisor_message", 400, 40, model="claude-opus-5-5"),
        iteration("message", 200, 20, written_5m=1, read=2),
    ]
    usage = usage_of_iterations(iterations, service_tier="standard")
    assert usage.pop("iterations") == iterations
    assert usage == {
        "input_tokens": 300,
        "output_tokens": 30,
        "cache_creation_input_tokens": 12,
        "cache_read_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 6},
        "service_tier": "standard",
    }


def test_of_an_answer_by_a_fallback_only_its_own_runs_are_at_the_top() -> None:
    usage = usage_of_iterations(
        [
            iteration("message", 100, 50, model="claude-fable-5-2"),
            iteration("message", 110, 5, model="claude-opus-5-5"),
            iteration("fallback_message", 120, 70, model="claude-opus-5-5"),
        ]
    )
    assert (usage["input_tokens"], usage["output_tokens"]) == (230, 75)


def test_a_stream_tells_its_iterations_at_the_end(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    usage = usage_of_iterations([iteration("compaction", 9000, 300), iteration("message", 100, 10)])
    content = [compaction_block("They greeted."), text_block("Hello.")]
    for _ in range(2):
        claude.answer(usage=usage, content=content)
    whole = client.beta.messages.create(model=MODEL, max_tokens=99, messages=ASK)
    with client.beta.messages.stream(model=MODEL, max_tokens=99, messages=ASK) as stream:
        streamed = stream.get_final_message()
    assert whole.usage.to_dict() == usage
    assert whole.content[0].type == "compaction"
    assert streamed.usage.to_dict()["iterations"] == usage["iterations"]
    compaction = streamed.content[0]
    assert compaction.type == "compaction"
    assert compaction.content == "They greeted."
    assert [served.usage["iterations"] for served in claude.ledger] == [usage["iterations"]] * 2


def test_a_fallback_is_marked_where_it_takes_over(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    marked = fallback_block("claude-fable-5-2", "claude-opus-5-5", "cyber")
    usage = usage_of_iterations(
        [
            iteration("message", 100, 50, model="claude-fable-5-2"),
            iteration("fallback_message", 120, 70, model="claude-opus-5-5"),
        ]
    )
    claude.answer(usage=usage, content=[marked, text_block("Hello.")])
    with client.beta.messages.stream(model="claude-fable-5-2", max_tokens=99, messages=ASK) as stream:
        block = stream.get_final_message().content[0]
    assert block.type == "fallback"
    assert (block.from_.model, block.to.model, block.trigger.category) == (
        "claude-fable-5-2",
        "claude-opus-5-5",
        "cyber",
    )


def test_a_refusal_comes_with_or_without_words(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.refuse("bio")
    claude.refuse("cyber", text="I would rather not")
    empty, worded = (
        client.messages.create(model=MODEL, max_tokens=99, messages=[{"role": "user", "content": "?"}])
        for _ in range(2)
    )
    assert empty.content == []
    assert worded.content[0].to_dict()["text"] == "I would rather not"
    for message, category in ((empty, "bio"), (worded, "cyber")):
        assert message.stop_reason == "refusal"
        assert message.stop_details is not None
        assert message.stop_details.category == category
        assert message.usage.input_tokens > 0
