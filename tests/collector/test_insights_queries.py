"""What could be done otherwise: each rule with dollars worked out by hand. All prices are those of November 2026."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import Attempt
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.insights import RULES, Finding, all_of, per_month, ranked
from claude_telemetry_collector.queries.insights.batchable import batchable
from claude_telemetry_collector.queries.insights.cache_writes import cache_writes
from claude_telemetry_collector.queries.insights.fast_mode import fast_mode
from claude_telemetry_collector.queries.insights.models import cheaper_models
from claude_telemetry_collector.queries.insights.output_limits import output_limits
from claude_telemetry_collector.queries.insights.repeats import repeats
from claude_telemetry_collector.queries.insights.retries import paid_for_nothing, retry_policy
from claude_telemetry_collector.queries.insights.streaming import streaming
from claude_telemetry_collector.queries.insights.uncached_prompts import uncached_prompts
from claude_telemetry_collector.queries.insights.unpriced import unpriced
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
ALL = Segment()
MINUTE = timedelta(minutes=1)


def priced(input_tokens: int, output_tokens: int = 0) -> dict[str, Any]:
    """Counts, and what they cost on Sonnet 5.5: 2 and 10 USD a million."""
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost_usd": Decimal(input_tokens * 2 + output_tokens * 10) / 10**6,
    }


def large(started_at: datetime, prompt_fingerprint: str | None = "a" * 16, **facts: Any) -> LandedCall:
    return a_call(started_at=started_at, prompt_fingerprint=prompt_fingerprint, **facts)


def test_a_large_prompt_that_is_never_cached_is_worth_what_reads_would_save(store: duckdb.DuckDBPyConnection) -> None:
    """12 calls 4 minutes apart share 10,000 tokens. With 5 minutes of life: one write, 0.50 USD a million above input,
    and 11 reads, 1.90 below it: 10,000 * (11 * 1.90 - 0.50) / 10^6 = 0.204. With 1 hour: 10,000 * (11 * 1.90 - 2)."""
    calls = [
        a_call(
            prompt_fingerprint="a" * 16,
            feature="chat",
            started_at=NOON + 4 * number * MINUTE,
            **priced(10_000 + number),
        )
        for number in range(12)
    ]
    land(store, calls)
    found = uncached_prompts(LocalReader(store), DAY, ALL)
    assert (found.found, found.saved_usd, found.bound) == (True, Decimal("0.204"), "at_most")
    assert found.evidence.to_pylist() == [
        {
            "feature": "chat",
            "model": "claude-sonnet-5-5",
            "prompt_fingerprint": "a" * 16,
            "calls": 12,
            "shared_tokens_at_most": 10_000,
            "within_5_minutes_ratio": 11 / 12,
            "within_1_hour_ratio": 11 / 12,
            "ttl": "5m",
            "saves_usd": Decimal("0.204"),
        }
    ]


def test_a_prompt_that_comes_every_half_hour_wants_a_life_of_an_hour(store: duckdb.DuckDBPyConnection) -> None:
    """With 5 minutes all 12 would be writes, and cost more. With an hour: 10,000 * (11 * 1.90 - 2) / 10^6 = 0.189."""
    land(
        store,
        [a_call(prompt_fingerprint="a" * 16, started_at=NOON + 30 * n * MINUTE, **priced(10_000)) for n in range(12)],
    )
    found = uncached_prompts(LocalReader(store), DAY, ALL)
    assert (found.saved_usd, found.evidence.column("ttl").to_pylist()) == (Decimal("0.189"), ["1h"])


@pytest.mark.parametrize(
    ("number", "gap", "facts"),
    [
        (9, MINUTE, priced(10_000)),
        (12, MINUTE, priced(4_095)),
        (12, timedelta(hours=1, seconds=1), priced(10_000)),
        (12, MINUTE, {**priced(10_000), "cache_fingerprints": "b" * 16}),
        (12, MINUTE, {**priced(10_000), "prompt_fingerprint": None}),
    ],
    ids=["too few", "too short", "too far apart", "marked for the cache", "no fingerprint"],
)
def test_a_prompt_that_a_cache_would_not_help_is_no_finding(
    store: duckdb.DuckDBPyConnection, number: int, gap: timedelta, facts: dict[str, Any]
) -> None:
    start = DAY.start
    land(
        store,
        [large(start + n * gap, **facts) for n in range(number)],
    )
    found = uncached_prompts(LocalReader(store), DAY, ALL)
    assert (found.found, found.saved_usd) == (False, Decimal(0))


def a_clock(number: int = 60, **facts: Any) -> list[LandedCall]:
    return [a_call(feature="digest", started_at=DAY.start + n * MINUTE, **facts) for n in range(number)]


def test_calls_that_come_like_a_clock_could_have_been_batched_at_half_the_price(
    store: duckdb.DuckDBPyConnection,
) -> None:
    """60 calls of 0.006 USD: 0.36, and 0.18 in a batch."""
    land(store, a_clock())
    found = batchable(LocalReader(store), DAY, ALL)
    assert (found.saved_usd, found.bound) == (Decimal("0.18"), "exact")
    row = found.evidence.to_pylist()[0]
    assert (row["feature"], row["arrive"], row["costs_usd"], row["in_batch_usd"]) == (
        "digest",
        "like a clock",
        Decimal("0.36"),
        Decimal("0.18"),
    )


def test_a_list_that_is_worked_off_comes_in_bursts(store: duckdb.DuckDBPyConnection) -> None:
    calls = [
        a_call(feature="nightly", started_at=DAY.start + timedelta(hours=hour, seconds=second))
        for hour in range(0, 20, 5)
        for second in range(30)
    ]
    land(store, calls)
    assert batchable(LocalReader(store), DAY, ALL).evidence.column("arrive").to_pylist() == ["in bursts"]


def test_calls_that_people_make_are_no_saving_and_said_beside(store: duckdb.DuckDBPyConnection) -> None:
    """Gaps of independent callers: their deviation is as large as their mean."""
    gaps = [3, 40, 7, 1, 95, 22, 14, 60, 5, 31] * 6
    at = DAY.start
    calls: list[LandedCall] = []
    for gap in gaps:
        at += timedelta(seconds=gap)
        calls.append(a_call(feature="search", started_at=at))
    land(store, calls)
    found = batchable(LocalReader(store), DAY, ALL)
    assert (found.found, found.saved_usd) == (False, Decimal(0))
    assert found.evidence.column("arrive").to_pylist() == ["as people do"]
    assert "would save $0.18, if they can wait" in found.said


@pytest.mark.parametrize("facts", [{"stream": True}, {"custom_id": "one"}, {"speed": "fast"}], ids=str)
def test_what_streams_or_is_in_a_batch_or_fast_is_not_asked_to_wait(
    store: duckdb.DuckDBPyConnection, facts: dict[str, Any]
) -> None:
    land(store, a_clock(**facts))
    assert batchable(LocalReader(store), DAY, ALL).evidence.num_rows == 0


def test_calls_that_cost_something_else_than_their_counts_are_left_out(store: duckdb.DuckDBPyConnection) -> None:
    land(store, a_clock(cost_usd=Decimal("0.009")))
    found = batchable(LocalReader(store), DAY, ALL)
    assert (found.saved_usd, found.left_out) == (Decimal(0), 60)


def test_the_fast_mode_without_a_stream_is_worth_what_it_costs_more(store: duckdb.DuckDBPyConnection) -> None:
    """1000 in and 400 out on Opus 5.5: at 8 and 40 a million 0.024, at 4 and 20 half of that."""
    fast: dict[str, Any] = {"model": "claude-opus-5-5", "speed": "fast"}
    land(store, [a_call(**fast, cost_usd=Decimal("0.024"), stream=stream) for stream in (False, True)])
    odd = a_call(**fast, cost_usd=Decimal("0.025"), stream=False, started_at=NOON - timedelta(days=1))
    land(store, [odd])
    found = fast_mode(LocalReader(store), Window(NOON - timedelta(days=2), DAY.end), ALL)
    assert (found.saved_usd, found.bound, found.left_out) == (Decimal("0.012"), "exact", 1)
    assert found.evidence.column("would_cost_usd").to_pylist() == [Decimal("0.012")]


def test_answers_that_were_cut_off_cost_what_they_cost(store: duckdb.DuckDBPyConnection) -> None:
    cut = [a_call(stop_reason="max_tokens", max_tokens=400) for _ in range(3)]
    land(store, [*cut, a_call(stop_reason="max_tokens", cost_usd=None), *(a_call(max_tokens=400) for _ in range(36))])
    found, _ = output_limits(LocalReader(store), DAY, ALL)
    assert (found.saved_usd, found.bound, found.left_out) == (Decimal("0.018"), "at_most", 1)
    assert found.evidence.column("truncated_ratio").to_pylist() == [0.1]


def test_one_answer_of_two_hundred_that_is_cut_off_is_no_finding(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(stop_reason="max_tokens"), *(a_call() for _ in range(199))])
    assert not output_limits(LocalReader(store), DAY, ALL)[0].found


def test_a_limit_ten_times_above_what_is_used_is_told(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(feature="loose", max_tokens=8000) for _ in range(20)])
    land(store, [a_call(feature="fits", max_tokens=3990) for _ in range(20)])
    _, found = output_limits(LocalReader(store), DAY, ALL)
    assert [(row["feature"], row["times_what_is_used"]) for row in found.evidence.to_pylist()] == [("loose", 20.0)]
    assert found.saved_usd is None


def asked(**facts: Any) -> LandedCall:
    """A question whose last message is marked for the cache: 990 of its 1000 tokens are read, and 10 come after."""
    usual: dict[str, Any] = {
        "cache_fingerprints": "1" * 16 + "," + "2" * 16,
        "input_tokens": 10,
        "cache_read_tokens": 990,
        "message_count": 1,
        "cost_usd": Decimal("0.004"),
    }
    return a_call(**(usual | facts))


def test_the_same_question_on_one_day_is_paid_for_once_too_often(store: duckdb.DuckDBPyConnection) -> None:
    """The first at 0.005, then two at 0.004: 0.008 could have been kept."""
    land(
        store,
        [
            asked(cost_usd=Decimal("0.005")),
            asked(started_at=NOON + MINUTE),
            asked(started_at=NOON + 2 * MINUTE),
            asked(cache_fingerprints="1" * 16 + "," + "3" * 16),
            asked(max_tokens=9),
            asked(input_tokens=17),
            a_call(),
            a_call(),
        ],
    )
    found = repeats(LocalReader(store), DAY, ALL)
    assert (found.saved_usd, found.left_out) == (Decimal("0.008"), 3)
    assert [(row["questions"], row["repeats"], row["most_of_one"]) for row in found.evidence.to_pylist()] == [(1, 2, 3)]


def test_the_same_question_on_another_day_is_no_repeat(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(), asked(started_at=NOON - timedelta(days=1))])
    assert not repeats(LocalReader(store), Window(NOON - timedelta(days=2), DAY.end), ALL).found


def test_without_fingerprints_of_whole_questions_repeats_are_not_known(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(), a_call()])
    found = repeats(LocalReader(store), DAY, ALL)
    assert (found.found, found.saved_usd, found.left_out) == (False, None, 2)
    assert found.why_unknown


def tried(*attempts: Attempt, status: str = "ok") -> LandedCall:
    last = attempts[-1].http_status
    return a_call(attempt_rows=attempts, attempts=len(attempts), status=status, http_status=last)


def attempt(status: int, wait_ms: int | None = None, retry_after_ms: int | None = None) -> Attempt:
    return Attempt(started_at=NOON, duration_ms=100, http_status=status, wait_ms=wait_ms, retry_after_ms=retry_after_ms)


@pytest.mark.parametrize(
    ("call", "broken"),
    [
        (tried(attempt(400), attempt(200, 1000)), "a wrong request was sent again"),
        (tried(*(attempt(429, 1000) for _ in range(6)), attempt(200, 1000)), "more than 5 retries"),
        (tried(attempt(529), attempt(529, 1000), attempt(200, 1000)), "a server error was retried more than once"),
        (tried(attempt(429, None, 3000), attempt(200, 2000)), "sent again sooner than retry-after said"),
        (tried(attempt(429), attempt(200, 400)), "less than a second between a 429 and the first retry"),
        (tried(attempt(529), status="error"), "given up after one 429 or server error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_retry_policy_is_held_against_each_rule(
    store: duckdb.DuckDBPyConnection, call: LandedCall, broken: str
) -> None:
    land(store, [call, tried(attempt(429, None, 2000), attempt(200, 2000)), tried(attempt(200))])
    found = retry_policy(LocalReader(store), DAY, ALL)
    assert [(row["what"], row["calls"]) for row in found.evidence.to_pylist()] == [(broken, 1)]


def test_a_good_policy_breaks_no_rule_and_its_time_is_told(store: duckdb.DuckDBPyConnection) -> None:
    """One retry of 100 ms and a wait of 2 s."""
    land(store, [tried(attempt(429, None, 2000), attempt(200, 2000))])
    found = retry_policy(LocalReader(store), DAY, ALL)
    assert not found.found
    assert found.said == "1 call was retried: 2 s lost. No rule broken."


def test_waits_that_never_vary_have_no_chance_in_them(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [tried(attempt(429), attempt(200, 1000)) for _ in range(20)])
    assert retry_policy(LocalReader(store), DAY, ALL).evidence.column("what").to_pylist() == ["all wait equally long"]


def test_what_failed_and_what_was_asked_again_is_added_up(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(status="error", cost_usd=Decimal("0.003")),
            a_call(reask=0, cost_usd=Decimal("0.002")),
            a_call(status="error", cost_usd=Decimal(0)),
            a_call(status="error", cost_usd=None, billed=None),
            a_call(),
        ],
    )
    found = paid_for_nothing(LocalReader(store), DAY, ALL)
    assert (found.saved_usd, found.left_out) == (Decimal("0.005"), 1)
    row = found.evidence.to_pylist()[0]
    assert (row["failed_calls"], row["asked_again_calls"]) == (1, 1)


def test_a_minute_without_a_stream_and_a_stream_of_a_word_are_told(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(feature="slow", stream=False, duration_ms=61_000) for _ in range(20)])
    land(store, [a_call(feature="short", stream=True, output_tokens=5) for _ in range(20)])
    land(store, [a_call(feature="fine", stream=True, duration_ms=61_000) for _ in range(20)])
    found = streaming(LocalReader(store), DAY, ALL)
    assert {(row["what"], row["feature"]) for row in found.evidence.to_pylist()} == {
        ("a minute or more without a stream", "slow"),
        ("a stream of a few words", "short"),
    }


def test_another_model_is_a_what_if_with_both_prices(store: duckdb.DuckDBPyConnection) -> None:
    """1000 in and 400 out: 0.015 on Opus 5, 0.012 on Opus 5.5 (4 and 20), 0.006 on Sonnet 5.5, 0.0003 on Haiku 5.5."""
    land(store, [a_call(model="claude-opus-5", cost_usd=Decimal("0.015"))])
    found = cheaper_models(LocalReader(store), DAY, ALL)
    assert (found.kind, found.saved_usd) == ("what_if", None)
    assert [(row["instead"], row["would_cost_usd"], row["same_line"]) for row in found.evidence.to_pylist()] == [
        ("claude-haiku-5-5", Decimal("0.0003"), False),
        ("claude-sonnet-5-5", Decimal("0.006"), False),
        ("claude-opus-5-5", Decimal("0.012"), True),
    ]


def test_a_model_without_a_price_is_told(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(model="claude-next", cost_usd=None, cost_status="unknown", cost_flags="model_unknown")])
    found = unpriced(LocalReader(store), DAY, ALL)
    assert found.evidence.column("model").to_pylist() == ["claude-next"]
    assert found.saved_usd is None


def cached(minutes: int, **facts: Any) -> LandedCall:
    """A call with one mark after 10,000 tokens."""
    return a_call(
        started_at=NOON - timedelta(hours=6) + minutes * MINUTE,
        cache_fingerprints="c" * 16,
        prompt_fingerprint="a" * 16,
        input_tokens=0,
        output_tokens=0,
        **facts,
    )


def written(minutes: int) -> LandedCall:
    return cached(
        minutes,
        cache_write_tokens=10_000,
        cache_write_5m_tokens=10_000,
        cache_write_1h_tokens=0,
        cost_usd=Decimal("0.025"),
    )


def test_writes_that_nobody_reads_cost_their_premium(store: duckdb.DuckDBPyConnection) -> None:
    """10,000 tokens at 2.50 a million where 2.00 would have done: 0.005; what the last call wrote may still be read.
    Half an hour apart, an hour of life would have made the second a read: 0.050 would have been 0.040 + 0.001."""
    land(store, [written(0), written(30)])
    waste, life = cache_writes(LocalReader(store), DAY, ALL)
    assert (waste.saved_usd, waste.bound) == (Decimal("0.005"), "exact")
    assert life.saved_usd == Decimal("0.009")
    assert [(row["ttl_now"], row["ttl"]) for row in life.evidence.to_pylist()] == [("5m", "1h")]


def test_a_write_that_is_read_again_is_no_waste(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [written(0), cached(2, cache_read_tokens=10_000, cost_usd=Decimal("0.001"))])
    assert not cache_writes(LocalReader(store), DAY, ALL)[0].found


def test_every_rule_makes_sense_without_calls_and_with_one(store: duckdb.DuckDBPyConnection) -> None:
    reader = LocalReader(store)
    for _ in range(2):
        findings = all_of(rule(reader, DAY, ALL) for rule in RULES)
        assert not any(finding.found for finding in findings if finding.kind != "what_if")
        assert len({finding.name for finding in findings}) == len(findings) == 13
        land(store, [a_call()])


def test_findings_are_ranked_by_dollars_a_month_then_those_without(store: duckdb.DuckDBPyConnection) -> None:
    def finding(name: str, saved: str | None, *, found: bool = True) -> Finding:
        return Finding(
            name=name,
            title=name,
            said="",
            found=found,
            saved_usd=None if saved is None else Decimal(saved),
            evidence=unpriced(LocalReader(store), DAY, ALL).evidence,
        )

    listed = [finding("none", "0", found=False), finding("unknown", None), finding("small", "1"), finding("large", "2")]
    assert [each.name for each in ranked(listed, DAY, DAY.end)] == ["large", "small", "unknown", "none"]


def test_a_month_is_thirty_days_like_the_part_of_the_window_that_has_passed() -> None:
    assert per_month(Decimal(2), DAY, DAY.end) == 60
    assert per_month(Decimal(2), DAY, NOON) == 120
    assert per_month(None, DAY, NOON) is None
    assert per_month(Decimal(2), DAY, datetime(2026, 1, 1, tzinfo=UTC)) is None


PROMPTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 20_000), st.integers(3_000, 9_000)), min_size=0, max_size=40
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PROMPTS)
def test_what_a_cache_would_save_is_what_going_through_the_calls_one_by_one_gives(
    store: duckdb.DuckDBPyConnection, drawn: list[tuple[str, int, int]]
) -> None:
    store.execute("DELETE FROM calls")
    moments = [(DAY.start + timedelta(seconds=second), text, tokens) for text, second, tokens in drawn]
    land(store, [large(at, prompt_fingerprint=text * 16, **priced(tokens)) for at, text, tokens in moments])
    expected = Decimal(0)
    for text in "ab":
        calls = sorted((at, tokens) for at, each, tokens in moments if each == text and tokens >= 4096)
        if len(calls) < 10:
            continue
        shared = min(tokens for _, tokens in calls)
        savings: list[Decimal] = []
        for life, write in ((5 * MINUTE, Decimal("2.5")), (60 * MINUTE, Decimal(4))):
            last, cost = None, Decimal(0)
            for at, _ in calls:
                cost += Decimal("0.1") if last is not None and at - last <= life else write
                last = at
            savings.append((2 * len(calls) - cost) * shared / 10**6)
        expected += max(Decimal(0), *savings)
    assert uncached_prompts(LocalReader(store), DAY, ALL).saved_usd == expected
