"""What waits for delivery, as OTLP requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from claude_telemetry.emit.content import without_content

Signal = Literal["traces", "logs"]
Item = ReadableSpan
"""What an application's thread hands to delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One OTLP request, as serialized protobuf, not compressed."""

    signal: Signal
    data: bytes
    calls: int
    """How many items it carries."""


def bodies_of(items: Sequence[Item]) -> list[Body]:
    """The requests that carry `items`: at most one for each signal. Runs on the delivery's thread."""
    data: bytes = encode_spans([without_content(span) for span in items]).SerializeToString()
    return [Body(signal="traces", data=data, calls=len(items))]
