"""Spans that capture made, read back as the calls that they carry."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

import claude_telemetry
from claude_telemetry.guard import slips
from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.attributes import attempt_from, call_facts, tool_uses_from

_STATUS = {StatusCode.OK: "ok", StatusCode.ERROR: "error", StatusCode.UNSET: "cancelled"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """An application's tracer provider, and what was exported from it."""

    provider: TracerProvider
    exporter: InMemorySpanExporter

    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended since the last time of asking, in order of their end."""
        spans = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return spans

    def records(self) -> list[CallRecord]:
        return [record_of(span) for span in self.spans()]

    def only(self) -> CallRecord:
        """The one call there was. Fails when there was none, or more than one."""
        records = self.records()
        assert len(records) == 1, f"expected one call, recorded {len(records)}"
        return records[0]


@contextmanager
def recording(**settings: Any) -> Generator[Recorded]:
    """An application with a provider of its own, instrumented. A failure inside telemetry fails the test on leaving."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = slips()
    claude_telemetry.instrument(tracer_provider=provider, export=False, **settings)
    try:
        yield Recorded(provider, exporter)
    finally:
        claude_telemetry.uninstrument()
        provider.shutdown()
    assert slips() == before


def http_library() -> Any:
    """The HTTP library of the installed SDK, as a module: `httpx` before anthropic 1.0, `httpx2` from then on."""
    base = anthropic.DefaultHttpxClient.__mro__[1]
    return sys.modules[base.__module__.partition(".")[0]]


def sdk_tracing(provider: TracerProvider | None) -> dict[str, Any]:
    """What a client is made with so that the SDK's own tracing is on, in `provider`, or off with `None`.

    Skips the test that wants it on where the SDK has none (before anthropic 1.14).
    """
    if "open_telemetry" not in inspect.signature(Anthropic.__init__).parameters:
        if provider is not None:
            pytest.skip(f"anthropic {anthropic.__version__} has no tracing of its own")
        return {}
    return {"open_telemetry": {"traces": False} if provider is None else {"tracer_provider": provider}}


def record_of(span: ReadableSpan) -> CallRecord:
    """The call that a span carries, as a reader of its attributes finds it."""
    attributes: Mapping[str, Any] = span.attributes or {}
    facts, _ = call_facts(attributes)
    context = span.get_span_context()
    assert context is not None
    assert span.start_time is not None
    assert span.end_time is not None
    call = Call(
        started_at=_utc(span.start_time),
        duration_ms=round((span.end_time - span.start_time) / 1e6),
        status=_STATUS[span.status.status_code],
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(span.parent.span_id) if span.parent else None,
        **facts,
    )
    attempts = [attempt_from(_utc(event.timestamp), event.attributes or {}) for event in span.events]
    return CallRecord(call=call, attempts=tuple(attempts), tool_uses=tool_uses_from(attributes))


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)
