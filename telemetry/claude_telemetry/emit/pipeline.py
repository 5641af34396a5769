"""Where calls go: the application's tracing, its metrics, and our own delivery.

An application that has set up OpenTelemetry keeps its own provider: a call has one span there, the SDK's or ours. One
that has not needs no span at all; what is delivered is made from the call itself. Delivery is ours either way, so what
calls cost depends neither on what the application does with its spans nor on a sampler.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

from claude_telemetry import spending
from claude_telemetry.emit.delivery import Delivery
from claude_telemetry.emit.ended import EndedCall, Ids
from claude_telemetry.emit.metrics import CallMetrics
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.emit.spans import CallSpan
from claude_telemetry.emit.told import ToldCall
from claude_telemetry.guard import guarded
from claude_telemetry.record import CallRecord
from claude_telemetry.record.attributes import RECORDER_VERSION, SCOPE, UsageRecord, attributes_of, tool_use_attributes
from claude_telemetry.spool import opening

SDK_SCOPE_PREFIX = "com.anthropic.sdk."
"""The scopes of the spans that Anthropic's SDKs make: `com.anthropic.sdk.python`, `….python.bedrock` and so on."""


class Pipeline:
    """Makes own spans, and delivers calls."""

    def __init__(
        self,
        *,
        version: str,
        adopting: SpanProcessor,
        tracer_provider: trace.TracerProvider | None,
        meter_provider: MeterProvider | None,
        settings: Mapping[str, Any],
        former: Pipeline | None = None,
    ) -> None:
        """`settings` are those of `instrument`. `former` is the pipeline that this one takes the place of: what waits
        there is delivered here."""
        self._version = version
        self._adopting = adopting
        self._given = tracer_provider
        self.own_labels: dict[str, str] = {
            name: settings[name] for name in ("service", "environment") if settings[name] is not None
        }
        """Columns of `Call` that are the same for every call of this process."""
        self.complete_spans = not settings["export"]
        """Whether spans are all that is told of a call, so that they have to hold everything."""
        self._export: bool = settings["export"]
        self._endpoint_given: str | None = settings["endpoint"]
        self._token: str | None = settings["token"]
        self._certificate: Path | None = settings["certificate"]
        self._provider: trace.TracerProvider | None = None
        self._tracer: Tracer | None = None
        self.metrics: CallMetrics = (
            former.metrics
            if former is not None and meter_provider is None
            else CallMetrics(meter_provider, version=version)
        )
        if former is not None and former.metrics is not self.metrics:
            former.metrics.stop()
        self.delivery: Delivery | None = None
        if self._export:
            self.endpoint()  # a bad address is told now, not in a background thread
            self.delivery = former.delivery if former is not None else None
            queue, interval_s = settings["queue"], settings["flush_interval"]
            if self.delivery is None:
                spool = opening(
                    settings["spool"], most_bytes=settings["spool_bytes"], longest_days=settings["spool_days"]
                )
                self.delivery = Delivery(self.endpoint, capacity=queue, interval_s=interval_s, spool=spool)
            else:
                self.delivery.settle(self.endpoint, capacity=queue, interval_s=interval_s)

    def endpoint(self) -> Endpoint:
        """Where calls go now. An application's own provider has exporters of its own, which OpenTelemetry's variables
        are meant for, so those count only where there is none."""
        alone = not isinstance(_behind(self._given or trace.get_tracer_provider()), TracerProvider)
        return Endpoint.resolve(
            self._endpoint_given,
            os.environ,
            use_otel_variables=alone,
            token=self._token,
            certificate=self._certificate,
        )

    def prepare(self) -> None:
        """Attaches to the provider that the application has by now. Called at the start of each call; cheap."""
        shown = self._given or trace.get_tracer_provider()
        provider = _behind(shown)
        if provider is self._provider:
            return
        # Two threads that attach to a provider at once would have each span delivered twice.
        with _attaching:
            if isinstance(provider, TracerProvider):
                self._attach(provider)
                self._tracer = shown.get_tracer(SCOPE, self._version)
            else:
                self._tracer = None
                _ = self._private  # now: its resource is not found out any more once the process is leaving
            self._provider = provider

    def tracer(self) -> Tracer | None:
        """Where spans other than calls are made, such as the runs of tools. `None` when nothing would take them."""
        self.prepare()
        if self._tracer is not None:
            return self._tracer
        return self._private.get_tracer(SCOPE, self._version) if self._export else None

    def start(self, name: str, start_ns: int, attributes: Mapping[str, Any], parent: SpanContext) -> CallSpan | None:
        """An own span for a call in the application's tracing that began below `parent`. `None` when it has none."""
        if self._tracer is None:
            return None
        parent_span_id = parent.span_id if parent.is_valid else None
        here = trace.get_current_span().get_span_context()
        if here.is_valid and not here.is_remote and not here.trace_flags.sampled:
            # The trace around us is not recorded: a second throw of the sampler's dice would record what the first
            # decided not to. If that was over the SDK's own span for this call, then it says which the call is.
            the_sdks = here.span_id != parent.span_id
            span_id = here.span_id if the_sdks else _ids.generate_span_id()
            left_out = SpanContext(here.trace_id, span_id, is_remote=False, trace_flags=TraceFlags.get_default())
            return CallSpan(NonRecordingSpan(left_out), own=True, version=self._version, parent_span_id=parent_span_id)
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=start_ns)
        return CallSpan(span, own=True, version=self._version, parent_span_id=parent_span_id)

    # Calls that are over

    def ended(self, call: EndedCall) -> None:
        """Takes a call that is over. Never blocks on the network."""
        if self.delivery is not None:
            self.delivery.add(call)

    def told(self, call: ToldCall) -> None:
        """Takes a call that was told within the body of another, and gives it a span where the application has
        tracing."""
        with guarded("put a call aside to add up what it costs"):
            spending.told(call)
        self.ended(call)
        record = call.record()
        if self._tracer is not None:
            with guarded("write a call's span"):
                self._write(self._tracer, call, record)
        self.metrics.ended(record.call, began=False)

    def _write(self, tracer: Tracer, call: ToldCall, record: CallRecord) -> None:
        attributes: dict[str, Any] = {
            **attributes_of(record.call),
            **tool_use_attributes(record.tool_uses),
            RECORDER_VERSION: self._version,
            # Backends drop what happened long ago, so the span is of now.
            UsageRecord.START_NS: call.start_ns,
        }
        span = tracer.start_span(call.span_name, kind=SpanKind.CLIENT, attributes=attributes)
        if record.call.status != "cancelled":
            code = trace.StatusCode.OK if record.call.status == "ok" else trace.StatusCode.ERROR
            span.set_status(trace.Status(code))
        span.end()

    def flush(self, timeout_s: float) -> bool:
        return self.delivery.flush(timeout_s) if self.delivery is not None else True

    def stop(self) -> bool:
        """Delivers what waits, for 3 seconds at most, and takes no more."""
        self.metrics.stop()
        return self.delivery.stop() if self.delivery is not None else True

    # Calls without a span

    @staticmethod
    def ids_without_span(parent: SpanContext) -> Ids:
        """Ids for a call that has no span in the application's tracing, made in it or below `parent`."""
        if parent.is_valid:
            return parent.trace_id, _ids.generate_span_id(), parent.span_id
        return _ids.generate_trace_id(), _ids.generate_span_id(), None

    def samples(self, ids: Ids, name: str, attributes: Mapping[str, Any], parent: SpanContext) -> bool:
        """Whether the sampler that OpenTelemetry's variables name would record such a call."""
        context = set_span_in_context(NonRecordingSpan(parent)) if parent.is_valid else Context()
        sampler = self._private.sampler
        decision = sampler.should_sample(context, ids[0], name, SpanKind.CLIENT, attributes).decision
        return decision is Decision.RECORD_AND_SAMPLE

    @property
    def resource(self) -> Mapping[str, Any]:
        """The attributes of the resource that calls happen in. The same object while that is the same."""
        provider = self._provider if isinstance(self._provider, TracerProvider) else self._private
        return provider.resource.attributes

    @cached_property
    def _private(self) -> TracerProvider:
        """A provider that is never registered: what OpenTelemetry's variables say, where the application has none."""
        names = {"service": "service.name", "environment": "deployment.environment.name"}
        resource = Resource.create({names[label]: value for label, value in self.own_labels.items()})
        provider = TracerProvider(resource=resource, id_generator=_ids, shutdown_on_exit=False)
        self._attach(provider)
        return provider

    def _attach(self, provider: TracerProvider) -> None:
        processors = _attached.get(provider)
        if processors is None:
            processors = _attached[provider] = _Processors(provider)
        processors.adopting.inner = self._adopting
        # A client may make its spans in a provider that we were told of before.
        for known in list(_attached.values()):
            known.delivering.delivery = self.delivery


