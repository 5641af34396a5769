"""Batches: what is done with them is free, and each result is a call of its own at half the price."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import claude_telemetry
from claude_telemetry.fake import BatchResult
from claude_telemetry.fake.steps import Answer, failure
from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, HAIKU, OPUS, PLAIN, USAGE
from tests.scenarios.bodies import json_response, message, mocked, response
from tests.scenarios.expected import ANYTHING, FREE, Expected, call, failed, free, tokens
from tests.scenarios.scenario import scenario

# 1000 * 4 / 2 + 10 * 20 / 2 = 2100 millionths of Opus.
SMALL = Answer(usage={"input_tokens": 1000, "output_tokens": 10, "inference_geo": "global"})
SMALL_COST = Decimal("0.0021")
# Half of the 5380 millionths of `asking.py`; the search costs the same in a batch.
LARGE = Answer(usage=USAGE)
LARGE_COST = Decimal("0.01269")
PARAMS = {name: ASK[name] for name in ("model", "max_tokens", "messages")}


def _requests(*custom_ids: str, **params: Any) -> list[dict[str, Any]]:
    return [{"custom_id": custom_id, "params": {**PARAMS, **params}} for custom_id in custom_ids]


def _outcomes(app: App) -> dict[str, BatchResult]:
    """What became of the requests of this scenario's batches, by `custom_id`."""
    mine = {served.batch_id for served in app.served}
    return {result.custom_id: result for result in app.claude.batch_results if result.batch_id in mine}


def _result(outcome: BatchResult, cost: Decimal | None, **facts: Any) -> Expected:
    """The call that a line of results is."""
    return call(
        None,
        **{
            "span_name": "anthropic.messages.batches.result",
            "batch_id": outcome.batch_id,
            "custom_id": outcome.custom_id,
            "message_id": outcome.message_id,
            "model": outcome.model,
            "stop_reason": outcome.stop_reason,
            "request_id": None,
            "http_status": None,
            "stream": ANYTHING,
            "parent_span_id": ANYTHING,
            "cost_usd": cost,
            "billed": cost != FREE,
            **tokens(outcome.usage),
            **facts,
        },
    )


def _managed(app: App, *operations: str) -> list[Expected]:
    """The calls about batches, in the order of what was served."""
    return [
        free(f"batch_{operation}", f"batches.{operation}", served, batch_id=ANYTHING)
        for operation, served in zip(operations, app.served, strict=True)
    ]


def _of(kind: str) -> Mapping[str, Any]:
    statuses = {"errored": "error", "expired": "error", "canceled": "cancelled"}
    return {"status": statuses[kind], "error_type": ANYTHING}


@scenario(needs.batches, ordered=False)
def a_batch_from_creation_to_results(app: App) -> Sequence[Expected]:
    app.claude.batch({"small": SMALL, "large": LARGE}, polls=1)
    batches = app.client().messages.batches
    batch = batches.create(requests=_requests("small", "large"))
    app.saw(type(batch), batch.processing_status)
    app.saw(batches.retrieve(batch.id).processing_status, batches.retrieve(batch.id).processing_status)
    app.saw([(line.custom_id, line.result) for line in batches.results(batch.id)])
    outcomes = _outcomes(app)
    return [
        *_managed(app, "create", "retrieve", "retrieve", "retrieve", "results"),
        _result(outcomes["small"], SMALL_COST, service_tier="batch"),
        _result(outcomes["large"], LARGE_COST, service_tier="batch", thinking_tokens=12),
    ]


@scenario(needs.batches, ordered=False)
async def a_batch_async(app: App) -> Sequence[Expected]:
    app.claude.batch({"small": SMALL})
    async with app.async_client() as client:
        batches = client.messages.batches
        batch = await batches.create(requests=_requests("small"))
        app.saw([line.result async for line in await batches.results(batch.id)])
    return [*_managed(app, "create", "retrieve", "results"), _result(_outcomes(app)["small"], SMALL_COST)]


