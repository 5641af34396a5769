"""When the metrics of calls are recorded, and in whose provider: threads, forks, readers, failures."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Generator

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.trace import TracerProvider

from claude_telemetry.emit.metrics import CallMetrics
from claude_telemetry.emit.metrics.calls import AT_ONCE, ROOM
from claude_telemetry.emit.metrics.editions import Ours
from claude_telemetry.guard import slips
from claude_telemetry.record import Call
from tests.support.metered import MODEL, App, Reader, a_call, an_app


@pytest.fixture
def app() -> App:
    return an_app()


@pytest.fixture(autouse=True)
def _nothing_fails() -> Generator[None]:
    before = slips()
    yield
    assert slips() == before


# Whose provider


def test_nothing_is_kept_without_a_provider() -> None:
    metrics = CallMetrics(environ={}, version="1")
    call = a_call()
    assert not metrics.active()
    before = len(gc.get_referrers(call))
    metrics.began("chat", MODEL, "anthropic")
    metrics.ended(call)
    assert len(gc.get_referrers(call)) == before
    assert list(metrics.in_flight.points()) == []


def test_a_global_provider_that_is_set_late_gets_the_calls_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", None)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER_SET_ONCE._done", False)
    metrics = CallMetrics(environ={}, version="1")
    app = App(Reader(), MeterProvider(shutdown_on_exit=False), metrics)
    app.called()
    reader = Reader()
    api.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    assert metrics.active()
    app.called(duration_ms=4000)
    assert reader.values("gen_ai.client.operation.duration") == [(1, 4.0)]
    metrics.stop()


def test_otel_sdk_disabled_means_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    app = an_app()
    assert not app.metrics.active()
    app.called()
    assert app.reader.points() == {}


def test_a_second_provider_takes_over_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = an_app(), an_app()
    current = first.provider
    monkeypatch.setattr("claude_telemetry.emit.metrics.calls.get_meter_provider", lambda: current)
    metrics = CallMetrics(environ={}, version="1")
    first.metrics = second.metrics = metrics
    first.called(duration_ms=1000)
    current = second.provider
    first.called(duration_ms=2000)
    assert second.reader.values("gen_ai.client.operation.duration") == [(1, 2.0)]
    assert first.reader.values("gen_ai.client.operation.duration") == [(1, 1.0)]
    assert first.reader.values("claude.calls.in_flight") == []


def test_metrics_go_on_in_the_same_provider_when_the_application_is_instrumented_again(app: App) -> None:
    app.called()
    app.metrics.stop()
    app.metrics = CallMetrics(app.provider, {}, version="1.2.3")
    app.called()
    app.metrics.began("chat", MODEL, "anthropic")
    assert app.reader.values("gen_ai.client.operation.duration") == [(2, 5.0)]
    assert app.reader.values("claude.calls.in_flight") == [1]


def test_another_version_of_us_in_the_same_provider_tells_of_nothing_twice(app: App) -> None:
    app.called()
    app.metrics.stop()
    app.metrics = CallMetrics(app.provider, {}, version="1.2.4")
    app.metrics.began("chat", MODEL, "anthropic")
    assert app.reader.values("claude.calls.in_flight") == [1]


def test_nothing_is_told_after_stopping_but_what_had_ended(app: App) -> None:
    app.called()
    app.metrics.began("chat", MODEL, "anthropic")
    app.metrics.stop()
    app.called()
    assert not app.metrics.active()
    assert app.reader.values("gen_ai.client.operation.duration") == [(1, 2.5)]
    assert app.reader.values("claude.calls.in_flight") == []


def test_a_provider_that_nobody_uses_any_more_is_not_kept() -> None:
    app = an_app()
    app.called()
    app.reader.points()
    gone = weakref.ref(app.provider)
    app.provider.shutdown()
    del app
    gc.collect()
    assert gone() is None


# When, and on which thread


def test_a_reader_of_differences_gets_each_call_once() -> None:
    delta = AggregationTemporality.DELTA
    app = an_app(reader=Reader({Counter: delta, Histogram: delta}))
    app.called()
    assert app.reader.values("claude.cost") == [0.0125]
    app.called()
    app.called()
    assert app.reader.values("claude.cost") == [0.025]
    assert app.reader.values("claude.cost") == []


def test_each_of_two_readers_gets_every_call() -> None:
    one, other = Reader(), Reader()
    provider = MeterProvider([one, other], shutdown_on_exit=False)
    app = App(one, provider, CallMetrics(provider, {}, version="1"))
    app.called()
    assert one.values("claude.cost") == [0.0125]
    app.called()
    assert other.values("claude.cost") == [0.025]


def test_calls_that_nobody_collects_do_not_pile_up(app: App) -> None:
    before = sum(isinstance(thing, Call) for thing in gc.get_objects())
    for _ in range(ROOM * 4):
        app.called()
    kept = sum(isinstance(thing, Call) for thing in gc.get_objects()) - before
    assert 0 < kept <= ROOM + 1
    assert app.reader.values("gen_ai.client.operation.duration") == [(ROOM * 4, ROOM * 4 * 2.5)]


def test_after_many_streams_ended_at_once_no_call_pays_for_them_all(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.called()
    for _ in range(ROOM * 2):
        app.metrics.ended(a_call(), began=False)
    recorded: list[None] = []

    def record(*_: object) -> None:
        recorded.append(None)

    monkeypatch.setattr(Ours, "record", record)
    app.metrics.began("chat", MODEL, "anthropic")
    assert len(recorded) == AT_ONCE


def test_a_call_may_end_while_its_own_thread_collects(app: App) -> None:
    """As a stream does that the garbage collector finds then: the SDK's locks are held, and are not reentrant."""
    app.called()

    def collecting(_: object) -> list[api.Observation]:
        app.metrics.ended(a_call(duration_ms=1500), began=False)
        return []

    app.provider.get_meter("app").create_observable_gauge("late", [collecting])
    collection = threading.Thread(target=app.reader.points, daemon=True)
    collection.start()
    collection.join(10)
    assert not collection.is_alive()
    ((count, _),) = app.reader.values("gen_ai.client.operation.duration")
    assert count >= 2


