"""The page about time: how long calls take, how soon and how fast they answer, where the time goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry_collector.queries import Reading, Window
from claude_telemetry_collector.queries.latency import Stalls
from claude_telemetry_dashboard.panels import latency_charts
from claude_telemetry_dashboard.views import latency
from tests.dashboard.conftest import Store
from tests.support.calls import NOON, a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

HOSTILE = ("<script>alert(1)</script>", "**bold**", ":red[x]", "$x$", "[a](javascript:alert(1))", "' OR 1=1 --")


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def test_without_calls_it_says_what_to_paste(open_page: OpenPage) -> None:
    page = open_page("latency")

    assert "claude_telemetry.instrument" in page.test.code[0].value
    assert not list(page.test.metric)


def test_it_says_how_fast_calls_are(store: Store, open_page: OpenPage) -> None:
    stream: dict[str, Any] = {"stream": True, "stream_end": "read", "output_tokens": 300}
    store.land(
        a_call(started_at=ago(minutes=9), duration_ms=2000, ttft_ms=500, **stream),
        a_call(started_at=ago(minutes=8), duration_ms=2000, ttft_ms=500, **stream),
        a_call(started_at=ago(minutes=7), duration_ms=2000, stream=True, stream_end="cut", status="error"),
    )

    page = open_page("latency")

    assert page.texts[0] == "95 of 100 calls in the last 24 hours were done within 2.0 s; streams began within 500 ms."
    assert {metric.label: metric.value for metric in page.test.metric} == {
        "P50 latency": "2.0 s",
        "P95 latency": "2.0 s",
        "P99 latency": "2.0 s",
        "P50 time to first token": "500 ms",
        "P95 time to first token": "500 ms",
        "Output speed": "200/s",
        "Streams cut off": "33.3%",
        "Error rate": "33.3%",
    }
    ends = next(table for table in page.tables if "Ended" in table)
    assert (ends["Ended"], ends["Streams"]) == (["Read to the end", "Cut off"], ["2", "1"])


def test_filters_change_how_fast_calls_are(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=9), duration_ms=2000, feature="chat"),
        a_call(started_at=ago(minutes=9), duration_ms=9000, feature="search"),
    )

    page = open_page("latency", feature="chat", by="Feature")

    assert page.tile("P99 latency") == "2.0 s"
    who_waits = next(table for table in page.tables if "duration_p99_ms" in table)
    assert (who_waits["feature"], who_waits["duration_p99_ms"]) == (["chat"], [2.0])


def test_each_slow_call_can_be_opened(store: Store, open_page: OpenPage) -> None:
    slow = a_call(started_at=ago(minutes=9), duration_ms=9000)
    store.land(a_call(started_at=ago(minutes=9), duration_ms=20), slow)

    slowest = next(table for table in open_page("latency").tables if "open" in table)

    call = slow.record.call
    assert (slowest["duration_ms"], slowest["open"][0]) == ([9000, 20], f"calls?call={call.trace_id}-{call.span_id}")


def test_time_at_the_api_is_shown_where_the_api_told_of_it(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=9), duration_ms=2000), a_call(started_at=ago(minutes=9)))
    store.connection.execute("UPDATE calls SET server_ms = 1500, client_ms = 500 WHERE duration_ms = 2000")

    page = open_page("latency")

    split = next(table for table in page.tables if "Time" in table)
    assert (split["Time"], split["P50"]) == (["In all", "At the API", "Around it"], ["2.0 s", "1.5 s", "500 ms"])
    assert "25.0% of the time was spent around the API. Known of 1 of 2 calls." in page.said


def test_calls_of_unknown_length_are_no_zero(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=9), duration_ms=None))

    page = open_page("latency")

    assert page.texts[0] == "Of no call in the last 24 hours is known how long it took."
    assert page.tile("P95 latency") == "—"


def test_attack_strings_are_shown_as_text(store: Store, open_page: OpenPage) -> None:
    store.land(
        *(
            a_call(started_at=ago(minutes=9), model=name, feature=name, error_type=name, status="error")
            for name in HOSTILE
        )
    )

    page = open_page("latency", by="Model", then="Feature")

    who_waits = next(table for table in page.tables if "duration_p99_ms" in table)
    assert sorted(who_waits["model"]) == sorted(HOSTILE)
    for kind, given in page.rendered_markdown():
        assert not any(name in given for name in HOSTILE), kind


def test_hours_are_told_by_day_and_those_without_calls_are_empty() -> None:
    day = datetime(2026, 11, 19)  # noqa: DTZ001 - as the store gives it
    course = pa.table(
        {
            "bucket": pa.array([day, day + timedelta(hours=5), day + timedelta(hours=24)], pa.timestamp("us")),
            "requests": pa.array([4, 0, 2]),
            "duration_p95_ms": pa.array([1500.0, None, 9000.0]),
        }
    )

    drawing = latency_charts.by_hour(course)

    assert drawing is not None
    assert drawing.table.to_pylist() == [
        {"day": "19 Nov", "hour": "00", "value": 1500.0, "calls": 4},
        {"day": "20 Nov", "hour": "00", "value": 9000.0, "calls": 2},
    ]
    assert dict(drawing.spec)["encoding"]["y"]["scale"]["domain"] == ["19 Nov", "20 Nov"]


def test_no_hours_are_no_chart() -> None:
    course = pa.table(
        {
            "bucket": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")),
            "requests": pa.array([0]),
            "duration_p95_ms": pa.array([None], pa.float64()),
        }
    )
    assert latency_charts.by_hour(course) is None


def test_of_a_long_range_the_last_month_is_told_by_hours() -> None:
    days = Window(NOON - timedelta(days=90), NOON)
    assert latency.last_days(days) == Window(NOON - timedelta(days=31), NOON)


@pytest.mark.parametrize(
    ("p95", "before", "first", "said"),
    [
        (2000.0, 1000.0, None, "95 of 100 calls today were done within 2.0 s, +100% on the period before."),
        (2000.0, 1990.0, 300.0, "95 of 100 calls today were done within 2.0 s; streams began within 300 ms."),
        (None, None, None, "Of no call today is known how long it took."),
    ],
)
def test_how_fast_it_is_is_one_sentence(
    p95: float | None, before: float | None, first: float | None, said: str
) -> None:
    def told(value: float | None) -> dict[str, Reading]:
        return {
            "duration_p95_ms": Reading("duration_p95_ms", value, calls=1, unknown=0),
            "ttft_p95_ms": Reading("ttft_p95_ms", first, calls=1, unknown=0),
        }

    assert latency.sentence(told(p95), told(before), "today") == said


def test_stalled_streams_are_told_with_what_they_cost_in_time() -> None:
    assert latency.in_words(Stalls(streams=400, stalled=0, lost_ms=0)) == (
        "None of 400 streams that can be compared stalled."
    )
    assert "took 1 min 5 s longer in all" in latency.in_words(Stalls(streams=400, stalled=3, lost_ms=65_000))
