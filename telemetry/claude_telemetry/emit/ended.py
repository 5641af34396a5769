"""A call that is over, on its way out of the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from claude_telemetry.record import CallRecord

Ids = tuple[int, int, int | None]
"""Trace id, span id, and the span id of the parent or `None`."""


class EndedCall(Protocol):
    """What delivery holds of a call, and asks on its own thread: until then it costs the caller next to nothing."""

    @property
    def span_name(self) -> str: ...

    @property
    def ids(self) -> Ids: ...

    @property
    def start_ns(self) -> int:
        """Nanoseconds since the epoch."""
        ...

    @property
    def end_ns(self) -> int | None:
        """Nanoseconds since the epoch."""
        ...

    @property
    def sampled(self) -> bool:
        """Whether its trace is recorded. If not, it leaves as a usage record and not as a span."""
        ...

    @property
    def resource(self) -> Mapping[str, Any]:
        """The attributes of the resource that it happened in."""
        ...

    def record(self) -> CallRecord:
        """What is recorded about it."""
        ...

    def further_attributes(self) -> Mapping[str, Any]:
        """Attributes of its span that are no facts of the record, such as the server's address."""
        ...
