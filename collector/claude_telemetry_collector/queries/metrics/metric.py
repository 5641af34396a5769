"""What a metric is, and what a reading: a formula over *parts* of the calls, and what it came to.

A part is what groups of calls can be taken together by: the sum over an hour and the sum over the next make the sum
over both. A metric says its formula over such parts, and so it is the same whether it is made from single calls or from
hours that were added up before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from claude_telemetry_collector.queries.metrics.conditions import NO_PRICE

Value = Decimal | float | int

_TOGETHER = ("0.50", "0.95", "0.99")
"""Percentiles that are asked for side by side."""


@dataclass(frozen=True, slots=True)
class Added:
    """A part of which two groups of calls make one by adding, or by taking the larger."""

    sql: str
    """The aggregate over one group of calls."""
    merge: Literal["sum", "max"] = "sum"

    def merged(self, column: str) -> str:
        """The SQL that makes one of several, which are in `column`."""
        # A count over no groups is 0, and any other number unknown: as it is over no calls.
        counted = self.sql.startswith("count(")
        return f"coalesce(sum({column}), 0)::BIGINT" if counted else f"{self.merge}({column})"


@dataclass(frozen=True, slots=True)
class Percentile:
    """A part that is made of how often each whole number of milliseconds was measured. `where` is SQL."""

    column: str
    quantile: str
    """A decimal number from 0 to 1."""
    where: str

    @property
    def sql(self) -> str:
        """The aggregate over one group of calls."""
        if self.quantile not in _TOGETHER:
            return f"quantile_cont({self.column}, {self.quantile}) FILTER (WHERE {self.where})"
        # What is sorted once for all of them takes a third of the time: DuckDB sees that it is the same aggregate.
        place = _TOGETHER.index(self.quantile) + 1
        return f"(quantile_cont({self.column}, [{', '.join(_TOGETHER)}]) FILTER (WHERE {self.where}))[{place}]"


Part = Added | Percentile


def count(where: str) -> Added:
    """How many calls fulfil the condition."""
    return Added(f"count(*) FILTER (WHERE {where})")


def total(expression: str, where: str | None = None) -> Added:
    """The sum over the calls that fulfil the condition; NULL when there is nothing to add up."""
    return Added(f"sum({expression})" + ("" if where is None else f" FILTER (WHERE {where})"))


def largest(expression: str, where: str | None = None) -> Added:
    """The largest among the calls that fulfil the condition; NULL when there is none."""
    return Added(f"max({expression})" + ("" if where is None else f" FILTER (WHERE {where})"), "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How one number is made of the rows of `calls`. `over` and `known` are SQL conditions on a call."""

    name: str
    title: str
    unit: str
    """`USD`, `ms`, `ratio`, `token`, `token/s` or `{call}`."""
    formula: str = "{value}"
    """SQL over the parts, each by its name in braces. It is NULL when there is nothing to make it of."""
    parts: Mapping[str, Part] = field(hash=False)
    over: str
    """The calls that the number is about."""
    known: str
    """Those of them whose part in the number is known."""
    meaning: str
    unknowns: str
    """What becomes of the others."""

    @property
    def sql(self) -> str:
        """The aggregate over rows of `calls`."""
        return self.formula.format_map({name: part.sql for name, part in self.parts.items()})

    @property
    def counts(self) -> Mapping[str, Added]:
        """What the value rests on: `calls`, `unknown` and, of money, `unpriced`."""
        counted = {"calls": count(self.over), "unknown": count(f"{self.over} AND ({self.known}) IS NOT TRUE")}
        return counted | ({"unpriced": count(f"{self.over} AND {NO_PRICE}")} if self.is_money else {})

    @property
    def is_count(self) -> bool:
        """A count over no calls is 0; any other value over no calls is unknown."""
        return self.unit == "{call}"

    @property
    def is_money(self) -> bool:
        """Of money it is told how many calls have no price: they add nothing, so the value is a lower bound."""
        return self.unit == "USD"

    @property
    def is_lower_bound(self) -> bool:
        """Whether what is unknown makes the true value larger, as of a sum of money; an average may go either way."""
        return self.is_money and self.formula == "{value}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric came to."""

    metric: str
    value: Value | None
    """`None` when there was no call to make it of."""
    calls: int
    """The calls that the number is about."""
    unknown: int
    """How many of them are missing from the value, or only partly in it."""
    unpriced: int = 0
    """Of money: how many of the unknown have no price at all, and so are missing from it."""
