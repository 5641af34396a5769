"""Answers that come whole: every way to ask for one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import anthropic
import pydantic
from anthropic import Anthropic
from anthropic.types import Message
from opentelemetry.trace import get_current_span

import claude_telemetry
from tests.scenarios import needs
from tests.scenarios.app import App
from tests.scenarios.asking import ASK, COST, COUNT, HAIKU, USAGE
from tests.scenarios.expected import Expected, answered, failed, free, unread
from tests.scenarios.scenario import scenario
from tests.support.recorded import http_library

http = http_library()


@scenario()
def create(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    message = app.client().messages.create(**ASK)
    app.saw(message, isinstance(message, Message))
    facts = {"thinking_tokens": 12, "web_search_requests": 1, "cache_write_1h_tokens": 300, "max_tokens": 100}
    return [answered(app.served[0], COST, **facts, request_model="claude-opus-5-5", speed="standard")]


@scenario()
async def create_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
def create_beta(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client().beta.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
async def create_beta_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        app.saw(await client.beta.messages.create(betas=["interleaved-thinking-2025-05-14"], **ASK))
    return [answered(app.served[0], COST)]


@scenario()
def raw_response_parsed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    raw = app.client().messages.with_raw_response.create(**ASK)
    app.saw(type(raw), raw.headers["content-type"], raw.parse(), raw.parse() is raw.parse())
    return [answered(app.served[0], COST)]


@scenario()
def raw_response_never_parsed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    raw = app.client().messages.with_raw_response.create(**ASK)
    app.saw(raw.http_response.json())
    return [answered(app.served[0], COST)]


@scenario()
async def raw_response_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        raw = await client.messages.with_raw_response.create(**ASK)
        message = raw.parse()
        app.saw(await message if hasattr(message, "__await__") else message)
    return [answered(app.served[0], COST)]


@scenario()
def raw_response_beta(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client().beta.messages.with_raw_response.create(**ASK).parse())
    return [answered(app.served[0], COST)]


@scenario()
def streaming_response_parsed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK) as response:
        app.saw(type(response), response.parse())
    return [answered(app.served[0], COST)]


@scenario()
def streaming_response_json(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK) as response:
        app.saw(response.json())
    return [answered(app.served[0], COST)]


@scenario()
def streaming_response_as_bytes(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK) as response:
        app.saw(b"".join(response.iter_bytes(64)))
    return [answered(app.served[0], COST)]


@scenario()
def streaming_response_as_lines(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK) as response:
        app.saw(list(response.iter_lines()))
    return [answered(app.served[0], COST)]


@scenario()
async def streaming_response_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with (
        app.async_client() as client,
        client.messages.with_streaming_response.create(**ASK) as response,
    ):
        app.saw(await response.parse())
    return [answered(app.served[0], COST)]


@scenario()
def streaming_response_never_read(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK) as response:
        app.saw(response.status_code)
    return [unread(app.served[0])]


@scenario()
def post(app: App) -> Sequence[Expected]:
    """A path of the SDK that its own tracing does not see."""
    app.claude.answer(usage=USAGE)
    app.saw(app.client().post("/v1/messages", cast_to=Message, body=ASK))
    return [answered(app.served[0], COST)]


@scenario()
def post_for_the_response(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    response = app.client().post("/v1/messages", cast_to=http.Response, body=ASK)
    app.saw(type(response), response.json())
    return [answered(app.served[0], COST)]


@scenario()
async def post_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        app.saw(await client.post("/v1/messages", cast_to=Message, body=ASK))
    return [answered(app.served[0], COST)]


# Clients of every make and age


def _make_client(app: App) -> Any:
    return app.client()


def _make_method(app: App) -> Any:
    return app.client().messages.create


def _make_async_client(app: App) -> Any:
    return app.async_client()


@scenario(prepare=_make_client)
def client_from_before(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.kept.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario(prepare=_make_method)
def bound_method_from_before(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.kept(**ASK))
    return [answered(app.served[0], COST)]


@scenario(prepare=_make_async_client)
async def async_client_from_before(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.kept as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
def client_with_options(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client().with_options(timeout=20, max_retries=5).messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
def client_copied(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client().copy(default_headers={"x-team": "search"}).messages.create(**ASK))
    return [answered(app.served[0], COST)]


class _House(Anthropic):
    """An application's own client."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        request: Any = super().request
        return request(*args, **kwargs)


