"""Instructor: a question with a schema, and the re-asks when an answer does not fit it.

An Instructor client asks through the function that it was made with. Around that function a run begins and ends, and
Instructor's own hooks tell what goes on in it. An answer that does not fit is a `schema_failure` event of its call.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import ModuleType
from typing import Any, get_args
from uuid import uuid4
from weakref import WeakSet

from claude_telemetry.asked import CallRef, last_call
from claude_telemetry.bridges.runs import Labels, is_looked_at, look_at, run_labels
from claude_telemetry.guard import guarded


class Run:
    """One question with its re-asks."""

    __slots__ = ("_answered", "_asks", "_id", "_name", "_reask")

    def __init__(self, schema: object) -> None:
        self._id = str(uuid4())
        self._name = _name_of(schema)
        self._reask = 0
        self._asks = True  # and does not look at an answer, which may ask other things on its own
        self._answered: CallRef | None = None

    def labels(self) -> Labels | None:
        return run_labels("instructor", self._name, self._id, self._reask) if self._asks else None

    # What Instructor's hooks tell

    def on_kwargs(self, *_: object, **__: object) -> None:
        self._asks = True

    def on_response(self, _: object) -> None:
        with guarded("see an answer of Instructor's"):
            self._asks = False
            self._answered = last_call()

    def on_parse_error(self, error: object, **_: object) -> None:
        with guarded("count a schema failure"):
            self._asks = False
            _tell(self._answered, run_id=self._id, reask=self._reask, error=type(error).__name__)
            self._reask += 1


_run: ContextVar[Run | None] = ContextVar("claude_telemetry_instructor", default=None)


def run_here() -> Labels | None:
    run = _run.get()
    return run.labels() if run is not None else None


def label_runs(client: Any) -> None:
    """Labels the calls of an Instructor client. For one that was made before `instrument()`; later ones are labelled
    already. Raises `AttributeError` if it is no such client."""
    asks: Callable[..., Any] = client.create_fn
    hooks: Callable[[], Any] = client.hooks.__class__
    if asks not in _ours:
        client.create_fn = _in_async_runs(asks, hooks) if inspect.iscoroutinefunction(asks) else _in_runs(asks, hooks)
        _ours.add(client.create_fn)


def lay(module: ModuleType) -> None:
    """Labels the calls of all Instructor clients that are made from now on. `module` has their classes."""
    for name in ("Instructor", "AsyncInstructor"):
        kind = getattr(module, name, None)
        if kind is not None and kind.__module__ == module.__name__ and kind not in _laid:
            _laid.add(kind)
            kind.__init__ = _labelling(kind.__init__)
    look_at(run_here)


_laid: set[type] = set()
_ours: WeakSet[Callable[..., Any]] = WeakSet()
"""The functions that ask within runs."""


def _labelling(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def __init__(made: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - so that a traceback reads as it did
        init(made, *args, **kwargs)
        with guarded("label the runs of an Instructor client"):
            label_runs(made)

    return __init__


def _in_runs(asks: Callable[..., Any], hooks: Callable[[], Any]) -> Callable[..., Any]:
    @functools.wraps(asks)
    def create(*args: Any, **kwargs: Any) -> Any:
        with _running(hooks, kwargs):
            return asks(*args, **kwargs)

    return create


def _in_async_runs(asks: Callable[..., Any], hooks: Callable[[], Any]) -> Callable[..., Any]:
    @functools.wraps(asks)
    async def create(*args: Any, **kwargs: Any) -> Any:
        with _running(hooks, kwargs):
            return await asks(*args, **kwargs)

    return create


@contextmanager
def _running(hooks: Callable[[], Any], kwargs: dict[str, Any]) -> Generator[None]:
    """Around one question, whose arguments are `kwargs`: hooks of `hooks` are added to those."""
    run: Run | None = None
    if is_looked_at(run_here):
        with guarded("begin a run of Instructor's"):
            run = Run(kwargs.get("response_model"))
            ours, given = hooks(), kwargs.get("hooks")
            ours.on("completion:kwargs", run.on_kwargs)
            ours.on("completion:response", run.on_response)
            ours.on("parse:error", run.on_parse_error)
            kwargs["hooks"] = ours if given is None else given + ours
    token = _run.set(run)
    try:
        yield
    finally:
        # The garbage collector may close a coroutine that nobody awaits any more, in a context of its own.
        with suppress(ValueError):
            _run.reset(token)


def _tell(call: CallRef | None, **what: str | int) -> None:
    # As an application says what happens. It is imported by those who say something.
    from claude_telemetry import event

    event("schema_failure", call=call, framework="instructor", **what)


def _name_of(schema: object) -> str | None:
    """`City`, `Iterable[City]`; `None` for a question without a schema."""
    name: str | None = getattr(schema, "__name__", None)
    parts = [part for part in map(_name_of, get_args(schema)) if part is not None]
    return f"{name}[{', '.join(parts)}]" if name is not None and parts else name
