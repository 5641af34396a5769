"""JSON bodies: whether they can be read, and which of their items cannot be kept.

JSON is how small exporters send and how people try things out; it costs ten times what protobuf does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from claude_telemetry_collector.receive import items
from claude_telemetry_collector.receive.items import Checked
from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.segments import Signal

_LISTS: Mapping[Signal, tuple[str, str, str]] = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}
"""On the way down to the items."""
_MOST_VALUES = 4_000_000
"""In one body. Parsed, each can take 72 bytes, also where it took two."""
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-fA-F]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-fA-F]{16}")

_Object = dict[str, Any]


def check(signal: Signal, body: bytes) -> Checked:
    """What of `body` can be kept. Raises a `Refusal` when it is no request of `signal`."""
    request = _parsed(body)
    lists = _LISTS[signal]
    if not isinstance(request, dict) or (request and lists[0] not in request):
        raise Refusal(400, f'the body is JSON, but not an object with "{lists[0]}"')
    checked = Checked(body)
    for group in _objects(cast("_Object", request), lists[0]):
        of_resource = _fault_of_holder(_object(group, "resource"))
        for scope in _objects(group, lists[1]):
            of_scope = of_resource or _fault_of_holder(_object(scope, "scope"))
            found = _objects(scope, lists[2])
            scope[lists[2]] = [item for item in found if _kept(signal, item, of_scope, checked)]
    if checked.kept + checked.rejected_items > items.MOST_ITEMS:
        raise items.too_many_items()
    if checked.rejected:
        checked.body = json.dumps(request, separators=(",", ":")).encode() if checked.kept else b""
    return checked


def _parsed(body: bytes) -> object:
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES:
        raise Refusal(413, "the body holds more values than are read at once: send smaller batches", reason="too_large")
    try:
        request: object = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON in UTF-8") from None
    if _is_deep(request):
        raise Refusal(400, f"the body is JSON that is more than {items.DEEPEST} levels deep")
    return request


def _is_deep(request: object) -> bool:
    level: list[object] = [request]
    for _ in range(items.DEEPEST):
        level = [
            *(inner for outer in level if type(outer) is dict for inner in cast("_Object", outer).values()),
            *(inner for outer in level if type(outer) is list for inner in cast("list[object]", outer)),
        ]
    return bool(level)


def _kept(signal: Signal, item: _Object, fault: str | None, checked: Checked) -> bool:
    count = len(_points(item)) if signal == "metrics" else 1
    fault = fault or _fault_of(signal, item)
    if fault is None:
        checked.kept += count
    else:
        checked.reject(fault, count)
    return fault is None


def _fault_of(signal: Signal, item: _Object) -> str | None:
    if signal == "metrics":
        points = _points(item)
        return items.PARTS if len(points) > items.MOST_PARTS else _first_fault(points)
    if (fault := _fault_of_holder(item)) is not None or signal == "logs":
        return fault
    parts = [_among(item, "events"), _among(item, "links")]
    if any(len(part) > items.MOST_PARTS for part in parts):
        return items.PARTS
    if (fault := _first_fault(parts[0]) or _first_fault(parts[1])) is not None:
        return fault
    return None if _is_id(item.get("traceId"), _TRACE_ID) and _is_id(item.get("spanId"), _SPAN_ID) else items.NO_IDS


def _points(metric: _Object) -> list[_Object]:
    return [
        point
        for kind in ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
        for point in _among(_object(metric, kind), "dataPoints")
    ]


def _first_fault(holders: list[_Object]) -> str | None:
    return next((fault for holder in holders if (fault := _fault_of_holder(holder)) is not None), None)


def _fault_of_holder(holder: _Object) -> str | None:
    attributes = _among(holder, "attributes")
    if len(attributes) > items.MOST_ATTRIBUTES:
        return items.ATTRIBUTES
    return items.LARGE if any(_is_large(attribute) for attribute in attributes) else None


def _is_large(attribute: _Object) -> bool:
    text = _object(attribute, "value").get("stringValue")
    return len(str(attribute.get("key", ""))) + (len(text) if isinstance(text, str) else 0) > (
        items.LARGEST_ATTRIBUTE_BYTES
    )


def _is_id(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _object(holder: _Object, name: str) -> _Object:
    value = holder.get(name)
    return cast("_Object", value) if isinstance(value, dict) else {}


def _objects(holder: _Object, name: str) -> list[_Object]:
    inner: object = holder.get(name) or []
    if not isinstance(inner, list) or not all(isinstance(each, dict) for each in cast("list[object]", inner)):
        raise Refusal(400, f'in this JSON, "{name}" is not a list of objects')
    return cast("list[_Object]", inner)


def _among(holder: _Object, name: str) -> list[_Object]:
    """The objects in that list. Below the items, what is of another type counts as not sent, as it does in landing."""
    inner: object = holder.get(name)
    if not isinstance(inner, list):
        return []
    return [cast("_Object", each) for each in cast("list[object]", inner) if isinstance(each, dict)]


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
