"""Answers that come piece by piece: every way to read one, and not to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from decimal import Decimal

from anthropic import AsyncStream, Stream

import claude_telemetry
from claude_telemetry.fake.steps import Answer
from tests.scenarios import needs
from tests.scenarios.app import App, sdk
from tests.scenarios.asking import ASK, COST, HAIKU, INPUT_COST, USAGE
from tests.scenarios.expected import (
    ANYTHING,
    Expected,
    answered,
    either,
    failed,
    partly,
    tokens,
    unread,
)
from tests.scenarios.scenario import scenario
from tests.support.recorded import http_library

BROKEN = (sdk.AnthropicError, http_library().HTTPError)
"""What the SDK raises: from 1.0 on of its own, before that also what its HTTP library does."""
STARTED = Answer(usage=USAGE)
DETAILS = {"thinking_tokens": 12, "web_search_requests": 1, "cache_write_1h_tokens": 300}

# Read to the end


@scenario()
def create_streamed(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(type(events), isinstance(events, Stream), list(events))
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
def create_streamed_with_next(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(next(events), next(events), *events)
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
def create_streamed_in_a_with(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.create(**ASK, stream=True) as events:
        app.saw(*events)
        app.saw(events.response.status_code, events.response.is_closed)
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
def create_streamed_and_one_next_too_many(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(len(list(events)), next(events, "over"), list(events))
    events.close()
    events.close()
    return [answered(app.served[0], COST)]


@scenario()
async def create_streamed_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        events = await client.messages.create(**ASK, stream=True)
        app.saw(type(events), isinstance(events, AsyncStream), [event async for event in events])
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
async def create_streamed_async_with_anext(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client, await client.messages.create(**ASK, stream=True) as events:
        app.saw(await events.__anext__(), [event async for event in events])
    return [answered(app.served[0], COST)]


@scenario()
def create_streamed_beta(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    app.saw(*app.client().beta.messages.create(**ASK, stream=True))
    return [answered(app.served[0], COST)]


@scenario()
def stream(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.stream(**ASK) as events:
        app.saw(type(events), [event.type for event in events], events.get_final_message())
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
def stream_of_text(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.stream(**ASK) as events:
        app.saw("".join(events.text_stream), events.get_final_text())
    return [answered(app.served[0], COST)]


@scenario()
def stream_until_done(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.stream(**ASK) as events:
        events.until_done()
        app.saw(events.current_message_snapshot)
    return [answered(app.served[0], COST)]


@scenario()
def stream_entered_by_hand(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    manager = app.client().messages.stream(**ASK)
    events = manager.__enter__()
    app.saw(events.get_final_message())
    manager.__exit__(None, None, None)
    return [answered(app.served[0], COST)]


@scenario()
def stream_never_entered(app: App) -> Sequence[Expected]:
    """Nothing is asked."""
    manager = app.client().messages.stream(**ASK)
    app.saw(type(manager))
    return []


@scenario()
async def stream_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client, client.messages.stream(**ASK) as events:
        app.saw([event.type async for event in events], await events.get_final_message())
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
async def stream_of_text_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client, client.messages.stream(**ASK) as events:
        app.saw([text async for text in events.text_stream])
    return [answered(app.served[0], COST)]


@scenario(needs.beta_stream)
def stream_beta(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().beta.messages.stream(**ASK) as events:
        app.saw([event.type for event in events], events.get_final_message())
    return [answered(app.served[0], COST)]


@scenario(needs.beta_stream)
async def stream_beta_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client, client.beta.messages.stream(**ASK) as events:
        app.saw(await events.get_final_message())
    return [answered(app.served[0], COST)]


@scenario()
def stream_in_a_raw_response(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    raw = app.client().messages.with_raw_response.create(**ASK, stream=True)
    app.saw(type(raw), *raw.parse())
    return [answered(app.served[0], COST)]


@scenario()
async def stream_in_a_raw_response_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        raw = await client.messages.with_raw_response.create(**ASK, stream=True)
        events = raw.parse()
        app.saw([event async for event in (await events if hasattr(events, "__await__") else events)])
    return [answered(app.served[0], COST)]


@scenario()
def stream_as_lines(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        app.saw(*response.iter_lines())
    return [answered(app.served[0], COST, **DETAILS)]


@scenario()
def stream_as_bytes(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        app.saw(b"".join(response.iter_bytes()))
    return [answered(app.served[0], COST)]


@scenario()
def stream_as_text(app: App) -> Sequence[Expected]:
    app.claude.answer("naïve café ☕ " * 50, usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        app.saw("".join(response.iter_text(7)))
    return [answered(app.served[0], COST)]


@scenario()
async def stream_as_lines_async(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with (
        app.async_client() as client,
        client.messages.with_streaming_response.create(**ASK, stream=True) as response,
    ):
        app.saw([line async for line in response.iter_lines()])
    return [answered(app.served[0], COST)]


@scenario()
def stream_parsed_from_a_streaming_response(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        app.saw(*response.parse())
    return [answered(app.served[0], COST)]


@scenario()
def stream_read_in_another_thread(app: App) -> Sequence[Expected]:
    """The labels are its maker's."""
    app.claude.answer(usage=USAGE)
    with claude_telemetry.label(user="maker"):
        events = app.client().messages.create(**ASK, stream=True)
    reader = threading.Thread(target=lambda: app.saw(*events))
    reader.start()
    reader.join()
    return [answered(app.served[0], COST, user_id="maker")]


