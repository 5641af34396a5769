"""Which of our tokens stand for which of the bill's.

Both sides are told apart as far as *both* know: by day, model, kind, tier and speed always, by place, workspace and key
within those where every row of either side says its own. So a call without a workspace never makes tokens missing in
one workspace and surplus in another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from claude_telemetry_collector.queries.bill.facts import Cell
from claude_telemetry_collector.queries.bill.sides import Billed, Group, Told

_WHERE_KNOWN = ("geo", "workspace", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """What is billed of a group, and what it is worth."""

    billed: Billed
    usd: Fraction | None
    """At list price; `None` when neither the bill nor the book says."""
    by_prompt: bool
    """Whether the price depends on the length of each prompt, which the bill does not tell."""
    compared: bool
    """Whether it counts as money of the bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Our tokens by the day on which they are billed."""

    told: tuple[Told, ...]
    carried: int
    """Tokens of batches that are billed on the day after they were created."""
    waiting: int
    """Tokens of batches that are not on the bill yet."""


def cells_of(told: Iterable[Told], valued: Iterable[Valued]) -> tuple[Cell, ...]:
    """Both sides, joined."""
    told = list(told)
    # What no call of ours says tells nothing apart, not even what none of them has.
    names = [name for name in _WHERE_KNOWN if not told or any(getattr(one.group, name) is not None for one in told)]
    ours: defaultdict[Group, list[Told]] = defaultdict(list)
    theirs: defaultdict[Group, list[Valued]] = defaultdict(list)
    for one in told:
        ours[_always(one.group)].append(one)
    for other in valued:
        theirs[_always(other.billed.group)].append(other)
    cells: list[Cell] = []
    for group in sorted(
        ours.keys() | theirs.keys(), key=lambda group: (group.day, group.model, group.kind, str(group))
    ):
        cells += _joined(group, ours[group], theirs[group], names)
    return tuple(cells)


def placed(told: Sequence[Told], billed: Sequence[Billed], settled: Collection[date]) -> Placed:
    """`told` without the days that are not settled, and each batch on the day on which it is billed.

    A batch is recorded on the day on which it was created, and billed when it is worked off, within a day.
    """
    kept = [one for one in told if one.group.tier != "batch" and one.group.day in settled]
    batches: defaultdict[Group, dict[date, list[Told]]] = defaultdict(dict)
    for one in told:
        if one.group.tier == "batch":
            line = replace(_always(one.group), day=date.min)
            batches[line].setdefault(one.group.day, []).append(one)
    due: defaultdict[tuple[Group, date], int] = defaultdict(int)
    for other in billed:
        due[replace(_always(other.group), day=date.min), other.group.day] += other.tokens
    carried = waiting = 0
    for line, by_day in batches.items():
        left: list[Told] = []
        for day in _days(by_day):
            today = by_day.get(day, [])
            before = day - timedelta(days=1) in settled
            if day not in settled:
                waiting += sum(one.tokens for one in left) if before else 0
                # Of a day that cannot be judged all may be billed on the day after.
                left = today
                continue
            wanted = due[line, day]
            from_before, over = _cut(left, wanted)
            if before:
                # Two days on, nothing is billed any more: it was surplus on its own day.
                kept += over
            carried += sum(one.tokens for one in from_before)
            kept += [replace(one, group=replace(one.group, day=day)) for one in from_before]
            own, left = _cut(today, wanted - sum(one.tokens for one in from_before))
            kept += own
    return Placed(told=tuple(kept), carried=carried, waiting=waiting)


def _days(by_day: dict[date, list[Told]]) -> list[date]:
    """From the first day of batches to the day after the last."""
    first, last = min(by_day), max(by_day)
    return [first + timedelta(days=number) for number in range((last - first).days + 2)]


def _cut(rows: Sequence[Told], tokens: int) -> tuple[list[Told], list[Told]]:
    """`rows` up to so many tokens, and the rest."""
    within: list[Told] = []
    over: list[Told] = []
    for one in rows:
        part = max(min(one.tokens, tokens), 0)
        tokens -= part
        if part:
            within.append(replace(one, tokens=part))
        if one.tokens > part:
            over.append(replace(one, tokens=one.tokens - part))
    return within, over


def _always(group: Group) -> Group:
    return replace(group, geo=None, workspace=None, key=None)


def _joined(group: Group, ours: Sequence[Told], theirs: Sequence[Valued], names: Sequence[str]) -> list[Cell]:
    if not names:
        return [_cell(group, ours, theirs)]
    name, *others = names
    groups = [*(one.group for one in ours), *(other.billed.group for other in theirs)]
    values = {getattr(each, name) for each in groups}
    if None in values:
        return _joined(group, ours, theirs, others)
    cells: list[Cell] = []
    for value in sorted(values):
        cells += _joined(
            replace(group, **{name: value}),
            [one for one in ours if getattr(one.group, name) == value],
            [other for other in theirs if getattr(other.billed.group, name) == value],
            others,
        )
    return cells


def _cell(group: Group, ours: Sequence[Told], theirs: Sequence[Valued]) -> Cell:
    seen, billed = sum(one.tokens for one in ours), sum(other.billed.tokens for other in theirs)
    amounts = [other.usd for other in theirs if other.compared]
    known = [usd for usd in amounts if usd is not None]
    billed_usd = sum(known, Fraction(0)) if len(known) == len(amounts) and amounts else None
    missing_usd = None
    if billed_usd is not None:
        missing_usd = billed_usd * Fraction(max(billed - seen, 0), billed) if billed else Fraction(0)
        if billed > seen and all(other.by_prompt for other in theirs) and _all_priced(ours):
            # What an average token costs says nothing of those that are missing. What the others cost is known.
            cost = sum((Fraction(one.priced_usd) for one in ours), Fraction(0))
            missing_usd = min(max(billed_usd - cost, Fraction(0)), billed_usd)
    return Cell(
        group=group,
        billed=billed,
        ours=seen,
        billed_usd=billed_usd,
        missing_usd=missing_usd,
        compared=any(other.compared for other in theirs),
    )


def _all_priced(ours: Sequence[Told]) -> bool:
    return all(one.priced_tokens == one.tokens for one in ours)
