"""Prices that the bill says otherwise, each named once.

The days, kinds of token, tiers and places of a model that are off by one factor are one finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from claude_telemetry_collector.queries.bill.facts import PriceFault, PriceFinding, PriceOf
from claude_telemetry_collector.queries.bill.kinds import KINDS, NO_PLACE, SEARCHES
from claude_telemetry_collector.queries.bill.prices import NOTICED_USD, Priced, shortest

_Line = tuple[str, str, str | None, str | None, str | None, str | None]
"""Model, kind, tier, speed, place, context window: what has one price a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Off:
    """One line that is off on one day."""

    fault: PriceFault
    factor: Fraction | None
    ours: Fraction | None
    billed: Fraction


@dataclass(slots=True, kw_only=True)
class _Run:
    """One line that is off in the same way on days that follow each other, as far as there is anything to compare."""

    line: _Line
    off: _Off
    days: list[Priced]
    ongoing: bool

    @property
    def since(self) -> date:
        return self.days[0].part.day

    @property
    def last_day(self) -> date:
        return self.days[-1].part.day


def findings_in(priced: Iterable[Priced]) -> tuple[PriceFinding, ...]:
    """Those of parts that can be compared, by how much money they are about."""
    lines: defaultdict[_Line, list[Priced]] = defaultdict(list)
    for one in priced:
        if one.list_usd is not None:
            part = one.part
            lines[part.model, part.kind, one.tier, one.speed, one.geo, part.context_window].append(one)
    runs: defaultdict[tuple[object, ...], list[_Run]] = defaultdict(list)
    for line, days in lines.items():
        for run in _runs(line, sorted(days, key=lambda day: day.part.day)):
            runs[line[0], run.off.fault, run.off.factor, run.ongoing].append(run)
    found = [_finding(group, lines) for same in runs.values() for group in _overlapping(same)]
    return tuple(
        sorted(found, key=lambda one: (-abs(one.billed_usd - (one.ours_usd or Fraction(0))), one.model, one.since))
    )


def error_of(priced: Iterable[Priced]) -> tuple[Fraction, Fraction]:
    """The list money that is compared, and by how much our price for the same tokens is off."""
    compared = error = Fraction(0)
    for one in priced:
        if one.list_usd is None or one.ours_usd is None or (one.by_prompt and not one.whole):
            continue
        compared += one.list_usd
        if one.is_off(one.ours_usd):
            error += abs(one.ours_usd - one.list_usd)
    return compared, error


def _runs(line: _Line, days: Sequence[Priced]) -> list[_Run]:
    runs: list[_Run] = []
    open_run: _Run | None = None
    for day in days:
        off = _off(day)
        if off is None:
            open_run = None
        elif open_run is not None and open_run.off == off:
            open_run.days.append(day)
        else:
            open_run = _Run(line=line, off=off, days=[day], ongoing=False)
            runs.append(open_run)
    if open_run is not None:
        open_run.ongoing = True
    return runs


def _off(day: Priced) -> _Off | None:
    assert day.list_usd is not None
    billed = shortest(day.list_usd, day.tokens)
    if day.ours_usd is None:
        return _Off(fault="no_price", factor=None, ours=None, billed=billed) if day.list_usd > NOTICED_USD else None
    if day.by_prompt and not day.whole:
        # Between the short and the long prompt's price everything is possible.
        return None
    if not day.is_off(day.ours_usd):
        return None
    fault: PriceFault = "book" if day.book_usd is None or day.by_prompt or day.is_off(day.book_usd) else "calls"
    ours = shortest(day.ours_usd, day.tokens)
    if day.by_prompt:
        # What a token costs on average differs from day to day.
        return _Off(fault=fault, factor=None, ours=None, billed=Fraction(0))
    return _Off(fault=fault, factor=billed / ours if ours else None, ours=ours, billed=billed)


def _overlapping(runs: Sequence[_Run]) -> list[list[_Run]]:
    """Runs that have days in common: two errors of one size at different times stay two."""
    groups: list[list[_Run]] = []
    for run in sorted(runs, key=lambda run: run.since):
        if groups and run.since <= max(other.last_day for other in groups[-1]):
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def _finding(runs: Sequence[_Run], lines: dict[_Line, list[Priced]]) -> PriceFinding:
    model = runs[0].line[0]
    since, last_day = min(run.since for run in runs), max(run.last_day for run in runs)
    days = [day for run in runs for day in run.days]
    ours = [day.ours_usd for day in days]
    known = [usd for usd in ours if usd is not None]
    off = runs[0].off
    places = {run.line[2:] for run in runs}
    there = {
        line[1:]
        for line, found in lines.items()
        if line[0] == model
        and line[1] != SEARCHES
        and line[2:] in places
        and any(since <= one.part.day <= last_day for one in found)
    }
    kinds = {run.line[1] for run in runs}
    return PriceFinding(
        model=model,
        fault=off.fault,
        since=since,
        last_day=last_day,
        ongoing=runs[0].ongoing,
        factor=off.factor,
        prices=tuple(sorted(map(_price, runs), key=_usual_first)),
        tokens=sum(day.tokens for day in days),
        ours_usd=sum(known, Fraction(0)) if len(known) == len(ours) else None,
        billed_usd=sum((day.list_usd or Fraction(0) for day in days), Fraction(0)),
        whole_tier=len(kinds) > 1 and there == {run.line[1:] for run in runs},
        prompt_lengths=any(day.by_prompt for day in days),
    )


def _price(run: _Run) -> PriceOf:
    _, kind, tier, speed, geo, _ = run.line
    ours, billed = run.off.ours, run.off.billed
    if any(day.by_prompt for day in run.days):
        tokens = sum(day.tokens for day in run.days)
        ours = sum((day.ours_usd or Fraction(0) for day in run.days), Fraction(0)) / tokens
        billed = sum((day.list_usd or Fraction(0) for day in run.days), Fraction(0)) / tokens
    return PriceOf(kind=kind, tier=tier, speed=speed, geo=geo, ours=ours, billed=billed)


def _usual_first(price: PriceOf) -> tuple[int, bool, bool, bool, str]:
    """The standard price of each kind before those of a batch, of the fast mode and of a place."""
    kind = list(KINDS).index(price.kind) if price.kind in KINDS else len(KINDS)
    return (
        kind,
        price.tier not in (None, "standard"),
        price.speed not in (None, "standard"),
        price.geo == "us",
        "" if price.geo in (None, NO_PLACE) else price.geo,
    )
