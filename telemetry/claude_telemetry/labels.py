"""What the application says about its calls: user, session, feature, prompt, tenant.

    with label(user="u_42", feature="summary"):
        client.messages.create(...)

Labels hold for every call made inside, nested ones add to the outer, and asyncio tasks inherit them. A new thread
starts without labels, as it starts without any context: hand it `carry(function)` instead of `function`.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from claude_telemetry.errors import LabelError

P = ParamSpec("P")
R = TypeVar("R")
LabelValue = str | int | UUID | None

LONGEST = 512
"""Characters of a label's value that are kept: enough for any id, and a bound on what a mistake can cost."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """The labels that hold, and what held before. Kept in the context itself, so that leaving needs no token:
    a generator may be closed in another context than the one it was entered in."""

    labels: Mapping[str, str]
    outer: _Layer | None
    owner: object


_NOTHING: Mapping[str, str] = MappingProxyType({})
_layer: contextvars.ContextVar[_Layer | None] = contextvars.ContextVar("claude_telemetry_labels", default=None)


class label:  # noqa: N801 - reads as a statement: `with label(user=...):`
    """Labels the Claude calls made inside a `with` block, or by a decorated function, coroutine or generator.

    A value may be text, a whole number or a UUID; `None` says nothing and leaves an outer label as it is. Values longer
    than 512 characters are cut. Raises `LabelError` for any other type, when the label is made, not when a call is.
    """

    __slots__ = ("_labels",)

    def __init__(
        self,
        *,
        user: LabelValue = None,
        session: LabelValue = None,
        feature: LabelValue = None,
        prompt: LabelValue = None,
        prompt_version: LabelValue = None,
        tenant: LabelValue = None,
    ) -> None:
        given = {
            "user_id": user,
            "session_id": session,
            "feature": feature,
            "prompt_name": prompt,
            "prompt_version": prompt_version,
            "tenant": tenant,
        }
        self._labels = {name: _text(name, value) for name, value in given.items() if value is not None}

    def __enter__(self) -> label:
        outer = _layer.get()
        _layer.set(_Layer({**(outer.labels if outer else _NOTHING), **self._labels}, outer, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held = _layer.get()
        if held is not None and held.owner is self:
            _layer.set(held.outer)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """`function`, with these labels on each call that it makes. Each step of a generator has them too."""
        wrapped: Callable[..., Any] = function
        if inspect.isasyncgenfunction(function):
            wrapped = self._async_generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapped = self._coroutine(function)
        elif inspect.isgeneratorfunction(function):
            wrapped = self._generator(function)
        else:
            wrapped = self._plain(function)
        return cast("Callable[P, R]", functools.wraps(function)(wrapped))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def labelled(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return labelled

    def _coroutine(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        async def labelled(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return labelled

    # A generator runs in the context of whoever asks for its next item. The labels are put on around each step and
    # taken off again, so that they never leak to the asker between two items.

    def _generator(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        def labelled(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self:
                        item = step()
                except StopIteration as end:
                    return end.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with self:
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator, as `yield from` does
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)

        return labelled

    def _async_generator(self, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
        async def labelled(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            generator = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(anext, generator)
            while True:
                try:
                    with self:
                        item = await step()
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with self:
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator
                    step = functools.partial(generator.athrow, error)
                else:
                    step = functools.partial(generator.asend, sent)

        return labelled


def current_labels() -> Mapping[str, str]:
    """The labels that hold here, by the name of their column in `calls`."""
    held = _layer.get()
    return held.labels if held is not None else _NOTHING


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, to be run in another thread with the labels and the trace that hold here and now.

    executor.submit(carry(answer), question)
    """
    context = contextvars.copy_context()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered by one thread at a time, so each run has its own copy.
        return context.copy().run(function, *args, **kwargs)

    return carried


def _text(name: str, value: object) -> str:
    if isinstance(value, str | int | UUID) and not isinstance(value, bool):
        return str(value)[:LONGEST]
    raise LabelError(f"the label {name} is a {type(value).__name__}: give text, a whole number or a UUID")
