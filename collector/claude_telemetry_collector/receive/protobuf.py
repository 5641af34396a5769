"""Protobuf bodies: whether they can be read, and which of their items cannot be kept.

A body of up to a MiB is parsed at once, which is fast. A larger one is taken apart first and parsed item by item, an
item of more than a MiB field by field: parsed, two bytes can be an empty span of ninety times their size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from claude_telemetry_collector.decode.scopes import OddError, Scope, request_of, scopes_in
from claude_telemetry_collector.receive import items
from claude_telemetry_collector.receive.items import Checked
from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.receive.wire import Field, WireError, field, fields
from claude_telemetry_collector.segments import Signal

AT_ONCE_BYTES = 1024 * 1024
_TOO_SMALL_BYTES = 2 * min(items.MOST_ATTRIBUTES, items.MOST_PARTS)
"""For too much of anything to be in it: nothing takes less than two bytes."""

_TRACE_ID, _SPAN_ID = b"\x0a\x10", b"\x12\x08"
"""What stands before the ids of a span: their fields and sizes."""
_NO_TRACE_ID, _NO_SPAN_ID = bytes(16), bytes(8)

_FaultOf = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the bodies of a signal look: a request has groups, of one resource each; a group has scopes; a scope has
    items. By number, groups are field 1 of what they are in, scopes and items field 2."""

    parse: Callable[[bytes], Any]
    names: tuple[str, str, str]
    """Of the lists of groups, scopes and items."""


_SHAPES: dict[Signal, _Shape] = {
    "traces": _Shape(ExportTraceServiceRequest.FromString, ("resource_spans", "scope_spans", "spans")),
    "logs": _Shape(ExportLogsServiceRequest.FromString, ("resource_logs", "scope_logs", "log_records")),
    "metrics": _Shape(ExportMetricsServiceRequest.FromString, ("resource_metrics", "scope_metrics", "metrics")),
}


def check(signal: Signal, body: bytes) -> Checked:
    """What of `body` can be kept. Raises a `Refusal` when it is no request of `signal`."""
    try:
        if signal == "traces" and (spans := _usual_spans(body)) is not None:
            return Checked(body, kept=spans)
        if len(body) > AT_ONCE_BYTES:
            return _Pieces(signal, body).checked()
        return _at_once(signal, body)
    except (DecodeError, WireError):
        raise Refusal(400, f"the body is not a protobuf OTLP export request with {signal}") from None


def _usual_spans(body: bytes) -> int | None:
    """How many spans there are in `body`, where all are as spans usually are: they begin with their ids, and are too
    small for too much of anything to be in them. `None` where one is not. Raises `DecodeError`.

    Nothing is looked into but by protobuf's parser, which still gets no more than about a MiB at once.
    """
    try:
        scopes = scopes_in(body)
    except OddError:
        return None
    count = sum(len(scope.start) for scope in scopes)
    if not 0 < count <= items.MOST_ITEMS:
        return None
    pieces: list[bytes] = []
    for scope in scopes:
        if max(len(scope.group), len(scope.head), _largest(scope)) > _TOO_SMALL_BYTES or not _have_ids(body, scope):
            return None
        pieces += _cut(body, scope)
    parse = _SHAPES["traces"].parse
    for piece in [body] if len(body) <= AT_ONCE_BYTES else pieces:
        parse(piece)
    return count


def _largest(scope: Scope) -> int:
    return max((end - start for start, end in zip(scope.start, scope.end, strict=True)), default=0)


def _have_ids(body: bytes, scope: Scope) -> bool:
    """Whether each span begins with a trace id and a span id that can be used."""
    return all(
        body[at : at + 2] == _TRACE_ID
        and body[at + 18 : at + 20] == _SPAN_ID
        and body[at + 2 : at + 18] != _NO_TRACE_ID
        and body[at + 20 : at + 28] != _NO_SPAN_ID
        for at in scope.start
    )


def _cut(body: bytes, scope: Scope) -> Iterator[bytes]:
    """Requests with what is in `scope`, a MiB or so each. The fields of a message, some here and some there, are two
    messages."""
    begin = scope.begin
    for end in scope.end:
        if end - begin >= AT_ONCE_BYTES:
            yield request_of(scope.group, body[begin:end])
            begin = end
    yield request_of(scope.group, body[begin : scope.until])


def _at_once(signal: Signal, body: bytes) -> Checked:
    shape = _SHAPES[signal]
    groups, scopes, of_scope = shape.names
    fault_of: _FaultOf = items.FAULT_OF[signal]
    fault_of_holder: _FaultOf = _fault_of_holder
    if len(body) <= _TOO_SMALL_BYTES:
        fault_of, fault_of_holder = (items.fault_of_ids if signal == "traces" else _no_fault), _no_fault
    request = shape.parse(body)
    if not request.ListFields():  # bytes of something else can happen to parse, as fields that nobody knows
        raise _holds_none(signal)
    checked = Checked(body)
    for group in getattr(request, groups):
        of_resource = fault_of_holder(group.resource)
        for scope in getattr(group, scopes):
            fault = of_resource or fault_of_holder(scope.scope)
            found = getattr(scope, of_scope)
            faults = [fault or fault_of(item) for item in found]
            if any(faults):
                for at in reversed(range(len(faults))):
                    if (wrong := faults[at]) is not None:
                        checked.reject(wrong, _count(signal, found[at]))
                        del found[at]
            checked.kept += len(found) if signal != "metrics" else sum(_count(signal, item) for item in found)
    if checked.kept + checked.rejected_items > items.MOST_ITEMS:
        raise items.too_many_items()
    if checked.rejected:
        checked.body = request.SerializeToString() if checked.kept else b""
    return checked


