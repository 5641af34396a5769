"""Every function of ours, and how to break one: whoever calls it gets an exception, whatever name they know it by."""

from __future__ import annotations

import functools
import gc
import importlib
import pkgutil
import sys
from collections import defaultdict
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


class Functions:
    """The functions of some parts of the package that are there now, such as `capture` or `guard`."""

    def __init__(self, parts: Iterable[str]) -> None:
        """Imports all modules of the parts. Functions that are made within others later on are known by those."""
        wanted = tuple(parts)
        for part in wanted:
            _import_all(f"claude_telemetry.{part}")
        self._owners: defaultdict[CodeType, list[FunctionType]] = defaultdict(list)
        self._cached: list[Any] = []
        things: list[Any] = gc.get_objects()
        for thing in things:
            if type(thing) is FunctionType and thing.__code__.co_filename.startswith(_FOLDER):
                for code in _codes_in(thing.__code__):
                    self._owners[code].append(thing)
            elif type(thing) is functools._lru_cache_wrapper:  # pyright: ignore[reportPrivateUsage] - it has no other name
                self._cached.append(thing)
        self.places: dict[CodeType, Place] = {
            code: Place(module, code.co_qualname, code)
            for code in self._owners
            if (module := _module_of(code)).split(".")[0] in wanted
        }

    @contextmanager
    def reached(self) -> Generator[set[Place]]:
        """Those that this thread comes to meanwhile."""
        seen: set[Place] = set()

        def look(frame: FrameType, event: str, argument: Any) -> None:
            place = self.places.get(frame.f_code)
            if place is not None:
                seen.add(place)

        sys.settrace(look)
        try:
            yield seen
        finally:
            sys.settrace(None)

    @contextmanager
    def broken(self, place: Place, error: Callable[[], Exception]) -> Generator[list[Exception]]:
        """Meanwhile whoever calls the function gets an `error`. Gives those that were raised."""
        raised: list[Exception] = []

        def fail() -> None:
            raised.append(error())
            raise raised[-1]

        for cached in self._cached:
            if getattr(cached.__wrapped__, "__code__", None) is place.code:
                cached.cache_clear()
        owners = [(function, function.__code__) for function in self._owners[place.code]]
        try:
            for function, code in owners:
                function.__code__ = _with_fault(code, place.code, fail)
            yield raised
        finally:
            for function, code in owners:
                function.__code__ = code
            # With their tracebacks they hold what was going on, such as streams that nobody closed.
            for one in raised:
                one.__traceback__ = None


def _import_all(name: str) -> None:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), name + "."):
        importlib.import_module(found.name)


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
    lines = ["def outer():", *(f"    {name} = None" for name in code.co_freevars)]
    lines += ["    def inner(*_, **__):", "        fail = 'FAIL'", "        fail()"]
    lines += [*(f"        {name}" for name in code.co_freevars), "    return inner"]
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)
    inner: CodeType = made["outer"]().__code__
    return inner.replace(
        co_consts=tuple(fail if one == "FAIL" else one for one in inner.co_consts),
        co_filename=code.co_filename,
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_firstlineno=code.co_firstlineno,
    )
