"""How a fact about a call is declared.

Each field of a record is `Annotated` with a `Fact`: the span attribute that carries it, its unit, and what it means. A
*column* is what a declared field comes to: name, type, fact.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Fact:
    """What a field of a record stands for."""

    attribute: str | None
    """The span attribute that carries it. `None` for what a span holds in its own structure, such as its times."""

    unit: str | None
    """`token`, `ms`, `USD`, `{request}` and so on. `None` for a name, an id or a flag."""

    meaning: str
    """One sentence for people: the reference page, the help of a column."""

    sql_type: str | None = None
    """The DuckDB type, where the Python type does not say it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A declared field: what tables, formats and the reference page are made from."""

    name: str
    type: type
    """The Python type without `None`."""
    optional: bool
    fact: Fact

    @property
    def sql_type(self) -> str:
        """The DuckDB type. Money is exact: `DECIMAL(18,12)`, a 64-bit count of picodollars inside. Times are UTC."""
        return self.fact.sql_type or _SQL_TYPES[self.type]


_SQL_TYPES: Mapping[type, str] = {
    bool: "BOOLEAN",
    int: "BIGINT",
    str: "VARCHAR",
    float: "DOUBLE",
    Decimal: "DECIMAL(18,12)",
    datetime: "TIMESTAMP",
}


@cache
def columns_of(record: type) -> tuple[Column, ...]:
    """The columns of the dataclass `record`, in the order of its fields.

    Raises `TypeError` for a field without a `Fact`, or with a type that has no column type.
    """
    hints = get_type_hints(record, include_extras=True)
    return tuple(_column(record, field.name, hints[field.name]) for field in fields(record))


def _column(record: type, name: str, hint: Any) -> Column:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{record.__name__}.{name} has no Fact: annotate it as Annotated[type, Fact(...)]")
    plain, *extras = get_args(hint)
    fact = next((extra for extra in extras if isinstance(extra, Fact)), None)
    if fact is None:
        raise TypeError(f"{record.__name__}.{name} has no Fact: annotate it as Annotated[type, Fact(...)]")
    kind, optional = _without_none(plain)
    if fact.sql_type is None and kind not in _SQL_TYPES:
        raise TypeError(f"{record.__name__}.{name} is a {kind.__name__}: give its Fact an sql_type")
    return Column(name, kind, optional, fact)


def _without_none(hint: Any) -> tuple[type, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
        if len(kinds) != 1:
            raise TypeError(f"{hint} has more than one type: a column has one")
        return _plain(kinds[0]), True
    return _plain(hint), False


def _plain(hint: Any) -> type:
    kind = get_origin(hint) or hint
    if not isinstance(kind, type):
        raise TypeError(f"{hint} is not a type that a column can have")
    return kind