class _Pieces:
    """A large body. Each method gives its part of the body back without what was taken out."""

    def __init__(self, signal: Signal, body: bytes) -> None:
        self._signal: Signal = signal
        self._shape = _SHAPES[signal]
        self._fault_of = items.FAULT_OF[signal]
        self._body = body
        self._fields = 0
        self._checked = Checked(body)

    def checked(self) -> Checked:
        groups, rest = self._parts(0, len(self._body), listed=1)
        self._shape.parse(rest)
        if not groups:
            raise _holds_none(self._signal)
        left = [self._group(group) for group in groups]
        checked = self._checked
        if checked.rejected:
            checked.body = b"".join(left) if checked.kept else b""
        return checked

    def _group(self, group: Field) -> bytes:
        scopes, rest = self._parts(group.content, group.end, listed=2)
        fault: str | None = items.LARGE
        if len(rest) <= items.LARGEST_ATTRIBUTE_BYTES:
            fault = _fault_of_holder(self._group_of(field(1, rest)).resource)
        return field(1, b"".join((rest, *(self._scope(scope, fault) for scope in scopes))))

    def _scope(self, scope: Field, fault: str | None) -> bytes:
        found, rest = self._parts(scope.content, scope.end, listed=2)
        if len(rest) > items.LARGEST_ATTRIBUTE_BYTES:
            fault = items.LARGE
        else:
            fault = _fault_of_holder(self._scope_of(field(2, rest)).scope) or fault
        return field(2, b"".join((rest, *(self._item(item, fault) for item in found))))

    def _item(self, item: Field, fault: str | None) -> bytes:
        if item.end - item.content <= AT_ONCE_BYTES:
            parsed = self._item_of(self._body[item.start : item.end])
            wrong, count = self._fault_of(parsed), _count(self._signal, parsed)
        elif self._signal == "metrics":
            wrong, count = items.LARGE_METRIC, 1
        else:
            wrong, count = self._fault_of_large(item), 1
        fault = fault or wrong
        if fault is not None:
            self._checked.reject(fault, count)
            return b""
        self._checked.kept += count
        return self._body[item.start : item.end]

    def _fault_of_large(self, item: Field) -> str | None:
        """Of a span or log record, whose fields are parsed one by one."""
        numbers: Counter[int] = Counter()
        ids = bytearray()
        for part in fields(self._body, item.content, item.end):
            numbers[part.number] += 1
            if numbers[part.number] > items.MOST_ATTRIBUTES:  # which is as many as there may be of anything
                return items.ATTRIBUTES
            if part.end - part.start > items.LARGEST_ATTRIBUTE_BYTES:
                return items.LARGE
            data = self._body[part.start : part.end]
            wrong = self._fault_of(self._item_of(field(2, data)))
            if wrong not in (None, items.NO_IDS):
                return wrong
            if part.number in _IDS:
                ids += data
        return self._fault_of(self._item_of(field(2, bytes(ids))))

    # Pieces are parsed within what they are in, so that they may be as deep as in the whole body, and no deeper.

    def _group_of(self, data: bytes) -> Any:
        return getattr(self._shape.parse(data), self._shape.names[0])[0]

    def _scope_of(self, data: bytes) -> Any:
        return getattr(self._group_of(field(1, data)), self._shape.names[1])[0]

    def _item_of(self, data: bytes) -> Any:
        return getattr(self._scope_of(field(2, data)), self._shape.names[2])[0]

    def _parts(self, start: int, end: int, *, listed: int) -> tuple[list[Field], bytes]:
        """The fields there that are number `listed`, and all others as they are."""
        found: list[Field] = []
        others: list[bytes] = []
        for part in self._counted(fields(self._body, start, end)):
            if part.number != listed:
                others.append(self._body[part.start : part.end])
            elif part.is_bytes:
                found.append(part)
            else:
                raise WireError
        return found, b"".join(others)

    def _counted(self, parts: Iterator[Field]) -> Iterator[Field]:
        for part in parts:
            self._fields += 1
            if self._fields > items.MOST_ITEMS:
                raise items.too_many_items()
            yield part


_IDS = (1, 2)
"""Where a span has its ids. What a log record has there is a number."""


def _no_fault(_: Any) -> str | None:
    return None


def _fault_of_holder(holder: Any) -> str | None:
    return items.ATTRIBUTES if len(holder.attributes) > items.MOST_ATTRIBUTES else None


def _count(signal: Signal, item: Any) -> int:
    return len(items.points_of(item)) if signal == "metrics" else 1


def _holds_none(signal: Signal) -> Refusal:
    return Refusal(400, f"the body is protobuf, but holds no {signal}")
