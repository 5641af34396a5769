"""What stands between the SDK's retries and its HTTP client: middleware of the application's, and the SDK's own."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, AT_ONCE, COST, FABLE, HAIKU, OPUS, PLAIN, PLAIN_COST, USAGE
from tests.scenarios.expected import ANYTHING, FREE, NO_TOKENS, Expected, answered, call, tokens
from tests.scenarios.scenario import scenario


@scenario(needs.middleware)
def passing_through(app: App) -> Sequence[Expected]:
    def middleware(request: Any, call_next: Any) -> Any:
        return call_next(request)

    app.claude.answer(usage=USAGE, times=2)
    client = app.client(middleware=[middleware])
    app.saw(client.messages.create(**ASK), *client.messages.create(**ASK, stream=True))
    return [answered(served, COST) for served in app.served]


@scenario(needs.middleware)
async def passing_through_async(app: App) -> Sequence[Expected]:
    async def middleware(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.claude.answer(usage=USAGE)
    async with app.async_client(middleware=[middleware]) as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario(needs.middleware)
def changing_the_request(app: App) -> Sequence[Expected]:
    """The application asks for one model and gets, and pays for, another."""

    def middleware(request: Any, call_next: Any) -> Any:
        return call_next(request.copy(body={**request.json, "model": HAIKU}))

    app.claude.answer(usage=PLAIN)
    app.saw(app.client(middleware=[middleware]).messages.create(**ASK))
    # 1000 * 1 + 10 * 5 millionths.
    return [answered(app.served[0], Decimal("0.00105"), model=HAIKU)]


@scenario(needs.middleware)
def retried_below_a_middleware(app: App) -> Sequence[Expected]:
    """It is passed once for each attempt."""
    passed: list[int] = []

    def middleware(request: Any, call_next: Any) -> Any:
        passed.append(request.retries_taken)
        return call_next(request)

    app.claude.fail(529, headers=AT_ONCE)
    app.claude.answer(usage=USAGE)
    app.saw(app.client(middleware=[middleware]).messages.create(**ASK), passed)
    return [answered(app.served[1], COST, attempts=[(529, "overloaded_error"), (200, None)])]


@scenario(needs.middleware, same_shape=False)
def asking_another_client_first(app: App) -> Sequence[Expected]:
    """A call within a call is one of its own, and no attempt of the outer one."""
    other = app.client()

    def middleware(request: Any, call_next: Any) -> Any:
        app.saw(other.messages.create(**{**ASK, "model": HAIKU}))
        return call_next(request)

    app.claude.answer(usage=PLAIN, times=2)
    app.saw(app.client(middleware=[middleware]).messages.create(**ASK))
    inner, outer = app.served
    # 1000 * 1 + 10 * 5 millionths.
    within = answered(inner, Decimal("0.00105"), model=HAIKU, parent_span_id=ANYTHING)
    return [answered(outer, PLAIN_COST), within]


@scenario(needs.middleware, same_shape=False)
def answered_from_a_cache(app: App) -> Sequence[Expected]:
    """The second answer is the first one, which was paid once."""
    kept: list[Any] = []

    def middleware(request: Any, call_next: Any) -> Any:
        if not kept:
            kept.append(call_next(request))
        return kept[0]

    app.claude.answer(usage=USAGE)
    client = app.client(middleware=[middleware])
    app.saw(client.messages.create(**ASK), client.messages.create(**ASK))
    cached = call(
        [],
        **dict.fromkeys(("http_status", "stop_reason", "model", "request_id", "message_id", *NO_TOKENS), ANYTHING),
        cost_usd=FREE,
        billed=False,
    )
    return [answered(app.served[0], COST), cached]


@scenario(needs.middleware)
def answered_by_an_exception(app: App) -> Sequence[Expected]:
    def middleware(request: Any, call_next: Any) -> Any:
        raise LookupError("not today")

    try:
        app.client(middleware=[middleware]).messages.create(**ASK)
    except LookupError as error:
        app.saw(error)
    nothing = {"http_status": None, "stop_reason": None, "model": None, "request_id": None, "message_id": None}
    facts = {"status": "error", "error_type": "client_error", "cost_usd": FREE, "billed": False}
    return [call([], **nothing, **NO_TOKENS, **facts)]


@scenario(needs.middleware)
def asking_twice(app: App) -> Sequence[Expected]:
    """Both answers are paid; the tokens are those of the one that the application got."""

    def middleware(request: Any, call_next: Any) -> Any:
        call_next(request)
        return call_next(request)

    app.claude.answer(usage={"input_tokens": 5, "output_tokens": 1, "inference_geo": "global"})
    app.claude.answer(usage=PLAIN)
    app.saw(app.client(middleware=[middleware]).messages.create(**ASK))
    # 5 * 4 + 1 * 20 = 40 millionths, and the 4200 of the second.
    return [_hops(app, Decimal("0.00424"))]


# The fallback that the SDK brings: a refusal is asked again of another model

EMPTY_REFUSAL: dict[str, Any] = {
    "text": "",
    "stop_reason": "refusal",
    "usage": {"input_tokens": 2050, "output_tokens": 0, "inference_geo": "global"},
    "stop_details": {"type": "refusal", "category": "cyber"},
}
REFUSAL_IN_THE_MIDDLE: dict[str, Any] = {
    "text": "I would",
    "stop_reason": "refusal",
    "usage": {"input_tokens": 2050, "output_tokens": 10, "inference_geo": "global"},
    "stop_details": {
        "type": "refusal",
        "category": "cyber",
        "fallback_credit_token": "credit-canary",
        "fallback_has_prefill_claim": False,
    },
}
# Fable 5.2 at 8 / 40: 2050 * 8 + 10 * 40 = 16800 millionths; and the answer of Opus.
BOTH_COST = Decimal("0.0168") + PLAIN_COST
BETA = {**ASK, "model": FABLE}


def _fallbacks(*models: str) -> dict[str, Any]:
    fallbacks = importlib.import_module("anthropic.lib.middleware").BetaRefusalFallbackMiddleware
    return {"middleware": [fallbacks([{"model": model} for model in models])]}


def _hops(app: App, cost: Decimal, **facts: Any) -> Expected:
    """One call with all the answers that were served: the last one's tokens, what all of them cost."""
    last = app.served[-1]
    attempts = facts.pop("attempts", [(200, None)] * len(app.served))
    return answered(last, cost, attempts=attempts, **{"message_id": ANYTHING, **tokens(last.usage), **facts})


