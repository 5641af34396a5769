"""Providers that only stand before the ones that do the work, as Logfire's do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anthropic import Anthropic
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import claude_telemetry
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from tests.support.recorded import recording


@dataclass
class StandingBefore(trace.TracerProvider):
    """Cannot be hashed, like every dataclass that can be compared."""

    provider: trace.TracerProvider

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        return self.provider.get_tracer(*args, **kwargs)


@dataclass
class MetricsStandingBefore(metrics.MeterProvider):
    provider: metrics.MeterProvider

    def get_meter(self, *args: Any, **kwargs: Any) -> metrics.Meter:
        return self.provider.get_meter(*args, **kwargs)


def ask(claude: FakeClaude, **settings: Any) -> None:
    with Anthropic(base_url=claude.url, api_key="any", **settings) as client:
        client.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hello."}])


def test_the_sdk_s_span_is_completed_in_the_provider_behind(claude: FakeClaude) -> None:
    with recording() as recorded:
        standing = StandingBefore(recorded.provider)
        claude_telemetry.instrument(tracer_provider=standing, export=False)
        ask(claude, open_telemetry={"tracer_provider": standing})
        (span,) = recorded.spans()
    assert span.attributes is not None
    assert span.attributes["claude.attempts"] == 1
    assert span.attributes["claude.cost.status"] == "priced"


def test_an_own_span_is_made_by_the_provider_that_the_application_has(claude: FakeClaude) -> None:
    with recording() as recorded:
        claude_telemetry.instrument(tracer_provider=StandingBefore(recorded.provider), export=False)
        ask(claude, open_telemetry={"traces": False})
        assert recorded.only().call.status == "ok"


def test_metrics_go_to_the_provider_behind(claude: FakeClaude) -> None:
    before, reader = slips(), InMemoryMetricReader()
    provider = MeterProvider([reader])
    claude_telemetry.instrument(meter_provider=MetricsStandingBefore(provider), export=False)
    ask(claude)
    claude_telemetry.uninstrument()
    found = reader.get_metrics_data()
    provider.shutdown()
    assert found is not None
    names = {metric.name for of in found.resource_metrics for scope in of.scope_metrics for metric in scope.metrics}
    assert "gen_ai.client.operation.duration" in names
    assert slips() == before
