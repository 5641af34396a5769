"""From an ended span to its delivery: which tracer provider a call's span is made in, and what is attached to it.

An application that has set up OpenTelemetry keeps its own provider: our processors are added to it, and its exporters
get the completed spans as well. One that has not gets a private provider, made here and never registered, so that an
application that sets up OpenTelemetry later finds its place free. (Why not register: `docs/decisions/`.)
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, Tracer, format_span_id

from claude_telemetry.emit.delivery import Delivery
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.emit.spans import CallSpan
from claude_telemetry.guard import guarded
from claude_telemetry.record.attributes import SCOPE

SDK_SCOPE_PREFIX = "com.anthropic.sdk."
"""The scopes of the spans that Anthropic's SDKs make: `com.anthropic.sdk.python`, `….python.bedrock` and so on."""


class Pipeline:
    """Makes own spans, and delivers them and those of the SDK."""

    def __init__(
        self,
        *,
        version: str,
        adopting: SpanProcessor,
        tracer_provider: trace.TracerProvider | None,
        service: str | None,
        environment: str | None,
        export: bool,
        endpoint: str | None,
        queue: int,
        flush_interval: float,
        former: Pipeline | None = None,
    ) -> None:
        """`former` is the pipeline that this one takes the place of: what waits there is delivered here."""
        self._version = version
        self._adopting = adopting
        self._given = tracer_provider
        self._labels = {
            name: value for name, value in (("service", service), ("environment", environment)) if value is not None
        }
        self._export = export
        self._endpoint_given = endpoint
        self._provider: trace.TracerProvider | None = None
        self._private: TracerProvider | None = None
        self._tracer: Tracer | None = None
        self.delivery: Delivery | None = None
        if export:
            self.endpoint()  # a bad address is told now, not in a background thread
            self.delivery = former.delivery if former is not None else None
            if self.delivery is None:
                self.delivery = Delivery(self.endpoint, capacity=queue, interval_s=flush_interval)
            else:
                self.delivery.settle(self.endpoint, capacity=queue, interval_s=flush_interval)

    @property
    def own_labels(self) -> Mapping[str, Any]:
        return self._labels

    def endpoint(self) -> Endpoint:
        """Where spans go now. An application's own provider has exporters of its own, which OpenTelemetry's variables
        are meant for, so those count only where there is none."""
        alone = not isinstance(self._given or trace.get_tracer_provider(), TracerProvider)
        return Endpoint.resolve(self._endpoint_given, os.environ, use_otel_variables=alone)

    def prepare(self) -> None:
        """Attaches to the provider that the application has by now. Called at the start of each call; cheap."""
        provider = self._given or trace.get_tracer_provider()
        if provider is self._provider:
            return
        # Two threads that attach to a provider at once would have each span delivered twice.
        with _attaching:
            if isinstance(provider, TracerProvider):
                self._attach(provider)
                self._tracer = provider.get_tracer(SCOPE, self._version)
            elif self._export:
                self._tracer = self._private_provider().get_tracer(SCOPE, self._version)
            else:
                self._tracer = None
            self._provider = provider

    def start(self, name: str, start_ns: int, attributes: Mapping[str, Any]) -> CallSpan | None:
        """An own span for a call, or `None` when nothing exports it or a sampler said no."""
        if self._tracer is None or self._sampled_out():
            return None
        parent = trace.get_current_span().get_span_context()
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=start_ns)
        if not span.is_recording():
            return None
        parent_span_id = format_span_id(parent.span_id) if parent.is_valid else None
        return CallSpan(span, own=True, version=self._version, parent_span_id=parent_span_id, written=attributes)

    def flush(self, timeout_s: float) -> bool:
        return self.delivery.flush(timeout_s) if self.delivery is not None else True

    def stop(self) -> bool:
        """Delivers what waits, for 3 seconds at most, and takes no more."""
        return self.delivery.stop() if self.delivery is not None else True

    def _sampled_out(self) -> bool:
        """Whether a span around us says that its trace is not recorded: the SDK's own for this call, among others.

        A second throw of the sampler's dice for our own span would record what the first decided not to.
        """
        current = trace.get_current_span()
        context = current.get_span_context()
        in_private = self._private is not None and not isinstance(self._provider, TracerProvider)
        return context.is_valid and not context.is_remote and not current.is_recording() and not in_private

    def _attach(self, provider: TracerProvider) -> None:
        processors = _attached.get(provider)
        if processors is None:
            processors = _attached[provider] = _Processors(provider)
        processors.adopting.inner = self._adopting
        # A client may make its spans in a provider that we were told of before.
        for known in list(_attached.values()):
            known.delivering.delivery = self.delivery

    def _private_provider(self) -> TracerProvider:
        if self._private is None:
            names = {"service": "service.name", "environment": "deployment.environment.name"}
            resource = Resource.create({names[label]: value for label, value in self._labels.items()})
            self._private = TracerProvider(resource=resource, shutdown_on_exit=False)
            self._attach(self._private)
        return self._private


class _Adopting(SpanProcessor):
    """Stays on a provider for good, since a processor cannot be taken off; passes on to whoever captures now."""

    inner: SpanProcessor | None = None

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        if self.inner is not None:
            self.inner.on_start(span, parent_context)


class _Delivering(SpanProcessor):
    """Hands the spans of Claude calls, ended, to the delivery of whoever captures now. Others are not ours to send."""

    delivery: Delivery | None = None

    def on_end(self, span: ReadableSpan) -> None:
        scope = span.instrumentation_scope
        if self.delivery is None or scope is None or span.context is None or not span.context.trace_flags.sampled:
            return
        if scope.name == SCOPE or scope.name.startswith(SDK_SCOPE_PREFIX):
            with guarded("queue a span for delivery"):
                self.delivery.add(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self.delivery.flush(timeout_millis / 1000) if self.delivery is not None else True


class _Processors:
    """Our two processors on one provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self.adopting = _Adopting()
        self.delivering = _Delivering()
        provider.add_span_processor(self.adopting)
        provider.add_span_processor(self.delivering)


_attaching = threading.Lock()
_attached: weakref.WeakKeyDictionary[TracerProvider, _Processors] = weakref.WeakKeyDictionary()