@scenario(ordered=False)
def a_batch_of_the_beta(app: App) -> Sequence[Expected]:
    app.claude.batch({"small": SMALL})
    batches = app.client().beta.messages.batches
    batch = batches.create(requests=_requests("small"))
    app.saw([line.custom_id for line in batches.results(batch.id)])
    return [*_managed(app, "create", "retrieve", "results"), _result(_outcomes(app)["small"], SMALL_COST)]


@scenario(needs.batches, ordered=False)
def results_have_the_labels_of_who_created_the_batch(app: App) -> Sequence[Expected]:
    app.claude.batch({"small": SMALL})
    batches = app.client().messages.batches
    with claude_telemetry.label(user="u_42", feature="nightly", prompt="summarize", prompt_version="v2"):
        batch = batches.create(requests=_requests("small"))
    with claude_telemetry.label(user="somebody else"):
        app.saw([line.custom_id for line in batches.results(batch.id)])
    held = {"user_id": "u_42", "feature": "nightly", "prompt_name": "summarize", "prompt_version": "v2"}
    create, retrieve, results = app.served
    other = {"user_id": "somebody else", "batch_id": ANYTHING}
    return [
        free("batch_create", "batches.create", create, batch_id=batch.id, **held),
        free("batch_retrieve", "batches.retrieve", retrieve, **other),
        free("batch_results", "batches.results", results, **other),
        _result(_outcomes(app)["small"], SMALL_COST, **held),
    ]


@scenario(needs.batches, ordered=False)
def requests_that_came_to_nothing(app: App) -> Sequence[Expected]:
    """They are no charge."""
    app.claude.batch({"wrong": failure(400), "late": "expired", "stopped": "canceled", "small": SMALL})
    batches = app.client().messages.batches
    batch = batches.create(requests=_requests("wrong", "late", "stopped", "small"))
    app.saw([(line.custom_id, line.result.type) for line in batches.results(batch.id)])
    outcomes = _outcomes(app)
    return [
        *_managed(app, "create", "retrieve", "results"),
        _result(outcomes["wrong"], FREE, status="error", error_type="invalid_request_error"),
        _result(outcomes["late"], FREE, **_of("expired")),
        _result(outcomes["stopped"], FREE, **_of("canceled")),
        _result(outcomes["small"], SMALL_COST),
    ]


@scenario(needs.batches, ordered=False)
def results_of_several_models(app: App) -> Sequence[Expected]:
    app.claude.batch({"opus": SMALL, "haiku": Answer(usage=SMALL.usage, model=HAIKU)})
    batches = app.client().messages.batches
    batch = batches.create(requests=[*_requests("opus"), *_requests("haiku", model=HAIKU)])
    app.saw([line.result.message.model for line in batches.results(batch.id)])
    outcomes = _outcomes(app)
    # (1000 * 1 + 10 * 5) / 2 = 525 millionths of Haiku.
    return [
        *_managed(app, "create", "retrieve", "results"),
        _result(outcomes["opus"], SMALL_COST),
        _result(outcomes["haiku"], Decimal("0.000525"), model=HAIKU),
    ]


@scenario(needs.batches, ordered=False)
def results_downloaded_twice(app: App) -> Sequence[Expected]:
    """Each download tells of every result; that it is the same one is in its ids, and the collector counts it once."""
    app.claude.batch({"small": SMALL})
    batches = app.client().messages.batches
    batch = batches.create(requests=_requests("small"))
    for _ in range(2):
        app.saw([line.custom_id for line in batches.results(batch.id)])
    result = _result(_outcomes(app)["small"], SMALL_COST)
    return [*_managed(app, "create", "retrieve", "results", "retrieve", "results"), result, result]


