"""`@tool`: each run of a function, coroutine or generator, or of one of the SDK's tools, is recorded."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast, overload

from claude_telemetry.guard import guarded
from claude_telemetry.tools import wrapping
from claude_telemetry.tools.policy import Policy
from claude_telemetry.tools.run import tool_run

F = TypeVar("F")
Given = Callable[[tuple[Any, ...], Mapping[str, Any]], object]
"""What a tool is given: its input, of the arguments of a call."""


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *, name: str | None = None, record_input: Policy = False, record_output: Policy = False
) -> Callable[[F], F]: ...


def tool(
    function: Any = None, /, *, name: str | None = None, record_input: Policy = False, record_output: Policy = False
) -> Any:
    """Records each run of a tool: its name, which call asked for it, how it went and how long it took.

    `function` may be sync or async, a generator, a method, or what the SDK's `@beta_tool` makes: on which side of
    `@beta_tool` this stands makes no difference. `name` is what Claude knows the tool by, where that is not the
    function's own name. What it is given and returns is recorded only if `record_input` or `record_output` says so:
    `True`, or a function that gets the value and returns what may be recorded of it.

    What it returns and raises is untouched. Does nothing unless the process is instrumented.
    Raises `TypeError` for what is no function.
    """
    recorder = _Recorder(name, record_input, record_output)
    return recorder.recorded(function) if function is not None else recorder.recorded


class _Recorder:
    """What `@tool` was told."""

    def __init__(self, name: str | None, record_input: Policy, record_output: Policy) -> None:
        self._name = name
        self._record_input = record_input
        self._record_output = record_output

    def recorded(self, function: Any) -> Any:
        """`function`, each run of which is recorded."""
        if isinstance(function, classmethod | staticmethod):
            method = cast("classmethod[Any, ..., Any] | staticmethod[..., Any]", function)
            return type(method)(self.recorded(method.__func__))
        if _is_made_by_the_sdk(function):
            return self._in_place(function)
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"@tool was given a {type(function).__name__}: give a function, or what @beta_tool makes")
        return self._function(function, _arguments_of(function))

    def _in_place(self, made: Any) -> Any:
        """The same object, which the SDK may keep parts of. Its runner calls `call`; calling it calls `func`."""
        named = _Recorder(self._name or str(made.name), self._record_input, self._record_output)
        with guarded("record the runs of a tool of the SDK's"):
            made.call = named._function(made.call, _only_argument)
            if callable(getattr(made, "func", None)):
                made.func = named._function(made.func, _arguments_of(made.func))
        return made

    def _function(self, function: Callable[..., Any], given: Given) -> Callable[..., Any]:
        """A function of the same kind, in everybody's eyes: the SDK looks at signature, hints and `__wrapped__`."""
        name = self._name or _name_of(function)
        code = getattr(function, "__code__", None)
        if code in _FACTORIES:
            named = _Recorder(name, self._record_input, self._record_output)
            wrapped: Any = functools.wraps(function)(_FACTORIES[code](function, named.recorded))
            wrapped.__wrapped__ = cast("Any", function).__wrapped__
            return cast("Callable[..., Any]", wrapped)
        kind, is_generator = _kind_of(function)
        wrapped = functools.wraps(function)(kind(function, functools.partial(self._new_run, name, given)))
        if is_generator:
            # The SDK takes a function that wraps a generator for a context manager, and would enter it.
            wrapped.__signature__ = inspect.signature(function)
            del wrapped.__wrapped__
        return cast("Callable[..., Any]", wrapped)

    def _new_run(self, name: str, given: Given, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tool_run:
        inputs: object = None
        if self._record_input is not False:
            with guarded("record what a tool was given or gave"):
                inputs = given(args, kwargs)
        return tool_run.of_function(name, inputs, self._record_input, self._record_output)


def _kind_of(function: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    """How to wrap `function`, and whether it is a generator."""
    called = _body_of(function)
    if inspect.isasyncgenfunction(called):
        return wrapping.async_generator, True
    if inspect.isgeneratorfunction(called):
        return wrapping.generator, True
    return wrapping.coroutine if inspect.iscoroutinefunction(called) else wrapping.plain, False


def _nothing() -> Any:
    """Never called: what `contextlib` makes of it shows by which code its context managers are known."""


_FACTORIES: Mapping[object, Callable[..., Any]] = {
    cast("Any", contextmanager(_nothing)).__code__: wrapping.context_manager,
    cast("Any", asynccontextmanager(_nothing)).__code__: wrapping.async_context_manager,
}


def _is_made_by_the_sdk(function: Any) -> bool:
    """Whether it is one of the SDK's runnable tools, told by what its runner calls."""
    parts = (getattr(function, "call", None), getattr(function, "to_dict", None))
    return not isinstance(function, type) and all(map(callable, parts)) and isinstance(function.name, str)


def _body_of(function: object) -> object:
    """Whose kind counts: of a callable object its `__call__`."""
    if inspect.isroutine(function) or isinstance(function, functools.partial):
        return cast("object", function)
    return cast("Any", type(function)).__call__


def _name_of(function: Any) -> str:
    named: Any = function.func if isinstance(function, functools.partial) else function
    return str(getattr(named, "__name__", type(named).__name__))


def _arguments_of(function: Callable[..., Any]) -> Given:
    """A function's input: its arguments by name, without the object that it is a method of."""

    def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        named = inspect.signature(function).bind(*args, **kwargs).arguments
        return {name: value for name, value in named.items() if name not in ("self", "cls")}

    return given


def _only_argument(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    """The input of a tool's `call`, which is one object."""
    return args[0] if args else kwargs.get("input")
