"""Calls of every sort that an application makes, over transports in this process, and what it gets of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from tests.scenarios import needs
from tests.scenarios.app import described, sdk
from tests.scenarios.asking import AT_ONCE, FABLE, OPUS, PLAIN
from tests.scenarios.bodies import answering, http, json_response, message, response, sse, sse_response

TOOL = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASK: dict[str, Any] = {
    "model": OPUS,
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "tools": [TOOL],
    "metadata": {"user_id": "u_1"},
    "messages": [
        {"role": "user", "content": "How is it?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Where?"}]},
        {"role": "user", "content": [{"type": "text", "text": "Here.", "cache_control": {"type": "ephemeral"}}]},
    ],
}
LIMITS = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:00Z",
    "anthropic-organization-id": "org_1",
}
USES_TOOL = [
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Here"}},
]


@dataclass
class Caller:
    """An application, as far as it makes its clients."""

    tracing: dict[str, Any]
    """What every client is made with."""
    provider: TracerProvider
    """Where it makes spans of its own."""
    seen: list[Any] = field(default_factory=list[Any])
    """What it got, as values that can be compared."""

    def client(self, *responses: Any, kind: Any = sdk.Anthropic, **settings: Any) -> Any:
        return kind(
            base_url="http://api.test",
            http_client=http.Client(transport=answering(*responses)),
            **{"api_key": "k", **self.tracing, **settings},
        )

    def async_client(self, *responses: Any, **settings: Any) -> Any:
        left = list(responses)

        async def answer(_: Any) -> Any:
            return left.pop(0)

        return sdk.AsyncAnthropic(
            base_url="http://api.test",
            api_key="k",
            http_client=http.AsyncClient(transport=http.MockTransport(answer)),
            **self.tracing,
            **settings,
        )

    def saw(self, *things: Any) -> None:
        self.seen.extend(described(thing) for thing in things)

    @contextmanager
    def seeing_errors(self) -> Generator[None]:
        """Keeps what is raised, with all that it was raised from or in."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the application gets
            chain: list[BaseException] = []
            todo: list[BaseException | None] = [error]
            while todo:
                one = todo.pop()
                if one is not None and one not in chain:
                    chain.append(one)
                    todo += [one.__cause__, one.__context__]
            self.saw(*chain)


Play = Callable[[Caller], None]


def json_call(app: Caller) -> None:
    whole = message(content=USES_TOOL, stop_reason="tool_use")
    with app.client(json_response(whole, **LIMITS)) as client:
        app.saw(client.messages.create(**ASK))


def stream(app: Caller) -> None:
    body = sse(message(content=USES_TOOL, stop_reason="tool_use"))
    with app.client(sse_response([body[:50], body[50:700], body[700:]], **LIMITS)) as client:
        app.saw(*client.messages.create(**ASK, stream=True))


def stream_closed(app: Caller) -> None:
    body = sse(message())
    with app.client(sse_response([body[:600], body[600:]])) as client:
        events = client.messages.create(**ASK, stream=True)
        app.saw(next(events))
        events.close()


def stream_dropped(app: Caller) -> None:
    with app.client(sse_response([sse(message())])) as client:
        app.saw(next(iter(client.messages.create(**ASK, stream=True))))
        gc.collect(1)


def stream_cut(app: Caller) -> None:
    class Cut:
        def __iter__(self) -> Generator[bytes]:
            yield sse(message())[:700]
            raise http.ReadError("cut")

    body: Any = type("Body", (Cut, http.SyncByteStream), {})()
    answer = http.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
    with app.client(answer) as client, app.seeing_errors():
        for event in client.messages.create(**ASK, stream=True):
            app.saw(event)


def error(app: Caller) -> None:
    told = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    refused = response([json.dumps(told).encode()], 400, **{"content-type": "application/json"})
    with app.client(refused) as client, app.seeing_errors():
        client.messages.create(**ASK)


def stream_of_an_error(app: Caller) -> None:
    told = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}\n\n'
    body = sse(message())[:700].rpartition(b"\n\n")[0] + b"\n\n" + told
    with app.client(sse_response([body])) as client, app.seeing_errors():
        app.saw(*client.messages.create(**ASK, stream=True))


def retry(app: Caller) -> None:
    busy = response([b"{}"], 529, **{"content-type": "application/json", **AT_ONCE})
    with app.client(busy, json_response(message())) as client:
        app.saw(client.messages.create(**ASK))


def unreachable(app: Caller) -> None:
    def refuse(_: Any) -> Any:
        raise http.ConnectError("no")

    client = sdk.Anthropic(
        base_url="http://api.test", api_key="k", http_client=http.Client(transport=http.MockTransport(refuse)),
        max_retries=0, **app.tracing,
    )  # fmt: skip
    with client, app.seeing_errors():
        client.messages.create(**ASK)


def raw_streaming(app: Caller) -> None:
    with (
        app.client(json_response(message())) as client,
        client.messages.with_streaming_response.create(**ASK) as raw,
    ):
        app.saw(b"".join(raw.iter_bytes()))


def count(app: Caller) -> None:
    with app.client(json_response({"input_tokens": 12})) as client:
        app.saw(client.messages.count_tokens(model=OPUS, messages=ASK["messages"]))


_numbers = itertools.count(1)

