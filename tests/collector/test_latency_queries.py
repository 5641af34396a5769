"""How fast streams are, how they end, and where the time of calls goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import duckdb
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Reading, Segment, Window, readings
from claude_telemetry_collector.queries.latency import Stalls, slowest_calls, stalls, stream_ends, time_split
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

HOUR = Window(NOON, NOON + timedelta(hours=1))
ALL = Segment()


def a_stream(
    *, tokens: int | None = 100, ttft_ms: int | None = 500, duration_ms: int = 1500, **facts: Any
) -> LandedCall:
    known: dict[str, Any] = {"stream": True, "stream_end": "read", **facts}
    return a_call(output_tokens=tokens, ttft_ms=ttft_ms, duration_ms=duration_ms, **known)


def read(store: duckdb.DuckDBPyConnection, name: str, *calls: LandedCall) -> Reading:
    land(store, calls)
    return readings(LocalReader(store), [name], HOUR, ALL)[name]


def test_half_of_the_streams_begin_within_the_median(store: duckdb.DuckDBPyConnection) -> None:
    streams = [a_stream(ttft_ms=ms) for ms in (100, 300, 400, None)]
    assert read(store, "ttft_p50_ms", *streams, a_call()) == Reading("ttft_p50_ms", 300.0, calls=4, unknown=1)


def test_output_speed_is_tokens_over_the_time_from_the_first_to_the_last(store: duckdb.DuckDBPyConnection) -> None:
    # 100 tokens in 1 s and 500 in 3 s: 600 in 4 s. Of the others it is not known what was written in which time.
    streams = [
        a_stream(),
        a_stream(tokens=500, duration_ms=3500),
        a_stream(usage_partial=True),
        a_stream(stream_end="cut"),
        a_stream(tokens=None),
        a_stream(ttft_ms=None),
        a_stream(status="cancelled"),
    ]
    assert read(store, "output_tokens_per_s", *streams, a_call()) == Reading(
        "output_tokens_per_s", 150.0, calls=6, unknown=4
    )


def test_streams_that_were_cut_off_are_a_share_of_those_that_say_how_they_ended(
    store: duckdb.DuckDBPyConnection,
) -> None:
    streams = [a_stream(), a_stream(), a_stream(stream_end="closed"), a_stream(stream_end="cut")]
    assert read(store, "stream_cut_ratio", *streams, a_stream(stream_end=None), a_call()) == Reading(
        "stream_cut_ratio", 0.25, calls=5, unknown=1
    )


def test_the_slowest_calls_come_first(store: duckdb.DuckDBPyConnection) -> None:
    slow = a_call(duration_ms=9000, model=None, request_model="claude-opus-5-5", status="error", error_type="timeout")
    gone = a_call(duration_ms=99_000, status="cancelled")
    land(store, [a_call(duration_ms=10), slow, gone, a_call(duration_ms=None), a_call(duration_ms=7000)])

    rows = slowest_calls(LocalReader(store), HOUR, ALL, limit=2).to_pylist()

    assert [(row["duration_ms"], row["model"], row["error_type"]) for row in rows] == [
        (9000, "claude-opus-5-5", "timeout"),
        (7000, "claude-sonnet-5-5", None),
    ]
    assert rows[0]["span_id"] == slow.record.call.span_id


def test_streams_are_counted_by_how_they_ended(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_stream(), a_stream(), a_stream(stream_end="cut"), a_stream(stream_end=None), a_call(stream=False)])
    assert stream_ends(LocalReader(store), HOUR, ALL) == {"read": 2, "cut": 1, None: 1}


def test_time_at_the_api_and_around_it_is_of_calls_that_both_told_of(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(duration_ms=1000), a_call(duration_ms=3000), a_call(duration_ms=8000)])
    store.execute("UPDATE calls SET server_ms = duration_ms - 250, client_ms = 250 WHERE duration_ms < 5000")

    found = time_split(LocalReader(store), HOUR, ALL)

    assert (found.calls, found.of_calls) == (2, 3)
    assert (found.duration_p50_ms, found.server_p50_ms, found.client_p95_ms) == (2000.0, 1750.0, 250.0)
    assert found.client_ratio == pytest.approx(500 / 4000)


def test_where_the_api_told_of_nothing_the_split_is_unknown(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call()])
    found = time_split(LocalReader(store), HOUR, ALL)
    assert (found.calls, found.of_calls, found.server_p50_ms, found.client_ratio) == (0, 1, None, None)


def test_a_stream_stalled_that_wrote_long_and_far_slower_than_its_model_does(store: duckdb.DuckDBPyConnection) -> None:
    # All of them together write 30,800 tokens in 308 s, 100 a second. So 1,000 tokens usually take 10 s: the one that
    # took 80 s lost 70 s, and the one that took 20 s is slow, but no stall. 200 tokens take 2 s: the one that took 20 s
    # lost 18 s, and the one that took 8 s for 100 was soon over. Of the other model there is one stream, which does not
    # tell what is usual.
    usual = [a_stream(tokens=1425, ttft_ms=0, duration_ms=9000) for _ in range(20)]
    odd = [
        a_stream(tokens=tokens, ttft_ms=0, duration_ms=ms)
        for tokens, ms in ((1000, 80_000), (1000, 20_000), (200, 20_000), (100, 8000))
    ]
    land(store, [*usual, *odd, a_stream(model="claude-opus-5-5", tokens=1, ttft_ms=0, duration_ms=99_000)])

    found = stalls(LocalReader(store), HOUR, ALL)

    assert found == Stalls(streams=24, stalled=2, lost_ms=70_000 + 18_000)
