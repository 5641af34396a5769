"""A call as one CLIENT span in the application's tracing, our own or one that the SDK started.

An own span is written once, when the call ends. One of the SDK's is *adopted*: it is ended by the SDK, so each fact is
written as soon as it is known. An attribute can be overwritten and never taken back, so what may yet change for the
worse is written with the worse value first, and the SDK's own `error.type` and status are left to the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import attach
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from claude_telemetry.emit.ended import Ids
from claude_telemetry.record import Attempt
from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    DOLLARS,
    RECORDER_VERSION,
    attempt_attributes,
    attributes_of_facts,
)

CONTENT_EVENT = "gen_ai.client.inference.operation.details"

_OK, _ERROR = Status(StatusCode.OK), Status(StatusCode.ERROR)


class CallSpan:
    """The span of one call. One that a sampler left out takes nothing, and still says where the call stands."""

    __slots__ = ("_span", "_version", "_written", "ids", "own", "sampled")

    def __init__(self, span: Span, *, own: bool, version: str, parent_span_id: int | None = None) -> None:
        context = span.get_span_context()
        self._span = span
        self._written: dict[str, Any] = {}
        self._version = version
        self.own = own
        self.ids: Ids = (context.trace_id, context.span_id, parent_span_id)
        self.sampled: bool = context.trace_flags.sampled

    def make_current(self) -> Any:
        """Makes the span current, so that spans of the HTTP library nest under it. Gives what OpenTelemetry's `detach`
        takes."""
        return attach(set_span_in_context(self._span))

    @property
    def is_open(self) -> bool:
        """Whether the span takes attributes, still."""
        return self._span.is_recording()

    # An adopted span

    def adopted(self, facts: Mapping[str, Any]) -> None:
        """The first that an adopted span is told."""
        # Whatever fails: without the mark, the call would be delivered twice.
        attributes: dict[str, Any] = {RECORDER_VERSION: self._version}
        try:
            attributes.update(_attributes_of(facts))
        finally:
            self._span.set_attributes(attributes)

    def write_at_once(self, facts: Mapping[str, Any], further: Mapping[str, Any]) -> None:
        """Sets, on an adopted span that is about to end, what the SDK does not tell itself. `further` are attributes
        that are no facts of the record."""
        attributes = {**_attributes_of(facts), **further}
        self._span.set_attributes(attributes)
        self._written.update(attributes)

    def write(self, facts: Mapping[str, Any]) -> None:
        """Sets what is known so far on an adopted span, by the names of columns. Nothing, once it has ended."""
        if not self._span.is_recording():
            return
        attributes = _attributes_of(facts)
        # Only whoever ends a span knows that its call failed.
        attributes.pop("error.type", None)
        written = self._written
        changed = {name: value for name, value in attributes.items() if written.get(name) != value}
        if changed:
            self._span.set_attributes(changed)
            written.update(changed)

    def is_fine(self) -> None:
        """Tells, of an adopted span that the SDK leaves without a status, that all went well."""
        self._span.set_status(_OK)

    # Both

    def write_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Sets attributes that are no facts of the record."""
        self._span.set_attributes(attributes)

    def add_content(self, attributes: Mapping[str, Any]) -> None:
        """Adds the event that carries content, by the conventions' name."""
        self._span.add_event(CONTENT_EVENT, attributes)

    def add_attempt(self, attempt: Attempt, start_ns: int) -> None:
        """Adds the event of an attempt that has ended; `start_ns` is when it began."""
        self._span.add_event(ATTEMPT_EVENT, attempt_attributes(attempt), timestamp=start_ns)

    # An own span

    def end(self, facts: Mapping[str, Any], further: Mapping[str, Any], status: str, end_ns: int) -> None:
        """Writes an own span, and ends it. `further` are attributes that are no facts of the record."""
        span = self._span
        attributes: dict[str, Any] = {**further, RECORDER_VERSION: self._version}
        try:
            attributes.update(_attributes_of(facts))
        finally:
            # Whatever failed: a span that is not ended is lost to the application.
            span.set_attributes(attributes)
            if status == "ok":
                span.set_status(_OK)
            elif status == "error":
                # Without a description: the text of an error can hold parts of the question.
                span.set_status(_ERROR)
            span.end(end_ns)


def _attributes_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of `facts`, without dollars where no answer is known to have cost nothing: other readers would
    take a zero for the cost of a call that is answered, at a cost, later on."""
    attributes: dict[str, Any] = attributes_of_facts(facts)
    if not facts.get("cost_usd") and "input_tokens" not in facts:
        for name in DOLLARS:
            attributes.pop(name, None)
    return attributes


def url_attributes(url: Any) -> dict[str, str]:
    """The address of a call's first request, of its query only which page of a list it asks for: as the SDK's own
    tracing writes it."""
    scheme, (path, _, query) = str(url.scheme), url.raw_path.decode("ascii").partition("?")
    full = f"{scheme}://{url.netloc.decode('ascii')}{path}"
    attributes = {"url.scheme": scheme, "url.path": path, "url.full": full}
    page = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] in _PAGE) if query else ""
    if page:
        attributes.update({"url.query": page, "url.full": f"{full}?{page}"})
    return attributes


_PAGE = frozenset({"limit", "after_id", "before_id"})
