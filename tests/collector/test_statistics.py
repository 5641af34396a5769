"""Intervals and tests, against values from tables, by hand, and by chance."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.queries.statistics import (
    Sample,
    holm,
    mean_interval,
    means_differ,
    share_interval,
    shares_differ,
    t_quantile,
    t_two_sided,
)


def sample_of(values: np.ndarray) -> Sample:
    return Sample(len(values), float(values.mean()), float(values.var(ddof=1)))


# Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    found = share_interval(hits, n)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_no_calls_is_not_known() -> None:
    assert share_interval(0, 0) is None
    assert shares_differ(0, 0, 1, 2) is None


def test_at_none_and_at_all_the_interval_ends_there() -> None:
    none, every = share_interval(0, 7), share_interval(7, 7)
    assert none is not None
    assert every is not None
    assert (none.low, every.high) == (0.0, 1.0)
    assert (none.high, every.low) == pytest.approx((0.3543, 0.6457), abs=5e-5)


# Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10.
@pytest.mark.parametrize(
    ("second", "first", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0)],
)
def test_the_interval_of_two_shares_is_newcombes(
    second: tuple[int, int], first: tuple[int, int], low: float, high: float
) -> None:
    found = shares_differ(*first, *second)
    assert found is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=5e-5)


def test_few_calls_are_held_against_each_other_by_fishers_test() -> None:
    """His own example: of four cups each, three and one. (1 + 16 + 16 + 1) of 70 tables are as unlikely: 34 / 70."""
    found = shares_differ(1, 4, 3, 4)
    assert found is not None
    assert found.p == pytest.approx(34 / 70)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 40), st.data())
def test_fishers_test_is_the_sum_of_the_tables_that_are_as_unlikely(n: int, other_n: int, data: st.DataObject) -> None:
    hits, other_hits = data.draw(st.integers(0, n)), data.draw(st.integers(0, other_n))
    every, all_hits = n + other_n, hits + other_hits
    if not 0 < all_hits < every or min(n, other_n) * min(all_hits, every - all_hits) / every >= 5:
        return
    likely = {
        k: Fraction(comb(n, k) * comb(other_n, all_hits - k), comb(every, all_hits))
        for k in range(max(0, all_hits - other_n), min(n, all_hits) + 1)
    }
    found = shares_differ(hits, n, other_hits, other_n)
    assert found is not None
    assert found.p == pytest.approx(float(sum(p for p in likely.values() if p <= likely[hits])), rel=1e-6)


def test_many_calls_are_held_against_each_other_by_the_score_test() -> None:
    """20 of 100 and 35 of 100: together 0.275; z = 0.15 / sqrt(0.275 * 0.725 * 0.02) = 2.3754, so p = 0.0175."""
    found = shares_differ(20, 100, 35, 100)
    assert found is not None
    assert found.by == pytest.approx(0.15)
    assert found.p == pytest.approx(0.01753, abs=1e-5)


# Closed forms: Cauchy's for one degree, 1 - t / sqrt(2 + t²) for two.
@pytest.mark.parametrize(("t", "freedom", "p"), [(1.0, 1, 0.5), (2.0, 2, 1 - 2 / math.sqrt(6)), (0.0, 7, 1.0)])
def test_students_distribution_at_known_places(t: float, freedom: float, p: float) -> None:
    assert t_two_sided(t, freedom) == pytest.approx(p)


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.7062), (2, 4.30265), (10, 2.22814), (30, 2.04227), (1e9, 1.95996)])
def test_students_quantiles_are_those_of_the_tables(freedom: float, t: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(t, rel=1e-5)


def test_welchs_test_by_hand() -> None:
    """1, 2, 3 and 4, 5, 6: t = 3 / sqrt(1/3 + 1/3) = 3.6742 with 4 degrees of freedom, for which the closed form
    0.5 + 0.375 * 1.7566 * 0.742857 = 0.98934 leaves 0.0213 on both sides; 2.7764 * 0.8165 = 2.2670 on either side."""
    found = means_differ(Sample(3, 2.0, 1.0), Sample(3, 5.0, 1.0))
    assert found is not None
    assert found.by == 3.0
    assert found.p == pytest.approx(0.02131, abs=1e-5)
    assert (found.interval.low, found.interval.high) == pytest.approx((3 - 2.2670, 3 + 2.2670), abs=1e-4)


def test_the_interval_of_a_mean_by_hand() -> None:
    """Four values with variance 4: 3.18245 * 2 / 2 on either side of the mean."""
    found = mean_interval(Sample(4, 10.0, 4.0))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((6.81755, 13.18245))
    assert mean_interval(Sample(1, 10.0, 0.0)) is None


def test_values_that_never_vary_differ_for_sure_or_not_at_all() -> None:
    same, other = Sample(40, 1.0, 0.0), Sample(40, 2.0, 0.0)
    assert [found.p for found in (means_differ(same, same), means_differ(same, other)) if found] == [1.0, 0.0]


def test_how_sums_of_floats_round_is_no_difference() -> None:
    found = means_differ(Sample(40, 6.907755278982137, 0.0), Sample(40, 6.907755278982138, 3e-32))
    assert found is not None
    assert (found.by, found.p) == (0.0, 1.0)


def test_holms_p_values_by_hand() -> None:
    """0.005 * 4, 0.01 * 3, then 0.03 * 2, and 0.04 * 1, which may not fall below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        left = sorted(range(len(p_values)), key=lambda place: p_values[place])
        rejected: set[int] = set()
        while left and p_values[left[0]] <= level / len(left):
            rejected.add(left.pop(0))
        assert rejected == {
            place for place, p in enumerate(adjusted) if p <= level or math.isclose(p, level, rel_tol=1e-12)
        } or any(math.isclose(p, level, rel_tol=1e-9) for p in adjusted)


def test_where_nothing_differs_one_test_in_twenty_says_that_it_does() -> None:
    """Logarithms of skewed values, 40 against 150, and shares of one in ten, 60 against 200."""
    dice = np.random.default_rng(20261120)
    tries = 1000
    means = shares = 0
    for _ in range(tries):
        one, other = (sample_of(dice.normal(0, 1, size)) for size in (40, 150))
        means += (found := means_differ(one, other)) is not None and found.p < 0.05
        hits, other_hits = int(dice.binomial(60, 0.1)), int(dice.binomial(200, 0.1))
        shares += (found := shares_differ(hits, 60, other_hits, 200)) is not None and found.p < 0.05
    # Two standard errors of 5 % over so many tries are 1.4 %.
    assert 0.036 < means / tries < 0.064
    assert shares / tries < 0.07


def test_an_interval_holds_the_true_value_95_times_of_100() -> None:
    dice = np.random.default_rng(7)
    held = 0
    sizes = list(product((30, 100), (0.02, 0.2)))
    for n, share in sizes:
        for hits in dice.binomial(n, share, 500):
            found = share_interval(int(hits), n)
            held += found is not None and found.low <= share <= found.high
    assert 0.93 < held / (500 * len(sizes)) < 0.975
