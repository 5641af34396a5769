"""Every function of ours, and how to break one: whoever calls it gets an exception, whatever name they know it by."""

from __future__ import annotations

import functools
import gc
import importlib
import pkgutil
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import claude_telemetry

_FOLDER = str(Path(claude_telemetry.__file__).parent)


@dataclass(frozen=True, slots=True)
class Place:
    """A function as it stands in a file: all that were made from one `def` or `lambda` are the same."""

    module: str
    """Below `claude_telemetry`."""
    name: str
    """As Python qualifies it."""
    code: CodeType

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def places(parts: Iterable[str]) -> list[Place]:
    """The functions of these parts of the package, such as `capture` or `guard`, by file and line."""
    for part in parts:
        _import_all(f"claude_telemetry.{part}")
    wanted = tuple(parts)
    found = {
        code: Place(module, code.co_qualname, code)
        for function in _functions()
        for code in _codes_in(function.__code__)
        if (module := _module_of(code)).split(".")[0] in wanted
    }
    return sorted(found.values(), key=lambda place: (place.code.co_filename, place.code.co_firstlineno))


@contextmanager
def broken(place: Place, error: Callable[[], Exception]) -> Generator[list[str]]:
    """Meanwhile whoever calls the function gets an `error`. Gives the names of the threads that have."""
    hit: list[str] = []

    def fail() -> None:
        hit.append(threading.current_thread().name)
        raise error()

    changed: list[tuple[FunctionType, CodeType]] = []
    for function in _functions():
        code = function.__code__
        if place.code in _codes_in(code):
            changed.append((function, code))
    for cached in [thing for thing in gc.get_objects() if isinstance(thing, functools._lru_cache_wrapper)]:
        if getattr(getattr(cached, "__wrapped__", None), "__code__", None) is place.code:
            cached.cache_clear()
    try:
        for function, code in changed:
            function.__code__ = _with_fault(code, place.code, fail)
        yield hit
    finally:
        for function, code in changed:
            function.__code__ = code


@contextmanager
def reached() -> Generator[set[CodeType]]:
    """The code of ours that this thread runs meanwhile."""
    seen: set[CodeType] = set()

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_filename.startswith(_FOLDER):
            seen.add(frame.f_code)

    sys.settrace(look)
    try:
        yield seen
    finally:
        sys.settrace(None)


def _import_all(name: str) -> None:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), name + "."):
        importlib.import_module(found.name)


def _functions() -> list[FunctionType]:
    return [
        thing
        for thing in gc.get_objects()
        if type(thing) is FunctionType and thing.__code__.co_filename.startswith(_FOLDER)
    ]


def _codes_in(code: CodeType) -> Generator[CodeType]:
    """`code`, and that of the functions that are made in it. A comprehension is no function, and a class neither."""
    if not code.co_name.startswith("<") or code.co_name == "<lambda>":
        yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _module_of(code: CodeType) -> str:
    return Path(code.co_filename).relative_to(_FOLDER).with_suffix("").as_posix().replace("/", ".")


def _with_fault(code: CodeType, target: CodeType, fail: Callable[[], None]) -> CodeType:
    """`code`, where `target`, it or one within it, does nothing but call `fail`."""
    if code == target:
        return _failing(code, fail)
    constants = (_with_fault(one, target, fail) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_consts=tuple(constants))


def _failing(code: CodeType, fail: Callable[[], None]) -> CodeType:
    # A function's code can only be replaced by one with as many free variables.
    free = "".join(f"    {name} = None\n" for name in code.co_freevars) or "    pass\n"
    uses = "".join(f"        {name}\n" for name in code.co_freevars)
    source = (
        f"def outer():\n{free}    def inner(*_, **__):\n        fail = 'FAIL'\n        fail()\n{uses}    return inner\n"
    )
    made: dict[str, Any] = {}
    exec(source, made)
    inner: CodeType = made["outer"]().__code__
    return inner.replace(
        co_consts=tuple(fail if one == "FAIL" else one for one in inner.co_consts),
        co_filename=code.co_filename,
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_firstlineno=code.co_firstlineno,
    )