@scenario()
def client_of_a_subclass(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client(_House).messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
def client_with_a_token(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client(api_key=None, auth_token="token-canary").messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
def client_with_the_sdks_http_client(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client(http_client=anthropic.DefaultHttpxClient(timeout=20)).messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario()
def two_instruments(app: App) -> Sequence[Expected]:
    app.instrument()
    app.instrument()
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario(only="own")
def after_uninstrument(app: App) -> Sequence[Expected]:
    app.uninstrument()
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK))
    return []


# What is asked, and what is done with the answer


@scenario()
def messages_from_a_generator(app: App) -> Sequence[Expected]:
    def messages() -> Iterator[dict[str, str]]:
        yield {"role": "user", "content": "One."}
        yield {"role": "assistant", "content": "Two."}
        yield {"role": "user", "content": "Three?"}

    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**{**ASK, "messages": messages()}), app.received[0].body)
    assert len(app.received[0].body["messages"]) == 3
    return [answered(app.served[0], COST)]


@scenario(needs.one_shot_content)
def content_from_a_generator(app: App) -> Sequence[Expected]:
    """It can be read once, and the SDK is the one to read it."""

    def blocks() -> Iterator[dict[str, str]]:
        yield {"type": "text", "text": "How much is it?"}
        yield {"type": "text", "text": "And why?"}

    app.claude.answer(usage=USAGE)
    messages = [{"role": "user", "content": blocks()}]
    app.saw(app.client().messages.create(**{**ASK, "messages": messages, "system": "Be brief."}))
    app.saw(app.received[0].body)
    assert len(app.received[0].body["messages"][0]["content"]) == 2
    return [answered(app.served[0], COST)]


@scenario()
def every_parameter(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    asked = {
        **ASK,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "get_weather", "description": "The weather.", "input_schema": {"type": "object"}}],
        "extra_headers": {"x-trace": "canary"},
        "extra_query": {"q": "canary"},
        "extra_body": {"future": {"field": 1}},
        "timeout": 20.0,
    }
    app.saw(app.client().messages.create(**asked), app.received[0].body, app.received[0].query)
    return [answered(app.served[0], COST)]


@scenario()
def pickled_and_copied(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    message = app.client().messages.create(**ASK)
    app.saw(message, pickle.loads(pickle.dumps(message)), copy.deepcopy(message), message.model_copy(deep=True))
    assert pickle.loads(pickle.dumps(message)) == message
    return [answered(app.served[0], COST)]


@scenario()
def tools_asked_for(app: App) -> Sequence[Expected]:
    app.claude.answer("Let me see.", usage=USAGE, tools=["get_weather", "get_time"])
    app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[0], COST, tools=["get_weather", "get_time"], stop_reason="tool_use")]


@scenario()
def a_long_answer(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 200_000, usage=USAGE)
    app.saw(len(app.client().messages.create(**ASK).content[0].text))
    return [answered(app.served[0], COST)]


@scenario(needs.parse)
def parse(app: App) -> Sequence[Expected]:
    class Price(pydantic.BaseModel):
        usd: int

    app.claude.answer('{"usd": 7}', usage=USAGE)
    message = app.client().messages.parse(**ASK, output_format=Price)
    app.saw(type(message).__name__, message.parsed_output.usd)
    return [answered(app.served[0], COST)]


