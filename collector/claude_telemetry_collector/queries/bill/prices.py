"""Our prices held against those of the bill: the same tokens, at what our calls were priced at and at what is billed.

The bill is told apart as its money is: the older report names no speed, so that there standard and fast requests are
priced together. What a call was priced at is read off the calls; of a kind of token that no call of ours has in that
place, the price book's word is taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from claude_telemetry_collector.queries.bill.kinds import NO_PLACE
from claude_telemetry_collector.queries.bill.matching import Valued
from claude_telemetry_collector.queries.bill.rates import BookRates, Part
from claude_telemetry_collector.queries.bill.sides import Billed, BilledMoney, Told

ROUNDING_USD = Fraction(1, 10**6)
"""The bill's amounts are cents with fractions, of which it is not said how many. A price is the shortest number that
fits within this."""
SAME = Fraction(1, 1000)
"""Prices that differ by less than this share are the same, rounded. The smallest change ever published was a third."""
NOTICED_USD = Fraction(1, 10**5)
"""A difference of less money a day than this says nothing: the amounts may be rounded."""

_TOLD_APART = ("tier", "speed", "geo", "context_window")
_PRIORITY = "priority"


class Where(NamedTuple):
    """What money is told apart by. `None`: the bill does not tell it for money."""

    family: str
    day: object
    model: str
    kind: str
    tier: str | None
    speed: str | None
    geo: str | None
    context_window: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """One part of the bill's money with its tokens, on one day."""

    part: Part
    tier: str | None
    speed: str | None
    geo: str | None
    tokens: int
    list_usd: Fraction | None
    amount_usd: Fraction
    ours_usd: Fraction | None
    """The same tokens at our price. `None` where there is none."""
    book_usd: Fraction | None
    """The same tokens at what the price book of today says."""
    by_prompt: bool
    """Whether the price depends on the length of each prompt, which the bill does not tell."""
    whole: bool
    """Whether our calls have all of these tokens, so that even such a price can be compared."""

    def is_off(self, usd: Fraction | None) -> bool:
        """Whether `usd` is another price for these tokens than the bill's."""
        if usd is None or self.list_usd is None:
            return False
        return abs(usd - self.list_usd) > max(SAME * self.list_usd, NOTICED_USD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The bill, priced."""

    priced: tuple[Priced, ...]
    valued: tuple[Valued, ...]
    without_usage: tuple[BilledMoney, ...]
    """Money for which the bill shows no tokens."""
    without_money: tuple[Billed, ...]
    """Tokens for which the bill shows no money, but for those of the priority tier."""


def priced(told: Iterable[Told], usage: Sequence[Billed], money: Sequence[BilledMoney], book: BookRates) -> Prices:
    """The tokens and the money of the bill, put together and priced. Money without a kind of token is left out."""
    names = {family: _names(family, usage, money) for family in {one.family for one in usage}}
    ours = _Ours(told, book)
    of_usage: defaultdict[Where, list[Billed]] = defaultdict(list)
    for one in usage:
        of_usage[_where_used(one, names[one.family])].append(one)
    of_money: defaultdict[Where, list[BilledMoney]] = defaultdict(list)
    for other in money:
        if other.kind is not None and other.model is not None:
            of_money[_where_paid(other, names.get(other.family, ()))].append(other)
    found: list[Priced] = []
    valued: list[Valued] = []
    without_money: list[Billed] = []
    for where, used in of_usage.items():
        paid = of_money.pop(where, None)
        if paid is None:
            valued += [_unpaid(one, ours) for one in used]
            without_money += [one for one in used if not one.group.tier.startswith(_PRIORITY)]
            continue
        one_priced = _priced(where, used, paid, ours)
        found.append(one_priced)
        valued += _valued(one_priced, used, ours)
    return Prices(
        priced=tuple(found),
        valued=tuple(valued),
        without_usage=tuple(other for rows in of_money.values() for other in rows),
        without_money=tuple(without_money),
    )


class _Ours:
    """What our calls say that a token costs."""

    def __init__(self, told: Iterable[Told], book: BookRates) -> None:
        self._book = book
        self._sums: defaultdict[tuple[object, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
        self.tokens: defaultdict[tuple[object, ...], int] = defaultdict(int)
        for one in told:
            key = _key(one)
            self.tokens[key] += one.tokens
            if one.priced_tokens:
                self._sums[key][0] += one.priced_tokens
                self._sums[key][1] += Fraction(one.priced_usd)

    def book_rate(self, one: Billed) -> tuple[Fraction | None, bool]:
        """What the price book says, and whether that depends on the length of the prompt."""
        group = one.group
        rate = self._book.rate_of(
            Part(group.day, group.model, group.kind, group.tier, group.speed, group.geo, one.context_window)
        )
        return (None, False) if rate is None else (rate.short, not rate.is_one)

    def rate(self, one: Billed) -> Fraction | None:
        """What our calls were priced at there, else what the book says."""
        key = _key(one)
        # Calls that do not say where they ran were priced as if they ran anywhere.
        for known in (key, (*key[:-1], None)) if one.group.geo != "us" else (key,):
            if known in self._sums:
                tokens, usd = self._sums[known]
                return usd / tokens
        return self.book_rate(one)[0]

    def has_all(self, used: Sequence[Billed]) -> bool:
        """Whether our calls have each of these tokens, priced."""
        wanted: defaultdict[tuple[object, ...], int] = defaultdict(int)
        for one in used:
            wanted[_key(one)] += one.tokens
        return all(
            self.tokens[key] == tokens and key in self._sums and self._sums[key][0] == tokens
            for key, tokens in wanted.items()
        )


def _key(one: Told | Billed) -> tuple[object, ...]:
    group = one.group
    return (group.day, group.model, group.kind, group.tier, group.speed, group.geo)


def _names(family: str, usage: Sequence[Billed], money: Sequence[BilledMoney]) -> tuple[str, ...]:
    """What the money of a family is told apart by: all but what it never names although its usage does."""
    paid = [other for other in money if other.family == family and other.kind is not None]
    said = {name for name in _TOLD_APART if any(getattr(other, name) is not None for other in paid)}
    used: Mapping[str, bool] = {
        "tier": any(one.group.tier != "standard" for one in usage if one.family == family),
        "speed": any(one.group.speed != "standard" for one in usage if one.family == family),
        "geo": any(one.group.geo != NO_PLACE for one in usage if one.family == family),
        "context_window": any(one.context_window is not None for one in usage if one.family == family),
    }
    return tuple(name for name in _TOLD_APART if name in said or not used[name])


def _where_used(one: Billed, names: Sequence[str]) -> Where:
    group = one.group
    told = {"tier": group.tier, "speed": group.speed, "geo": group.geo, "context_window": one.context_window}
    return Where(
        one.family, group.day, group.model, group.kind, *(told[name] if name in names else None for name in _TOLD_APART)
    )


_USUAL: Mapping[str, Callable[[str | None], str | None]] = {
    "tier": lambda tier: tier or "standard",
    "speed": lambda speed: speed or "standard",
    "geo": lambda geo: geo or NO_PLACE,
    "context_window": lambda window: window,
}


def _where_paid(other: BilledMoney, names: Sequence[str]) -> Where:
    return Where(
        other.family,
        other.day,
        other.model or "",
        other.kind or "",
        *(_USUAL[name](getattr(other, name)) if name in names else None for name in _TOLD_APART),
    )


def _priced(where: Where, used: Sequence[Billed], paid: Sequence[BilledMoney], ours: _Ours) -> Priced:
    lists = [other.list_usd for other in paid]
    known = [Fraction(usd) for usd in lists if usd is not None]
    first = used[0].group
    book_rates = [ours.book_rate(one) for one in used]
    return Priced(
        part=Part(first.day, first.model, first.kind, first.tier, first.speed, first.geo, used[0].context_window),
        tier=where.tier,
        speed=where.speed,
        geo=where.geo,
        tokens=sum(one.tokens for one in used),
        list_usd=sum(known, Fraction(0)) if len(known) == len(lists) else None,
        amount_usd=sum((Fraction(other.amount_usd) for other in paid), Fraction(0)),
        ours_usd=_sum(used, [ours.rate(one) for one in used]),
        book_usd=_sum(used, [rate for rate, _ in book_rates]),
        by_prompt=any(by_prompt for _, by_prompt in book_rates),
        whole=ours.has_all(used),
    )


def _sum(used: Sequence[Billed], rates: Sequence[Fraction | None]) -> Fraction | None:
    known = [one.tokens * rate for one, rate in zip(used, rates, strict=True) if rate is not None]
    return sum(known, Fraction(0)) if len(known) == len(used) else None


def _valued(priced: Priced, used: Sequence[Billed], ours: _Ours) -> list[Valued]:
    """The money of the bill, shared among what it is for; by our prices, where these differ among them."""
    total = priced.list_usd if priced.list_usd is not None else priced.ours_usd
    shares = [ours.rate(one) for one in used]
    weights = [one.tokens * (rate or 0) for one, rate in zip(used, shares, strict=True)]
    if None in shares or not sum(weights):
        weights = [Fraction(one.tokens) for one in used]
    whole = sum(weights, Fraction(0))
    return [
        Valued(
            billed=one,
            usd=None if total is None else total * weight / whole,
            by_prompt=priced.by_prompt,
            compared=True,
        )
        for one, weight in zip(used, weights, strict=True)
    ]


def _unpaid(one: Billed, ours: _Ours) -> Valued:
    """Tokens without money: those of the priority tier are paid by contract, others count at our price."""
    rate = ours.rate(one)
    by_contract = one.group.tier.startswith(_PRIORITY)
    usd = None if rate is None or by_contract else one.tokens * rate
    return Valued(billed=one, usd=usd, by_prompt=False, compared=not by_contract)


def shortest(usd: Fraction, tokens: int) -> Fraction:
    """The price of one token: the number with the fewest digits that makes `usd`, rounded, of so many tokens."""
    exact = usd / tokens
    if not exact:
        return exact
    per_million = exact * 10**6
    for places in range(-6, 13):
        scale = Fraction(10) ** places
        rounded = round(per_million * scale) / scale
        if rounded and abs(rounded * tokens / 10**6 - usd) <= ROUNDING_USD:
            return rounded / 10**6
    return exact


def renamed(usage: Iterable[Billed], book: BookRates) -> list[Billed]:
    """`usage` with one name for each model."""
    return [replace(one, group=replace(one.group, model=book.name_of(one.group.model))) for one in usage]


def money_renamed(money: Iterable[BilledMoney], book: BookRates) -> list[BilledMoney]:
    """`money` with one name for each model."""
    return [other if other.model is None else replace(other, model=book.name_of(other.model)) for other in money]
