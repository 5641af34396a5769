"""Charts as what they are: specifications with a table. Every number in them is a number of the table."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry_collector.queries import Window
from claude_telemetry_dashboard.panels import charts
from claude_telemetry_dashboard.panels.charts import Drawing

DAYS = Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
HALF_HOUR = timedelta(minutes=30)

HOSTILE = (
    "<script>alert(1)</script>",
    "**bold**",
    ":red[x]",
    "$x$",
    "[a](javascript:alert(1))",
    "datum['x']",
    "a.b[0]",
)


def costs(*rows: tuple[int, str | None, str | None, bool]) -> pa.Table:
    """`queries.cost_per_day`: day of November, cost, model, whether it is the rest."""
    kinds: list[tuple[str, pa.DataType]] = [
        ("day", pa.date32()),
        ("model", pa.string()),
        ("rest", pa.bool_()),
        ("cost_usd", pa.decimal128(38, 12)),
        ("calls", pa.int64()),
        ("unknown", pa.int64()),
    ]
    return pa.Table.from_pylist(
        [
            {
                "day": date(2026, 11, day),
                "model": model,
                "rest": rest,
                "cost_usd": None if cost is None else Decimal(cost),
                "calls": 1,
                "unknown": 0,
            }
            for day, cost, model, rest in rows
        ],
        pa.schema(kinds),
    )


def course(**columns: list[int | float | None]) -> pa.Table:
    """`queries.series`: one row each half hour from noon."""
    steps = max(len(values) for values in columns.values())
    noon = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - as the store gives it
    names = {*charts.LATENCY_LINES, *charts.TOKEN_KINDS}
    return pa.table(
        {
            "bucket": pa.array([noon + step * HALF_HOUR for step in range(steps)], pa.timestamp("us")),
            **{name: pa.array(columns.get(name, [None] * steps), pa.float64()) for name in names},
        }
    )


def rows_of(drawing: Drawing | None) -> list[dict[str, Any]]:
    assert drawing is not None
    return drawing.table.to_pylist()


def spec_of(drawing: Drawing | None) -> dict[str, Any]:
    assert drawing is not None
    return dict(drawing.spec)


def groups_of(chart: Drawing | None) -> list[str]:
    groups: list[str] = spec_of(chart)["encoding"]["color"]["scale"]["domain"]
    return groups


def test_a_day_is_a_bar_and_the_dearest_model_is_at_its_foot() -> None:
    chart = charts.cost_per_day(
        costs(
            (19, "0.5", "claude-haiku-4-5", False),
            (19, "1.25", "claude-opus-5", False),
            (20, "2", "claude-opus-5", False),
        ),
        DAYS,
    )

    assert groups_of(chart) == ["claude-opus-5", "claude-haiku-4-5"]
    assert rows_of(chart) == [
        {"day": date(2026, 11, 19), "group": "claude-haiku-4-5", "rank": 1, "value": 0.5},
        {"day": date(2026, 11, 19), "group": "claude-opus-5", "rank": 0, "value": 1.25},
        {"day": date(2026, 11, 20), "group": "claude-opus-5", "rank": 0, "value": 2.0},
    ]


def test_the_days_without_calls_are_on_the_axis_too() -> None:
    chart = charts.cost_per_day(costs((20, "1", "claude-opus-5", False)), DAYS)

    assert spec_of(chart)["encoding"]["x"]["scale"]["domain"] == ["18 Nov 2026", "19 Nov 2026", "20 Nov 2026"]


def test_what_has_no_cost_has_no_bar_and_no_bars_are_no_chart() -> None:
    assert charts.cost_per_day(costs(), DAYS) is None
    assert charts.cost_per_day(costs((20, None, "claude-opus-5", False), (20, "0", "x", False)), DAYS) is None


def test_calls_without_a_model_and_models_without_a_colour_are_named_as_such() -> None:
    many = [(20, str(100 - number), f"model-{number}", False) for number in range(9)]
    chart = charts.cost_per_day(costs((20, "500", None, False), *many, (20, "7", None, True)), DAYS)

    groups = groups_of(chart)
    assert groups == ["no model named", *(f"model-{number}" for number in range(6)), "other models"]
    by_group: dict[str, float] = {}
    for row in rows_of(chart):
        by_group[row["group"]] = by_group.get(row["group"], 0) + row["value"]
    # 94 + 93 + 92 of the models without a colour, and 7 that the query had put together before.
    assert by_group["other models"] == 286
    assert sum(by_group.values()) == 500 + sum(100 - number for number in range(9)) + 7


def test_latency_is_in_seconds_and_a_step_without_calls_breaks_the_line() -> None:
    chart = charts.latency(
        course(duration_p50_ms=[1000, None], duration_p95_ms=[2500, None], duration_p99_ms=[4000, None])
    )

    spec = spec_of(chart)
    assert [(row["group"], row["value"]) for row in rows_of(chart)] == [
        ("P50", 1000.0),
        ("P95", 2500.0),
        ("P99", 4000.0),
        ("P50", None),
        ("P95", None),
        ("P99", None),
    ]
    band, lines = spec["layer"]
    assert lines["transform"] == [{"calculate": "datum.value === null ? null : datum.value / 1000", "as": "shown"}]
    assert lines["mark"]["invalid"] == "break-paths-show-domains"
    assert lines["encoding"]["y"]["field"] == "shown"
    assert (band["encoding"]["y"]["field"], band["encoding"]["y2"]["field"]) == ("P50", "P95")


def test_no_latency_is_no_chart() -> None:
    assert charts.latency(course(duration_p50_ms=[None, None])) is None


def test_errors_are_stacked_by_type_and_the_axis_is_as_long_as_the_window() -> None:
    noon = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - as the store gives it
    window = Window(datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 16, tzinfo=UTC))
    table = pa.table(
        {
            "bucket": pa.array([noon, noon], pa.timestamp("us")),
            "error_type": ["overloaded_error", None],
            "rest": [False, False],
            "errors": [1, 3],
        }
    )

    chart = charts.errors_by_type(table, window, HALF_HOUR)

    assert groups_of(chart) == ["no type", "overloaded_error"]
    assert [(row["bucket"].hour, row["bucket"].minute, row["group"], row["value"]) for row in rows_of(chart)] == [
        (12, 0, "overloaded_error", 1.0),
        (12, 0, "no type", 3.0),
        (10, 0, "no type", 0.0),
        (15, 30, "no type", 0.0),
    ]
    assert spec_of(chart)["transform"] == [{"calculate": "toNumber(datum.bucket) + 1800000", "as": "until"}]


def test_tokens_are_stacked_by_their_four_disjoint_kinds() -> None:
    window = Window(datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 16, tzinfo=UTC))
    chart = charts.tokens_by_kind(
        course(input_tokens=[10], cache_write_tokens=[20], cache_read_tokens=[30], output_tokens=[40]),
        window,
        HALF_HOUR,
    )

    assert [(row["bucket"].hour, row["group"], row["value"]) for row in rows_of(chart)] == [
        (12, "Uncached input", 10.0),
        (12, "Cache write", 20.0),
        (12, "Cache read", 30.0),
        (12, "Output", 40.0),
        # The ends of the axis.
        (10, "Uncached input", 0.0),
        (15, "Uncached input", 0.0),
    ]
    assert charts.tokens_by_kind(course(input_tokens=[0, None]), window, HALF_HOUR) is None


def test_a_hostile_name_is_a_value_and_never_a_part_of_an_expression() -> None:
    chart = charts.cost_per_day(costs(*((20, "1", name, False) for name in HOSTILE)), DAYS)

    spec = json.loads(json.dumps(spec_of(chart)))
    assert sorted(spec["encoding"]["color"]["scale"].pop("domain")) == sorted(HOSTILE)
    left = json.dumps(spec)
    assert not [name for name in HOSTILE if json.dumps(name)[1:-1] in left]
    assert sorted(row["group"] for row in rows_of(chart)) == sorted(HOSTILE)


def test_a_chart_stays_the_same_specification_while_only_its_numbers_change() -> None:
    """Streamlit draws a chart anew, with a flicker, when more than its table has changed."""
    one = charts.latency(course(duration_p50_ms=[1000], duration_p95_ms=[2000], duration_p99_ms=[3000]))
    other = charts.latency(course(duration_p50_ms=[1001], duration_p95_ms=[2001], duration_p99_ms=[3001]))

    assert rows_of(one) != rows_of(other)
    assert spec_of(one) == spec_of(other)
    assert not {"data", "datasets"} & spec_of(one).keys()


@pytest.mark.parametrize("colour", charts.PALETTE)
def test_every_colour_is_seen_on_a_light_and_on_a_dark_page(colour: str) -> None:
    def luminance(hexadecimal: str) -> float:
        parts = [int(hexadecimal[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: float, other: float) -> float:
        return (max(one, other) + 0.05) / (min(one, other) + 0.05)

    # A bar is a large shape: 2 is enough to be seen, where text needs 4.5.
    assert contrast(luminance(colour), 1.0) > 2
    assert contrast(luminance(colour), luminance("#171614")) > 2
