"""`label`, around a block or on a function; `set_labels`, for what is known only further in."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from types import TracebackType
from typing import Any, ParamSpec, TypedDict, TypeVar, Unpack, cast

from claude_telemetry.errors import LabelError
from claude_telemetry.labels import layers
from claude_telemetry.labels.baggage import entries_of
from claude_telemetry.labels.layers import NOTHING, Said
from claude_telemetry.labels.prompts import Prompt
from claude_telemetry.labels.values import LabelValue, TagValue, tags_of, text_of

P = ParamSpec("P")
R = TypeVar("R")


class Labels(TypedDict, total=False):
    """What `label` and `set_labels` take. To pass them on: `def ask(text: str, **labels: Unpack[Labels])`."""

    user: LabelValue
    """For whom the call is made: an id, not a name or an address."""
    session: LabelValue
    """The conversation or session it belongs to."""
    feature: LabelValue
    """The part of the application that makes it."""
    prompt: LabelValue | Prompt
    """The name of the prompt, or the prompt itself, which brings its version."""
    prompt_version: LabelValue
    """The version of the prompt that `prompt` names. A name without one takes the version of an outer prompt off."""
    tenant: LabelValue
    """The customer on whose behalf it is made."""
    environment: LabelValue
    """Where the application runs, where that is not what `instrument` was told."""
    api_key_alias: LabelValue
    """What you call the API key; never the key."""
    tags: Mapping[str, TagValue] | None
    """Labels of your own, such as `{"tier": "gold"}`: at most 32, names of 64 characters and values of 256."""


COLUMNS: Mapping[str, str] = {
    "user": "user_id",
    "session": "session_id",
    "feature": "feature",
    "prompt": "prompt_name",
    "prompt_version": "prompt_version",
    "tenant": "tenant",
    "environment": "environment",
    "api_key_alias": "api_key_alias",
}
"""The column of `calls` that each label becomes; `tags` becomes `tags`."""


class label:  # noqa: N801 - reads as a statement: `with label(user=...):`
    """Labels the Claude calls made inside a `with` block, or by a decorated function, coroutine or generator.

    A value may be text, a whole number or a UUID. `None` says nothing and leaves an outer label as it is; an empty text
    takes it off. Values longer than 512 characters are cut. Tags are added to the outer ones, one by one.
    `propagate=True` also hands these labels on to other processes, as W3C baggage, but not to Anthropic; the
    environment and the API key's alias stay.

    Raises `LabelError` for a value of another type, and for a label that there is not: when the label is made, not when
    a call is.
    """

    __slots__ = ("_said",)

    def __init__(self, *, propagate: bool = False, **labels: Unpack[Labels]) -> None:
        self._said = _said(labels, propagate)

    def __enter__(self) -> label:
        layers.put(self._said, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        layers.leave(self)

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

    def _generator(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        def labelled(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator, labels = function(*args, **kwargs), _BetweenSteps(self._said)
            step: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with labels:
                        item = step()
                except StopIteration as end:
                    return end.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with labels:
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator, as `yield from` does
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)

        return labelled

    def _async_generator(self, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
        async def labelled(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            generator, labels = function(*args, **kwargs), _BetweenSteps(self._said)
            step: Callable[[], Any] = functools.partial(anext, generator)
            while True:
                try:
                    with labels:
                        item = await step()
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with labels:
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator
                    step = functools.partial(generator.athrow, error)
                else:
                    step = functools.partial(generator.asend, sent)

        return labelled


class _BetweenSteps:
    """The labels of one run of a generator, which runs in the context of whoever asks for its next item: they are put
    on around each step and taken off again, so that they never leak to the asker between two items."""

    __slots__ = ("_said",)

    def __init__(self, said: Said) -> None:
        self._said = said

    def __enter__(self) -> None:
        layers.put(self._said, self)

    def __exit__(self, *_: object) -> None:
        # With what the step added by `set_labels`, which holds for the next one too.
        self._said = layers.leave(self) or self._said


def set_labels(*, propagate: bool = False, **labels: Unpack[Labels]) -> None:
    """Labels what comes after it, where `label` cannot be put around it: a user who is known only once a request is.

    Holds until the `with label(...)` block or the decorated function around it ends, else for the rest of the context:
    of the asyncio task, of the request in frameworks that give each its own context, of the thread. A thread that
    serves one request after the other begins each with `clear_labels()`.

    Takes and raises what `label` does. Called again, it adds to what it said before.
    """
    layers.add(_said(labels, propagate))


def clear_labels() -> None:
    """Takes off every label that holds in this context, those of the blocks around it included."""
    layers.clear()


def _said(labels: Labels, propagate: bool) -> Said:
    columns: dict[str, str] = {}
    for name, value in labels.items():
        if name != "tags" and name not in COLUMNS:
            raise LabelError(f"there is no label {name}: give {', '.join(COLUMNS)}, or tags={{{name!r}: ...}}")
        if name == "tags" or value is None:
            continue
        if isinstance(value, Prompt):
            columns.update(_of_prompt(name, value, labels))
        else:
            columns[COLUMNS[name]] = text_of(COLUMNS[name], value)
    if "prompt_name" in columns:
        # A version belongs to its prompt's name: an outer prompt's would be a lie about this one.
        columns.setdefault("prompt_version", "")
    tags = labels.get("tags")
    named = tags_of(tags) if tags is not None else NOTHING
    return Said(columns, named, entries_of(columns, named, propagate=propagate))


def _of_prompt(name: str, prompt: Prompt, labels: Labels) -> Mapping[str, str]:
    if name != "prompt":
        raise LabelError(f"the label {name} is a prompt: give it as prompt=")
    if labels.get("prompt_version") is not None:
        raise LabelError("prompt_version is given beside a prompt, which has its own: give one of them")
    return prompt.said.columns


def _body_of(function: object) -> object:
    """Whose kind counts: of a callable object its `__call__`, since an `async` one has yet to run when it returns."""
    if inspect.isroutine(function) or isinstance(function, functools.partial | type):
        return cast("object", function)
    return cast("Any", type(function)).__call__
