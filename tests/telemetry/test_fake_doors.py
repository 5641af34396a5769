"""The same model behind every door of the stand-in: Bedrock, Vertex, Text Completions, other addresses."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import anthropic
import pytest
from anthropic.lib.bedrock import AnthropicBedrock
from anthropic.lib.vertex import AnthropicVertex, AsyncAnthropicVertex
from anthropic.types import MessageParam

from claude_telemetry.capture.wire import AwsFrames
from claude_telemetry.fake import Delivery, FakeClaude

ASK: list[MessageParam] = [{"role": "user", "content": "Hi"}]
USAGE = {"input_tokens": 12, "output_tokens": 5, "cache_read_input_tokens": 2000}
BEDROCK_MODEL = "anthropic.claude-sonnet-5-5-v1:0"
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": ASK}


def bedrock(claude: FakeClaude) -> AnthropicBedrock:
    return AnthropicBedrock(api_key="any", aws_region="us-east-1", base_url=claude.url, max_retries=0)


def vertex(claude: FakeClaude) -> AnthropicVertex:
    return AnthropicVertex(
        access_token="any", project_id="some-project", region="us-east5", base_url=f"{claude.url}/v1", max_retries=0
    )


def test_bedrock_answers_with_a_message(claude: FakeClaude) -> None:
    claude.answer("Good day.", usage=USAGE)
    with bedrock(claude) as client:
        message = client.messages.create(model=BEDROCK_MODEL, max_tokens=9, messages=ASK)
    assert message.usage.to_dict() == USAGE
    served = claude.ledger[0]
    assert (served.path, served.model) == ("/model/anthropic.claude-sonnet-5-5-v1:0/invoke", BEDROCK_MODEL)
    assert served.message_id == message.id
    assert message.id.startswith("msg_bdrk_01")


def posted(claude: FakeClaude, path: str, body: Any) -> tuple[str, bytes]:
    request = urllib.request.Request(claude.url + path, json.dumps(body).encode(), {"authorization": "any"})
    with urllib.request.urlopen(request) as response:
        return response.headers["content-type"], response.read()


def test_bedrock_streams_in_frames(claude: FakeClaude) -> None:
    claude.answer("one two three four five", usage=USAGE)
    content_type, body = posted(claude, "/model/m/invoke-with-response-stream", BODY)
    assert content_type == "application/vnd.amazon.eventstream"
    parser = AwsFrames(deltas=True)
    events = [*parser.feed(body), *parser.end()]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[-1]["amazon-bedrock-invocationMetrics"] == {"inputTokenCount": 12, "outputTokenCount": 5}
    assert (claude.ledger[0].usage, claude.ledger[0].stream, claude.ledger[0].ended) == (USAGE, True, True)


def test_a_bedrock_stream_that_goes_wrong_ends_with_an_exception(claude: FakeClaude) -> None:
    claude.sse_error(after_events=2, type="rate_limit_error")
    _, body = posted(claude, "/model/m/invoke-with-response-stream", BODY)
    *_, last = AwsFrames().feed(body)
    assert last == {"type": "error", "error": {"type": "throttlingException"}}
    assert (claude.ledger[0].error_type, claude.ledger[0].ended) == ("rate_limit_error", False)


def test_the_sdk_reads_bedrocks_frames(claude: FakeClaude) -> None:
    pytest.importorskip("botocore")
    claude.answer("one two three four five", usage=USAGE, delivery=Delivery(pieces=(1, 500, 3)))
    claude.sse_error(after_events=2)
    with bedrock(claude) as client:
        with client.messages.stream(model=BEDROCK_MODEL, max_tokens=9, messages=ASK) as stream:
            assert stream.get_final_text() == "one two three four five"
        with pytest.raises(anthropic.APIError) as caught:
            list(client.messages.create(model=BEDROCK_MODEL, max_tokens=9, messages=ASK, stream=True))
    assert "serviceUnavailableException" in str(caught.value.body)


def test_bedrock_fails_in_its_own_words(claude: FakeClaude) -> None:
    claude.fail(429)
    with bedrock(claude) as client, pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(model=BEDROCK_MODEL, max_tokens=9, messages=ASK)
    assert caught.value.response.headers["x-amzn-errortype"] == "ThrottlingException"
    assert caught.value.body == {
        "message": "This request would exceed your account's rate limit. Please try again later."
    }


def test_vertex_answers_and_streams_and_counts(claude: FakeClaude) -> None:
    for _ in range(2):
        claude.answer("Good day.", usage=USAGE)
    with vertex(claude) as client:
        message = client.messages.create(model="claude-sonnet-5-5@20260301", max_tokens=9, messages=ASK)
        with client.messages.stream(model="claude-sonnet-5-5", max_tokens=9, messages=ASK) as stream:
            streamed = stream.get_final_message()
        counted = client.messages.count_tokens(model="claude-sonnet-5-5", messages=ASK)
    assert message.usage.to_dict() == USAGE
    assert message.id.startswith("msg_vrtx_01")
    assert streamed.usage.output_tokens == 5
    assert counted.input_tokens > 0
    models = "/v1/projects/some-project/locations/us-east5/publishers/anthropic/models"
    assert [(served.path, served.model, served.stream) for served in claude.ledger] == [
        (f"{models}/claude-sonnet-5-5@20260301:rawPredict", "claude-sonnet-5-5@20260301", False),
        (f"{models}/claude-sonnet-5-5:streamRawPredict", "claude-sonnet-5-5", True),
        (f"{models}/count-tokens:rawPredict", "claude-sonnet-5-5", False),
    ]


def test_an_async_client_comes_in_by_the_same_doors(claude: FakeClaude) -> None:
    async def ask() -> str:
        async with AsyncAnthropicVertex(access_token="any", project_id="p", region="r", base_url=claude.url) as client:
            return (await client.messages.create(model="claude-opus-5-5", max_tokens=9, messages=ASK)).model

    assert asyncio.run(ask()) == "claude-opus-5-5"


def test_the_api_is_found_below_another_path(claude: FakeClaude) -> None:
    with anthropic.AnthropicFoundry(api_key="any", base_url=f"{claude.url}/anthropic/", max_retries=0) as client:
        message = client.messages.create(model="my-deployment", max_tokens=9, messages=ASK)
        batches = client.messages.with_raw_response.count_tokens(model="my-deployment", messages=ASK)
    assert message.model == "my-deployment"
    assert batches.status_code == 200
    assert [served.path for served in claude.ledger] == [
        "/anthropic/v1/messages",
        "/anthropic/v1/messages/count_tokens",
    ]


def test_text_completions_are_answered_without_a_usage(claude: FakeClaude) -> None:
    body = {"model": "claude-2.1", "prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 50}
    for _ in range(2):
        claude.answer("one two three four five")
    with anthropic.Anthropic(api_key="any", base_url=claude.url, max_retries=0) as client:
        whole: Any = client.post("/v1/complete", body=body, cast_to=object)
        with client.post(
            "/v1/complete",
            body={**body, "stream": True},
            cast_to=object,
            stream=True,
            stream_cls=anthropic.Stream[object],
        ) as stream:
            pieces: list[Any] = list(stream)
        with pytest.raises(anthropic.BadRequestError, match="prompt"):
            client.post("/v1/complete", body={"model": "claude-2.1"}, cast_to=object)
    assert (whole["type"], whole["completion"], whole["stop_reason"]) == (
        "completion", "one two three four five", "stop_sequence",
    )  # fmt: skip
    assert "usage" not in whole
    assert "".join(piece["completion"] for piece in pieces) == "one two three four five"
    assert [piece["stop_reason"] for piece in pieces] == [None, None, "stop_sequence"]
    assert [(served.usage, served.stop_reason, served.ended) for served in claude.ledger[:2]] == [
        ({}, "stop_sequence", True),
    ] * 2


def test_a_door_needs_what_the_real_one_needs(claude: FakeClaude) -> None:
    for path in ("/model/m/invoke", "/v1/projects/p/locations/r/publishers/anthropic/models/m:rawPredict"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            posted(claude, path, {"max_tokens": 9, "messages": ASK})
        assert caught.value.code == 400
        assert "anthropic_version" in caught.value.read().decode()
