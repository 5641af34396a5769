"""What went wrong, worked out by hand on a few calls, and against a slow reference on many made-up ones."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import Attempt
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window, errors
from claude_telemetry_collector.queries.errors import Headroom, PolicyCheck
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

HOUR = Window(NOON, NOON + timedelta(hours=1))
ALL = Segment()
SECOND = timedelta(seconds=1)

Try = tuple[int | None, str | None]
"""The status and the error of an attempt."""

REFUSED: Try = (429, "rate_limit_error")
OVERLOADED: Try = (529, "overloaded_error")
WELL: Try = (200, None)
LOST: Try = (None, "client_timeout_error")


def asked(
    *tries: Try,
    waits: Sequence[int | None] = (),
    retry_after_ms: int | None = None,
    took_ms: int = 100,
    **facts: Any,
) -> LandedCall:
    """A call with these attempts. It went as the last one did; `waits` are the pauses between them."""
    status, error = tries[-1]
    pauses = [None, *waits]
    attempts = [
        Attempt(
            started_at=facts.get("started_at", NOON) + number * SECOND,
            duration_ms=took_ms,
            http_status=http_status,
            error_type=error_type,
            wait_ms=pauses[number] if number < len(pauses) else 1000,
            retry_after_ms=retry_after_ms if http_status == 429 else None,
        )
        for number, (http_status, error_type) in enumerate(tries)
    ]
    outcome: dict[str, Any] = (
        {"status": "ok"} if status == 200 else {"status": "error", "stop_reason": None, "cost_usd": None}
    )
    told: dict[str, Any] = {"attempts": len(tries), "http_status": status, "error_type": error, "duration_ms": took_ms}
    return a_call(attempt_rows=attempts, **(told | outcome | facts))


def checks(store: duckdb.DuckDBPyConnection, *calls: LandedCall) -> dict[str, PolicyCheck]:
    land(store, calls)
    return {check.rule: check for check in errors.retry_policy(LocalReader(store), HOUR, ALL)}


def test_failures_are_told_by_type_and_by_whose_side_they_are_on(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            asked(REFUSED, user_id="u1", duration_ms=100),
            asked(REFUSED, user_id="u2", duration_ms=300, started_at=NOON + SECOND, trace_id="ab" * 16),
            asked((418, "418"), duration_ms=None),
            *(a_call() for _ in range(5)),
            a_call(status="cancelled"),
            asked(REFUSED, started_at=NOON - SECOND),
        ],
    )
    shown = ("error_type", "side", "http_status", "errors", "ratio", "users", "took_ms", "types")
    found = errors.failures(LocalReader(store), HOUR, ALL).to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("rate_limit_error", "limit", 429, 2, 0.25, 2, 400, 2),
        ("418", "other", 418, 1, 0.125, 0, None, 2),
    ]
    assert found[0]["trace_id"] == "ab" * 16
    assert errors.failures(LocalReader(store), HOUR, Segment(feature="nothing")).num_rows == 0


def test_failures_are_told_apart_by_a_label(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            asked(REFUSED, feature="chat"),
            asked(OVERLOADED, feature="chat"),
            asked(OVERLOADED, feature="chat"),
            a_call(feature="chat"),
            asked((500, None), feature=None),
            a_call(feature="search"),
        ],
    )
    shown = ("label", "ended", "errors", "ratio", "worst_type", "worst_errors", "groups")
    found = errors.failures_by(LocalReader(store), HOUR, ALL, "feature").to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("chat", 4, 3, 0.75, "overloaded_error", 2, 2),
        (None, 1, 1, 1.0, None, 1, 2),
    ]
    with pytest.raises(ValueError, match="cannot be told apart"):
        errors.failures_by(LocalReader(store), HOUR, ALL, "1; DROP TABLE calls")


def test_every_error_of_the_api_has_a_side_and_a_way_out() -> None:
    assert {kind.side for kind in errors.ERROR_KINDS.values()} == set(errors.SIDES) - {"other"}
    assert errors.side_of("overloaded_error") == "api"
    assert (errors.side_of(None), errors.side_of("an unheard of one")) == ("other", "other")
    assert all(kind.meaning and kind.to_do for kind in errors.ERROR_KINDS.values())


def test_answers_that_are_less_than_asked_for_are_counted(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(stop_reason="refusal", empty_refusal=True),
            a_call(stop_reason="refusal", empty_refusal=False),
            a_call(stop_reason="max_tokens"),
            a_call(stop_reason="model_context_window_exceeded"),
            a_call(stop_reason=None),
            *(a_call(reask=number) for number in (0, 1, 4)),
            a_call(stream=True, stream_end="read"),
            a_call(stream=True, stream_end="cut", status="error", error_type="api_error", stop_reason=None),
            a_call(stream=True, stream_end="closed", status="cancelled", stop_reason=None),
            a_call(stream=True, stream_end=None),
        ],
    )
    assert errors.answers(LocalReader(store), HOUR, ALL) == errors.Answers(
        calls=10,
        stop_unknown=1,
        refused=2,
        refused_empty=1,
        truncated=1,
        window_full=1,
        reasked=2,
        reasked_often=1,
        streams=4,
        streams_end_unknown=1,
        cut=1,
        abandoned=1,
    )


def test_refusals_are_told_by_policy(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(stop_reason="refusal", refusal_category="bio", cost_usd=Decimal("0.5")),
            a_call(stop_reason="refusal", refusal_category="bio", cost_usd=None),
            a_call(stop_reason="refusal", empty_refusal=True, cost_usd=None, billed=False),
        ],
    )
    shown = ("category", "calls", "empty", "cost_usd", "unpriced")
    assert [
        tuple(row[name] for name in shown) for row in errors.refusals(LocalReader(store), HOUR, ALL).to_pylist()
    ] == [
        ("bio", 2, 0, Decimal("0.5"), 1),
        (None, 1, 1, None, 0),
    ]


def test_truncations_are_a_share_of_what_asked_with_the_same_limit(store: duckdb.DuckDBPyConnection) -> None:
    cut: dict[str, Any] = {"stop_reason": "max_tokens", "feature": "chat", "max_tokens": 64}
    land(
        store,
        [
            a_call(**cut, output_tokens=64),
            a_call(**cut, output_tokens=None),
            a_call(feature="chat", max_tokens=64),
            a_call(feature="chat", max_tokens=64, stop_reason=None),
            a_call(feature="chat", max_tokens=900),
            a_call(stop_reason="max_tokens", feature=None, max_tokens=None),
        ],
    )
    shown = ("feature", "max_tokens", "calls", "ended", "ratio", "output_tokens")
    found = errors.truncations(LocalReader(store), HOUR, ALL).to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("chat", 64, 2, 3, pytest.approx(2 / 3), 64),
        (None, None, 1, 1, 1.0, 400),
    ]


def test_what_retries_cost_and_saved(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            asked(REFUSED, OVERLOADED, WELL, waits=(500, 1500), took_ms=100, cost_usd=Decimal(1)),
            asked(OVERLOADED, OVERLOADED, waits=(700,), took_ms=200),
            asked(LOST, WELL, waits=(None,), took_ms=5000, cost_usd=Decimal("0.25")),
            asked(LOST, (200, None), status="cancelled", cost_usd=None, waits=(300,), took_ms=1000),
            asked(REFUSED),
            a_call(),
            a_call(attempts=None),
        ],
    )
    assert errors.retry_cost(LocalReader(store), HOUR, ALL) == errors.RetryCost(
        calls=7,
        attempts_unknown=1,
        retried=4,
        saved=2,
        lost=1,
        cancelled=1,
        retries=5,
        told=5,
        waited_ms=500 + 1500 + 700 + 300,
        failed_ms=100 + 100 + 200 + 5000 + 1000,
        unseen=2,
        unseen_at_most_usd=Decimal("0.25"),
        unseen_unpriced=1,
    )
    shown = ("error_type", "http_status", "attempts", "again", "saved", "lost", "given_up", "waited_p50_ms", "took_ms")
    found = errors.retries_by_reason(LocalReader(store), HOUR, ALL).to_pylist()
    assert [tuple(row[name] for name in shown) for row in found] == [
        ("overloaded_error", 529, 3, 2, 1, 1, 1, 1100.0, 500),
        ("client_timeout_error", None, 2, 2, 1, 0, 0, 300.0, 6000),
        ("rate_limit_error", 429, 2, 1, 1, 0, 1, 500.0, 200),
    ]


def test_without_retries_nothing_was_waited_for_and_nothing_is_known_of_it(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call()])
    cost = errors.retry_cost(LocalReader(store), HOUR, ALL)
    assert (cost.retried, cost.waited_ms, cost.failed_ms, cost.unseen_at_most_usd) == (0, None, None, None)
    assert errors.retries_by_reason(LocalReader(store), HOUR, ALL).num_rows == 0
    assert {check.verdict for check in errors.retry_policy(LocalReader(store), HOUR, ALL)} == {"unknown"}


def test_asking_again_what_cannot_succeed_breaks_a_rule(store: duckdb.DuckDBPyConnection) -> None:
    bad: Try = (400, "invalid_request_error")
    found = checks(store, asked(bad, bad, trace_id="ab" * 16), asked(bad))["hopeless"]
    assert (found.verdict, found.about, found.against, found.trace_id) == ("broken", 3, 1, "ab" * 16)


def test_giving_up_at_a_limit_at_once_breaks_a_rule_and_so_does_hammering_it(store: duckdb.DuckDBPyConnection) -> None:
    found = checks(store, asked(REFUSED), asked(*[REFUSED] * 7, WELL))
    assert (found["limit_given_up"].about, found["limit_given_up"].against) == (8, 1)
    # Seven retries: the sixth and the seventh are more than five.
    assert (found["limit_too_often"].about, found["limit_too_often"].against) == (7, 2)


def test_pauses_are_held_against_one_two_and_four_seconds(store: duckdb.DuckDBPyConnection) -> None:
    short = asked(REFUSED, REFUSED, REFUSED, WELL, waits=(499, 999, 1999))
    long = asked(REFUSED, REFUSED, REFUSED, WELL, waits=(500, 1000, 2000))
    told = asked(REFUSED, WELL, waits=(3,), retry_after_ms=2)
    found = checks(store, short, long, told)["short_wait"]
    assert (found.about, found.against, found.figure_ms) == (6, 3, 999.5)


def test_retry_after_is_to_be_obeyed_but_for_what_timers_are_early(store: duckdb.DuckDBPyConnection) -> None:
    found = checks(
        store,
        asked(REFUSED, WELL, waits=(1900,), retry_after_ms=2000),
        asked(REFUSED, WELL, waits=(1899,), retry_after_ms=2000),
        asked(REFUSED, WELL, waits=(1,)),
    )["retry_after"]
    assert (found.about, found.against) == (2, 1)


def test_a_breakdown_is_to_be_asked_again_once(store: duckdb.DuckDBPyConnection) -> None:
    found = checks(store, asked(OVERLOADED, OVERLOADED, WELL), asked(*[OVERLOADED] * 4), asked(OVERLOADED))
    assert (found["breakdown_often"].about, found["breakdown_often"].against) == (5, 3)


def test_what_passes_by_itself_is_to_be_asked_four_times(store: duckdb.DuckDBPyConnection) -> None:
    found = checks(store, asked(*[REFUSED] * 3), asked(*[REFUSED] * 4), asked(REFUSED, WELL), asked(OVERLOADED))
    assert (found["given_up_early"].about, found["given_up_early"].against) == (2, 1)


def test_a_time_limit_of_more_than_two_minutes_is_told_with_a_typical_one(store: duckdb.DuckDBPyConnection) -> None:
    found = checks(store, asked(LOST, took_ms=120_000), asked(LOST, took_ms=600_000))["long_timeout"]
    assert (found.about, found.against, found.figure_ms) == (2, 1, 360_000.0)


@pytest.mark.parametrize(("spread", "verdict"), [(0, "broken"), (100, "kept")])
def test_pauses_that_are_all_alike_are_told(store: duckdb.DuckDBPyConnection, spread: int, verdict: str) -> None:
    ten = [asked(OVERLOADED, WELL, waits=(1000 + number * spread,)) for number in range(10)]
    assert checks(store, *ten[:9])["jitter"].verdict == "unknown"
    assert checks(store, ten[9])["jitter"].verdict == verdict


def test_the_pace_at_which_the_api_said_no_is_taken_for_the_limit(store: duckdb.DuckDBPyConnection) -> None:
    minute = timedelta(minutes=1)
    busy = [a_call(started_at=NOON, input_tokens=10, output_tokens=1) for _ in range(19)]
    slow = [
        a_call(started_at=NOON + number * minute, input_tokens=1000, output_tokens=number)
        for number in range(40, 50)
        for _ in range(number - 39)
    ]
    land(store, [asked(REFUSED, input_tokens=None, output_tokens=None), *busy, *slow])
    recent = Window(NOON + 40 * minute, NOON + 50 * minute)
    found = {one.kind: one for one in errors.headroom(LocalReader(store), HOUR, recent, ALL)}
    requests = found["requests"]
    # 1 to 10 calls a minute, one more each minute: 8 in the mean of the last five, 12 short of 20.
    assert (requests.hits, requests.hit_minutes, requests.limit) == (1, 1, 20.0)
    assert requests.pace == 8.0
    assert requests.slope == pytest.approx(1.0)
    assert requests.used == pytest.approx(0.4)
    assert requests.minutes_left == pytest.approx(12.0)
    # More tokens went through in a minute without a 429 than in the one with it, so they were not the limit.
    assert found["input_tokens"].at_hits == 190.0
    assert (found["input_tokens"].limit, found["input_tokens"].used, found["input_tokens"].minutes_left) == (None,) * 3


def test_without_a_429_nothing_is_known_of_a_limit(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call()])
    recent = Window(NOON, NOON + timedelta(minutes=10))
    found = errors.headroom(LocalReader(store), HOUR, recent, ALL)
    assert [(one.model, one.kind, one.limit, one.minutes_left) for one in found] == [
        ("claude-sonnet-5-5", kind, None, None) for kind in ("requests", "input_tokens", "output_tokens")
    ]
    assert errors.headroom(LocalReader(store), HOUR, recent, Segment(feature="nothing")) == ()


def test_a_pace_that_falls_or_stands_meets_no_limit() -> None:
    facts: dict[str, Any] = {
        "model": "m",
        "kind": "requests",
        "hits": 1,
        "hit_minutes": 1,
        "last_hit_at": None,
        "at_hits": 20.0,
        "lowest": 20.0,
        "highest": 20.0,
        "calm": 8.0,
    }
    assert Headroom(**facts, pace=10.0, slope=-1.0).minutes_left is None
    assert Headroom(**facts, pace=10.0, slope=0.01).minutes_left is None
    assert Headroom(**facts, pace=10.0, slope=2.0).minutes_left == 5.0
    assert Headroom(**facts, pace=20.0, slope=-1.0).minutes_left == 0.0


_examples = itertools.count()
failed_tries = st.sampled_from([REFUSED, OVERLOADED, LOST])
tries = st.tuples(st.lists(failed_tries, max_size=4), failed_tries | st.just(WELL))
"""The attempts that were repeated, and the last one."""


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(tries, max_size=12))
def test_retries_equal_a_slow_reference(store: duckdb.DuckDBPyConnection, drawn: list[tuple[list[Try], Try]]) -> None:
    made_up = [[*first, last] for first, last in drawn]
    service = f"example {next(_examples)}"
    land(store, [asked(*call, service=service) for call in made_up])
    segment = Segment(service=service)
    found = errors.retry_cost(LocalReader(store), HOUR, segment)
    again = [(one, call) for call in made_up for one in call[:-1]]
    assert found.calls == len(made_up)
    assert (found.retries, found.told) == (len(again), len(again))
    assert found.saved == sum(len(call) > 1 and call[-1] == WELL for call in made_up)
    assert found.unseen == sum(one == LOST for one, _ in again)
    reasons = errors.retries_by_reason(LocalReader(store), HOUR, segment).to_pylist()
    # A call that went well at once has no attempt that failed; of any other the failed ones are told.
    failed = Counter(one for call in made_up if len(call) > 1 or call[-1] != WELL for one in call if one != WELL)
    assert {(row["http_status"], row["error_type"]): row["attempts"] for row in reasons} == dict(failed)
