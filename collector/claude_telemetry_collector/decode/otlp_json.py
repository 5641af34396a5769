"""OTLP as JSON: ids in hexadecimal, 64-bit numbers as text or numbers, enums as numbers or names.

Read with forbearance, since it is what people write by hand and what small exporters get nearly right: a field of
another type than the format says counts as not sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry_collector.decode.door import MAX_STATUS_MESSAGE, let_in, sealed_texts
from claude_telemetry_collector.decode.landed import UnreadableError
from claude_telemetry_collector.decode.span import KINDS, STATUSES, Span, SpanEvent, tells_of_a_model

_DEEPEST = 8
"""As for protobuf."""

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_UNSIGNED = 2**64
Enum = TypeVar("Enum", bound=str)


def spans(body: bytes, wanted: Callable[[str], bool]) -> Iterator[Span]:
    """Each span of `body`; of one that is not `wanted`, what protobuf's reader gives. Raises `UnreadableError`."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("it is not JSON") from error
    if not isinstance(request, dict):
        raise UnreadableError("it is no ExportTraceServiceRequest: a JSON object was expected")
    for resource_spans in objects(cast("dict[str, object]", request), "resourceSpans"):
        resource = attributes_in(object_in(resource_spans, "resource"))
        for scope_spans in objects(resource_spans, "scopeSpans"):
            scope = text_in(object_in(scope_spans, "scope"), "name")
            for span in objects(scope_spans, "spans"):
                if wanted(scope) or any(tells_of_a_model(text_in(pair, "key")) for pair in objects(span, "attributes")):
                    yield _span(span, scope, resource)
                else:
                    yield _place(span, scope)


def _place(span: dict[str, object], scope: str) -> Span:
    return Span(
        trace_id=hex_id(span, "traceId", 32),
        span_id=hex_id(span, "spanId", 16),
        parent_span_id=hex_id(span, "parentSpanId", 16),
        name="",
        kind="unspecified",
        start_ns=time_ns(span, "startTimeUnixNano"),
        end_ns=time_ns(span, "endTimeUnixNano"),
        status="unset",
        scope=scope,
        attributes={},
        events=(),
        resource={},
    )


def _span(span: dict[str, object], scope: str, resource: dict[str, object]) -> Span:
    foreign = scope != SCOPE
    pairs = list(_pairs(objects(span, "attributes"), _DEEPEST))
    return Span(
        trace_id=hex_id(span, "traceId", 32),
        span_id=hex_id(span, "spanId", 16),
        parent_span_id=hex_id(span, "parentSpanId", 16),
        name=text_in(span, "name"),
        kind=_enum(span.get("kind"), KINDS, "SPAN_KIND_"),
        start_ns=time_ns(span, "startTimeUnixNano"),
        end_ns=time_ns(span, "endTimeUnixNano"),
        status=_enum(object_in(span, "status").get("code"), STATUSES, "STATUS_CODE_"),
        scope=scope,
        attributes=let_in(pairs),
        events=tuple(
            SpanEvent(
                name=text_in(event, "name"), at_ns=time_ns(event, "timeUnixNano"), attributes=attributes_in(event)
            )
            for event in objects(span, "events")
        ),
        resource=resource,
        sealed=sealed_texts(pairs) if foreign else {},
        status_message=text_in(object_in(span, "status"), "message")[:MAX_STATUS_MESSAGE] if foreign else "",
    )


def attributes_in(holder: dict[str, object]) -> dict[str, object]:
    return let_in(_pairs(objects(holder, "attributes"), _DEEPEST))


def sealed_in(holder: dict[str, object]) -> dict[str, str]:
    return sealed_texts(_pairs(objects(holder, "attributes"), _DEEPEST))


def _pairs(pairs: Iterator[dict[str, object]], depth: int) -> Iterator[tuple[str, object]]:
    for pair in pairs:
        key = pair.get("key")
        if isinstance(key, str):
            yield key, value_of(object_in(pair, "value"), depth)


def value_of(value: dict[str, object], depth: int = _DEEPEST) -> object:
    if depth == 0:
        return None
    for kind, read in _SCALARS.items():
        if kind in value:
            return read(value[kind])
    if "arrayValue" in value:
        return [value_of(item, depth - 1) for item in objects(object_in(value, "arrayValue"), "values")]
    if "kvlistValue" in value:
        return dict(_pairs(objects(object_in(value, "kvlistValue"), "values"), depth - 1))
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


def hex_id(span: dict[str, object], name: str, digits: int) -> str | None:
    value = text_in(span, name).lower()
    if len(value) != digits or not set(value) <= set("0123456789abcdef") or not value.strip("0"):
        return None
    return value


def time_ns(holder: dict[str, object], name: str) -> int:
    value = _whole(holder.get(name))
    return value if value is not None and 0 <= value < _UNSIGNED else 0


def _enum(value: object, names: tuple[Enum, ...], prefix: str) -> Enum:
    """By number or by name; anything else is the first, which means that it was not said."""
    if isinstance(value, str) and value.startswith(prefix):
        wanted = value.removeprefix(prefix).lower()
        return next((name for name in names if name == wanted), names[0])
    number = _whole(value)
    return names[number] if number is not None and 0 <= number < len(names) else names[0]


def text_in(holder: dict[str, object], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def object_in(holder: dict[str, object], name: str) -> dict[str, object]:
    value = holder.get(name)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def objects(holder: dict[str, object], name: str) -> Iterator[dict[str, object]]:
    value = holder.get(name)
    if isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, dict):
                yield cast("dict[str, object]", item)
