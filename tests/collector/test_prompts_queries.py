"""Versions of prompts, and whether two of them differ for sure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.prompt_verdict import Comparison, compared, factor_in_words
from claude_telemetry_collector.queries.prompts import (
    MEANS,
    SHARES,
    Prompt,
    Share,
    Version,
    prompts,
    texts,
    versions,
    versions_over_time,
)
from claude_telemetry_collector.queries.statistics import Sample
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

HOUR = timedelta(hours=1)
DAY = Window(NOON - 12 * HOUR, NOON + 12 * HOUR)
ALL = Segment()
GREETING = Prompt("prompt", "greeting")


def greeting(version: str | None = "v1", hours: float = 0, **facts: Any) -> LandedCall:
    return a_call(prompt_name="greeting", prompt_version=version, started_at=NOON + hours * HOUR, **facts)


def test_prompts_are_told_by_their_name_else_by_feature_else_by_service(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [greeting("v1"), greeting("v2"), greeting("v2")])
    land(store, [a_call(feature="chat", prompt_fingerprint=text * 16) for text in "aab"])
    land(store, [a_call(prompt_fingerprint="c" * 16), a_call(feature="no version at all")])
    assert prompts(LocalReader(store), DAY, ALL) == (
        (Prompt("feature", "chat"), 3, 2),
        (GREETING, 3, 2),
        (Prompt("service", "shop"), 1, 1),
    )


def test_a_version_is_measured_by_hand(store: duckdb.DuckDBPyConnection) -> None:
    """Output 100 and 400: mean 250, variance 2 * 150² = 45,000; their logarithms ln 100 and ln 400 have the mean ln 200
    and the variance (ln 2)² * 2. The failed call and the refusal are in the shares and not in the output."""
    land(
        store,
        [
            greeting(hours=1, output_tokens=100, duration_ms=1000, cost_usd=Decimal("0.25")),
            greeting(hours=2, output_tokens=400, duration_ms=3000, cost_usd=Decimal("0.50"), stop_reason="max_tokens"),
            greeting(hours=3, status="error", output_tokens=None, cost_usd=None, billed=False, stop_reason=None),
            greeting(hours=4, status="cancelled", output_tokens=9, cost_usd=None, stop_reason=None),
        ],
    )
    found, in_all = versions(LocalReader(store), DAY, ALL, GREETING)
    version = found[0]
    assert (in_all, version.name, version.is_named, version.calls, version.texts) == (1, "v1", True, 4, 0)
    assert (version.first_at, version.last_at) == (NOON + HOUR, NOON + 4 * HOUR)
    assert (version.cost_usd, version.unpriced) == (Decimal("0.75"), 1)
    assert version.means["output"] == Sample(2, 250.0, 45_000.0)
    cost, output = version.means["cost"], version.logs["output"]
    assert (cost.n, cost.mean, cost.variance) == pytest.approx((2, 0.375, 0.03125))
    assert (output.n, output.mean, output.variance) == pytest.approx((2, math.log(200), 2 * math.log(2) ** 2))
    assert version.means["latency"].mean == 2000
    assert version.shares == {"errors": Share(1, 3), "refusals": Share(0, 2), "truncations": Share(1, 2)}
    assert (version.model, version.model_ratio) == ("claude-sonnet-5-5", 1.0)


def test_versions_without_a_name_go_by_the_fingerprint_of_their_text(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [greeting(None, prompt_fingerprint="a" * 16), greeting(None, 1, prompt_fingerprint="b" * 16)])
    land(store, [greeting(None), greeting("v1", 2, prompt_fingerprint="b" * 16)])
    found, _ = versions(LocalReader(store), DAY, ALL, GREETING)
    assert [(each.name, each.is_named) for each in found] == [("a" * 16, False), ("b" * 16, False), ("v1", True)]


def test_a_version_is_new_where_the_period_before_knew_others_only(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [greeting("v1", -24), greeting("v1"), greeting("v2", 1)])
    found, _ = versions(LocalReader(store), DAY, ALL, GREETING)
    assert [(each.name, each.is_new) for each in found] == [("v1", False), ("v2", True)]


def test_the_first_version_of_all_is_no_change(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [greeting("v1"), greeting("v2", 1)])
    found, _ = versions(LocalReader(store), DAY, ALL, GREETING)
    assert [(each.name, each.is_new) for each in found] == [("v1", False), ("v2", True)]


def test_a_text_that_changed_under_the_same_name_is_found(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [greeting("v1", hours, prompt_fingerprint=text * 16) for hours, text in ((0, "a"), (3, "b"), (4, "b"))])
    land(store, [greeting("v2", 5, prompt_fingerprint="c" * 16)])
    land(store, [greeting("v3", 6, prompt_fingerprint=f"{number:016}") for number in range(11)])
    assert [
        (row["version"], row["text"], row["calls"]) for row in texts(LocalReader(store), DAY, ALL, GREETING).to_pylist()
    ] == [
        ("v1", "a" * 16, 1),
        ("v1", "b" * 16, 2),
    ]


def test_calls_by_version_add_up_to_all_calls_in_each_step(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [greeting(f"v{number}", 0.5) for number in range(9)])
    land(store, [greeting("v1", 1.5), greeting("v1", 1.5)])
    found = versions_over_time(LocalReader(store), DAY, ALL, GREETING, HOUR).to_pylist()
    assert [sum(row["calls"] for row in found if row["bucket"].hour == hour) for hour in (12, 13)] == [9, 2]
    assert [row["calls"] for row in found if row["rest"]] == [2]


def a_version(name: str, calls: int = 100, factor: float = 1.0, errors: int = 5, **facts: Any) -> Version:
    """Every mean is `factor` for a typical call, with a deviation of its logarithm of 0.5."""
    sample = Sample(calls, math.log(factor), 0.25)
    version = Version(
        name=name,
        is_named=True,
        first_at=DAY.start,
        last_at=DAY.end,
        is_new=False,
        calls=calls,
        texts=1,
        model="claude-sonnet-5-5",
        model_ratio=1.0,
        cost_usd=Decimal(1),
        unpriced=0,
        means={each: Sample(calls, factor, 1.0) for each in MEANS},
        logs=dict.fromkeys(MEANS, sample),
        shares={each: Share(errors if each == "errors" else 0, calls) for each in SHARES},
    )
    return replace(version, **facts)


def measure(found: Comparison, name: str) -> Any:
    return next(each for each in found.measures if each.name == name)


def test_a_version_that_doubled_its_output_is_told_so_in_a_sentence() -> None:
    """The standard error of the difference is sqrt(2 * 0.25 / 100) = 0.0707; ln 2 is ten of them. With 198 degrees of
    freedom the interval is ln 2 ± 1.972 * 0.0707, so from 1.74 to 2.30 times."""
    one, other = a_version("v2.1"), a_version("v2.2")
    other = replace(other, logs={**one.logs, "output": Sample(100, math.log(2), 0.25)})
    found = compared(one, other)
    output = measure(found, "output")
    assert output.factor == pytest.approx(2.0)
    assert (output.interval.low, output.interval.high) == pytest.approx((1.7397, 2.2993), abs=5e-4)
    assert found.verdict == "v2.2 against v2.1: output tokens doubled (p < 0.001)."
    assert found.caveats == ()


def test_a_difference_that_one_test_would_believe_is_not_sure_among_seven() -> None:
    """t = 0.18 / 0.0707 = 2.546, p = 0.0117: sure alone, and 0.082 after Holm."""
    one, other = a_version("v1"), a_version("v2")
    other = replace(other, logs={**one.logs, "cost": Sample(100, 0.18, 0.25)})
    cost = measure(compared(one, other), "cost")
    assert cost.p == pytest.approx(7 * 0.01167, rel=0.01)
    assert not cost.is_sure
    assert compared(one, other).verdict == "v2 against v1: no sure difference in what was measured."


def test_shares_are_told_in_points() -> None:
    """5 of 100 failed, then 40 of 100."""
    found = compared(a_version("v1"), a_version("v2", errors=40))
    assert found.verdict == "v2 against v1: errors +35.0 points (p < 0.001)."


def test_too_few_calls_make_no_verdict() -> None:
    found = compared(a_version("v1", calls=29), a_version("v2", factor=9.0))
    assert all(each.p is None and each.factor is None for each in found.measures)
    assert "too few calls" in found.verdict


def test_what_else_could_be_the_reason_is_said() -> None:
    after = replace(a_version("v2"), first_at=DAY.end, last_at=DAY.end + HOUR, model="claude-opus-5-5")
    said = compared(a_version("v1"), after).caveats
    assert said[0] == "Most calls went to other models: claude-sonnet-5-5 before, claude-opus-5-5 after."
    assert said[1].startswith("They ran one after the other")


@pytest.mark.parametrize(
    ("factor", "words"), [(2.0, "doubled"), (0.5, "halved"), (3.14, "×3.1"), (1.123, "+12 %"), (0.95, "-5.0 %")]
)
def test_factors_are_told_as_people_say_them(factor: float, words: str) -> None:
    assert factor_in_words(factor) == words


def test_of_versions_that_do_not_differ_one_comparison_in_twenty_claims_a_difference_at_most() -> None:
    dice = np.random.default_rng(20261120)

    def drawn(calls: int) -> Version:
        values = dice.normal(0, 1, (len(MEANS), calls))
        logs = {
            name: Sample(calls, float(row.mean()), float(row.var(ddof=1)))
            for name, row in zip(MEANS, values, strict=True)
        }
        shares = {name: Share(int(dice.binomial(calls, 0.08)), calls) for name in SHARES}
        return replace(a_version("v", calls=calls), logs=logs, shares=shares)

    tries = 300
    claimed = sum(any(each.is_sure for each in compared(drawn(60), drawn(200)).measures) for _ in range(tries))
    assert 0 < claimed / tries < 0.08


def test_versions_have_no_place_in_the_sql(store: duckdb.DuckDBPyConnection) -> None:
    name = "v'); DROP TABLE calls; --"
    land(store, [greeting(name), a_call(prompt_name=name, prompt_version=name)])
    found, _ = versions(LocalReader(store), DAY, ALL, Prompt("prompt", name))
    assert [version.name for version in found] == [name]
    assert datetime.now(UTC) > found[0].first_at


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["v1", "v2"]),
        st.sampled_from(["ok", "error", "cancelled"]),
        st.one_of(st.none(), st.integers(0, 5000)),
        st.sampled_from([None, "end_turn", "max_tokens", "refusal"]),
    ),
    max_size=25,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS)
def test_versions_are_what_going_through_the_calls_one_by_one_gives(
    store: duckdb.DuckDBPyConnection, made: list[tuple[str, str, int | None, str | None]]
) -> None:
    store.execute("DELETE FROM calls")
    land(store, [greeting(name, status=how, output_tokens=out, stop_reason=why) for name, how, out, why in made])
    found, _ = versions(LocalReader(store), DAY, ALL, GREETING)
    assert {version.name: version.calls for version in found} == Counter(name for name, *_ in made)
    for version in found:
        mine = [call[1:] for call in made if call[0] == version.name]
        outputs = np.array([out for how, out, _ in mine if how == "ok" and out is not None], dtype=float)
        sample, logs = version.means["output"], np.log(outputs[outputs > 0])
        assert (sample.n, version.logs["output"].n) == (len(outputs), len(logs))
        if len(outputs) > 1:
            assert (sample.mean, sample.variance) == pytest.approx((outputs.mean(), outputs.var(ddof=1)))
        if len(logs) > 1:
            assert version.logs["output"].variance == pytest.approx(logs.var(ddof=1), abs=1e-12)
        told = [why for _, _, why in mine if why is not None]
        assert version.shares["truncations"] == Share(told.count("max_tokens"), len(told))
        ended = [how for how, _, _ in mine if how != "cancelled"]
        assert version.shares["errors"] == Share(ended.count("error"), len(ended))
