"""A call that was told within the body of another: a batch's result, a session's event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_telemetry import spending
from claude_telemetry.emit.ended import Ids
from claude_telemetry.record import CallRecord


class ToldCall:
    """An `EndedCall` that is all there when it is heard of. How long it took is not known: its span has no length."""

    def __init__(self, span_name: str, ids: Ids, at_ns: int, record: CallRecord, resource: Mapping[str, Any]) -> None:
        self._span_name, self._ids, self._at_ns = span_name, ids, at_ns
        self._record, self._resource = record, resource

    @property
    def span_name(self) -> str:
        return self._span_name

    @property
    def ids(self) -> Ids:
        return self._ids

    @property
    def start_ns(self) -> int:
        return self._at_ns

    @property
    def end_ns(self) -> int:
        return self._at_ns

    @property
    def sampled(self) -> bool:
        """Always: it is a fact of the API, and no part of anybody's trace."""
        return True

    @property
    def resource(self) -> Mapping[str, Any]:
        return self._resource

    def record(self) -> CallRecord:
        return self._record

    def facts(self) -> Mapping[str, Any]:
        """What sums are made of, by the names of columns."""
        return spending.facts_of(self._record.call)

    def further_attributes(self) -> Mapping[str, Any]:
        return {}
