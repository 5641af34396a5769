"""What the pages about users, tools and batches draw, from tables as their questions give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels import batches_charts, tools_charts, users_charts
from claude_telemetry_dashboard.panels.charts import Drawing

NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - as the store gives it: UTC, without saying so
HOUR = timedelta(hours=1)
WINDOW = Window(NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC) + 2 * HOUR)


def drawn(drawing: Drawing | None, *, by: str = "bucket") -> list[tuple[Any, Any, Any]]:
    """Its marks that have a size."""
    assert drawing is not None
    return [(row[by], row["group"], row["value"]) for row in drawing.table.to_pylist() if row["value"]]


def domain(drawing: Drawing | None) -> list[str]:
    assert drawing is not None
    return list(drawing.spec["encoding"]["color"]["scale"]["domain"])


def test_tools_have_a_colour_each_the_most_frequent_first() -> None:
    rows: list[dict[str, Any]] = [
        {"bucket": NOON, "name": "find", "rest": False, "uses": 1},
        {"bucket": NOON, "name": "send", "rest": False, "uses": 2},
        {"bucket": NOON + HOUR, "name": None, "rest": True, "uses": 9},
    ]
    drawing = tools_charts.uses_over_time(pa.Table.from_pylist(rows), WINDOW, HOUR)
    assert drawn(drawing) == [(NOON, "find", 1.0), (NOON, "send", 2.0), (NOON + HOUR, "other tools", 9.0)]
    assert domain(drawing) == ["send", "find", "other tools"]


def test_outcomes_keep_their_colours_whatever_there_is() -> None:
    rows = [{"bucket": NOON, "outcome": "error", "runs": 3}]
    drawing = tools_charts.runs_over_time(pa.Table.from_pylist(rows), WINDOW, HOUR)
    assert drawn(drawing) == [(NOON, "error", 3.0)]
    assert domain(drawing) == ["ok", "error", "cancelled"]


def test_items_of_batches_are_stacked_by_outcome() -> None:
    rows = [{"bucket": NOON, "succeeded": 5, "errored": 0, "expired": 1, "canceled": 0}]
    drawing = batches_charts.items_over_time(pa.Table.from_pylist(rows), WINDOW, HOUR)
    assert drawn(drawing) == [(NOON, "succeeded", 5.0), (NOON, "expired", 1.0)]


def test_users_are_counted_step_by_step() -> None:
    rows = [{"bucket": NOON, "users": 0}, {"bucket": NOON + HOUR, "users": 4}]
    assert drawn(users_charts.users_over_time(pa.Table.from_pylist(rows), WINDOW, HOUR)) == [
        (NOON + HOUR, "Users", 4.0)
    ]


def test_a_history_is_what_was_sent_fresh_and_cached_and_what_came_back() -> None:
    calls = pa.Table.from_pylist(
        [
            {
                "number": 1,
                "input_tokens": 900,
                "cache_read_tokens": 600,
                "output_tokens": 50,
                "cost_so_far_usd": Decimal("0.25"),
            },
            {
                "number": 2,
                "input_tokens": None,
                "cache_read_tokens": None,
                "output_tokens": None,
                "cost_so_far_usd": None,
            },
        ]
    )
    assert drawn(users_charts.history(calls), by="number") == [
        (1, "Fresh input", 300.0),
        (1, "Cached input", 600.0),
        (1, "Output", 50.0),
    ]
    assert drawn(users_charts.cost_so_far(calls), by="number") == [(1, "Cost so far", 0.25)]


def test_nothing_is_drawn_of_nothing() -> None:
    nothing = pa.Table.from_pylist([{"number": 1, "input_tokens": None, "cache_read_tokens": None}])
    more = nothing.append_column("output_tokens", pa.nulls(1, pa.int64())).append_column(
        "cost_so_far_usd", pa.nulls(1, pa.decimal128(38, 12))
    )
    assert users_charts.history(more) is None
    assert users_charts.cost_so_far(more) is None
    assert users_charts.users_over_time(pa.Table.from_pylist([{"bucket": NOON, "users": 0}]), WINDOW, HOUR) is None
    no_items = [{"bucket": NOON, "succeeded": 0, "errored": 0, "expired": 0, "canceled": 0}]
    assert batches_charts.items_over_time(pa.Table.from_pylist(no_items), WINDOW, HOUR) is None
    no_runs = pa.table({"bucket": pa.array([], pa.timestamp("us")), "outcome": pa.array([], pa.string())})
    assert tools_charts.runs_over_time(no_runs, WINDOW, HOUR) is None
