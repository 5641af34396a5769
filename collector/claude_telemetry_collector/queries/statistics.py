"""How sure a number is: intervals of shares and means, tests of whether two differ, and what many tests cost.

Everything here works on aggregates (how many, mean, variance), so that SQL can make them of millions of calls. An
*interval* is one of 95 %. A *p-value* is how often chance alone would show a difference at least as large; all are
two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_FEW = 5
"""With fewer expected than this in any field, a share's normal approximation is off, and the exact test is taken: the
usual rule for tables of two by two (Cochran, 1954)."""
_ROUNDING = 1e-9
"""Means that are this close to each other are equal, but for how sums of floats round."""
_AS_LIKELY = 1 + 1e-9
"""Tables that are as likely as the one seen, but for rounding, are as extreme."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The values that go with what was seen."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Values, as far as their mean is concerned."""

    n: int
    mean: float
    variance: float
    """Of the values, with n - 1 below the line (`var_samp`)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second against the first."""

    by: float
    """The second less the first."""
    interval: Interval
    p: float


def share_interval(hits: int, n: int) -> Interval | None:
    """Wilson's score interval for a share (E. B. Wilson, 1927): it holds for few calls and for rare events, where the
    usual one does not. `None` for no calls."""
    if n == 0:
        return None
    share, spread = hits / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # At none and at all the limit is known, and rounding must not move it.
    return Interval(0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half)


def mean_interval(sample: Sample) -> Interval | None:
    """Student's interval of a mean. `None` for fewer than two values."""
    if sample.n < 2:
        return None
    half = t_quantile((1 + LEVEL) / 2, sample.n - 1) * math.sqrt(sample.variance / sample.n)
    return Interval(sample.mean - half, sample.mean + half)


def means_differ(first: Sample, second: Sample) -> Difference | None:
    """Welch's test, which does not ask that both vary alike (B. L. Welch, 1947). `None` with fewer than two values on a
    side."""
    if first.n < 2 or second.n < 2:
        return None
    of_first, of_second = first.variance / first.n, second.variance / second.n
    by, error = second.mean - first.mean, math.sqrt(of_first + of_second)
    if abs(by) <= _ROUNDING * max(abs(first.mean), abs(second.mean)):
        by = 0.0
    if error <= _ROUNDING * abs(by):  # values that never vary differ for sure, or not at all
        return Difference(by, Interval(by, by), 1.0 if by == 0 else 0.0)
    below = of_first**2 / (first.n - 1) + of_second**2 / (second.n - 1)
    # Of variances so small that their squares vanish, the smaller sample's freedom is the careful choice.
    freedom = (of_first + of_second) ** 2 / below if below else min(first.n, second.n) - 1
    half = t_quantile((1 + LEVEL) / 2, freedom) * error
    return Difference(by, Interval(by - half, by + half), t_two_sided(by / error, freedom))


def shares_differ(hits: int, n: int, other_hits: int, other_n: int) -> Difference | None:
    """Whether two shares differ: by the score test, or Fisher's exact one where few are expected; with Newcombe's
    interval (R. G. Newcombe, 1998, method 10). `None` where a side has no calls."""
    first, second = share_interval(hits, n), share_interval(other_hits, other_n)
    if first is None or second is None:
        return None
    share, other = hits / n, other_hits / other_n
    by = other - share
    low = by - math.hypot(other - second.low, first.high - share)
    high = by + math.hypot(second.high - other, share - first.low)
    return Difference(by, Interval(low, high), _share_p(hits, n, other_hits, other_n))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values made so much larger that among all of them a false find is as rare as it was for one (S. Holm,
    1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def t_two_sided(t: float, freedom: float) -> float:
    """How often a value of Student's distribution is at least as far from zero as `t`."""
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def t_quantile(share: float, freedom: float) -> float:
    """The value that `share` of Student's distribution, more than one half, lies below."""
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    t = NormalDist().inv_cdf(share)  # below the value sought, as Student's tails are longer
    for _ in range(100):  # Newton's steps never pass it, since the distribution is concave there
        slope = math.exp(scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (share - 1 + t_two_sided(t, freedom) / 2) / slope
        t += step
        if step <= 1e-12 * t:
            break
    return t


def _share_p(hits: int, n: int, other_hits: int, other_n: int) -> float:
    every, all_hits = n + other_n, hits + other_hits
    misses = every - all_hits
    if all_hits == 0 or misses == 0:
        return 1.0
    if min(n, other_n) * min(all_hits, misses) / every < _FEW:
        return _fisher(hits, n, all_hits, every)
    error = math.sqrt(all_hits / every * misses / every * (1 / n + 1 / other_n))
    return math.erfc(abs(other_hits / other_n - hits / n) / error / math.sqrt(2))


def _fisher(hits: int, n: int, all_hits: int, every: int) -> float:
    """How likely a table is that is no likelier than the one seen, all four margins being as they are."""

    def log_likely(hits: int) -> float:
        return _log_ways(all_hits, hits) + _log_ways(every - all_hits, n - hits)

    lowest, highest = max(0, n + all_hits - every), min(n, all_hits)
    seen, ways = log_likely(hits), _log_ways(every, n)
    bar = seen + math.log(_AS_LIKELY)
    return min(1.0, sum(math.exp(at - ways) for at in map(log_likely, range(lowest, highest + 1)) if at <= bar))


def _log_ways(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Abramowitz and Stegun, 26.5.8)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # beyond it the fraction converges slowly, and the other side is the same
        return 1 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    return front * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's way to work out the fraction (W. J. Lentz, 1976)."""
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value
