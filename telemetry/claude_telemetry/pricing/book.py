"""What the price book holds: what a model's tokens cost, from which day on, and who says so.

Inside, money is a whole number of *picodollars* (10**-12 USD), so that every sum is exact. A *span* is a stretch of
days in which nothing of a model's price changes. The *terms* of a request are what multiplies its price: a batch, a
place, the fast mode, a prompt over the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

# The terms of a request, as bits: the price of a span under each mixture of them is worked out when the book is read.
BATCH = 1
US_ONLY = 2
REGIONAL = 4
DATA_ZONE = 8
OVER_LIMIT = 16
FAST = 32

FOREVER = date.max.toordinal()
"""The day after the last of a span that has no end yet."""


class Rates(NamedTuple):
    """Picodollars per token, one field for each line of a cost."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a fact of the book was read."""

    name: str
    path: str
    as_of: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How far a price can be believed. `certainty` is `high` (official text), `medium` (inferred, third party), or
    `stated` (the user's own price file)."""

    certainty: str
    sources: tuple[Source, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Span:
    """Days in which nothing of a model's price changes: half-open, as ordinals of UTC days."""

    first_day: int
    day_after: int
    over_prompt_tokens: int | None
    """A prompt of more tokens than this pays other rates for the whole request. `None`: no such limit."""
    fast_platforms: frozenset[str]
    """Where the fast mode has a price in these days."""
    rates: Mapping[int, Rates] = field(repr=False)
    """By terms; the fast ones only where the fast mode has a price."""
    evidence: Evidence
    fast_evidence: Evidence | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Model:
    """A model and its prices."""

    family: str
    """The first-party id without a date."""
    name: str
    released: date
    retired: date | None
    """When the Claude API stopped serving it. The price stays in the book for calls of before."""
    ids: Mapping[str, tuple[str, ...]]
    """The ids that platforms know it by: `anthropic` (its other direct platforms too), `bedrock`, `vertex`."""
    us_only: bool
    """Whether computing in the US only costs more."""
    regional_premium: bool
    """Whether regional endpoints of the cloud platforms cost more."""
    spans: tuple[Span, ...] = field(repr=False)
    """Newest first."""

    def span_on(self, day: int) -> Span | None:
        """What held on the UTC day with that ordinal, or `None` for a day without a known price."""
        for span in self.spans:
            if day >= span.first_day:
                return span if day < span.day_after else None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRule:
    """From a day on, a refusal without output is free on these platforms, save in the billed categories."""

    first_day: int
    platforms: frozenset[str]
    billed_categories: frozenset[str]

    def holds(self, day: int, platform: str) -> bool:
        return day >= self.first_day and platform in self.platforms


class Alias(NamedTuple):
    """What a name of the user's own stands for: an id, and where that runs."""

    platform: str
    id: str
    region: str | None
    deployment_type: str | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Discount:
    """What the user pays of the list price, on half-open UTC days. `None` stands for any."""

    multiplier: Fraction
    """From 0 to 1."""
    family: str | None
    platform: str | None
    workspace_id: str | None
    first_day: int
    day_after: int
    named: str
    """What the user's file calls it, for people."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Book:
    """One edition of the price book, maybe with a user's own prices over it. Amounts in picodollars."""

    version: str
    """Its day and a hash of its content; with a user's own prices, `+` and a hash of their file."""
    models: tuple[Model, ...]
    by_id: Mapping[str, Mapping[str, Model]]
    """Platform (`anthropic`, `bedrock`, `vertex`) to id to model."""
    multipliers: Mapping[int, Decimal]
    """What one term does to a price."""
    batch_platforms: frozenset[str]
    us_only_platforms: frozenset[str]
    priority_platforms: frozenset[str]
    search_platforms: frozenset[str]
    bedrock_prefixes: frozenset[str]
    global_names: frozenset[str]
    refusal_rules: tuple[RefusalRule, ...]
    """Newest first."""
    web_search: int
    session_hour: int
    aliases: Mapping[str, Alias] = field(default_factory=dict[str, Alias])
    """By the user's own name, which is no id of a platform."""
    discounts: tuple[Discount, ...] = ()
    """The most specific first: of those that hold for a call, the first counts."""
