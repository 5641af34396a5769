"""What holding the calls against the bill comes to.

*Coverage* is the share of what is billed that telemetry saw. What it did not see is *missing*; what it saw and the bill
does not have is *surplus*, and never makes up for what is missing. A day is *settled* when the bill is complete for it,
and *pending* before that: a pending day is in no number.

Shares are exact fractions, money is exact USD.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Literal

from claude_telemetry_collector.queries.bill.kinds import SEARCHES
from claude_telemetry_collector.queries.bill.sides import Group

DayState = Literal["settled", "pending", "not_pulled"]
PriceFault = Literal["book", "calls", "no_price"]
"""`book`: the price book says something else than the bill. `calls`: the book of today agrees with the bill, and the
calls were priced otherwise. `no_price`: the book has none."""

Breakdown = Literal["model", "kind", "tier", "speed", "geo", "workspace", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The finest part that both sides tell apart. In its group `None` stands for what one of them does not tell."""

    group: Group
    billed: int
    """Tokens, or searches."""
    ours: int
    billed_usd: Fraction | None
    """At list price; `None` where the bill has no money for it and the price is not known."""
    missing_usd: Fraction | None
    compared: bool = True
    """Whether it counts: what the bill shows in no money is in no sum of money."""

    @property
    def missing(self) -> int:
        return max(self.billed - self.ours, 0)

    @property
    def surplus(self) -> int:
        return max(self.ours - self.billed, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of what is billed was seen, over some cells."""

    billed: int
    """Tokens."""
    missing: int
    surplus: int
    billed_usd: Fraction
    """At list price, web searches included."""
    missing_usd: Fraction
    searches_billed: int
    searches_missing: int
    searches_surplus: int

    @property
    def of_tokens(self) -> Fraction | None:
        """From 0 to 1. `None` when no tokens are billed."""
        return 1 - Fraction(self.missing, self.billed) if self.billed else None

    @property
    def of_money(self) -> Fraction | None:
        """From 0 to 1. `None` when nothing is billed."""
        return 1 - self.missing_usd / self.billed_usd if self.billed_usd else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOf:
    """One price that is compared, in USD per token, or per search. `None`: not known."""

    kind: str
    tier: str | None
    speed: str | None
    geo: str | None
    ours: Fraction | None
    billed: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFinding:
    """A price that the bill says otherwise: of one model, from one day on, by one factor."""

    model: str
    fault: PriceFault
    since: date
    last_day: date
    ongoing: bool
    """Whether it holds on the last settled day on which there is anything to compare."""
    factor: Fraction | None
    """What the bill charges, as a multiple of what our calls say. `None` without a price of ours."""
    prices: tuple[PriceOf, ...]
    tokens: int
    ours_usd: Fraction | None
    billed_usd: Fraction
    whole_tier: bool = False
    """Whether every kind of token that the bill has there is off by the same factor."""
    prompt_lengths: bool = False
    """Whether the price depends on the length of the prompt, so that these are averages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """What is paid of the list price for one model, from one day on."""

    model: str
    workspace: str | None
    """`None`: in every workspace."""
    since: date
    last_day: date
    ongoing: bool
    multiplier: Fraction
    list_usd: Fraction
    amount_usd: Fraction
    uniform: bool
    """Whether it is the same for every part of the bill for this model; else it is what they come to together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseparated:
    """What a bill without list prices comes to for a model, against our list price. Whether the difference is a
    discount, another price or both cannot be told."""

    model: str
    ours_usd: Fraction
    amount_usd: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How far one UTC day can be compared."""

    day: date
    state: DayState
    family: str | None
    """Which of Anthropic's reports it is held against."""
    refreshed_at: datetime | None
    fetched_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that cannot be compared, or not in full, and how much of it there is."""

    what: str
    """A sentence without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What is no drift yet."""

    coverage: Fraction
    """The least share of the billed tokens that has to be seen. The surplus may be what is left to 1."""
    price_error: Fraction
    """The most by which prices may be off, as a share of the money that is compared."""


def tolerance_from(settings: Mapping[str, Any]) -> Tolerance:
    """What the settings `alert_coverage_ratio` and `alert_price_error_ratio` allow. A coverage of 0 and a price error
    of 0, with which the rules are off, allow everything."""
    coverage, price_error = settings["alert_coverage_ratio"], settings["alert_price_error_ratio"]
    return Tolerance(coverage=Fraction(coverage), price_error=Fraction(price_error or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The calls of some UTC days held against the bill."""

    since: date
    until: date
    """The day after the last."""
    days: tuple[Day, ...]
    cells: tuple[Cell, ...] = field(repr=False)
    """Of the settled days."""
    calls: int
    """Our calls on the settled days that the bill is about."""
    unknown_calls: int
    """Those of them whose usage is not known, or not in full."""
    carried: int
    """Tokens of batches that were created on one day and are billed on the next."""
    waiting: int
    """Tokens of batches that are not on the bill yet, and may be billed on the day after the last settled one."""
    price_compared_usd: Fraction
    """The list money of the bill for which our price could be held against it."""
    price_error_usd: Fraction
    """By how much our prices are off for the same tokens; what is too high does not make up for what is too low."""
    findings: tuple[PriceFinding, ...]
    discounts: tuple[Discount, ...]
    unseparated: tuple[Unseparated, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def settled(self) -> tuple[Day, ...]:
        return tuple(day for day in self.days if day.state == "settled")

    @property
    def pending(self) -> tuple[Day, ...]:
        return tuple(day for day in self.days if day.state == "pending")

    @property
    def is_pulled(self) -> bool:
        """Whether there is anything of the bill at all."""
        return any(day.state != "not_pulled" for day in self.days)

    @property
    def refreshed_at(self) -> datetime | None:
        """Up to when the bill is complete, by its own word."""
        return max((day.refreshed_at for day in self.days if day.refreshed_at is not None), default=None)

    @property
    def fetched_at(self) -> datetime | None:
        """When it was last pulled."""
        return max((day.fetched_at for day in self.days if day.fetched_at is not None), default=None)

    @property
    def coverage(self) -> Coverage:
        """Over all settled days."""
        return coverage_of(self.cells)

    @property
    def price_error(self) -> Fraction | None:
        """As a share of the money that could be compared. `None` when there is none."""
        return self.price_error_usd / self.price_compared_usd if self.price_compared_usd else None

    def by_day(self) -> Mapping[date, Coverage]:
        """Coverage of each day for which there is anything, first to last."""
        parts: defaultdict[date, list[Cell]] = defaultdict(list)
        for cell in self.cells:
            parts[cell.group.day].append(cell)
        return {day: coverage_of(parts[day]) for day in sorted(parts)}

    def by(self, dimension: Breakdown) -> Mapping[str | None, Coverage]:
        """Coverage by one of the things that tokens are told apart by, most missing first. `None`: not told apart."""
        parts: defaultdict[str | None, list[Cell]] = defaultdict(list)
        for cell in self.cells:
            parts[getattr(cell.group, dimension)].append(cell)
        found = {name: coverage_of(cells) for name, cells in parts.items()}
        by_size = sorted(found.items(), key=lambda item: (-item[1].missing, -item[1].billed, str(item[0])))
        return dict(by_size)

    def is_drift(self, tolerance: Tolerance) -> bool:
        """Whether more is missing, surplus or mispriced than `tolerance` allows."""
        coverage = self.coverage
        short = coverage.of_tokens is not None and coverage.of_tokens < tolerance.coverage
        surplus = coverage.surplus > (1 - tolerance.coverage) * (coverage.billed or 0) and coverage.surplus > 0
        mispriced = self.price_error is not None and self.price_error > tolerance.price_error
        unpriced = any(finding.fault == "no_price" for finding in self.findings)
        return short or surplus or mispriced or unpriced


def coverage_of(cells: tuple[Cell, ...] | list[Cell]) -> Coverage:
    """The sum of `cells`."""
    tokens = [cell for cell in cells if cell.group.kind != SEARCHES]
    searches = [cell for cell in cells if cell.group.kind == SEARCHES]
    return Coverage(
        billed=sum(cell.billed for cell in tokens),
        missing=sum(cell.missing for cell in tokens),
        surplus=sum(cell.surplus for cell in tokens),
        billed_usd=sum((cell.billed_usd or Fraction(0) for cell in cells), Fraction(0)),
        missing_usd=sum((cell.missing_usd or Fraction(0) for cell in cells), Fraction(0)),
        searches_billed=sum(cell.billed for cell in searches),
        searches_missing=sum(cell.missing for cell in searches),
        searches_surplus=sum(cell.surplus for cell in searches),
    )
