"""What lies between the SDK and the wire: transports, encodings, chunks, hooks, and others who patch."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.trace import get_current_span

from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, AT_ONCE, COST, INPUT_COST, USAGE
from tests.scenarios.bodies import (
    PACKERS,
    answering,
    http,
    json_response,
    message,
    mocked,
    mocked_async,
    pieces_of,
    response,
    sse,
    sse_response,
    truth,
)
from tests.scenarios.expected import ANYTHING, NO_TOKENS, NOT_KNOWN, Expected, answered, call, failed, partly, unread
from tests.scenarios.scenario import scenario

# Transports


@scenario()
def a_mock_below_the_client(app: App) -> Sequence[Expected]:
    """As respx and vcr do it."""
    whole = message()
    app.saw(mocked(app, json_response(whole)).messages.create(**ASK))
    return [answered(truth(whole), COST)]


@scenario()
async def a_mock_below_the_client_async(app: App) -> Sequence[Expected]:
    whole = message()
    async with mocked_async(app, json_response(whole)) as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(truth(whole), COST)]


@scenario()
def a_mock_that_streams(app: App) -> Sequence[Expected]:
    whole = message()
    app.saw(*mocked(app, sse_response([sse(whole)])).messages.create(**ASK, stream=True))
    return [answered(truth(whole, stream=True), COST)]


@scenario()
async def a_mock_that_streams_async(app: App) -> Sequence[Expected]:
    whole = message()
    async with mocked_async(app, sse_response([sse(whole)])) as client, client.messages.stream(**ASK) as events:
        app.saw(await events.get_final_message())
    return [answered(truth(whole, stream=True), COST)]


@scenario(needs.aiohttp)
async def aiohttp_create(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client(http_client=sdk.DefaultAioHttpClient()) as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario(needs.aiohttp)
async def aiohttp_stream(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with (
        app.async_client(http_client=sdk.DefaultAioHttpClient()) as client,
        client.messages.stream(**ASK) as events,
    ):
        app.saw(await events.get_final_message())
    return [answered(app.served[0], COST)]


@scenario()
def a_gateway_with_a_path_of_its_own(app: App) -> Sequence[Expected]:
    whole = message()
    app.saw(mocked(app, json_response(whole), base_url="http://gateway.test/anthropic").messages.create(**ASK))
    return [answered(truth(whole), COST)]


@scenario()
def sent_on_to_another_place(app: App) -> Sequence[Expected]:
    """The HTTP library follows by itself: one request of the SDK."""
    whole = message()
    elsewhere = response([], 307, location="http://elsewhere.test/v1/messages")
    transport = answering(elsewhere, json_response(whole))
    client = app.client(http_client=http.Client(transport=transport, follow_redirects=True))
    app.saw(client.messages.create(**ASK))
    return [answered(truth(whole), COST)]


# Encodings


def _packed(app: App, encoding: str) -> Sequence[Expected]:
    whole, streamed = message(), message()
    client = mocked(
        app,
        response(
            pieces_of(PACKERS[encoding](json.dumps(whole).encode()), 50),
            **{"content-type": "application/json", "content-encoding": encoding},
        ),
        sse_response(pieces_of(PACKERS[encoding](sse(streamed)), 50), **{"content-encoding": encoding}),
    )
    app.saw(client.messages.create(**ASK))
    app.saw(*client.messages.create(**ASK, stream=True))
    return [answered(truth(whole), COST), answered(truth(streamed, stream=True), COST)]


@scenario()
def gzip(app: App) -> Sequence[Expected]:
    return _packed(app, "gzip")


@scenario()
def deflate(app: App) -> Sequence[Expected]:
    return _packed(app, "deflate")


@scenario(needs.brotli)
def brotli(app: App) -> Sequence[Expected]:
    return _packed(app, "br")


@scenario(needs.zstd)
def zstd(app: App) -> Sequence[Expected]:
    return _packed(app, "zstd")


@scenario()
def gzip_with_an_unread_json_body(app: App) -> Sequence[Expected]:
    whole = message()
    packed = PACKERS["gzip"](json.dumps(whole).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    client = mocked(app, response(pieces_of(packed, 7), **headers))
    with client.messages.with_streaming_response.create(**ASK) as answer:
        app.saw(b"".join(answer.iter_bytes()))
    return [answered(truth(whole), COST)]


# Chunks and lines


def _streamed(app: App, change: Callable[[bytes], Sequence[bytes]]) -> Sequence[Expected]:
    whole = message()
    client = mocked(app, sse_response(change(sse(whole))))
    with client.messages.with_streaming_response.create(**ASK, stream=True) as answer:
        app.saw(b"".join(answer.iter_bytes()))
    whole_again = message()
    client = mocked(app, sse_response(change(sse(whole_again))))
    app.saw(*client.messages.create(**ASK, stream=True))
    return [answered(truth(each, stream=True), COST) for each in (whole, whole_again)]


@scenario()
def byte_by_byte(app: App) -> Sequence[Expected]:
    return _streamed(app, lambda body: pieces_of(body, 1))


@scenario()
def all_at_once(app: App) -> Sequence[Expected]:
    return _streamed(app, lambda body: [body])


@scenario()
def with_empty_chunks(app: App) -> Sequence[Expected]:
    return _streamed(app, lambda body: [piece for part in pieces_of(body, 99) for piece in (part, b"")])


@scenario()
def crlf(app: App) -> Sequence[Expected]:
    return _streamed(app, lambda body: pieces_of(body.replace(b"\n", b"\r\n"), 3))


@scenario()
def with_comments_and_unknown_fields(app: App) -> Sequence[Expected]:
    return _streamed(app, lambda body: [b": keep-alive\n\nid: 7\nretry: 10\n\n", *pieces_of(body, 40), b": bye\n\n"])


@scenario()
def without_a_space_after_the_colon(app: App) -> Sequence[Expected]:
    return _streamed(app, lambda body: [body.replace(b"data: ", b"data:").replace(b"event: ", b"event:")])


@scenario()
def with_an_event_that_is_not_known(app: App) -> Sequence[Expected]:
    odd = b'event: from_the_future\ndata: {"type": "from_the_future", "usage": {"input_tokens": 1}}\n\n'
    return _streamed(app, lambda body: [body.replace(b"event: message_delta", odd + b"event: message_delta", 1)])


@scenario()
def without_the_last_event(app: App) -> Sequence[Expected]:
    """The SDK raises nothing; still it is no whole answer, as the SDK's own tracing has it too."""
    whole = message()
    body = sse(whole).rpartition(b"event: message_delta")[0]
    app.saw(*mocked(app, sse_response([body])).messages.create(**ASK, stream=True))
    facts = {"status": "error", "error_type": "api_error", "ttft_known": True}
    return [partly(truth(whole, stream=True), USAGE, INPUT_COST, "cut", **facts)]