@scenario(needs.fallback_middleware)
def a_fallback_that_is_not_needed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=PLAIN, times=2)
    client = app.client(**_fallbacks(OPUS))
    app.saw(client.beta.messages.create(**{**BETA, "model": OPUS}))
    app.saw(*client.beta.messages.create(**{**BETA, "model": OPUS}, stream=True))
    return [answered(served, PLAIN_COST) for served in app.served]


@scenario(needs.fallback_middleware)
def a_fallback(app: App) -> Sequence[Expected]:
    app.claude.answer(**EMPTY_REFUSAL)
    app.claude.answer(usage=PLAIN)
    app.saw(app.client(**_fallbacks(OPUS)).beta.messages.create(**BETA))
    return [_hops(app, PLAIN_COST, request_model=FABLE)]


@scenario(needs.fallback_middleware)
def a_fallback_after_some_output(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(usage=PLAIN)
    app.saw(app.client(**_fallbacks(OPUS)).beta.messages.create(**BETA))
    return [_hops(app, BOTH_COST)]


@scenario(needs.fallback_middleware)
async def a_fallback_async(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(usage=PLAIN)
    async with app.async_client(**_fallbacks(OPUS)) as client:
        app.saw(await client.beta.messages.create(**BETA))
    return [_hops(app, BOTH_COST)]


@scenario(needs.fallback_middleware)
def two_fallbacks(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(usage=PLAIN)
    app.saw(app.client(**_fallbacks(OPUS, HAIKU)).beta.messages.create(**BETA))
    # 16800 of Fable; of Opus 2050 * 4 + 10 * 20 = 8400; of Haiku 1000 * 1 + 10 * 5 = 1050 millionths.
    return [_hops(app, Decimal("0.02625"))]


@scenario(needs.fallback_middleware)
def a_fallback_that_refuses_too(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.saw(app.client(**_fallbacks(OPUS)).beta.messages.create(**BETA))
    return [_hops(app, Decimal("0.0252"), refusal_category="cyber")]


@scenario(needs.fallback_middleware)
def a_fallback_in_a_stream(app: App) -> Sequence[Expected]:
    """It is sent while the application reads."""
    app.claude.answer(**EMPTY_REFUSAL)
    app.claude.answer(usage=PLAIN)
    app.saw(*app.client(**_fallbacks(OPUS)).beta.messages.create(**BETA, stream=True))
    return [_hops(app, PLAIN_COST)]


@scenario(needs.fallback_middleware)
def a_fallback_in_the_middle_of_a_stream(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(usage=PLAIN)
    with app.client(**_fallbacks(OPUS)).beta.messages.stream(**BETA) as events:
        app.saw(*events, events.get_final_message())
    return [_hops(app, BOTH_COST)]


@scenario(needs.fallback_middleware)
async def a_fallback_in_the_middle_of_a_stream_async(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.answer(usage=PLAIN)
    async with app.async_client(**_fallbacks(OPUS)) as client:
        events = await client.beta.messages.create(**BETA, stream=True)
        app.saw([event async for event in events])
    return [_hops(app, BOTH_COST)]


@scenario(needs.fallback_middleware)
def a_fallback_whose_request_fails(app: App) -> Sequence[Expected]:
    app.claude.answer(**REFUSAL_IN_THE_MIDDLE)
    app.claude.fail(400, "invalid_request_error")
    try:
        app.saw(app.client(**_fallbacks(OPUS)).beta.messages.create(**BETA))
    except sdk.APIStatusError as error:
        app.saw(error)
    # The refusal was paid all the same.
    facts = {"status": "error", "error_type": "invalid_request_error", "http_status": 400, "stop_reason": ANYTHING}
    attempts = [(200, None), (400, "invalid_request_error")]
    counts = dict.fromkeys(NO_TOKENS, ANYTHING)
    return [
        call(
            attempts,
            request_id=app.served[1].request_id,
            cost_usd=Decimal("0.0168"),
            **{**facts, **counts, "model": ANYTHING, "message_id": ANYTHING},
        )
    ]
