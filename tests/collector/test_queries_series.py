"""The metrics over time: every bucket, also the empty ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from claude_telemetry_collector.queries import METRICS, Segment, Window, errors_by_type, readings, series
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

MINUTE = timedelta(minutes=1)
ALL = Segment()


def rows(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def at(hour: int, minute: int = 0) -> datetime:
    """As tables hold it: UTC without a zone."""
    return datetime(2026, 11, 20, hour, minute)  # noqa: DTZ001


def test_a_series_has_every_bucket_and_says_what_is_unknown(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(started_at=NOON, duration_ms=100),
            a_call(started_at=NOON + 4 * MINUTE, duration_ms=300, cost_usd=None),
            a_call(started_at=NOON + 15 * MINUTE, duration_ms=None),
        ],
    )
    names = ["requests", "cost_usd", "duration_p50_ms"]
    found = series(LocalReader(store), names, Window(NOON, NOON + 20 * MINUTE), ALL, 5 * MINUTE)
    assert found.column("bucket").type == pa.timestamp("us")
    assert rows(found, "bucket", "requests", "cost_usd", "cost_usd_unknown", "duration_p50_ms") == [
        (at(12, 0), 2, Decimal("0.006"), 1, 200.0),
        (at(12, 5), 0, None, 0, None),
        (at(12, 10), 0, None, 0, None),
        (at(12, 15), 1, Decimal("0.006"), 0, None),
    ]


def test_every_metric_has_a_course(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call()])
    window = Window(NOON, NOON + MINUTE)
    found = series(LocalReader(store), list(METRICS), window, ALL, MINUTE).to_pylist()
    assert len(found) == 1
    for name, reading in readings(LocalReader(store), list(METRICS), window, ALL).items():
        assert (found[0][name], found[0][f"{name}_unknown"]) == (reading.value, reading.unknown)


def test_buckets_stay_where_they_are_and_the_window_cuts_them(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(started_at=NOON + minutes * MINUTE) for minutes in (1, 2, 11, 12)])
    found = series(LocalReader(store), ["requests"], Window(NOON + 2 * MINUTE, NOON + 12 * MINUTE), ALL, 5 * MINUTE)
    assert rows(found, "bucket", "requests") == [(at(12, 0), 1), (at(12, 5), 0), (at(12, 10), 1)]


def test_a_window_that_ends_on_a_bucket_does_not_reach_into_it(store: duckdb.DuckDBPyConnection) -> None:
    found = series(LocalReader(store), ["requests"], Window(NOON, NOON + 10 * MINUTE), ALL, 5 * MINUTE)
    assert rows(found, "bucket", "requests") == [(at(12, 0), 0), (at(12, 5), 0)]


def test_weeks_start_on_monday(store: duckdb.DuckDBPyConnection) -> None:
    week = timedelta(days=7)
    found = series(LocalReader(store), ["requests"], Window(NOON - week, NOON), ALL, week)
    assert [bucket.strftime("%A %H:%M") for (bucket,) in rows(found, "bucket")] == ["Monday 00:00", "Monday 00:00"]


def test_days_are_utc_days(store: duckdb.DuckDBPyConnection) -> None:
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    land(store, [a_call(started_at=midnight - timedelta(microseconds=1)), a_call(started_at=midnight)])
    day = timedelta(days=1)
    found = series(LocalReader(store), ["requests"], Window(midnight - day, midnight + day), ALL, day)
    assert rows(found, "bucket", "requests") == [
        (datetime(2026, 11, 20), 1),  # noqa: DTZ001
        (datetime(2026, 11, 21), 1),  # noqa: DTZ001
    ]


@pytest.mark.parametrize("step", [timedelta(0), timedelta(microseconds=1), -MINUTE])
def test_a_senseless_step_is_refused(store: duckdb.DuckDBPyConnection, step: timedelta) -> None:
    with pytest.raises(ValueError, match="step"):
        series(LocalReader(store), ["requests"], Window(NOON, NOON + MINUTE), ALL, step)


def test_errors_are_counted_by_type(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(status="error", error_type="overloaded_error"),
            a_call(status="error", error_type="overloaded_error", started_at=NOON + MINUTE),
            a_call(status="error", error_type=None, started_at=NOON + MINUTE),
            a_call(status="error", error_type="api_error", started_at=NOON + 5 * MINUTE),
            a_call(status="cancelled", error_type="not an error"),
            a_call(),
        ],
    )
    found = errors_by_type(LocalReader(store), Window(NOON, NOON + 10 * MINUTE), ALL, 5 * MINUTE)
    assert rows(found, "bucket", "error_type", "rest", "errors") == [
        (at(12, 0), "overloaded_error", False, 2),
        (at(12, 0), None, False, 1),
        (at(12, 5), "api_error", False, 1),
    ]


def test_rare_error_types_are_one_rest_and_none_is_lost(store: duckdb.DuckDBPyConnection) -> None:
    common = [a_call(status="error", error_type=f"common {number}") for number in range(10) for _ in range(2)]
    rare = [a_call(status="error", error_type=f"rare {number}") for number in range(300)]
    land(store, common + rare)
    found = errors_by_type(LocalReader(store), Window(NOON, NOON + MINUTE), ALL, MINUTE).to_pylist()
    assert len(found) == 11
    assert [(row["error_type"], row["errors"]) for row in found if row["rest"]] == [(None, 300)]
    assert sum(row["errors"] for row in found) == 320