@scenario()
def an_empty_stream(app: App) -> Sequence[Expected]:
    app.saw(list(mocked(app, sse_response([])).messages.create(**ASK, stream=True)))
    facts = {"status": "error", "error_type": "api_error", "stream_end": "cut"}
    return [unread(truth(message(), stream=True), **facts)]


# Odd answers


@scenario()
def an_error_page(app: App) -> Sequence[Expected]:
    """From a proxy that has nothing to do with the API."""
    page = response([b"<html>Bad Gateway</html>"], 502, **{"content-type": "text/html", "x-should-retry": "false"})
    try:
        mocked(app, page).messages.create(**ASK)
    except sdk.APIStatusError as error:
        app.saw(error)
    return [failed("502", [(502, "502")], request_id="req_mock")]


@scenario()
def an_answer_of_another_content_type(app: App) -> Sequence[Expected]:
    whole = message()
    body = json.dumps(whole).encode()
    client = mocked(app, response([body], **{"content-type": "application/json; charset=utf-8"}))
    app.saw(client.messages.create(**ASK))
    return [answered(truth(whole), COST)]


@scenario()
def an_error_of_a_mock(app: App) -> Sequence[Expected]:
    told = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    busy = response([json.dumps(told).encode()], 529, **{"content-type": "application/json", **AT_ONCE})
    whole = message()
    app.saw(mocked(app, busy, json_response(whole)).messages.create(**ASK))
    return [answered(truth(whole), COST, attempts=[(529, "overloaded_error"), (200, None)])]


@scenario()
def an_event_hook_that_reads_the_stream(app: App) -> Sequence[Expected]:
    def read(answer: Any) -> None:
        answer.read()

    app.claude.answer(usage=USAGE)
    reading = http.Client(event_hooks={"response": [read]})
    app.saw(*app.client(http_client=reading).messages.create(**ASK, stream=True))
    return [answered(app.served[0], COST, ttft_known=ANYTHING)]


