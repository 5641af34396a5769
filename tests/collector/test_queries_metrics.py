"""Each metric once, worked out by hand on a few calls, and against a slow reference on many made-up ones."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record import Call
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import METRICS, Reading, Segment, Window, readings
from claude_telemetry_collector.store import LocalReader, open_database
from tests.support.calls import NOON, a_call, land
from tests.support.reference import of_cache, of_money, of_streams

HOUR = Window(NOON, NOON + timedelta(hours=1))
ALL = Segment()


def read(store: duckdb.DuckDBPyConnection, name: str, *calls: LandedCall) -> Reading:
    land(store, calls)
    return readings(LocalReader(store), [name], HOUR, ALL)[name]


def test_requests_count_calls_of_every_outcome(store: duckdb.DuckDBPyConnection) -> None:
    calls = [a_call(), a_call(status="error", http_status=529), a_call(status="cancelled"), a_call(attempts=3)]
    assert read(store, "requests", *calls) == Reading("requests", 4, calls=4, unknown=0)


def test_counting_tokens_is_part_of_no_number(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(operation="count_tokens"), a_call(operation=None)])
    counted = readings(LocalReader(store), list(METRICS), HOUR, ALL)
    assert counted["requests"].value == 1
    assert all(reading.calls <= 1 for reading in counted.values())


def test_costs_add_up_to_the_picodollar(store: duckdb.DuckDBPyConnection) -> None:
    calls = [a_call(cost_usd=Decimal(cost)) for cost in ("0.000000000001", "0.1", "0.2", "41.999999999999")]
    assert read(store, "cost_usd", *calls) == Reading("cost_usd", Decimal("42.300000000000"), calls=4, unknown=0)


def test_a_cost_says_how_many_calls_are_not_in_it(store: duckdb.DuckDBPyConnection) -> None:
    priced = [a_call(cost_usd=Decimal("0.5")) for _ in range(97)]
    unpriced = [a_call(cost_usd=None, cost_status="unknown", model="claude-unheard-of") for _ in range(3)]
    assert read(store, "cost_usd", *priced, *unpriced) == Reading(
        "cost_usd", Decimal("48.5"), calls=100, unknown=3, unpriced=3
    )


def test_a_partial_cost_is_in_the_sum_and_counted_as_not_fully_known(store: duckdb.DuckDBPyConnection) -> None:
    calls = [a_call(cost_usd=Decimal("0.5")), a_call(cost_usd=Decimal("0.25"), cost_status="partial")]
    assert read(store, "cost_usd", *calls) == Reading("cost_usd", Decimal("0.75"), calls=2, unknown=1)


def test_what_is_not_billed_is_missing_from_no_sum(store: duckdb.DuckDBPyConnection) -> None:
    silent: dict[str, Any] = {"input_tokens": None, "output_tokens": None, "status": "error"}
    refused = a_call(http_status=429, billed=False, cost_usd=Decimal(0), **silent)
    not_billed = a_call(http_status=None, billed=False, cost_usd=None, cost_status="unknown", **silent)
    timed_out = a_call(http_status=None, billed=None, cost_usd=None, cost_status="unknown", **silent)
    land(store, [a_call(), refused, not_billed, timed_out])
    found = readings(LocalReader(store), ["cost_usd", "unpriced_calls", "total_tokens"], HOUR, ALL)
    # A call that timed out may well have been answered, and charged, after the client had gone.
    assert found["cost_usd"] == Reading("cost_usd", Decimal("0.006"), calls=3, unknown=1, unpriced=1)
    assert found["unpriced_calls"] == Reading("unpriced_calls", 1, calls=3, unknown=0)
    assert found["total_tokens"] == Reading("total_tokens", 1400, calls=2, unknown=1)


def test_a_cost_of_unpriced_calls_only_is_unknown_and_not_zero(store: duckdb.DuckDBPyConnection) -> None:
    assert read(store, "cost_usd", a_call(cost_usd=None)) == Reading("cost_usd", None, calls=1, unknown=1, unpriced=1)


def test_what_is_paid_and_the_list_price_are_two_numbers(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(cost_usd=Decimal("0.5"), net_cost_usd=Decimal("0.4")), a_call(cost_usd=Decimal(2))])
    # As it was landed before there were discounts.
    land(store, [a_call(cost_usd=Decimal("0.25"), net_cost_usd=None), a_call(cost_usd=None)])
    found = readings(LocalReader(store), ["cost_usd", "net_cost_usd"], HOUR, ALL)
    assert found["cost_usd"] == Reading("cost_usd", Decimal("2.75"), calls=4, unknown=1, unpriced=1)
    assert found["net_cost_usd"] == Reading("net_cost_usd", Decimal("2.65"), calls=4, unknown=1, unpriced=1)


def test_a_price_is_missing_only_where_tokens_were_used(store: duckdb.DuckDBPyConnection) -> None:
    nameless: dict[str, Any] = {"cost_usd": None, "cost_status": "unknown"}
    timed_out = a_call(**nameless, status="error", billed=None, input_tokens=None, output_tokens=None)
    free = a_call(**nameless, billed=False)
    calls = [a_call(), a_call(**nameless), a_call(**nameless, output_tokens=None), timed_out, free]
    assert read(store, "no_price_calls", *calls) == Reading("no_price_calls", 2, calls=3, unknown=0)


def test_unpriced_calls_are_those_whose_cost_is_not_known(store: duckdb.DuckDBPyConnection) -> None:
    calls = [a_call(), a_call(cost_usd=None, cost_status="unknown"), a_call(cost_usd=Decimal(0), cost_status="priced")]
    assert read(store, "unpriced_calls", *calls) == Reading("unpriced_calls", 1, calls=3, unknown=0)


# 100, 200, 300, 400 ms. Between neighbours a percentile is interpolated: P95 lies at 0.95 * 3 = 2.85 from the first.
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration_avg_ms", 250.0),
        ("duration_p50_ms", 250.0),
        ("duration_p95_ms", 385.0),
        ("duration_p99_ms", 397.0),
    ],
)
def test_latencies_are_exact_and_interpolated(store: duckdb.DuckDBPyConnection, name: str, value: float) -> None:
    calls = [a_call(duration_ms=ms) for ms in (400, 100, 300)]
    failed = a_call(duration_ms=200, status="error")
    cancelled = a_call(duration_ms=9_000_000, status="cancelled")
    unknown = a_call(duration_ms=None)
    found = read(store, name, *calls, failed, cancelled, unknown)
    assert found.value == pytest.approx(value)
    assert (found.calls, found.unknown) == (5, 1)


def test_time_to_first_token_is_that_of_streams(store: duckdb.DuckDBPyConnection) -> None:
    streams = [a_call(stream=True, ttft_ms=ms) for ms in (100, 200)]
    never_began = a_call(stream=True, ttft_ms=None, status="error")
    cancelled = a_call(stream=True, ttft_ms=5000, status="cancelled")
    found = read(store, "ttft_p95_ms", *streams, never_began, cancelled, a_call(stream=False))
    assert found.value == pytest.approx(195.0)
    assert (found.calls, found.unknown) == (3, 1)


def test_the_error_rate_leaves_out_what_the_application_cancelled(store: duckdb.DuckDBPyConnection) -> None:
    calls = [a_call() for _ in range(3)] + [a_call(status="error")] + [a_call(status="cancelled") for _ in range(6)]
    assert read(store, "error_ratio", *calls) == Reading("error_ratio", 0.25, calls=4, unknown=0)


def test_the_cache_hit_rate_is_over_input_of_every_kind(store: duckdb.DuckDBPyConnection) -> None:
    calls = [
        a_call(input_tokens=100, cache_read_tokens=300, cache_write_tokens=0),
        a_call(input_tokens=50, cache_read_tokens=None, cache_write_tokens=150),
        a_call(input_tokens=None, cache_read_tokens=10_000),
    ]
    assert read(store, "cache_hit_ratio", *calls) == Reading("cache_hit_ratio", 0.5, calls=3, unknown=1)


def test_a_cache_hit_rate_without_input_is_unknown(store: duckdb.DuckDBPyConnection) -> None:
    assert read(store, "cache_hit_ratio", a_call(input_tokens=0)).value is None


@pytest.mark.parametrize(
    ("name", "value", "unknown"),
    [
        ("input_tokens", 110, 1),
        ("cache_read_tokens", 1000, 1),
        ("cache_write_tokens", 200, 1),
        ("output_tokens", 7, 2),
        ("total_tokens", 1317, 2),
    ],
)
def test_tokens_are_counted_once_each(store: duckdb.DuckDBPyConnection, name: str, value: int, unknown: int) -> None:
    whole = a_call(input_tokens=100, cache_read_tokens=1000, cache_write_tokens=200, output_tokens=7)
    cut = a_call(input_tokens=10, output_tokens=None)
    silent = a_call(input_tokens=None, cache_read_tokens=None, cache_write_tokens=None, output_tokens=None)
    assert read(store, name, whole, cut, silent) == Reading(name, value, calls=3, unknown=unknown)


def test_an_absurd_token_count_leaves_the_other_numbers_alone(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(input_tokens=2**63 - 1, cache_read_tokens=2**63 - 1), a_call()])
    found = readings(LocalReader(store), list(METRICS), HOUR, ALL)
    assert found["requests"].value == 2
    assert found["total_tokens"].value is None
    assert found["output_tokens"].value == 800


def test_the_largest_call_is_one_call(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(cost_usd=Decimal("0.5"), input_tokens=10, cache_read_tokens=20, output_tokens=30),
            a_call(cost_usd=Decimal("0.75"), input_tokens=1, output_tokens=None),
            a_call(cost_usd=None),
        ],
    )
    found = readings(LocalReader(store), ["call_cost_max_usd", "call_tokens_max"], HOUR, ALL)
    assert found["call_cost_max_usd"] == Reading("call_cost_max_usd", Decimal("0.75"), calls=3, unknown=1, unpriced=1)
    assert found["call_tokens_max"] == Reading("call_tokens_max", 1400, calls=3, unknown=1)


def test_over_no_calls_a_count_is_zero_and_everything_else_unknown(store: duckdb.DuckDBPyConnection) -> None:
    found = readings(LocalReader(store), list(METRICS), HOUR, ALL)
    assert found == {
        name: Reading(name, 0 if name.endswith(("requests", "_calls")) else None, calls=0, unknown=0)
        for name in METRICS
    }


def test_an_unheard_of_metric_is_refused(store: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ValueError, match="no metric 'coffee'"):
        readings(LocalReader(store), ["coffee"], HOUR, ALL)


# Against a slow reference.

count = st.none() | st.integers(0, 10**6)
call_facts = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["ok", "error", "cancelled"]),
        "duration_ms": count,
        "ttft_ms": count,
        "stream": st.sampled_from([None, True, False]),
        "input_tokens": count,
        "cache_read_tokens": count,
        "cache_write_tokens": count,
        "output_tokens": count,
        "cost_usd": st.none() | st.decimals(0, 1000, places=12),
        "net_cost_usd": st.none() | st.decimals(0, 1000, places=12),
        "cost_status": st.sampled_from(["priced", "partial", "unknown"]),
        "billed": st.sampled_from([None, True, False]),
        "attempts": st.none() | st.integers(0, 4),
        "error_type": st.sampled_from([None, "rate_limit_error", "api_error"]),
        "stop_reason": st.sampled_from([None, "end_turn", "refusal", "max_tokens"]),
        "stream_end": st.sampled_from([None, "read", "cut"]),
        "usage_partial": st.sampled_from([None, True]),
        "rates": st.none() | st.just((2_000_000, 10_000_000, 100_000, 2_500_000)) | st.just((1, 1, 1, 1)),
    }
)


def with_lines(facts: dict[str, Any]) -> dict[str, Any]:
    """`facts` with the lines of their cost, by what a token of input, output, reads and writes costs in picodollars."""
    rates = facts.pop("rates")
    if rates is None:
        return facts
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    amounts = [Decimal((facts[name] or 0) * rate) / 10**12 for name, rate in zip(counts, rates, strict=True)]
    lines = dict(zip(("input", "output", "cache_read", "cache_write_5m"), amounts, strict=True))
    return facts | {"cost_breakdown": json.dumps({line: format(usd, "f") for line, usd in lines.items()})}


_examples = itertools.count()


@pytest.fixture(scope="module")
def lasting_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_database(tmp_path_factory.mktemp("store") / "calls.duckdb", memory_limit="256MB")
    yield connection
    connection.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made_up=st.lists(call_facts, max_size=25))
def test_every_metric_equals_a_slow_reference(
    lasting_store: duckdb.DuckDBPyConnection, made_up: list[dict[str, Any]]
) -> None:
    service = f"example {next(_examples)}"
    calls = [a_call(service=service, **with_lines(facts)) for facts in made_up]
    land(lasting_store, calls)
    found = readings(LocalReader(lasting_store), list(METRICS), HOUR, Segment(service=service))
    for name, expected in reference([call.record.call for call in calls]).items():
        value, over, unknown = expected
        approximate: Any = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
        unpriced = unpriced_of(name, [call.record.call for call in calls])
        assert found[name] == Reading(name, approximate, calls=over, unknown=unknown, unpriced=unpriced), name


def unpriced_of(name: str, calls: list[Call]) -> int:
    """How many of the calls that an amount is about have no price."""
    if not name.endswith("_usd"):
        return 0
    about_cache = name in ("cache_saved_usd", "cache_premium_usd", "cache_net_saving_usd")
    return sum(
        call.cost_usd is None
        and (call.billed is not False or (about_cache and has_usage(call)))
        and (not about_cache or bool(call.cache_read_tokens or call.cache_write_tokens))
        for call in calls
    )


def reference(calls: list[Call]) -> dict[str, tuple[Any, int, int]]:
    """By metric: value, calls, unknown. Written from what the metrics promise, not from their SQL."""
    ended = [call for call in calls if call.status != "cancelled"]
    timed = [call.duration_ms for call in ended if call.duration_ms is not None]
    streams = [call for call in ended if call.stream or call.ttft_ms is not None]
    began = [call.ttft_ms for call in streams if call.ttft_ms is not None]
    may = [call for call in calls if may_cost(call)]
    paid = [call.cost_usd if call.net_cost_usd is None else call.net_cost_usd for call in calls]
    net = [usd for usd in paid if usd is not None]
    used = [call for call in may if has_usage(call)]
    costs = [call.cost_usd for call in calls if call.cost_usd is not None]
    may_use = [call for call in calls if has_usage(call) or call.billed is not False]
    with_input = [call for call in calls if call.input_tokens is not None]
    all_input = sum(total_input(call) for call in with_input)
    totals = [
        (total_input(call) if call in with_input else 0) + (call.output_tokens or 0)
        for call in calls
        if has_usage(call)
    ]
    vague_cost = sum(call.cost_usd is None or call.cost_status == "partial" for call in may)
    vague_use = sum(call.input_tokens is None or call.output_tokens is None for call in may_use)
    result: dict[str, tuple[Any, int, int]] = {
        "requests": (len(calls), len(calls), 0),
        "cost_usd": (sum(costs, Decimal(0)) if costs else None, len(may), vague_cost),
        "net_cost_usd": (sum(net, Decimal(0)) if net else None, len(may), vague_cost),
        "unpriced_calls": (len(may) - len(costs), len(may), 0),
        "no_price_calls": (sum(call.cost_usd is None for call in used), len(used), 0),
        "duration_avg_ms": (sum(timed) / len(timed) if timed else None, len(ended), len(ended) - len(timed)),
        "ttft_p50_ms": (percentile(began, 0.50), len(streams), len(streams) - len(began)),
        "ttft_p95_ms": (percentile(began, 0.95), len(streams), len(streams) - len(began)),
        "error_ratio": (sum(call.status == "error" for call in ended) / len(ended) if ended else None, len(ended), 0),
        "cache_hit_ratio": (
            sum(call.cache_read_tokens or 0 for call in with_input) / all_input if all_input else None,
            len(may_use),
            len(may_use) - len(with_input),
        ),
        "total_tokens": (sum(totals) if totals else None, len(may_use), vague_use),
        "call_cost_max_usd": (max(costs, default=None), len(may), vague_cost),
        "call_tokens_max": (max(totals, default=None), len(may_use), vague_use),
        **outcomes(calls),
        **of_money(calls),
        **of_cache(calls),
        **of_streams(calls),
    }
    for share in (50, 95, 99):
        result[f"duration_p{share}_ms"] = (percentile(timed, share / 100), len(ended), len(ended) - len(timed))
    for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"):
        said = [getattr(call, name) for call in calls if getattr(call, name) is not None]
        unsaid = sum(getattr(call, name) is None for call in may_use)
        result[name] = (sum(said) if said else None, len(may_use), unsaid)
    return result


def outcomes(calls: list[Call]) -> dict[str, tuple[Any, int, int]]:
    """How calls ended, as `reference` has it."""
    ended = [call for call in calls if call.status != "cancelled"]
    failed = [call for call in ended if call.status == "error"]
    told = [call.attempts for call in calls if call.attempts is not None]
    tried = [number for number in told if number > 0]
    answers = [call for call in calls if call.status == "ok"]
    stopped = [call.stop_reason for call in answers if call.stop_reason is not None]
    return {
        "failed_calls": (len(failed), len(ended), 0),
        "limited_calls": (
            sum(call.error_type == "rate_limit_error" for call in failed),
            len(ended),
            sum(call.error_type is None for call in failed),
        ),
        "cancelled_calls": (len(calls) - len(ended), len(calls), 0),
        "retries": (sum(number - 1 for number in tried) if tried else None, len(calls), len(calls) - len(told)),
        "retry_ratio": (
            sum(number > 1 for number in told) / len(told) if told else None,
            len(calls),
            len(calls) - len(told),
        ),
        "refused_calls": (stopped.count("refusal"), len(answers), len(answers) - len(stopped)),
        "truncated_ratio": (
            stopped.count("max_tokens") / len(stopped) if stopped else None,
            len(answers),
            len(answers) - len(stopped),
        ),
    }


def may_cost(call: Call) -> bool:
    return call.cost_usd is not None or call.billed is not False


def has_usage(call: Call) -> bool:
    return call.input_tokens is not None or call.output_tokens is not None


def total_input(call: Call) -> int:
    return (call.input_tokens or 0) + (call.cache_read_tokens or 0) + (call.cache_write_tokens or 0)


def percentile(values: list[int], quantile: float) -> float | None:
    """By linear interpolation between the neighbours of the place that `quantile` points at."""
    if not values:
        return None
    ordered = sorted(values)
    place = quantile * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def test_the_reference_knows_every_metric() -> None:
    assert reference([]).keys() == METRICS.keys()