def test_an_exemplar_leads_to_the_trace_that_the_call_ended_in(app: App) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    with tracer.start_as_current_span("request") as span:
        app.called()
    with tracer.start_as_current_span("another"):
        (duration,) = app.reader.raw()["gen_ai.client.operation.duration"]
    assert [exemplar.trace_id for exemplar in duration.exemplars] == [span.get_span_context().trace_id]


def test_many_threads_may_call(app: App) -> None:
    def calls() -> None:
        for _ in range(500):
            app.called()

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert app.reader.values("gen_ai.client.operation.duration") == [(2000, 5000.0)]
    assert app.reader.values("claude.calls.in_flight") == [0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_tells_of_its_own_calls_only(app: App) -> None:
    app.called()
    app.metrics.began("chat", MODEL, "anthropic")
    pid = os.fork()
    if pid == 0:
        app.called(duration_ms=1000)
        points = app.reader.points()
        mine = (
            [value for value, _ in points["gen_ai.client.operation.duration"]],
            points["claude.calls.in_flight"][0][0],
        )
        os._exit(0 if mine == ([(1, 1.0)], 0) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert app.reader.values("gen_ai.client.operation.duration") == [(1, 2.5)]
    assert app.reader.values("claude.calls.in_flight") == [1]


# Calls in flight


def test_a_call_is_in_flight_from_its_beginning_to_its_end(app: App) -> None:
    app.metrics.began("chat", MODEL, "anthropic")
    app.metrics.began("chat", MODEL, "anthropic")
    app.metrics.began("chat", None, "aws.bedrock")
    in_flight = app.reader.points()["claude.calls.in_flight"]
    asked = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": MODEL}
    assert in_flight == [
        (2, asked),
        (1, {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "aws.bedrock"}),
    ]
    app.metrics.ended(a_call())
    assert app.reader.values("claude.calls.in_flight") == [1, 1]


def test_a_call_that_began_unseen_ends_without_being_subtracted(app: App) -> None:
    assert app.metrics.active()
    app.metrics.ended(a_call())
    app.metrics.began("chat", MODEL, "anthropic")
    app.metrics.ended(a_call())
    app.metrics.ended(a_call())
    assert app.reader.values("claude.calls.in_flight") == [0]
