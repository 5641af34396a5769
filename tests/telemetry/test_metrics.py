"""What a call becomes as metrics: points worked out by hand, read from the real SDK."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View

from claude_telemetry.emit.metrics import catalogue
from claude_telemetry.guard import slips
from tests.support.metered import MODEL, App, a_call, an_app

LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}

LABELS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": MODEL,
    "gen_ai.response.model": "claude-sonnet-5-20260901",
    "claude.feature": "summary",
}


@pytest.fixture
def app() -> App:
    return an_app()


@pytest.fixture(autouse=True)
def _nothing_fails() -> Generator[None]:
    before = slips()
    yield
    assert slips() == before


# What a call becomes


def test_a_streamed_call_is_told_by_the_released_names(app: App) -> None:
    app.called((0.25, 0.5), ttft_ms=750, stream=True)
    assert app.reader.points() == {
        "gen_ai.client.operation.duration": [((1, 2.5), LABELS)],
        "gen_ai.client.token.usage": [
            ((1, 3500), {**LABELS, "gen_ai.token.type": "input"}),
            ((1, 50), {**LABELS, "gen_ai.token.type": "output"}),
        ],
        "gen_ai.client.operation.time_to_first_chunk": [((1, 0.75), LABELS)],
        "gen_ai.client.operation.time_per_output_chunk": [((2, 0.75), LABELS)],
        "claude.cost": [(0.0125, LABELS)],
        "claude.calls.in_flight": [
            (
                0,
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "anthropic",
                    "gen_ai.request.model": MODEL,
                },
            )
        ],
    }


def test_a_call_is_told_by_the_newest_names_when_the_application_asks_for_them() -> None:
    app = an_app(LATEST)
    app.called((0.25, 0.5), ttft_ms=750, stream=True)
    points = app.reader.points()
    del points["claude.cost"], points["claude.calls.in_flight"]
    counted = {**LABELS, "gen_ai.token.modality": "unknown"}
    assert points == {
        "gen_ai.client.inference.duration": [((1, 2.5), LABELS)],
        "gen_ai.client.inference.time_to_first_chunk": [((1, 0.75), LABELS)],
        "gen_ai.client.inference.time_per_output_chunk": [((2, 0.75), LABELS)],
        "gen_ai.client.inference.usage.input_tokens": [(3500, counted)],
        "gen_ai.client.inference.usage.output_tokens": [(50, counted)],
        "gen_ai.client.inference.usage.cache_read.input_tokens": [(3000, counted)],
        "gen_ai.client.inference.usage.cache_write.input_tokens": [(400, counted)],
        "gen_ai.client.inference.usage.reasoning.output_tokens": [(20, counted)],
        "gen_ai.client.inference.operation.input_tokens": [((1, 3500), LABELS)],
        "gen_ai.client.inference.operation.output_tokens": [((1, 50), LABELS)],
    }


@pytest.mark.parametrize(
    ("variable", "latest"),
    [
        ("http, gen_ai_latest_experimental ,database", True),
        ("gen_ai", False),
        ("gen_ai_latest_experimental_not", False),
        ("", False),
    ],
)
def test_the_newest_names_are_one_word_of_a_list(variable: str, latest: bool) -> None:
    app = an_app({"OTEL_SEMCONV_STABILITY_OPT_IN": variable})
    app.called()
    assert ("gen_ai.client.inference.duration" in app.reader.points()) is latest
    assert ("gen_ai.client.token.usage" in app.reader.points()) is not latest


@pytest.mark.parametrize("environ", [{}, LATEST])
def test_every_metric_is_as_the_catalogue_says(environ: Mapping[str, str]) -> None:
    app = an_app(environ)
    failed = {"status": "error", "error_type": "overloaded_error", "user_id": "u_1", "session_id": "s_1"}
    app.called((0.1,), ttft_ms=1, attempts=3, cost_usd=None, cost_status="unknown", **failed)
    app.called(operation="count_tokens", billed=False, cost_usd=Decimal(0))
    app.called()
    known = {instrument.name: instrument for instrument in (*catalogue.RELEASED, *catalogue.LATEST, *catalogue.OURS)}
    data = app.reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.scope.version) == ("claude_telemetry", "1.2.3")
    expected = {i.name for i in (*(catalogue.LATEST if environ else catalogue.RELEASED), *catalogue.OURS)}
    assert {metric.name for metric in scope.metrics} == expected - {catalogue.LIMIT.name, catalogue.REMAINING.name}
    for metric in scope.metrics:
        instrument = known[metric.name]
        assert metric.unit == instrument.unit
        assert metric.description == instrument.meaning
        for point in metric.data.data_points:
            assert set(point.attributes or {}) <= set(instrument.attributes), metric.name
            if isinstance(point, HistogramDataPoint):
                assert tuple(point.explicit_bounds) == instrument.boundaries, metric.name


def test_buckets_are_those_that_the_conventions_ask_for(app: App) -> None:
    app.called()
    raw = app.reader.raw()
    (duration,) = raw["gen_ai.client.operation.duration"]
    assert tuple(duration.explicit_bounds) == (
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    )
    tokens = raw["gen_ai.client.token.usage"][0]
    assert tuple(tokens.explicit_bounds) == tuple(4**power for power in range(14))


def test_a_view_of_the_application_goes_before() -> None:
    own = ExplicitBucketHistogramAggregation((1, 10))
    app = an_app(views=[View(instrument_name="gen_ai.client.operation.duration", aggregation=own)])
    app.called()
    (duration,) = app.reader.raw()["gen_ai.client.operation.duration"]
    assert tuple(duration.explicit_bounds) == (1, 10)


def test_calls_are_collected_also_where_a_view_drops_what_is_observed() -> None:
    app = an_app(views=[View(instrument_name="claude.*", aggregation=DropAggregation())])
    app.called()
    assert sorted(app.reader.points()) == ["gen_ai.client.operation.duration", "gen_ai.client.token.usage"]


def test_counting_tokens_takes_time_and_costs_nothing(app: App) -> None:
    app.called(operation="count_tokens", output_tokens=None, billed=False, cost_usd=Decimal(0))
    points = app.reader.points()
    assert points["gen_ai.client.operation.duration"][0][1]["gen_ai.operation.name"] == "count_tokens"
    assert set(points) == {"gen_ai.client.operation.duration", "claude.calls.in_flight"}


def test_an_operation_that_is_no_inference_keeps_its_name_in_the_newest_edition() -> None:
    app = an_app(LATEST)
    app.called(operation="batch_create", billed=False, input_tokens=None, output_tokens=None, cost_usd=Decimal(0))
    assert set(app.reader.points()) == {"gen_ai.client.operation.duration", "claude.calls.in_flight"}


def test_an_answer_from_the_applications_own_cache_used_nothing(app: App) -> None:
    app.called(billed=False, cost_usd=Decimal(0))
    assert "gen_ai.client.token.usage" not in app.reader.points()
    newest = an_app(LATEST)
    newest.called(billed=False, cost_usd=Decimal(0))
    used = {name: points for name, points in newest.reader.points().items() if "_tokens" in name}
    assert {name.rpartition("usage.")[2]: [value for value, _ in points] for name, points in used.items()} == {
        "input_tokens": [0],
        "output_tokens": [0],
        "cache_read.input_tokens": [0],
        "cache_write.input_tokens": [0],
        "reasoning.output_tokens": [0],
    }


def test_a_count_that_is_not_known_is_no_zero(app: App) -> None:
    app.called(output_tokens=None, status="cancelled", stream_end="closed", cost_status="partial")
    app.called(input_tokens=None, output_tokens=None, cost_usd=None, cost_status="unknown", billed=None)
    assert app.reader.points()["gen_ai.client.token.usage"] == [((1, 3500), {**LABELS, "gen_ai.token.type": "input"})]


def test_in_the_newest_edition_a_call_without_usage_adds_zero_and_is_a_point_only_if_it_failed() -> None:
    app = an_app(LATEST)
    unknown = {"input_tokens": None, "output_tokens": None, "thinking_tokens": None, "cache_read_tokens": None}
    app.called(**unknown, cache_write_tokens=None, status="cancelled")
    points = app.reader.points()
    assert points["gen_ai.client.inference.usage.output_tokens"] == [
        (0, {**LABELS, "gen_ai.token.modality": "unknown"})
    ]
    assert "gen_ai.client.inference.operation.output_tokens" not in points
    app.called(**unknown, cache_write_tokens=None, status="error", error_type="overloaded_error", billed=False)
    assert app.reader.points()["gen_ai.client.inference.operation.output_tokens"] == [
        ((1, 0), {**LABELS, "error.type": "overloaded_error"})
    ]


def test_a_result_of_a_batch_has_tokens_and_cost_and_was_never_in_flight(app: App) -> None:
    app.metrics.began("chat", MODEL, "anthropic")
    app.metrics.ended(a_call(duration_ms=None, custom_id="one"), began=False)
    points = app.reader.points()
    assert "gen_ai.client.operation.duration" not in points
    assert points["gen_ai.client.token.usage"][1] == ((1, 50), {**LABELS, "gen_ai.token.type": "output"})
    assert points["claude.cost"] == [(0.0125, LABELS)]
    assert app.reader.values("claude.calls.in_flight") == [1]


# Cost and retries


def test_a_call_without_a_price_is_counted_and_adds_nothing(app: App) -> None:
    app.called(cost_usd=None, cost_status="unknown", billed=None)
    app.called(cost_usd=None, cost_status=None, billed=None)
    points = app.reader.points()
    assert "claude.cost" not in points
    assert points["claude.cost.unpriced_calls"] == [(2, {**LABELS, "claude.cost.status": "unknown"})]


def test_a_cost_known_in_part_adds_that_part_and_is_counted(app: App) -> None:
    app.called(cost_usd=Decimal("0.25"), cost_status="partial")
    app.called(cost_usd=Decimal("0.5"))
    assert app.reader.values("claude.cost") == [0.75]
    assert app.reader.points()["claude.cost.unpriced_calls"] == [(1, {**LABELS, "claude.cost.status": "partial"})]


def test_a_refused_call_costs_nothing_and_is_not_unpriced(app: App) -> None:
    app.called(status="error", error_type="rate_limit_error", billed=False, cost_usd=Decimal(0), input_tokens=None)
    assert {"claude.cost", "claude.cost.unpriced_calls"}.isdisjoint(app.reader.points())


def test_what_a_contract_pays_counts_at_its_list_price(app: App) -> None:
    app.called(cost_usd=Decimal("0.5"), cost_status="contract")
    assert app.reader.values("claude.cost") == [0.5]
    assert app.reader.values("claude.cost.unpriced_calls") == []


def test_each_attempt_after_the_first_is_a_retry(app: App) -> None:
    app.called(attempts=1)
    app.called(attempts=3)
    app.called(attempts=2)
    app.called(attempts=0)
    app.called(attempts=None)
    assert app.reader.values("claude.retries") == [3]


# Labels


def test_only_a_failed_call_has_an_error_type(app: App) -> None:
    app.called(status="error", error_type="overloaded_error")
    app.called(status="error", error_type=None)
    app.called(status="cancelled", error_type=None)
    assert [labels.get("error.type") for _, labels in app.reader.points()["gen_ai.client.operation.duration"]] == [
        "overloaded_error",
        "_other",
        None,
    ]


def test_what_is_not_known_is_no_attribute(app: App) -> None:
    app.called(feature=None, model=None, request_model=None)
    ((_, labels),) = app.reader.points()["claude.cost"]
    assert labels == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}


@pytest.mark.parametrize(
    ("column", "attribute"),
    [
        ("feature", "claude.feature"),
        ("request_model", "gen_ai.request.model"),
        ("model", "gen_ai.response.model"),
        ("error_type", "error.type"),
    ],
)
def test_the_fifty_first_value_of_a_label_and_all_after_it_are_one(app: App, column: str, attribute: str) -> None:
    for number in (*range(60), 3):
        app.called(**{column: f"value {number}"}, status="error")
    counts = {
        labels[attribute]: count for (count, _), labels in app.reader.points()["gen_ai.client.operation.duration"]
    }
    assert counts == {**{f"value {number}": 1 for number in range(50)}, "value 3": 2, "_other": 10}


def test_models_in_flight_are_bounded_too(app: App) -> None:
    for number in range(60):
        app.metrics.began("chat", f"model {number}", "anthropic")
    points = app.reader.points()["claude.calls.in_flight"]
    assert len(points) == 51
    assert [value for value, labels in points if labels["gen_ai.request.model"] == "_other"] == [10]
