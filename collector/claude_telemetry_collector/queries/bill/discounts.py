"""What is really paid of the list price, as the bill says it: the discount of each model, and since when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from itertools import groupby

from claude_telemetry_collector.queries.bill.facts import Discount, Unseparated
from claude_telemetry_collector.queries.bill.prices import ROUNDING_USD, Priced
from claude_telemetry_collector.queries.bill.sides import BilledMoney

_MOST_PLACES = 6
"""A discount is agreed upon in whole percents, or in fractions of one; no contract needs more digits."""


def discounts_in(money: Iterable[BilledMoney]) -> tuple[Discount, ...]:
    """By model and, where workspaces differ, by workspace; those in force last first within a model."""
    of_model: defaultdict[str, list[BilledMoney]] = defaultdict(list)
    for one in money:
        # Tokens only: what is agreed for models says nothing about searches, and says it for each model.
        if one.model is not None and one.cost_type == "tokens" and one.list_usd:
            of_model[one.model].append(one)
    found: list[Discount] = []
    for model in sorted(of_model):
        together = _runs(model, None, of_model[model])
        if not all(discount.uniform for discount in together):
            by_workspace = _by_workspace(model, of_model[model])
            together = by_workspace if all(discount.uniform for discount in by_workspace) else together
        found += together
    return tuple(found)


def unseparated_in(priced: Iterable[Priced]) -> tuple[Unseparated, ...]:
    """What the older report, which has no list prices, comes to by model."""
    sums: defaultdict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for one in priced:
        if one.list_usd is None and one.ours_usd is not None:
            sums[one.part.model][0] += one.ours_usd
            sums[one.part.model][1] += one.amount_usd
    return tuple(
        Unseparated(model=model, ours_usd=ours, amount_usd=amount) for model, (ours, amount) in sorted(sums.items())
    )


def _by_workspace(model: str, money: Sequence[BilledMoney]) -> list[Discount]:
    parts: defaultdict[str | None, list[BilledMoney]] = defaultdict(list)
    for one in money:
        parts[one.workspace].append(one)
    return [run for workspace in sorted(parts, key=str) for run in _runs(model, workspace, parts[workspace])]


def _runs(model: str, workspace: str | None, money: Sequence[BilledMoney]) -> list[Discount]:
    """Days that follow each other with one multiplier."""
    by_day: defaultdict[date, list[BilledMoney]] = defaultdict(list)
    for one in money:
        by_day[one.day].append(one)
    days = sorted(by_day)
    runs: list[Discount] = []
    for multiplier, same in groupby(days, key=lambda day: _multiplier(by_day[day])):
        run = list(same)
        rows = [one for day in run for one in by_day[day]]
        list_usd, amount_usd = _sums(rows)
        runs.append(
            Discount(
                model=model,
                workspace=workspace,
                since=run[0],
                last_day=run[-1],
                ongoing=run[-1] == days[-1],
                multiplier=multiplier,
                list_usd=list_usd,
                amount_usd=amount_usd,
                uniform=all(_fits(one, multiplier) for one in rows),
            )
        )
    return runs


def _multiplier(rows: Sequence[BilledMoney]) -> Fraction:
    """The one with the fewest digits that all amounts fit, else the exact one of the sums."""
    list_usd, amount_usd = _sums(rows)
    exact = amount_usd / list_usd
    for places in range(_MOST_PLACES + 1):
        scale = 10**places
        rounded = Fraction(round(exact * scale), scale)
        if rounded and all(_fits(one, rounded) for one in rows):
            return rounded
    return exact


def _fits(one: BilledMoney, multiplier: Fraction) -> bool:
    assert one.list_usd is not None
    return abs(Fraction(one.amount_usd) - multiplier * Fraction(one.list_usd)) <= ROUNDING_USD


def _sums(rows: Sequence[BilledMoney]) -> tuple[Fraction, Fraction]:
    return (
        sum((Fraction(one.list_usd or 0) for one in rows), Fraction(0)),
        sum((Fraction(one.amount_usd) for one in rows), Fraction(0)),
    )
