"""A call as one CLIENT span, our own or one that the SDK started; its attempts as events.

An own span is written once, when the call ends. One of the SDK's is *adopted*: it is ended by the SDK, so each fact is
written as soon as it is known. An attribute can be overwritten and never taken back, so what may yet change for the
worse is written with the worse value first, and the SDK's own `error.type` and status are left to the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, Protocol

from opentelemetry.trace import Span, Status, StatusCode, format_span_id, format_trace_id, use_span

from claude_telemetry.record import Attempt, CallRecord
from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    DOLLARS,
    RECORDER_VERSION,
    attempt_attributes,
    attributes_of,
    fact_attributes,
    tool_use_attributes,
)

_NOTHING: Mapping[str, Any] = MappingProxyType({})

# Only whoever ends a span knows that its call failed.
_THE_SDKS_OWN = ("error.type",)
# What an attempt said that may be tried again. If it was the last, the SDK writes them when it ends the span.
_THE_SDKS_OWN_WHILE_RETRYING = (*_THE_SDKS_OWN, "http.response.status_code", "anthropic.request.id")


class SpanSource(Protocol):
    """Where a call without a span of the SDK's gets its own."""

    def start(self, name: str, start_ns: int, attributes: Mapping[str, Any]) -> CallSpan | None:
        """A new span, or `None` when this call is not to have one: nothing exports it, or a sampler said no."""
        ...

    @property
    def own_labels(self) -> Mapping[str, Any]:
        """Columns of `Call` that are the same for every call of this process."""
        ...


class CallSpan:
    """The span of one call."""

    __slots__ = ("_span", "_version", "_written", "ids", "own")

    def __init__(
        self,
        span: Span,
        *,
        own: bool,
        version: str,
        parent_span_id: str | None = None,
        written: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """`written` are the attributes that the span was started with."""
        context = span.get_span_context()
        self._span = span
        self._written: dict[str, Any] = {**written}
        self._version = version
        self.own = own
        self.ids = (format_trace_id(context.trace_id), format_span_id(context.span_id), parent_span_id)

    def is_current(self) -> AbstractContextManager[Span]:
        """Makes an own span current for a while, so that spans of the HTTP library nest under it."""
        if not self.own:
            return nullcontext(self._span)
        return use_span(self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def is_open(self) -> bool:
        """Whether the span takes attributes still."""
        return self._span.is_recording()

    def write(self, record: CallRecord, *, answered: bool = True) -> None:
        """Sets what is known so far on an adopted span. Does nothing once the span has ended.

        `answered`: whether the last attempt had the answer, so that its status and id are the call's.
        """
        if not self._span.is_recording():
            return
        attributes = self._attributes(record)
        for name in _THE_SDKS_OWN if answered else _THE_SDKS_OWN_WHILE_RETRYING:
            attributes.pop(name, None)
        if not record.call.cost_usd and DOLLARS[0] not in self._written:
            # Other readers would take a zero for the cost of a call that is answered, at a cost, later on.
            for name in DOLLARS:
                attributes.pop(name, None)
        self._write(attributes)

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Sets single facts on an adopted span, by the name of their column."""
        self._write({**fact_attributes(facts), RECORDER_VERSION: self._version})

    def write_url(self, url: Any, method: str) -> None:
        """The address of the call's first request, without its query: as the SDK's own tracing writes it."""
        scheme, path = str(url.scheme), url.raw_path.partition(b"?")[0].decode("ascii")
        self._write(
            {
                "http.request.method": method,
                "url.scheme": scheme,
                "url.path": path,
                "url.full": f"{scheme}://{url.netloc.decode('ascii')}{path}",
            }
        )

    def add_attempt(self, attempt: Attempt, start_ns: int) -> None:
        """Adds the event of an attempt that has ended; `start_ns` is when it began."""
        self._span.add_event(ATTEMPT_EVENT, attempt_attributes(attempt), timestamp=start_ns)

    def end(self, record: CallRecord, end_ns: int) -> None:
        """The call is over. Ends an own span; an adopted one is the SDK's to end, and may have ended already."""
        if not self.own:
            self.write(record)
            return
        self._write(self._attributes(record))
        if record.call.status == "ok":
            self._span.set_status(Status(StatusCode.OK))
        elif record.call.status == "error":
            # Without a description: the text of an error can hold parts of the question.
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end(end_ns)

    def _attributes(self, record: CallRecord) -> dict[str, Any]:
        attributes: dict[str, Any] = attributes_of(record.call)
        attributes.update(tool_use_attributes(record.tool_uses))
        attributes[RECORDER_VERSION] = self._version
        return attributes

    def _write(self, attributes: Mapping[str, Any]) -> None:
        """Sets what has changed: OpenTelemetry takes a microsecond for each attribute."""
        written = self._written
        changed = {name: value for name, value in attributes.items() if written.get(name) != value}
        if changed:
            self._span.set_attributes(changed)
            written.update(changed)
