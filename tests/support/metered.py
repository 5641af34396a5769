"""An application that collects metrics of its calls: the real SDK, read from memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.metrics.view import View

from claude_telemetry.emit.metrics import CallMetrics
from claude_telemetry.record import Call

MODEL = "claude-sonnet-5"

_FACTS: Mapping[str, Any] = {
    "started_at": datetime(2026, 11, 20, 8, tzinfo=UTC),
    "duration_ms": 2500,
    "status": "ok",
    "trace_id": "0" * 31 + "1",
    "span_id": "0" * 15 + "1",
    "operation": "chat",
    "provider": "anthropic",
    "request_model": MODEL,
    "model": "claude-sonnet-5-20260901",
    "feature": "summary",
    "attempts": 1,
    "input_tokens": 100,
    "cache_read_tokens": 3000,
    "cache_write_tokens": 400,
    "output_tokens": 50,
    "thinking_tokens": 20,
    "cost_usd": Decimal("0.0125"),
    "cost_status": "priced",
    "billed": True,
}


def a_call(**facts: Any) -> Call:
    """A call of 2.5 s: 3,500 tokens in and 50 out, for $0.0125."""
    return Call(**{**_FACTS, **facts})


class Reader(InMemoryMetricReader):
    """Collects when it is asked."""

    def points(self) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
        """Value and attributes of each point, by the name of its metric. A histogram's value is its count and sum."""
        return {
            name: [(_value(point), dict(point.attributes or {})) for point in of] for name, of in self.raw().items()
        }

    def raw(self) -> dict[str, list[Any]]:
        """The SDK's own points, by the name of their metric."""
        data = self.get_metrics_data()
        found: dict[str, list[Any]] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points: Iterable[Any] = metric.data.data_points
                    found.setdefault(metric.name, []).extend(points)
        return found

    def values(self, name: str) -> list[Any]:
        return [value for value, _ in self.points().get(name, [])]


def _value(point: Any) -> Any:
    if isinstance(point, HistogramDataPoint):
        return point.count, point.sum
    assert isinstance(point, NumberDataPoint)
    return point.value


@dataclass
class App:
    """An application with a meter provider, and its calls."""

    reader: Reader
    provider: MeterProvider
    metrics: CallMetrics

    def called(self, gaps_s: tuple[float, ...] = (), /, **facts: Any) -> None:
        call = a_call(**facts)
        self.metrics.began(call.operation or "", call.request_model, call.provider or "")
        self.metrics.ended(call, gaps_s)


def an_app(environ: Mapping[str, str] | None = None, reader: Reader | None = None, views: Sequence[View] = ()) -> App:
    reader = reader or Reader()
    provider = MeterProvider([reader], shutdown_on_exit=False, views=views)
    return App(reader, provider, CallMetrics(provider, environ or {}, version="1.2.3"))