def _behind(provider: trace.TracerProvider) -> trace.TracerProvider:
    """The provider that `provider` only stands before, as Logfire's does; else `provider` itself."""
    if isinstance(provider, TracerProvider):
        return provider
    behind = getattr(provider, "provider", None)
    return behind if isinstance(behind, TracerProvider) else provider


class _Adopting(SpanProcessor):
    """Stays on a provider for good, since a processor cannot be taken off; passes on to whoever captures now."""

    inner: SpanProcessor | None = None

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        if self.inner is not None:
            with guarded("adopt the SDK's span"):
                self.inner.on_start(span, parent_context)


class _Delivering(SpanProcessor):
    """Hands ended spans to the delivery of whoever captures now: runs of tools, and what the SDK's tracing tells that
    is no recorded call. Recorded calls are delivered as such, and spans of others are not ours to send."""

    delivery: Delivery | None = None

    def on_end(self, span: ReadableSpan) -> None:
        with guarded("queue a span for delivery"):
            scope = span.instrumentation_scope
            if self.delivery is None or scope is None or span.context is None or not span.context.trace_flags.sampled:
                return
            if scope.name != SCOPE and not scope.name.startswith(SDK_SCOPE_PREFIX):
                return
            if span.attributes is None or RECORDER_VERSION not in span.attributes:
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


class _Ids(IdGenerator):
    """Ids from a source of their own. The one that `random` shares is the application's: where that is seeded, each of
    its processes would give the same ids, and the collector take the calls of one for copies of another's."""

    def __init__(self) -> None:
        self._random = Random()  # noqa: S311 - ids are no secrets
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._random.seed)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True


_ids = _Ids()
_attaching = threading.Lock()
_attached: weakref.WeakKeyDictionary[TracerProvider, _Processors] = weakref.WeakKeyDictionary()