@scenario(needs.parse)
async def parse_async(app: App) -> Sequence[Expected]:
    class Price(pydantic.BaseModel):
        usd: int

    app.claude.answer('{"usd": 7}', usage=USAGE)
    async with app.async_client() as client:
        app.saw((await client.messages.parse(**ASK, output_format=Price)).parsed_output.usd)
    return [answered(app.served[0], COST)]


@scenario(needs.beta_parse)
def parse_beta(app: App) -> Sequence[Expected]:
    class Price(pydantic.BaseModel):
        usd: int

    app.claude.answer('{"usd": 7}', usage=USAGE)
    app.saw(app.client().beta.messages.parse(**ASK, output_format=Price).parsed_output.usd)
    return [answered(app.served[0], COST)]


@scenario(needs.parse)
def parse_of_what_does_not_fit(app: App) -> Sequence[Expected]:
    """The answer came and is charged, though the application gets an exception instead of it."""

    class Price(pydantic.BaseModel):
        usd: int

    app.claude.answer("seven dollars", usage=USAGE)
    try:
        app.client().messages.parse(**ASK, output_format=Price)
    except ValueError as error:
        app.saw(type(error))
    return [answered(app.served[0], COST, status="error", error_type="client_error")]


@scenario()
def an_argument_that_cannot_be_sent(app: App) -> Sequence[Expected]:
    try:
        app.client().messages.create(**{**ASK, "metadata": {"user_id": object()}})
    except TypeError as error:
        app.saw(type(error))
    return [failed("client_error", [], stream=False)]


@scenario()
def an_argument_that_is_missing(app: App) -> Sequence[Expected]:
    """It does not come to a call."""
    try:
        app.client().messages.create(model=HAIKU)
    except TypeError as error:
        app.saw(error)
    return []


# Questions that are free


@scenario(needs.count_tokens)
def count_tokens(app: App) -> Sequence[Expected]:
    app.saw(app.client().messages.count_tokens(**COUNT))
    return [free("count_tokens", "count_tokens", app.served[0])]


@scenario()
def count_tokens_beta(app: App) -> Sequence[Expected]:
    app.saw(app.client().beta.messages.count_tokens(**COUNT))
    return [free("count_tokens", "count_tokens", app.served[0])]


@scenario()
async def count_tokens_async(app: App) -> Sequence[Expected]:
    async with app.async_client() as client:
        app.saw(await client.beta.messages.count_tokens(**COUNT))
    return [free("count_tokens", "count_tokens", app.served[0])]


# Labels and parents


@scenario()
def labelled(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=2)
    client = app.client()
    with claude_telemetry.label(
        user="u_42", session="s_7", feature="summary", prompt="summarize", prompt_version="v2", tenant="acme"
    ):
        app.saw(client.messages.create(**ASK))
    app.saw(client.messages.create(**ASK))
    held = {
        "user_id": "u_42", "session_id": "s_7", "feature": "summary", "prompt_name": "summarize",
        "prompt_version": "v2", "tenant": "acme",
    }  # fmt: skip
    return [answered(app.served[0], COST, **held), answered(app.served[1], COST)]


@scenario()
def labels_within_labels(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with claude_telemetry.label(user="outer", feature="chat"), claude_telemetry.label(user="inner"):
        app.saw(app.client().messages.create(**ASK))
    return [answered(app.served[0], COST, user_id="inner", feature="chat")]


@scenario()
def the_user_of_the_metadata(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(app.client().messages.create(**ASK, metadata={"user_id": "u_7"}))
    return [answered(app.served[0], COST, user_id="u_7")]


@scenario()
def within_a_span_of_the_application(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=2)
    client = app.client()
    with app.span("handle request") as outer:
        app.saw(client.messages.create(**ASK))
        assert get_current_span() is outer
        app.saw(client.messages.create(**ASK))
    return [answered(served, COST, parent=outer) for served in app.served]


@scenario()
async def within_a_span_of_the_application_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.span("handle request") as outer:
        async with app.async_client() as client:
            app.saw(await client.messages.create(**ASK))
        assert get_current_span() is outer
    return [answered(app.served[0], COST, parent=outer)]
