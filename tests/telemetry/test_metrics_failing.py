"""What fails in metrics stays there: counted, and kept from the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import metrics as api

from claude_telemetry.emit.metrics import CallMetrics, calls, gauges
from claude_telemetry.guard import slips
from claude_telemetry.record.rate_limit import RateLimit, RateLimits
from tests.support.metered import MODEL, a_call, an_app


class NoMeters(api.MeterProvider):
    asked = 0

    def get_meter(self, *_: Any, **__: Any) -> api.Meter:
        self.asked += 1
        raise RuntimeError("no meters today")


def fails(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a fault")


def new_slips(act: Callable[[], object]) -> dict[str, int]:
    before = slips()
    act()
    return {name: count - before.get(name, 0) for name, count in slips().items() if count != before.get(name)}


def test_a_provider_that_fails_is_told_of_once_and_not_asked_again() -> None:
    provider = NoMeters()
    metrics = CallMetrics(provider, {}, version="1")

    def call() -> None:
        metrics.began("chat", MODEL, "anthropic")
        metrics.ended(a_call())

    assert list(new_slips(call).values()) == [1]
    assert new_slips(call) == {}
    assert not metrics.active()
    assert provider.asked == 1


def test_a_fault_in_any_step_is_counted_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = RateLimits(limits=(RateLimit(kind="requests", remaining=1),))
    app = an_app()
    app.called()
    for owner, name, act in (
        (gauges.InFlight, "began", lambda: app.metrics.began("chat", MODEL, "anthropic")),
        (gauges.InFlight, "ended", lambda: app.metrics.ended(a_call())),
        (gauges.Headroom, "saw", lambda: app.metrics.rate_limits(limits, organization_id=None, model=None)),
        (gauges.Headroom, "points", app.reader.points),
        (gauges.InFlight, "points", app.reader.points),
        (CallMetrics, "_record_waiting", app.metrics.stop),
        (calls, "get_meter_provider", lambda: CallMetrics(environ={}, version="1").active()),
    ):
        with monkeypatch.context() as fault:
            fault.setattr(owner, name, fails)
            assert sum(new_slips(act).values()) >= 1, name


def test_a_call_that_cannot_be_recorded_keeps_no_other_from_it() -> None:
    app = an_app()
    app.called(duration_ms="long")
    app.called()
    collected: list[Any] = []
    assert new_slips(lambda: collected.append(app.reader.values("gen_ai.client.operation.duration"))) == {
        "record the metrics of a call": 1
    }
    assert collected == [[(1, 2.5)]]
