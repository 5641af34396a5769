"""Calls that go over the wire more than once, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, AT_ONCE, COST, USAGE
from tests.scenarios.expected import (
    ANYTHING,
    NO_TOKENS,
    NOT_KNOWN,
    Expected,
    answered,
    call,
    failed,
)
from tests.scenarios.scenario import scenario
from tests.support.waiting import wait_until

BUSY = (529, "overloaded_error")
SOON: dict[str, Any] = {"timeout": 0.1}
OK = (200, None)
SILENT = "client_timeout_error"


def _raises(app: App, client: Any, **asked: Any) -> None:
    try:
        client.messages.create(**ASK, **asked)
    except sdk.AnthropicError as error:
        app.saw(error)


async def _raises_async(app: App, client: Any) -> None:
    try:
        await client.messages.create(**ASK)
    except sdk.AnthropicError as error:
        app.saw(error)


# Answered in the end


@scenario()
def rate_limited_once(app: App) -> Sequence[Expected]:
    app.claude.fail(429, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[1], COST, attempts=[(429, "rate_limit_error"), OK])]


@scenario()
def overloaded_twice(app: App) -> Sequence[Expected]:
    app.claude.fail(529, times=2, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[2], COST, attempts=[BUSY, BUSY, OK])]


@scenario()
async def overloaded_once_async(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[1], COST, attempts=[BUSY, OK])]


@scenario()
def a_server_error_once(app: App) -> Sequence[Expected]:
    app.claude.fail(500, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[1], COST, attempts=[(500, "api_error"), OK])]


@scenario()
def a_conflict_once(app: App) -> Sequence[Expected]:
    app.claude.fail(409, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[1], COST, attempts=[(409, ANYTHING), OK])]


@scenario()
def told_to_try_again(app: App) -> Sequence[Expected]:
    """`x-should-retry` goes above the status."""
    app.claude.fail(400, "invalid_request_error", headers={"x-should-retry": "true", **AT_ONCE})
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[1], COST, attempts=[(400, "invalid_request_error"), OK])]


@scenario()
def a_stream_that_was_busy_once(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(*app.client().messages.create(**ASK, stream=True))
    return [answered(app.served[1], COST, attempts=[BUSY, OK])]


@scenario()
async def a_stream_helper_that_was_busy_once_async(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client, client.messages.stream(**ASK) as events:
        app.saw(await events.get_final_message())
    return [answered(app.served[1], COST, attempts=[BUSY, OK])]


@scenario()
def a_raw_response_that_was_busy_once(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.with_raw_response.create(**ASK).parse())
    return [answered(app.served[1], COST, attempts=[BUSY, OK])]


@scenario()
def a_silence_and_then_an_answer(app: App) -> Sequence[Expected]:
    """The API may have worked on the first one, and charged for it."""
    app.claude.hang(5)
    app.claude.answer(usage=USAGE)
    app.saw(app.client(**SOON).messages.create(**ASK))
    attempts = [(None, SILENT), OK]
    return [answered(app.served[0], COST, attempts=attempts, cost_flags="abandoned_attempts")]


@scenario()
def a_body_that_is_cut_and_then_an_answer(app: App) -> Sequence[Expected]:
    app.claude.cut()
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[1], COST, attempts=[(None, "connection_error"), OK], cost_flags="abandoned_attempts")]


# Never answered


@scenario()
def overloaded_to_the_end(app: App) -> Sequence[Expected]:
    app.claude.fail(529, times=3, headers=AT_ONCE)
    _raises(app, app.client())
    return [failed("overloaded_error", [BUSY] * 3, request_id=app.served[2].request_id)]


@scenario()
async def overloaded_to_the_end_async(app: App) -> Sequence[Expected]:
    app.claude.fail(529, times=3, headers=AT_ONCE)
    async with app.async_client() as client:
        await _raises_async(app, client)
    return [failed("overloaded_error", [BUSY] * 3, request_id=app.served[2].request_id)]


@scenario()
def no_second_try_wanted(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers=AT_ONCE)
    _raises(app, app.client(max_retries=0))
    return [failed("overloaded_error", [BUSY], request_id=app.served[0].request_id)]


@scenario()
def told_not_to_try_again(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers={"x-should-retry": "false"})
    _raises(app, app.client())
    return [failed("overloaded_error", [BUSY], request_id=app.served[0].request_id)]


@scenario()
def a_bad_request(app: App) -> Sequence[Expected]:
    app.claude.fail(400, "invalid_request_error", message="your prompt said: How much is it?")
    _raises(app, app.client())
    return [failed("invalid_request_error", [(400, "invalid_request_error")], request_id=app.served[0].request_id)]


@scenario()
def a_wrong_key(app: App) -> Sequence[Expected]:
    app.claude.fail(401)
    _raises(app, app.client())
    return [failed("authentication_error", [(401, "authentication_error")])]


@scenario()
def a_key_without_the_right(app: App) -> Sequence[Expected]:
    app.claude.fail(403)
    _raises(app, app.client())
    return [failed("permission_error", [(403, "permission_error")])]


@scenario()
def a_request_that_is_too_large(app: App) -> Sequence[Expected]:
    app.claude.fail(413)
    _raises(app, app.client())
    return [failed("request_too_large", [(413, "request_too_large")])]


@scenario()
def a_spend_limit(app: App) -> Sequence[Expected]:
    """A 429 that asks for no wait: it is no use to try again, and the SDK does all the same."""
    app.claude.fail(429, headers=AT_ONCE)
    app.claude.fail(429, headers={"x-should-retry": "false"})
    _raises(app, app.client())
    return [failed("rate_limit_error", [(429, "rate_limit_error")] * 2)]


@scenario()
def errors_of_different_kinds(app: App) -> Sequence[Expected]:
    app.claude.fail(529, headers=AT_ONCE)
    app.claude.fail(500, headers=AT_ONCE)
    app.claude.fail(429, headers=AT_ONCE)
    _raises(app, app.client())
    return [failed("rate_limit_error", [BUSY, (500, "api_error"), (429, "rate_limit_error")])]


@scenario()
def an_error_of_a_type_of_its_own(app: App) -> Sequence[Expected]:
    """Whatever the API calls it, by the same name."""
    app.claude.fail(400, "billing_error")
    _raises(app, app.client())
    return [failed("billing_error", [(400, "billing_error")])]


NOBODY = "http://127.0.0.1:9"
"""A port that nobody listens to."""


@scenario()
def nobody_at_the_other_end(app: App) -> Sequence[Expected]:
    _raises(app, app.client(base_url=NOBODY, max_retries=1))
    return [failed("connection_error", [(None, "connection_error")] * 2)]


@scenario()
async def nobody_at_the_other_end_async(app: App) -> Sequence[Expected]:
    async with app.async_client(base_url=NOBODY, max_retries=0) as client:
        await _raises_async(app, client)
    return [failed("connection_error", [(None, "connection_error")])]


def _silent(kind: str, attempts: int, **facts: Any) -> Expected:
    """A call of which every attempt may have reached the API, and none was answered."""
    unknown = {"model": None, "message_id": None, "stop_reason": None, "http_status": None, "request_id": None}
    return call(
        [(None, kind)] * attempts,
        **{
            "status": "error",
            "error_type": kind,
            "cost_flags": "abandoned_attempts",
            **unknown,
            **NO_TOKENS,
            **NOT_KNOWN,
            **facts,
        },
    )


@scenario()
def silence(app: App) -> Sequence[Expected]:
    app.claude.hang(5)
    _raises(app, app.client(max_retries=0, **SOON))
    return [_silent(SILENT, 1)]


@scenario()
def silence_again_and_again(app: App) -> Sequence[Expected]:
    app.claude.hang(5)
    app.claude.hang(5)
    _raises(app, app.client(max_retries=1, **SOON))
    return [_silent(SILENT, 2)]


@scenario()
async def silence_async(app: App) -> Sequence[Expected]:
    app.claude.hang(5)
    async with app.async_client(max_retries=0, **SOON) as client:
        await _raises_async(app, client)
    return [_silent(SILENT, 1)]


@scenario()
def silence_instead_of_a_stream(app: App) -> Sequence[Expected]:
    app.claude.hang(5)
    _raises(app, app.client(max_retries=0, **SOON), stream=True)
    return [_silent(SILENT, 1, stream=True, stream_end=ANYTHING)]


@scenario(same_shape=False)
async def task_cancelled_while_waiting(app: App) -> Sequence[Expected]:
    app.claude.hang(5)
    async with app.async_client() as client:
        task = asyncio.create_task(client.messages.create(**ASK))
        await asyncio.to_thread(wait_until, lambda: app.received != [])
        task.cancel()
        await asyncio.wait([task])
        app.saw(task.cancelled())
    return [_silent("cancelled", 1, status="cancelled", error_type=None)]


@scenario(same_shape=False)
async def task_cancelled_between_two_attempts(app: App) -> Sequence[Expected]:
    """Nothing is due for a request that was turned away."""
    app.claude.fail(529, headers={"retry-after": "5"})
    async with app.async_client() as client:
        task = asyncio.create_task(client.messages.create(**ASK))
        await asyncio.to_thread(wait_until, lambda: app.served != [])
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        app.saw(task.cancelled())
    # The SDK's span ends before anybody knows that there will be no other attempt, so the status may be missing there.
    return [failed(None, [BUSY], status="cancelled", http_status=ANYTHING)]


@scenario(needs.count_tokens)
def a_free_question_that_fails(app: App) -> Sequence[Expected]:
    try:
        app.client().messages.count_tokens(model="claude-haiku-4-5", messages=[])
    except sdk.AnthropicError as error:
        app.saw(error)
    attempts = [(400, "invalid_request_error")]
    facts = {"operation": "count_tokens", "stream": ANYTHING, "request_id": app.served[0].request_id}
    expected = failed("invalid_request_error", attempts, **facts)
    return [expected.named("anthropic.messages.count_tokens")]
