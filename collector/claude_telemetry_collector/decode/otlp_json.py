"""OTLP as JSON: ids in hexadecimal, 64-bit numbers as text or numbers, enums as numbers or names.

Read with forbearance, since it is what people write by hand and what small exporters get nearly right: a field of
another type than the format says counts as not sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from claude_telemetry_collector.decode.door import let_in
from claude_telemetry_collector.decode.landed import UnreadableError
from claude_telemetry_collector.decode.span import KINDS, STATUSES, Span, SpanEvent

_DEEPEST = 8
"""As for protobuf."""

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_UNSIGNED = 2**64
Enum = TypeVar("Enum", bound=str)


def spans(body: bytes, wanted: Callable[[str], bool]) -> Iterator[Span | None]:
    """Each span of `body` whose scope is `wanted`, and `None` for each other. Raises `UnreadableError`."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("it is not JSON") from error
    if not isinstance(request, dict):
        raise UnreadableError("it is no ExportTraceServiceRequest: a JSON object was expected")
    for resource_spans in _objects(cast("dict[str, object]", request), "resourceSpans"):
        resource = _attributes(_object(resource_spans, "resource"))
        for scope_spans in _objects(resource_spans, "scopeSpans"):
            scope = _text(_object(scope_spans, "scope"), "name")
            for span in _objects(scope_spans, "spans"):
                yield _span(span, scope, resource) if wanted(scope) else None


def _span(span: dict[str, object], scope: str, resource: dict[str, object]) -> Span:
    return Span(
        trace_id=_id(span, "traceId", 32),
        span_id=_id(span, "spanId", 16),
        parent_span_id=_id(span, "parentSpanId", 16),
        name=_text(span, "name"),
        kind=_enum(span.get("kind"), KINDS, "SPAN_KIND_"),
        start_ns=_time_ns(span, "startTimeUnixNano"),
        end_ns=_time_ns(span, "endTimeUnixNano"),
        status=_enum(_object(span, "status").get("code"), STATUSES, "STATUS_CODE_"),
        scope=scope,
        attributes=_attributes(span),
        events=tuple(
            SpanEvent(name=_text(event, "name"), at_ns=_time_ns(event, "timeUnixNano"), attributes=_attributes(event))
            for event in _objects(span, "events")
        ),
        resource=resource,
    )


def _attributes(holder: dict[str, object]) -> dict[str, object]:
    return let_in(_pairs(_objects(holder, "attributes"), _DEEPEST))


def _pairs(pairs: Iterator[dict[str, object]], depth: int) -> Iterator[tuple[str, object]]:
    for pair in pairs:
        key = pair.get("key")
        if isinstance(key, str):
            yield key, _value(_object(pair, "value"), depth)


def _value(value: dict[str, object], depth: int) -> object:
    if depth == 0:
        return None
    for kind, read in _SCALARS.items():
        if kind in value:
            return read(value[kind])
    if "arrayValue" in value:
        return [_value(item, depth - 1) for item in _objects(_object(value, "arrayValue"), "values")]
    if "kvlistValue" in value:
        return dict(_pairs(_objects(_object(value, "kvlistValue"), "values"), depth - 1))
    return None


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def _double(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


_SCALARS: dict[str, Callable[[object], object]] = {
    "stringValue": lambda value: value if isinstance(value, str) else None,
    "intValue": _whole,
    "boolValue": lambda value: value if isinstance(value, bool) else None,
    "doubleValue": _double,
}


def _id(span: dict[str, object], name: str, digits: int) -> str | None:
    value = _text(span, name).lower()
    if len(value) != digits or not set(value) <= set("0123456789abcdef") or not value.strip("0"):
        return None
    return value


def _time_ns(holder: dict[str, object], name: str) -> int:
    value = _whole(holder.get(name))
    return value if value is not None and 0 <= value < _UNSIGNED else 0


def _enum(value: object, names: tuple[Enum, ...], prefix: str) -> Enum:
    """By number or by name; anything else is the first, which means that it was not said."""
    if isinstance(value, str) and value.startswith(prefix):
        wanted = value.removeprefix(prefix).lower()
        return next((name for name in names if name == wanted), names[0])
    number = _whole(value)
    return names[number] if number is not None and 0 <= number < len(names) else names[0]


def _text(holder: dict[str, object], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def _object(holder: dict[str, object], name: str) -> dict[str, object]:
    value = holder.get(name)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _objects(holder: dict[str, object], name: str) -> Iterator[dict[str, object]]:
    value = holder.get(name)
    if isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, dict):
                yield cast("dict[str, object]", item)
