"""A function of each kind, with a run around each time that it runs. What it returns and raises is untouched."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

from claude_telemetry.tools.run import tool_run
from claude_telemetry.tools.source import is_recording

NewRun = Callable[[tuple[Any, ...], Mapping[str, Any]], tool_run]
"""A run, yet to begin, with what the function is given."""


def plain(function: Callable[..., Any], new_run: NewRun) -> Callable[..., Any]:
    def running(*args: Any, **kwargs: Any) -> Any:
        if not is_recording():
            return function(*args, **kwargs)
        with new_run(args, kwargs) as run:
            return run.output(function(*args, **kwargs))

    return running


def coroutine(function: Callable[..., Coroutine[Any, Any, Any]], new_run: NewRun) -> Callable[..., Any]:
    async def running(*args: Any, **kwargs: Any) -> Any:
        if not is_recording():
            return await function(*args, **kwargs)
        with new_run(args, kwargs) as run:
            return run.output(await function(*args, **kwargs))

    return running


# A generator runs in the context of whoever asks for its next item: the run is current during each step, and not
# between two of them. It ends when the generator does, and what it yields is not recorded.


def generator(function: Callable[..., Generator[Any, Any, Any]], new_run: NewRun) -> Callable[..., Any]:
    def running(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        yielding = function(*args, **kwargs)
        if not is_recording():
            return (yield from yielding)
        run = new_run(args, kwargs)
        with run.ends():
            step: Callable[[], Any] = functools.partial(next, yielding)
            while True:
                try:
                    with run.current():
                        item = step()
                except StopIteration as end:
                    return end.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with run.current():
                        yielding.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator, as `yield from` does
                    step = functools.partial(yielding.throw, error)
                else:
                    step = functools.partial(yielding.send, sent)

    return running


def async_generator(function: Callable[..., AsyncGenerator[Any, Any]], new_run: NewRun) -> Callable[..., Any]:
    async def running(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        yielding = function(*args, **kwargs)
        run = new_run(args, kwargs)
        with run.ends():
            step: Callable[[], Any] = functools.partial(anext, yielding)
            while True:
                try:
                    with run.current():
                        item = await step()
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with run.current():
                        await yielding.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator
                    step = functools.partial(yielding.athrow, error)
                else:
                    step = functools.partial(yielding.asend, sent)

    return running


# The SDK takes a context manager for a tool that has to be set up first. What it yields is the tool.

Recorded = Callable[[Any], Any]
"""A function to the function whose runs are recorded."""


def context_manager(function: Callable[..., AbstractContextManager[Any]], recorded: Recorded) -> Callable[..., Any]:
    @contextmanager
    def entered(*args: Any, **kwargs: Any) -> Generator[Any]:
        with function(*args, **kwargs) as yielded:
            yield recorded(yielded) if callable(yielded) else yielded

    return entered


def async_context_manager(
    function: Callable[..., AbstractAsyncContextManager[Any]], recorded: Recorded
) -> Callable[..., Any]:
    @asynccontextmanager
    async def entered(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        async with function(*args, **kwargs) as yielded:
            yield recorded(yielded) if callable(yielded) else yielded

    return entered
