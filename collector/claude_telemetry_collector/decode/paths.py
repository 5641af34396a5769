"""Where in a span a fact stands, as a *path*.

    gen_ai.usage.input_tokens             the attribute
    gen_ai.usage.raw#service_tier         within its value, which is an object, or the text of one
    mlflow.llm.model#                     the value itself, written as JSON

Texts of objects come as JSON or as Python writes them; what is neither tells nothing. Some of these texts hold what
people wrote: they are *sealed* (`door`), read here for a number or an id, and never kept.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast

from claude_telemetry_collector.decode.span import Span

_LONGEST_LITERAL = 16_384
"""Python's own reader of literals takes a hundred times as long as that of JSON, so it is not given everything."""

_NOTHING = object()


class Told:
    """What one span tells, by path. Remembers which attributes were read as they stand."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.used: set[str] = set()
        self._parsed: dict[str, object] = {}

    def first(self, paths: Iterable[str]) -> object:
        """The first value that is there, or `None`."""
        for path in paths:
            value = self.at(path)
            if value is not None and value != "":
                name, steps = _split(path)
                if steps is None:
                    self.used.add(name)
                return value
        return None

    def at(self, path: str) -> object:
        """The value at `path`, or `None`."""
        name, steps = _split(path)
        if steps is None:
            value = self.span.attributes.get(name)
            return self.span.sealed.get(name) if value is None else value
        value = self._value(name)
        if isinstance(value, str) and steps:
            return _counted(value, steps[-1])
        for step in steps:
            value = _within(value, step)
        return value

    def _value(self, name: str) -> object:
        found = self._parsed.get(name, _NOTHING)
        if found is _NOTHING:
            raw = self.span.sealed.get(name, self.span.attributes.get(name))
            found = self._parsed[name] = parsed(raw) if isinstance(raw, str) else raw
        return found


def parsed(text: str) -> object:
    """What `text` says in JSON or as a Python literal; a text that is neither stands for itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > _LONGEST_LITERAL or text[:1] not in ("{", "[", "(", "'"):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _within(value: object, step: str) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).get(step)
    if isinstance(value, list | tuple) and step.isdecimal():
        items = cast("Sequence[object]", value)
        return items[int(step)] if int(step) < len(items) else None
    return None


def _counted(text: str, name: str) -> int | None:
    """The count called `name` in a text that is no object, because it was cut, or holds what only Python can make."""
    found = _a_count(name).search(text[:_LONGEST_LITERAL])
    return int(found.group(1)) if found is not None else None


@lru_cache(maxsize=256)
def _a_count(name: str) -> re.Pattern[str]:
    return re.compile(
        rf"""(?<![A-Za-z0-9_])["']?{re.escape(name)}["']?\s{{0,4}}[:=]\s{{0,4}}([0-9]{{1,15}})(?![0-9.])"""
    )


@lru_cache(maxsize=2048)
def _split(path: str) -> tuple[str, tuple[str, ...] | None]:
    """The attribute, and the steps within its value; `None` for the value as it stands."""
    name, hash_, within = path.partition("#")
    return (name, tuple(within.split(".")) if within else ()) if hash_ else (name, None)