@scenario()
async def stream_read_in_another_task(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)

    async def read() -> None:
        with claude_telemetry.label(user="reader"):
            app.saw([event async for event in events])

    async with app.async_client() as client:
        with claude_telemetry.label(user="maker"):
            events = await client.messages.create(**ASK, stream=True)
        await asyncio.create_task(read())
    return [answered(app.served[0], COST, user_id="maker")]


@scenario()
def stream_within_a_span(app: App) -> Sequence[Expected]:
    """It is read after the span has ended, and is its child all the same."""
    app.claude.answer(usage=USAGE)
    with app.span("handle request") as outer:
        events = app.client().messages.create(**ASK, stream=True)
    app.saw(*events)
    return [answered(app.served[0], COST, parent=outer)]


@scenario()
def two_streams_at_once(app: App) -> Sequence[Expected]:
    app.claude.answer("one two three four five six seven", usage=USAGE)
    app.claude.answer("one two three four five six seven", usage={**USAGE, "output_tokens": 145})
    client = app.client()
    first, second = (client.messages.create(**ASK, stream=True) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        app.saw(one.type, two.type)
    # The second with 100 tokens of output more, at 20 USD per million.
    return [answered(app.served[0], COST), answered(app.served[1], COST + Decimal("0.002"))]


@scenario()
def stream_with_thinking_and_tools(app: App) -> Sequence[Expected]:
    app.claude.answer("See:", usage=USAGE, thinking="I had better look it up.", tools=["get_weather", "get_time"])
    with app.client().messages.stream(**ASK) as events:
        app.saw([event.type for event in events], events.get_final_message())
    return [answered(app.served[0], COST, tools=["get_weather", "get_time"])]


@scenario()
def stream_whose_cache_writes_grow(app: App) -> Sequence[Expected]:
    """The start says how the writes split; the end says that there were more."""
    started = {**USAGE, "cache_creation_input_tokens": 500}
    usage = {**USAGE, "cache_creation_input_tokens": 700, "server_tool_use": {"web_search_requests": 0}}
    app.claude.answer(usage=usage, started_usage=started)
    app.saw(*app.client().messages.create(**ASK, stream=True))
    # 120 * 4 + 200 * 5 + 300 * 8 + 200 * 5 (the rest as 5-minute writes) + 3000 * 0.2 + 45 * 20 = 6380 millionths.
    unsplit = {"cache_write_tokens": 700, "cache_write_5m_tokens": None, "cache_write_1h_tokens": None}
    return [answered(app.served[0], Decimal("0.00638"), **unsplit)]


@scenario()
def stream_whose_end_has_nulls(app: App) -> Sequence[Expected]:
    """A null replaces nothing."""
    nulls = dict.fromkeys(("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
    app.claude.answer(usage={**USAGE, **nulls}, started_usage=USAGE)
    app.saw(*(event.type for event in app.client().messages.create(**ASK, stream=True)))
    return [answered(app.served[0], COST, **tokens(USAGE))]


# Not read to the end


@scenario()
def closed_after_the_first_event(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(next(events))
    events.close()
    return [partly(app.served[0], USAGE, INPUT_COST, "closed")]


@scenario()
def closed_after_the_first_words(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    with app.client().messages.stream(**ASK) as events:
        app.saw(next(iter(events.text_stream)))
    return [partly(app.served[0], USAGE, INPUT_COST, "closed", ttft_known=True)]


@scenario()
def left_by_an_exception_of_the_application(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    try:
        with app.client().messages.stream(**ASK) as events:
            next(iter(events))
            raise LookupError("no")
    except LookupError as error:
        app.saw(error)
    return [partly(app.served[0], USAGE, INPUT_COST, "closed")]


@scenario()
async def closed_early_async(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    async with app.async_client() as client:
        events = await client.messages.create(**ASK, stream=True)
        app.saw(await events.__anext__())
        await events.close()
    return [partly(app.served[0], USAGE, INPUT_COST, "closed")]


@scenario()
async def left_by_a_break_async(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    async with app.async_client() as client, client.messages.stream(**ASK) as events:
        async for text in events.text_stream:
            app.saw(text)
            break
    return [partly(app.served[0], USAGE, INPUT_COST, "closed", ttft_known=True)]


@scenario()
def lines_closed_early(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    with app.client().messages.with_streaming_response.create(**ASK, stream=True) as response:
        lines = response.iter_lines()
        app.saw(next(lines), next(lines), next(lines))
    return [partly(app.served[0], USAGE, INPUT_COST, "closed")]


@scenario(same_shape=False)
def dropped_after_the_first_event(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(next(events))
    del events
    app.forget()
    return [partly(app.served[0], USAGE, INPUT_COST, either("dropped", "closed"))]


@scenario(same_shape=False)
def never_read(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(type(events))
    del events
    app.forget()
    return [unread(app.served[0], stream_end=either("dropped", "closed"))]


@scenario()
def closed_before_the_first_event(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    app.client().messages.create(**ASK, stream=True).close()
    return [unread(app.served[0], stream_end="closed")]


@scenario(same_shape=False)
async def never_read_async(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    async with app.async_client() as client:
        events = await client.messages.create(**ASK, stream=True)
        app.saw(type(events))
        await events.close()
    return [unread(app.served[0], stream_end="closed")]


@scenario(same_shape=False)
async def task_cancelled_while_reading(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 200, usage=USAGE, chunk_delay_s=0.2)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in await client.messages.create(**ASK, stream=True):
            begun.set()

    async with app.async_client() as client:
        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        app.saw(task.cancelled())
    return [partly(app.served[0], USAGE, INPUT_COST, either("cancelled", "closed"))]


@scenario(same_shape=False)
async def dropped_async(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    async with app.async_client() as client:
        events = await client.messages.create(**ASK, stream=True)
        app.saw(await events.__anext__())
        del events
        app.forget()
        await asyncio.sleep(0)
    return [partly(app.served[0], USAGE, INPUT_COST, either("dropped", "closed", "cancelled", "cut"), status=ANYTHING)]


@scenario()
def interrupted_from_the_keyboard(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 2000, usage=USAGE)
    try:
        with app.client().messages.stream(**ASK) as events:
            next(iter(events))
            raise KeyboardInterrupt
    except KeyboardInterrupt as interrupt:
        app.saw(type(interrupt))
    return [partly(app.served[0], USAGE, INPUT_COST, "closed")]


@scenario(only="own")
def telemetry_goes_in_the_middle(app: App) -> Sequence[Expected]:
    """The application reads on, and what began while it was there is recorded to its end."""
    app.claude.answer("word " * 200, usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(next(events))
    app.uninstrument()
    app.saw(*events)
    return [answered(app.served[0], COST)]


@scenario()
def telemetry_is_switched_on_again_in_the_middle(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 200, usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(next(events))
    app.instrument()
    app.saw(*events)
    return [answered(app.served[0], COST)]


@scenario(only="own")
def telemetry_comes_in_the_middle(app: App) -> Sequence[Expected]:
    """What began before is not recorded."""
    app.uninstrument()
    app.claude.answer("word " * 200, usage=USAGE)
    events = app.client().messages.create(**ASK, stream=True)
    app.saw(next(events))
    app.instrument()
    app.saw(*events)
    return []


# Broken off


@scenario()
def error_event_in_the_middle(app: App) -> Sequence[Expected]:
    app.claude.sse_error(after_events=4, type="overloaded_error", answer=STARTED)
    try:
        for event in app.client().messages.create(**ASK, stream=True):
            app.saw(event)
    except BROKEN as error:
        app.saw(error)
    facts = {"status": "error", "error_type": "overloaded_error", "ttft_known": True}
    return [partly(app.served[0], USAGE, INPUT_COST, "cut", **facts)]


@scenario()
def error_event_at_once(app: App) -> Sequence[Expected]:
    app.claude.sse_error(after_events=0, type="api_error", answer=STARTED)
    try:
        list(app.client().messages.create(**ASK, stream=True))
    except BROKEN as error:
        app.saw(error)
    facts = {"status": "error", "error_type": "api_error", "stream_end": "cut"}
    return [unread(app.served[0], **facts)]


@scenario()
async def error_event_async(app: App) -> Sequence[Expected]:
    app.claude.sse_error(after_events=4, answer=STARTED)
    async with app.async_client() as client:
        try:
            async with client.messages.stream(**ASK) as events:
                await events.get_final_message()
        except BROKEN as error:
            app.saw(error)
    facts = {"status": "error", "error_type": "overloaded_error", "ttft_known": True}
    return [partly(app.served[0], USAGE, INPUT_COST, "cut", **facts)]


@scenario()
def connection_cut_in_the_middle(app: App) -> Sequence[Expected]:
    app.claude.cut(after_events=4, answer=STARTED)
    try:
        for event in app.client().messages.create(**ASK, stream=True):
            app.saw(event)
    except BROKEN as error:
        app.saw(error)
    facts = {"status": "error", "error_type": "connection_error", "ttft_known": True}
    return [partly(app.served[0], USAGE, INPUT_COST, "cut", **facts)]


@scenario()
async def connection_cut_in_the_middle_async(app: App) -> Sequence[Expected]:
    app.claude.cut(after_events=4, answer=STARTED)
    async with app.async_client() as client:
        try:
            async for event in await client.messages.create(**ASK, stream=True):
                app.saw(event)
        except BROKEN as error:
            app.saw(error)
    facts = {"status": "error", "error_type": "connection_error", "ttft_known": True}
    return [partly(app.served[0], USAGE, INPUT_COST, "cut", **facts)]


@scenario()
def turned_away(app: App) -> Sequence[Expected]:
    app.claude.fail(400, "invalid_request_error")
    try:
        app.client().messages.create(**ASK, stream=True)
    except BROKEN as error:
        app.saw(error)
    attempts = [(400, "invalid_request_error")]
    return [failed("invalid_request_error", attempts, stream=True, request_id=app.served[0].request_id)]


@scenario()
def stream_helper_turned_away(app: App) -> Sequence[Expected]:
    app.claude.fail(404, "not_found_error")
    try:
        with app.client().messages.stream(**{**ASK, "model": HAIKU}):
            pass
    except BROKEN as error:
        app.saw(error)
    return [failed("not_found_error", [(404, "not_found_error")], stream=True, request_id=app.served[0].request_id)]
