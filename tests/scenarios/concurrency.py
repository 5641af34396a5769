"""Many calls at once: threads, tasks, and what they know of the place that they were started in."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Sequence

import claude_telemetry
from tests.scenarios import needs
from tests.scenarios.app import App
from tests.scenarios.asking import ASK, COST, INPUT_COST, USAGE
from tests.scenarios.expected import ANYTHING, Expected, answered, either, partly
from tests.scenarios.scenario import scenario

MANY = 8


@scenario(ordered=False, same_shape=False)
def threads_with_a_client_each(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=2 * MANY)
    clients = [app.client() for _ in range(MANY)]

    def ask(number: int) -> None:
        with claude_telemetry.label(user=f"u{number}"):
            clients[number].messages.create(**ASK)
            list(clients[number].messages.create(**ASK, stream=True))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answered(served, COST, user_id=ANYTHING) for served in app.served]


@scenario(ordered=False, same_shape=False)
def threads_with_one_client(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=MANY)
    client = app.client()

    def ask(number: int) -> str:
        with claude_telemetry.label(user=f"u{number}"):
            return str(client.messages.with_raw_response.create(**ASK).headers["request-id"])

    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        ids = list(pool.map(ask, range(MANY)))
    served = {each.request_id: each for each in app.served}
    return [answered(served[id_], COST, user_id=f"u{number}") for number, id_ in enumerate(ids)]


@scenario()
def a_thread_that_knows_nothing_of_its_maker(app: App) -> Sequence[Expected]:
    """A new thread starts without labels and without a span."""
    app.claude.answer(usage=USAGE)
    client = app.client()
    with claude_telemetry.label(user="maker"), app.span("handle request"):
        thread = threading.Thread(target=lambda: app.saw(client.messages.create(**ASK)))
        thread.start()
        thread.join()
    return [answered(app.served[0], COST)]


@scenario()
def a_thread_that_labels_are_carried_to(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    client = app.client()
    with claude_telemetry.label(user="maker"), app.span("handle request") as outer:
        ask = claude_telemetry.carry(lambda: app.saw(client.messages.create(**ASK)))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(ask).result()
    return [answered(app.served[0], COST, user_id="maker", parent=outer)]


@scenario()
def a_thread_in_a_copied_context(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    client = app.client()
    with claude_telemetry.label(user="maker"), app.span("handle request") as outer:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(lambda: app.saw(client.messages.create(**ASK)),))
    thread.start()
    thread.join()
    return [answered(app.served[0], COST, user_id="maker", parent=outer)]


@scenario(ordered=False, same_shape=False)
async def tasks_with_one_client(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=MANY)

    async def ask(number: int) -> str:
        with claude_telemetry.label(user=f"u{number}"):
            raw = await client.messages.with_raw_response.create(**ASK)
        return str(raw.headers["request-id"])

    async with app.async_client() as client:
        ids = await asyncio.gather(*map(ask, range(MANY)))
    served = {each.request_id: each for each in app.served}
    return [answered(served[id_], COST, user_id=f"u{number}") for number, id_ in enumerate(ids)]


@scenario()
async def a_task_that_inherits_its_place(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        with claude_telemetry.label(user="maker"), app.span("handle request") as outer:
            task = asyncio.create_task(client.messages.create(**ASK))
        app.saw(await task)
    return [answered(app.served[0], COST, user_id="maker", parent=outer)]


@scenario(ordered=False, same_shape=False)
async def streams_read_in_turns(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE, times=3)

    async def ask(user: str) -> None:
        with claude_telemetry.label(user=user):
            async for _ in await client.messages.create(**ASK, stream=True):
                await asyncio.sleep(0)

    async with app.async_client() as client:
        await asyncio.gather(*(ask("same") for _ in range(3)))
    return [answered(served, COST, user_id="same") for served in app.served]


@scenario(same_shape=False)
async def a_group_whose_member_fails(app: App) -> Sequence[Expected]:
    """The other one is cancelled in the middle of its stream."""
    app.claude.answer("word " * 200, usage=USAGE, chunk_delay_s=0.2)
    begun = asyncio.Event()

    async def read() -> None:
        async for event in await client.messages.create(**ASK, stream=True):
            if event.type == "content_block_delta":
                begun.set()

    async def fail() -> None:
        await begun.wait()
        raise LookupError("no")

    async with app.async_client() as client:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(read())
                group.create_task(fail())
        except* LookupError as errors:
            app.saw(list(errors.exceptions))
    return [partly(app.served[0], USAGE, INPUT_COST, either("cancelled", "closed"), ttft_known=True)]


@scenario(same_shape=False)
async def a_time_limit_of_asyncio(app: App) -> Sequence[Expected]:
    app.claude.answer("word " * 200, usage=USAGE, chunk_delay_s=0.2)
    async with app.async_client() as client:
        try:
            async with asyncio.timeout(0.3):
                async with client.messages.stream(**ASK) as events:
                    await events.get_final_message()
        except TimeoutError as error:
            app.saw(type(error))
    return [partly(app.served[0], USAGE, INPUT_COST, either("cancelled", "closed"))]


@scenario(needs.trio, backend="trio")
async def trio_create(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    async with app.async_client() as client:
        app.saw(await client.messages.create(**ASK))
    return [answered(app.served[0], COST)]


@scenario(needs.trio, backend="trio")
async def trio_stream(app: App) -> Sequence[Expected]:
    app.claude.answer(usage=USAGE)
    with claude_telemetry.label(user="u_42"), app.span("handle request") as outer:
        async with app.async_client() as client, client.messages.stream(**ASK) as events:
            app.saw(await events.get_final_message())
    return [answered(app.served[0], COST, user_id="u_42", parent=outer)]


@scenario(needs.trio, backend="trio", same_shape=False)
async def trio_time_limit(app: App) -> Sequence[Expected]:
    import trio

    app.claude.answer("word " * 200, usage=USAGE, chunk_delay_s=0.2)
    async with app.async_client() as client:
        with trio.move_on_after(0.3) as scope:
            async for _ in await client.messages.create(**ASK, stream=True):
                pass
        app.saw(scope.cancelled_caught)
    return [partly(app.served[0], USAGE, INPUT_COST, either("cancelled", "closed"))]