@scenario()
def an_event_hook_that_asks_somebody_else(app: App) -> Sequence[Expected]:
    """What else is sent during a call is no attempt of it."""

    def ask_for_a_token(_: Any) -> None:
        app.saw(other.get("http://tokens.test/").json())

    whole = message()
    other = http.Client(transport=answering(http.Response(200, json={"token": "canary"})))
    hooked = http.Client(transport=answering(json_response(whole)), event_hooks={"request": [ask_for_a_token]})
    app.saw(app.client(http_client=hooked).messages.create(**ASK))
    return [answered(truth(whole), COST)]


@scenario()
def an_event_hook_that_fails(app: App) -> Sequence[Expected]:
    def fail(_: Any) -> None:
        raise LookupError("no")

    client = app.client(http_client=http.Client(event_hooks={"request": [fail]}), max_retries=0)
    try:
        client.messages.create(**ASK)
    except (LookupError, sdk.APIConnectionError) as error:
        app.saw(type(error))
    facts = {"status": "error", "error_type": ANYTHING, "http_status": None, "request_id": None, "model": None}
    return [call(None, **facts, **NO_TOKENS, **NOT_KNOWN)]


@scenario()
def other_requests_of_the_application(app: App) -> Sequence[Expected]:
    """Nothing is recorded of what does not go through the SDK."""
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    with http.Client() as client:
        app.saw(client.post(f"{app.claude.url}/v1/messages", json=ASK, headers=headers).status_code)
    return []


@scenario()
def the_span_that_is_current_while_a_request_is_out(app: App) -> Sequence[Expected]:
    """Spans of the HTTP library become its children, and after the call the application's own is current again."""
    whole = message()
    current: list[int] = []

    def answer(_: Any) -> Any:
        current.append(get_current_span().get_span_context().span_id)
        return json_response(whole)

    with app.span("handle request") as outer:
        client = app.client(http_client=http.Client(transport=http.MockTransport(answer)))
        app.saw(client.messages.create(**ASK))
        assert get_current_span() is outer
    if app.call_span is not None:
        assert current == [app.call_span.span_id]
    return [answered(truth(whole), COST, parent=outer)]


# Others who patch


class Patch:
    """What an error tracker does to the HTTP library's `send`, counted; and undone at the end of a scenario."""

    def __init__(self) -> None:
        self.sent = 0

    def __enter__(self) -> Patch:
        original = self._original = http.Client.send

        def send(client: Any, request: Any, **kwargs: Any) -> Any:
            self.sent += 1
            return original(client, request, **kwargs)

        http.Client.send = send
        self._put = send
        return self

    def __exit__(self, *_: object) -> None:
        if http.Client.send is self._put:
            http.Client.send = self._original


def _patch(app: App) -> Patch:
    return Patch().__enter__()


@scenario(prepare=_patch)
def a_patch_from_before_us(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=2)
    client = app.client()
    app.saw(client.messages.create(**ASK), *client.messages.create(**ASK, stream=True))
    app.uninstrument()
    app.kept.__exit__()
    app.saw(app.kept.sent)
    return [answered(served, COST) for served in app.served]


@scenario()
def a_patch_from_after_us(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=2)
    client = app.client()
    with Patch() as patch:
        app.saw(client.messages.create(**ASK), *client.messages.create(**ASK, stream=True), patch.sent)
    return [answered(served, COST) for served in app.served]


@scenario(only="own")
def a_patch_that_stays_when_we_go(app: App) -> Sequence[Expected]:
    """It is not taken away with ours, and what is sent then is not recorded."""
    app.claude.answer(usage=USAGE, times=2)
    client = app.client()
    with Patch() as patch:
        app.saw(client.messages.create(**ASK))
        app.uninstrument()
        app.saw(client.messages.create(**ASK), patch.sent)
    app.instrument()
    return [answered(app.served[0], COST)]


@scenario(needs.httpx_instrumentor)
def the_instrumentor_of_the_http_library(app: App) -> Sequence[Expected]:
    """Its span is a child of the call's, and no second call."""
    app.claude.answer(usage=USAGE)
    instrumentor: Any = importlib.import_module("opentelemetry.instrumentation.httpx").HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=app.provider)
    try:
        app.saw(app.client().messages.create(**ASK))
    finally:
        instrumentor.uninstrument()
    if app.call_span is not None:
        (inner,) = [span for span in app.ended_spans() if span.name == "POST"]
        assert inner.parent is not None
        assert inner.parent.span_id == app.call_span.span_id
    return [answered(app.served[0], COST)]
