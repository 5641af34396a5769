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

    own: Mapping[str, str]
    outer: _Layer | None
    owner: object
    labels: Mapping[str, str]
    """Its own, and those of the layers that it lies on."""

    @classmethod
    def over(cls, outer: _Layer | None, own: Mapping[str, str], owner: object) -> _Layer:
        return cls(own, outer, owner, {**outer.labels, **own} if outer is not None else own)

    def without(self, owner: object) -> _Layer | None:
        """What holds when `owner` leaves, which need not have come last: generators can end in any order."""
        if self.owner is owner:
            return self.outer
        if self.outer is None:
            return self
        outer = self.outer.without(owner)
        return self if outer is self.outer else _Layer.over(outer, self.own, self.owner)


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
        _layer.set(_Layer.over(_layer.get(), self._labels, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held = _layer.get()
        if held is not None:
            _layer.set(held.without(self))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """`function`, with these labels on each call that it makes. Each step of a generator has them too."""
        if isinstance(function, classmethod | staticmethod):
            method = cast("classmethod[Any, ..., Any] | staticmethod[..., Any]", function)
            return cast("Callable[P, R]", type(method)(self(method.__func__)))
        called, wrap = _body_of(function), self._plain
        if inspect.isasyncgenfunction(called):
            wrap = self._async_generator
        elif inspect.iscoroutinefunction(called):
            wrap = self._coroutine
        elif inspect.isgeneratorfunction(called):
            wrap = self._generator
        wrapped: Callable[..., Any] = wrap(cast("Any", function))
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


def _body_of(function: object) -> object:
    """Whose kind counts: of a callable object its `__call__`, since an `async` one has yet to run when it returns."""
    if inspect.isroutine(function) or isinstance(function, functools.partial | type):
        return cast("object", function)
    return cast("Any", type(function)).__call__


def _text(name: str, value: object) -> str:
    if isinstance(value, str | int | UUID) and not isinstance(value, bool):
        # Half of a surrogate pair, as cut JSON can have it, is no text that can be sent.
        return str(value)[:LONGEST].encode("utf-8", "replace").decode("utf-8")
    raise LabelError(f"the label {name} is a {type(value).__name__}: give text, a whole number or a UUID")
