"""Whether one version of a prompt differs from another, and by how much: a verdict with its error.

Costs, tokens and times of calls are skewed: a few calls are many times as large as the others. So they are compared on
a logarithmic scale, where a difference is a *factor* between typical calls (geometric means), by Welch's test; values
of zero have no logarithm and are left out. Shares are compared by the score test, or Fisher's where few are expected.

Many comparisons find something by chance. The p-values are therefore Holm's: among all measures of one comparison, a
difference where there is none is claimed in at most 5 of 100 comparisons. Less than 30 calls on a side make no verdict.

None of it proves a cause. Versions that ran at other times, or at other models, differ for that reason too, and it is
said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from claude_telemetry_collector.queries.prompts import MEANS, SHARES, Version
from claude_telemetry_collector.queries.statistics import Interval, holm, means_differ, shares_differ

ENOUGH_CALLS = 30
"""From here on the mean of skewed values is normal enough for Welch's test: the usual rule of thumb."""
SURE = 0.05

TITLES: Mapping[str, str] = {
    "cost": "cost per call",
    "input": "input tokens",
    "output": "output tokens",
    "latency": "latency",
    "errors": "errors",
    "refusals": "refusals",
    "truncations": "answers cut off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure of two versions. A factor of a typical call, or a difference of shares."""

    name: str
    """Of `MEANS` or `SHARES`."""
    calls: tuple[int, int]
    """What it rests on: of the first, and of the second."""
    factor: float | None = None
    """The second over the first. `None` for shares, and for too few calls."""
    points: float | None = None
    """The second less the first, as a share of 1. `None` for means, and for too few calls."""
    interval: Interval | None = None
    """Of the factor or the points."""
    p: float | None = None
    """Among all measures of the comparison (Holm). `None` where there are too few calls."""

    @property
    def is_sure(self) -> bool:
        return self.p is not None and self.p < SURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The second version against the first."""

    first: Version
    second: Version
    measures: tuple[Measure, ...]

    @property
    def verdict(self) -> str:
        """The sure differences in words, the surest first. It names the versions: show it as text."""
        sure = sorted((each for each in self.measures if each.is_sure), key=lambda each: (each.p, each.name))
        too_few = all(each.p is None for each in self.measures)
        pair = f"{self.second.name} against {self.first.name}"
        if too_few:
            return f"{pair}: too few calls for a verdict; {ENOUGH_CALLS} on each side are needed."
        if not sure:
            return f"{pair}: no sure difference in what was measured."
        return f"{pair}: " + "; ".join(_in_words(each) for each in sure) + "."

    @property
    def caveats(self) -> tuple[str, ...]:
        """What else could be the reason for a difference. It names models: show it as text."""
        said: list[str] = []
        if self.first.model != self.second.model:
            said.append(f"Most calls went to other models: {self.first.model} before, {self.second.model} after.")
        elif min(self.first.model_ratio, self.second.model_ratio) < 1:
            said.append("Some calls went to other models; filter by one to be sure.")
        if not self.side_by_side:
            said.append("They ran one after the other: what else changed meanwhile is part of the difference.")
        return tuple(said)

    @property
    def side_by_side(self) -> bool:
        """Whether both ran in at least half of the time of the shorter one."""
        start, end = max(self.first.first_at, self.second.first_at), min(self.first.last_at, self.second.last_at)
        shorter = min(version.last_at - version.first_at for version in (self.first, self.second))
        return end > start and (end - start) >= shorter / 2


def compared(first: Version, second: Version) -> Comparison:
    """`second` against `first`, in everything that is measured."""
    means = [_mean(name, first, second) for name in MEANS]
    measures = [*means, *(_share(name, first, second) for name in SHARES)]
    known = [place for place, measure in enumerate(measures) if measure.p is not None]
    for place, p in zip(known, holm([measures[place].p or 0.0 for place in known]), strict=True):
        measures[place] = replace(measures[place], p=p)
    return Comparison(first=first, second=second, measures=tuple(measures))


def _mean(name: str, first: Version, second: Version) -> Measure:
    of_first, of_second = first.logs[name], second.logs[name]
    calls = (of_first.n, of_second.n)
    found = means_differ(of_first, of_second) if min(calls) >= ENOUGH_CALLS else None
    if found is None:
        return Measure(name=name, calls=calls)
    factors = Interval(math.exp(found.interval.low), math.exp(found.interval.high))
    return Measure(name=name, calls=calls, factor=math.exp(found.by), interval=factors, p=found.p)


def _share(name: str, first: Version, second: Version) -> Measure:
    of_first, of_second = first.shares[name], second.shares[name]
    calls = (of_first.n, of_second.n)
    enough = min(calls) >= ENOUGH_CALLS
    found = shares_differ(of_first.hits, of_first.n, of_second.hits, of_second.n) if enough else None
    if found is None:
        return Measure(name=name, calls=calls)
    return Measure(name=name, calls=calls, points=found.by, interval=found.interval, p=found.p)


def _in_words(measure: Measure) -> str:
    p = "p < 0.001" if measure.p is not None and measure.p < 0.001 else f"p = {measure.p:.3f}"
    title = TITLES[measure.name]
    if measure.points is not None:
        return f"{title} {measure.points * 100:+.1f} points ({p})"
    return f"{title} {factor_in_words(measure.factor or 1.0)} ({p})"


def factor_in_words(factor: float) -> str:
    """`doubled`, `halved`, `×3.1`, `+12 %`, `-8.4 %`."""
    if 1.9 <= factor <= 2.1:
        return "doubled"
    if 1 / 2.1 <= factor <= 1 / 1.9:
        return "halved"
    if factor >= 2:
        return f"×{factor:.1f}"
    percent = (factor - 1) * 100
    return f"{percent:+.0f} %" if abs(percent) >= 9.95 else f"{percent:+.1f} %"
