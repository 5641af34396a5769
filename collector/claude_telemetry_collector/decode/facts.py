"""Which facts are believed. A fact that cannot be true, or that a column cannot hold, counts as not known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from claude_telemetry.record import Attempt, Column, ToolUse, columns_of
from claude_telemetry_collector.decode.door import MAX_FACT_TEXT, MAX_ITEMS, MAX_TEXT, MAX_WHOLE, plain

_FACT_DEPTH = 8
"""Of JSON in a fact: a usage within `hops` has iterations, and these have parts."""

MAX_USD = 10**6
"""`DECIMAL(18,12)` holds less than this."""

MAX_SIMPLE = 6 * MAX_ITEMS
"""Characters, of which an entry has six. In so many there is nothing too deep, and there are not too many entries."""
_NAME = r'"[\w.:/-]{1,100}"'


def simple_object(name: str) -> str:
    """The expression of a usage or the parts of a cost, as nearly all are: JSON that nothing has to be taken out of.
    Reading it takes thrice as long. `name` is the expression of a name; ASCII is meant."""
    value = rf"(?:{name}|(?:0|[1-9][0-9]{{0,17}})(?:\.[0-9]{{1,18}})?|true|false)"
    return _object_of(name, f"(?:{value}|{_object_of(name, value)})")


def _object_of(name: str, value: str) -> str:
    """The expression of a JSON object whose values are `value`."""
    return rf"\{{(?:{name}: ?{value}(?:, ?{name}: ?{value})*)?\}}"


_SIMPLE_OBJECT = re.compile(simple_object(_NAME), re.ASCII)

Part = TypeVar("Part", Attempt, ToolUse)


def told(attributes: Mapping[str, object], record: type) -> dict[str, Any]:
    """What `attributes` tell of `record`, by column. What has a wrong type, or cannot be true, counts as not told."""
    facts = {
        column.name: value
        for column in columns_of(record)
        if column.fact.attribute is not None and isinstance(value := attributes.get(column.fact.attribute), column.type)
    }
    return believable(facts, record)


def believable(facts: Mapping[str, Any], record: type) -> dict[str, Any]:
    """Of `facts`, by column of `record`, what can be true: no negative count, no text that is longer than names are."""
    believers = _believers(record)
    return {name: known for name, value in facts.items() if (known := believers[name](value)) is not None}


def believable_part(part: Part) -> Part:
    """`part` with what cannot be true made unknown."""
    record: type = type(part)
    facts = {name: value for name in _believers(record) if (value := getattr(part, name)) is not None}
    doubtful: dict[str, Any] = dict.fromkeys(facts.keys() - believable(facts, record).keys())
    return replace(part, **doubtful) if doubtful else part


def bounded(attributes: Mapping[str, object]) -> dict[str, object]:
    """The first of `attributes` that are no longer than names are. `claude.collector.dropped_attributes` counts the
    others."""
    short = {name: value for name, value in attributes.items() if not isinstance(value, str) or len(value) <= MAX_TEXT}
    kept = dict(islice(short.items(), MAX_ITEMS))
    dropped = len(attributes) - len(kept)
    return kept | {"claude.collector.dropped_attributes": dropped} if dropped else kept


def _believed_name(text: str) -> str | None:
    return text if 0 < len(text) <= MAX_TEXT else None


def _believed_count(count: int) -> int | None:
    return count if 0 <= count <= MAX_WHOLE else None


def _believed_usd(usd: Decimal) -> Decimal | None:
    return usd if 0 <= usd < MAX_USD else None


def _believed_object(text: str) -> str | None:
    return _believed_json(text, dict)


def _believed_list(text: str) -> str | None:
    return _believed_json(text, list)


def _believed_json(text: str, kind: type) -> str | None:
    """`text` when it is JSON of that `kind` that DuckDB reads as well, with what it cannot hold taken out."""
    if kind is dict and len(text) <= MAX_SIMPLE and _SIMPLE_OBJECT.fullmatch(text):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, kind):
        return None
    sound = plain(value, MAX_FACT_TEXT, depth=_FACT_DEPTH, judged=False)
    return text if sound == value else json.dumps(sound, separators=(",", ":"))


def _as_it_is(value: Any) -> Any:
    return value


_LISTS = ("hops",)
"""The columns of JSON that are lists. The others are objects."""
_BELIEVERS: Mapping[type, Callable[[Any], Any]] = {str: _believed_name, int: _believed_count, Decimal: _believed_usd}


@cache
def _believers(record: type) -> Mapping[str, Callable[[Any], Any]]:
    """By column: what of its value is believed, or `None`."""
    return {column.name: _believer(column) for column in columns_of(record)}


def _believer(column: Column) -> Callable[[Any], Any]:
    if column.sql_type == "JSON":
        return _believed_list if column.name in _LISTS else _believed_object
    return _BELIEVERS.get(column.type, _as_it_is)
