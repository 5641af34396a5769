"""What is wrong with single items of a good body.

An *item* is a span, a log record or a metric. An item that goes past a limit, or a span that says neither which trace
nor which span it is, is taken out of its body, counted and told to the sender; the rest of the body is kept. A body
has to be refused as a whole when it cannot be read, or when it holds so many items that it must be a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.segments import Signal

MOST_ITEMS = 100_000
"""In one body. Exporters send 512 at a time, and collectors on the way join some thousands."""
MOST_ATTRIBUTES = 10_000
"""Of one item, resource, scope or event. OpenTelemetry's SDKs stop at 128; OpenInference raises that to 10,000."""
MOST_PARTS = 10_000
"""Events, links or data points of one item."""
LARGEST_ATTRIBUTE_BYTES = 16 * 1024 * 1024
"""Key and value. Anthropic's own spans carry up to 8 MiB of content."""
DEEPEST = 100
"""Levels of JSON within JSON, and of messages within messages: what protobuf's own parser allows."""

NO_IDS = "without a trace id and a span id that can be used"
ATTRIBUTES = f"with more than {MOST_ATTRIBUTES:,} attributes"
PARTS = f"with more than {MOST_PARTS:,} events, links or data points"
LARGE = f"with an attribute of more than {LARGEST_ATTRIBUTE_BYTES:,} bytes"
LARGE_METRIC = "in metrics of more than 1 MiB each"

_NO_TRACE_ID, _NO_SPAN_ID = bytes(16), bytes(8)

COUNTED: Mapping[Signal, str] = {"traces": "spans", "logs": "log records", "metrics": "data points"}
"""What a sender is told the number of."""


@dataclass(slots=True)
class Checked:
    """A body that can be kept."""

    body: bytes
    """Without the items that were taken out. Empty when none is left."""
    kept: int = 0
    """Items in it; of metrics the data points."""
    rejected: dict[str, int] = field(default_factory=dict[str, int])
    """Items taken out, by what is wrong with them."""

    def reject(self, fault: str, count: int) -> None:
        """Counts items that were taken out."""
        self.rejected[fault] = self.rejected.get(fault, 0) + count

    @property
    def rejected_items(self) -> int:
        return sum(self.rejected.values())

    def told(self, signal: Signal) -> str:
        """What the sender is to know about the items that were taken out."""
        reasons = "; ".join(f"{count:,} {why}" for why, count in self.rejected.items())
        rejected = self.rejected_items
        return f"of {self.kept + rejected:,} {COUNTED[signal]} {rejected:,} were not kept: {reasons}"


def too_many_items() -> Refusal:
    """The body as a whole is refused."""
    return Refusal(413, f"the body holds more than {MOST_ITEMS:,} items: send smaller batches", reason="too_large")


def fault_of_span(span: Span) -> str | None:
    """What is wrong with it, as one of the texts above."""
    if len(span.attributes) > MOST_ATTRIBUTES:
        return ATTRIBUTES
    for parts in (span.events, span.links):
        if parts and len(parts) > MOST_PARTS:
            return PARTS
        if parts and one_has_too_many(parts):
            return ATTRIBUTES
    return fault_of_ids(span)


def fault_of_ids(span: Span) -> str | None:
    """Whether it can be told which it is: ids as OTLP has them are of one size, and not all zeros."""
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or len(span_id) != 8 or trace_id == _NO_TRACE_ID or span_id == _NO_SPAN_ID:
        return NO_IDS
    return None


def fault_of_log_record(record: LogRecord) -> str | None:
    """What is wrong with it."""
    return ATTRIBUTES if len(record.attributes) > MOST_ATTRIBUTES else None


def fault_of_metric(metric: Metric) -> str | None:
    """What is wrong with it."""
    points = points_of(metric)
    if len(points) > MOST_PARTS:
        return PARTS
    return ATTRIBUTES if one_has_too_many(points) else None


def points_of(metric: Metric) -> Sequence[Any]:
    """Its data points, of whichever kind."""
    kind = metric.WhichOneof("data")
    points: Sequence[Any] = getattr(metric, kind).data_points if kind is not None else ()
    return points


def one_has_too_many(holders: Iterable[Any]) -> bool:
    """Whether one of these has more attributes than it may have."""
    return any(len(holder.attributes) > MOST_ATTRIBUTES for holder in holders)


FAULT_OF: Mapping[Signal, Callable[[Any], str | None]] = {
    "traces": fault_of_span,
    "logs": fault_of_log_record,
    "metrics": fault_of_metric,
}
