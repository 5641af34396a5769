"""Batches on the stand-in, asked by the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types.messages.batch_create_params import Request

from claude_telemetry.fake import BatchResult, Delivery, FakeClaude
from claude_telemetry.fake.steps import Answer, failure, text_block

MODEL = "claude-haiku-5-5"


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[anthropic.Anthropic]:
    # Strict: whatever differs from the SDK's types is an error.
    with anthropic.Anthropic(
        api_key="any", base_url=claude.url, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def requests(*custom_ids: str) -> list[Request]:
    return [
        {
            "custom_id": custom_id,
            "params": {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]},
        }
        for custom_id in custom_ids
    ]


def test_a_batch_ends_with_a_result_for_each_request(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    usage = {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 100}
    claude.batch(
        {
            "good": Answer(content=[text_block("Fine.")], usage=usage),
            "bad": failure(400, message="prompt is too long"),
            "gone": "expired",
            "stopped": "canceled",
        },
        polls=1,
    )
    batch = client.messages.batches.create(requests=requests("good", "bad", "gone", "stopped", "other"))
    assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == ("in_progress", 5, None)

    assert client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    ended = client.messages.batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert ended.request_counts.to_dict() == {
        "processing": 0, "succeeded": 2, "errored": 1, "canceled": 1, "expired": 1,
    }  # fmt: skip
    assert ended.results_url == f"{claude.url}/v1/messages/batches/{batch.id}/results"

    results = {result.custom_id: result.result for result in client.messages.batches.results(batch.id)}
    assert {name: result.type for name, result in results.items()} == {
        "good": "succeeded", "bad": "errored", "gone": "expired", "stopped": "canceled", "other": "succeeded",
    }  # fmt: skip
    good, bad = results["good"], results["bad"]
    assert good.type == "succeeded"
    assert good.message.usage.to_dict() == {**usage, "service_tier": "batch"}
    assert bad.type == "errored"
    assert (bad.error.type, bad.error.error.type) == ("error", "invalid_request_error")


def test_what_became_of_each_request_is_in_the_ledger_once(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.batch({"bad": failure(529)})
    batch = client.messages.batches.create(requests=requests("one", "bad"))
    assert claude.batch_results == []
    results = list(client.messages.batches.results(batch.id))
    assert list(client.messages.batches.results(batch.id)) == results
    one, bad = claude.batch_results
    message: Any = {result.custom_id: result.result for result in results}["one"]
    assert one == BatchResult(
        batch_id=batch.id,
        custom_id="one",
        type="succeeded",
        message_id=message.message.id,
        model=MODEL,
        usage=message.message.usage.to_dict(),
        stop_reason="end_turn",
    )
    assert one.usage["service_tier"] == "batch"
    assert bad == BatchResult(batch_id=batch.id, custom_id="bad", type="errored", error_type="overloaded_error")
    downloads = [served for served in claude.ledger if served.path.endswith("/results")]
    assert [(served.batch_id, served.usage, served.ended) for served in downloads] == [(batch.id, {}, True)] * 2


def test_a_canceled_batch_ends_with_what_was_not_done_yet(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.batch(polls=100)
    batch = client.messages.batches.create(requests=requests("one", "two"))
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    ended = client.messages.batches.retrieve(batch.id)
    assert (ended.processing_status, ended.request_counts.canceled) == ("ended", 2)
    assert ended.cancel_initiated_at is not None


def test_batches_are_listed_newest_first_and_can_be_deleted(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    ids = [client.messages.batches.create(requests=requests("one")).id for _ in range(5)]
    assert [batch.id for batch in client.messages.batches.list(limit=2)] == ids[::-1]
    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.delete(ids[0])
    client.messages.batches.retrieve(ids[0])
    assert client.messages.batches.delete(ids[0]).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(ids[0])
    assert [batch.id for batch in client.messages.batches.list()] == ids[:0:-1]


WRONG: list[tuple[Any, str]] = [
    ([], "at least one"),
    ([{"params": {}}], "requests.0.custom_id"),
    ([{"custom_id": "one", "params": {"model": MODEL, "messages": []}}], "requests.0.params.max_tokens"),
    ([*requests("one"), *requests("one")], "unique"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_batch_that_the_api_would_refuse_is_refused(client: anthropic.Anthropic, wrong: Any, message: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=message):
        client.messages.batches.create(requests=wrong)


def test_there_are_no_results_before_the_end(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.batch(polls=9)
    batch = client.messages.batches.create(requests=requests("one"))
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        client.messages.batches.results(batch.id)
    with pytest.raises(anthropic.NotFoundError):
        client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=object)


def test_results_can_come_without_a_content_type_in_odd_pieces(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    claude.batch(results_type=None, delivery=Delivery(encoding="gzip", pieces=(3, 1, 50)))
    batch = client.messages.batches.create(requests=requests("one", "two", "three"))
    with client.messages.batches.with_streaming_response.results(batch.id) as response:
        assert "content-type" not in response.headers
        assert response.headers["content-encoding"] == "gzip"
        lines = list(response.iter_lines())
    assert len(lines) == 3
    assert {result.custom_id for result in client.messages.batches.results(batch.id)} == {"one", "two", "three"}
