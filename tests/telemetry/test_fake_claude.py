"""The stand-in for the Claude API, asked by the real SDK."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator

import anthropic
import pytest
from anthropic.types import MessageParam, TextBlock, TextBlockParam, ToolUseBlock

from claude_telemetry.fake import FakeClaude

ASK: list[MessageParam] = [{"role": "user", "content": "Hi"}]
MODEL = "claude-sonnet-5-5"
KEY = "sk-ant-canary"


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=KEY, base_url=claude.url, max_retries=2) as client:
        yield client


def ask(
    client: anthropic.Anthropic, system: list[TextBlockParam] | anthropic.Omit = anthropic.omit
) -> anthropic.types.Message:
    return client.messages.create(model=MODEL, max_tokens=100, messages=ASK, system=system)


def test_an_answer_comes_with_the_usage_it_was_told(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    usage = {"input_tokens": 12, "output_tokens": 5, "cache_read_input_tokens": 2000, "service_tier": "standard"}
    claude.answer("Good day.", usage=usage)

    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=100, messages=ASK)
    message = raw.parse()

    assert message.content == [TextBlock(type="text", text="Good day.")]
    assert message.usage.to_dict() == usage
    assert message.stop_reason == "end_turn"
    served = claude.ledger[-1]
    assert (served.message_id, served.request_id) == (message.id, raw.headers["request-id"])
    assert (served.status, served.stream, served.usage, served.ended) == (200, False, usage, True)


def test_a_stream_has_the_events_of_the_api_in_their_order(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    usage = {
        "input_tokens": 12,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 7},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "standard",
        "inference_geo": "us",
    }
    claude.answer("one two three four five", thinking="Hm.", usage=usage)

    with client.messages.create(model=MODEL, max_tokens=100, messages=ASK, stream=True) as stream:
        events = [event.to_dict() for event in stream]

    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",  # thinking; the SDK swallows the ping after it
        "content_block_delta",
        "content_block_delta",  # its signature
        "content_block_stop",
        "content_block_start",  # text
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"] == {  # type: ignore[index]  # a dict of unknown values
        "input_tokens": 12,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "us",
    }
    assert events[-2]["usage"] == {
        "input_tokens": 12,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 4,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 7},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    }
    assert claude.ledger[-1].usage == usage
    assert claude.ledger[-1].ended


def test_the_streaming_helper_puts_text_and_tools_together(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.answer("I shall look it up.", tools=["get_weather"])

    with client.messages.stream(model=MODEL, max_tokens=100, messages=ASK) as stream:
        message = stream.get_final_message()

    text, tool = message.content
    assert isinstance(text, anthropic.types.TextBlock)
    assert text.text == "I shall look it up."
    assert isinstance(tool, ToolUseBlock)
    assert (tool.name, tool.input) == ("get_weather", {})
    assert message.stop_reason == "tool_use"


def test_a_failure_has_envelope_and_headers_and_is_retried(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.fail(529, headers={"retry-after-ms": "1"})
    claude.fail(429, headers={"retry-after-ms": "1"})
    claude.answer("At last.")

    message = ask(client)

    assert message.content[0].to_dict()["text"] == "At last."
    assert [(served.status, served.error_type) for served in claude.ledger] == [
        (529, "overloaded_error"),
        (429, "rate_limit_error"),
        (200, None),
    ]
    assert len({served.request_id for served in claude.ledger}) == 3


def test_an_error_reaches_the_application_as_the_api_words_it(claude: FakeClaude) -> None:
    claude.fail(429)
    client = anthropic.Anthropic(api_key=KEY, base_url=claude.url, max_retries=0)
    with client, pytest.raises(anthropic.RateLimitError) as caught:
        ask(client)

    response = caught.value.response
    assert response.headers["retry-after"] == "1"
    assert response.headers["request-id"] == claude.ledger[0].request_id
    assert response.headers["anthropic-organization-id"]
    assert int(response.headers["anthropic-ratelimit-output-tokens-remaining"]) > 0
    assert caught.value.body == {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "This request would exceed your account's rate limit. Please try again later.",
        },
        "request_id": claude.ledger[0].request_id,
    }


def test_a_request_that_the_api_would_refuse_is_refused(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.create(model=MODEL, max_tokens=0, messages=ASK)
    with pytest.raises(anthropic.NotFoundError):
        client.post("/v1/nothing", cast_to=object, body={})
    assert [served.status for served in claude.ledger] == [400, 404]


def test_a_stream_can_end_with_an_error_event(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.sse_error(after_events=3)
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(client.messages.create(model=MODEL, max_tokens=100, messages=ASK, stream=True))
    assert "overloaded_error" in str(caught.value.body)
    served = claude.ledger[-1]
    assert (served.status, served.error_type, served.ended) == (200, "overloaded_error", False)
    assert served.usage["output_tokens"] == 1  # what message_start said, and no event after it


def test_a_connection_can_break_in_a_stream_and_in_a_body(claude: FakeClaude) -> None:
    claude.cut(after_events=3)
    claude.cut()
    with anthropic.Anthropic(api_key=KEY, base_url=claude.url, max_retries=0) as client:
        with pytest.raises(Exception, match=r"(?i)incomplete|peer closed"):
            list(client.messages.create(model=MODEL, max_tokens=100, messages=ASK, stream=True))
        with pytest.raises(Exception, match=r"(?i)connection|incomplete|peer closed"):
            ask(client)
    assert [served.ended for served in claude.ledger] == [False, False]


def test_a_hanging_request_ends_in_the_clients_timeout_and_does_not_hold_up_the_stop() -> None:
    with FakeClaude() as claude:
        claude.hang(600)
        client = anthropic.Anthropic(api_key=KEY, base_url=claude.url, max_retries=0, timeout=0.1)
        with client, pytest.raises(anthropic.APITimeoutError):
            ask(client)
        before = threading.active_count()
    assert threading.active_count() < before


def test_the_prompt_cache_is_written_once_and_read_after_that(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    # 8,000 characters are 2,000 tokens, of which the cache takes all that stands before the mark.
    system: list[TextBlockParam] = [
        {"type": "text", "text": "x" * 8000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    first, second = ask(client, system=system).usage, ask(client, system=system).usage

    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens == first.cache_creation_input_tokens
    assert first.cache_creation_input_tokens == second.cache_read_input_tokens
    assert (second.cache_read_input_tokens or 0) >= 2000
    assert (first.cache_read_input_tokens, second.cache_creation_input_tokens) == (0, 0)
    assert first.input_tokens == second.input_tokens > 0


def test_tokens_are_counted_for_free(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    count = client.messages.count_tokens(model=MODEL, messages=ASK)
    assert count.input_tokens > 0
    assert claude.ledger[-1].usage == {"input_tokens": count.input_tokens}


def test_a_compressed_answer_is_the_same_answer() -> None:
    with FakeClaude(compress=True) as claude:
        claude.answer("Small.")
        claude.answer("Small.")
        with anthropic.Anthropic(api_key=KEY, base_url=claude.url) as client:
            raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=100, messages=ASK)
            with client.messages.stream(model=MODEL, max_tokens=100, messages=ASK) as stream:
                streamed = stream.get_final_text()
                encoding = stream.response.headers["content-encoding"]
    assert (raw.headers["content-encoding"], encoding) == ("gzip", "gzip")
    assert raw.parse().content[0].to_dict()["text"] == streamed == "Small."


def test_many_clients_at_once_each_get_one_answer(claude: FakeClaude) -> None:
    async def ask_all() -> list[str]:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=claude.url) as client:
            answers = await asyncio.gather(
                *(client.messages.create(model=MODEL, max_tokens=100, messages=ASK) for _ in range(40))
            )
            return [answer.id for answer in answers]

    ids = asyncio.run(ask_all())
    assert sorted(ids) == sorted(str(served.message_id) for served in claude.ledger)
    assert len(set(ids)) == 40


def test_what_is_kept_of_a_request_holds_no_key(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    ask(client)
    received = claude.requests[-1]
    assert "authorization" in received.header_names
    assert KEY not in repr(received)
    assert received.body["messages"] == ASK


def test_the_ledger_can_be_read_over_http(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    ask(client)
    with urllib.request.urlopen(claude.url + "/_fake/ledger") as response:
        lines = [json.loads(line) for line in response.read().splitlines()]
    assert [line["message_id"] for line in lines] == [claude.ledger[0].message_id]