@scenario(needs.batches, ordered=False)
def results_left_in_the_middle(app: App) -> Sequence[Expected]:
    """What was not read is not known: it is read another time."""
    lines = b"".join(json.dumps(_line(custom_id)).encode() + b"\n" for custom_id in ("first", "second", "third"))
    # The SDK takes 64 bytes at a time, so the first piece has the first line and enough of the second.
    end = lines.index(b"\n") + 100
    pieces = [lines[:end], lines[end:]]
    client = mocked(app, json_response(BATCH), response(pieces, **{"content-type": "application/x-jsonl"}))
    results = client.messages.batches.results(BATCH["id"])
    app.saw(next(iter(results)).custom_id)
    results.http_response.close()
    asked = {"request_id": "req_mock", "batch_id": ANYTHING}
    first = BatchResult(
        batch_id=BATCH["id"],
        custom_id="first",
        type="succeeded",
        message_id="msg_first",
        model=OPUS,
        usage=PLAIN,
        stop_reason="end_turn",
    )
    return [
        free("batch_retrieve", "batches.retrieve", None, **asked),
        free("batch_results", "batches.results", None, **asked, status="cancelled"),
        _result(first, SMALL_COST),
    ]


BATCH: dict[str, Any] = {
    "id": "msgbatch_01mock",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 3, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-11-20T08:00:00Z",
    "expires_at": "2026-11-21T08:00:00Z",
    "ended_at": "2026-11-20T08:10:00Z",
    "results_url": "http://api.test/v1/messages/batches/msgbatch_01mock/results",
}


def _line(custom_id: str) -> dict[str, Any]:
    answer = message(PLAIN, id=f"msg_{custom_id}")
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": answer}}


@scenario(needs.raw_results, ordered=False)
def results_as_a_raw_response(app: App) -> Sequence[Expected]:
    app.claude.batch({"small": SMALL})
    batches = app.client().messages.batches
    batch = batches.create(requests=_requests("small"))
    raw = batches.with_raw_response.results(batch.id)
    app.saw([line.custom_id for line in raw.parse()])
    return [*_managed(app, "create", "retrieve", "results"), _result(_outcomes(app)["small"], SMALL_COST)]


@scenario(needs.batches, ordered=False)
def results_without_a_content_type(app: App) -> Sequence[Expected]:
    """As the API sent them until the summer of 2026."""
    app.claude.batch({"small": SMALL}, results_type=None)
    batches = app.client().messages.batches
    batch = batches.create(requests=_requests("small"))
    app.saw([line.custom_id for line in batches.results(batch.id)])
    return [*_managed(app, "create", "retrieve", "results"), _result(_outcomes(app)["small"], SMALL_COST)]


@scenario(needs.batches, ordered=False)
def a_batch_that_is_canceled_and_deleted(app: App) -> Sequence[Expected]:
    app.claude.batch({"small": "canceled"}, polls=5)
    batches = app.client().messages.batches
    batch = batches.create(requests=_requests("small"))
    app.saw(batches.cancel(batch.id).processing_status)
    app.saw(batches.retrieve(batch.id).processing_status)
    app.saw(type(batches.delete(batch.id)))
    return _managed(app, "create", "cancel", "retrieve", "delete")


@scenario(needs.batches, ordered=False)
def a_list_of_batches(app: App) -> Sequence[Expected]:
    batches = app.client().messages.batches
    batches.create(requests=_requests("small"))
    app.saw(len(batches.list(limit=1).data))
    return _managed(app, "create", "list")


@scenario(needs.batches, ordered=False)
def a_batch_that_is_refused(app: App) -> Sequence[Expected]:
    try:
        app.client().messages.batches.create(requests=[])
    except sdk.BadRequestError as error:
        app.saw(error)
    facts = {"operation": "batch_create", "stream": ANYTHING, "request_id": app.served[0].request_id}
    expected = failed("invalid_request_error", [(400, "invalid_request_error")], **facts)
    return [expected.named("anthropic.messages.batches.create")]


@scenario(needs.batches, ordered=False)
async def many_results(app: App) -> Sequence[Expected]:
    names = [f"r{number:03}" for number in range(100)]
    app.claude.batch(dict.fromkeys(names, SMALL))
    async with app.async_client() as client:
        batch = await client.messages.batches.create(requests=_requests(*names))
        count = 0
        async for line in await client.messages.batches.results(batch.id):
            count += line.result.type == "succeeded"
            await asyncio.sleep(0)
        app.saw(count)
    outcomes = _outcomes(app)
    return [*_managed(app, "create", "retrieve", "results"), *(_result(outcomes[name], SMALL_COST) for name in names)]