BATCH: dict[str, Any] = {
    "id": "msgbatch_01mock",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0},
    "created_at": "2026-11-20T08:00:00Z",
    "expires_at": "2026-11-21T08:00:00Z",
    "results_url": "http://api.test/v1/messages/batches/msgbatch_01mock/results",
}


def batch(app: Caller) -> None:
    lines = [
        {"custom_id": "a", "result": {"type": "succeeded", "message": message(PLAIN)}},
        {"custom_id": "b", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "api_error"}}}},
    ]
    results = response([json.dumps(line).encode() + b"\n" for line in lines], **{"content-type": "application/x-jsonl"})
    params = {name: ASK[name] for name in ("model", "max_tokens", "messages")}
    with app.client(json_response(BATCH), json_response(BATCH), results) as client:
        batches = client.messages.batches
        app.saw(batches.create(requests=[{"custom_id": "a", "params": params}, {"custom_id": "b", "params": params}]))
        app.saw([line.custom_id for line in batches.results(BATCH["id"])])


def session(app: Caller) -> None:
    agent = {"id": "agent_1", "type": "agent", "version": 1, "model": {"id": OPUS}}
    told = {"id": "sesn_1", "type": "session", "agent": agent, "status": "idle"}
    ended = {
        "id": f"sevt_{next(_numbers)}", "type": "span.model_request_end", "model_usage": PLAIN,
        "model_request_start_id": "sevt_0", "processed_at": "2026-11-20T08:00:00Z", "is_error": False,
    }  # fmt: skip
    stream_body = f"event: span.model_request_end\ndata: {json.dumps(ended)}\n\n".encode()
    with app.client(json_response(told), sse_response([stream_body])) as client:
        client.beta.sessions.retrieve("sesn_1")
        app.saw([event.type for event in client.beta.sessions.events.stream("sesn_1")])


def _refused() -> dict[str, Any]:
    details = {"type": "refusal", "category": "cyber"}
    return message({**PLAIN, "output_tokens": 0}, model=FABLE, content=[], stop_reason="refusal", stop_details=details)


def _fallback() -> dict[str, Any]:
    from anthropic.lib.middleware import BetaRefusalFallbackMiddleware

    return {"middleware": [BetaRefusalFallbackMiddleware([{"model": OPUS}])]}


def fallback(app: Caller) -> None:
    with app.client(json_response(_refused()), json_response(message()), **_fallback()) as client:
        app.saw(client.beta.messages.create(**{**ASK, "model": FABLE}))


def fallback_in_a_stream(app: Caller) -> None:
    hops = sse_response([sse(_refused())]), sse_response([sse(message())])
    with app.client(*hops, **_fallback()) as client:
        app.saw(*client.beta.messages.create(**{**ASK, "model": FABLE}, stream=True))


def async_calls(app: Caller) -> None:
    async def play() -> None:
        body = sse(message())
        responses = json_response(message()), sse_response([body[:600], body[600:]]), sse_response([body])
        async with app.async_client(*responses) as client:
            app.saw(await client.messages.create(**ASK))
            app.saw([event async for event in await client.messages.create(**ASK, stream=True)])
            events = await client.messages.create(**ASK, stream=True)
            async for event in events:
                app.saw(event)
                break
            await events.close()

    asyncio.run(play())


def async_error(app: Caller) -> None:
    async def play() -> None:
        refused = response([b"{}"], 400, **{"content-type": "application/json"})
        async with app.async_client(refused) as client:
            with app.seeing_errors():
                await client.messages.create(**ASK)

    asyncio.run(play())


def async_fallback_in_a_stream(app: Caller) -> None:
    async def play() -> None:
        hops = sse_response([sse(_refused())]), sse_response([sse(message())])
        async with app.async_client(*hops, **_fallback()) as client:
            events = await client.beta.messages.create(**{**ASK, "model": FABLE}, stream=True)
            app.saw([event async for event in events])

    asyncio.run(play())


def spans_of_its_own(app: Caller) -> None:
    tracer = app.provider.get_tracer("app")
    with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span("inner"):
        outer.set_attribute("seen", True)
    app.saw(outer.is_recording())


def tools_run_by_the_sdk(app: Caller) -> None:
    def get_weather(city: str) -> str:
        """Tells the weather.

        Args:
            city: Where.
        """
        return "fine"

    first = message(content=USES_TOOL, stop_reason="tool_use")
    asked = {name: ASK[name] for name in ("model", "max_tokens", "messages")}
    with app.client(json_response(first), json_response(message())) as client:
        app.saw(client.beta.messages.tool_runner(**asked, tools=[sdk.beta_tool(get_weather)]).until_done())


def _plays() -> Generator[tuple[Play, int]]:
    yield json_call, 1
    yield stream, 1
    yield stream_closed, 1
    yield stream_dropped, 1
    yield stream_cut, 1
    yield error, 1
    yield stream_of_an_error, 1
    yield retry, 1
    yield unreachable, 1
    yield raw_streaming, 1
    yield async_calls, 3
    yield async_error, 1
    yield spans_of_its_own, 0
    if needs.tool_runner():
        yield tools_run_by_the_sdk, 2
    if needs.count_tokens():
        yield count, 1
    if needs.batches():
        yield batch, 5
    if needs.sessions():
        yield session, 3
    if needs.fallback_middleware():
        yield fallback, 1
        yield fallback_in_a_stream, 1
        yield async_fallback_in_a_stream, 1


PLAYS = dict(_plays())
"""And how many calls each is."""
