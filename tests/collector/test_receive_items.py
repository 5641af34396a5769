"""A good body keeps its good items: what is wrong with others is told, and costs no memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from claude_telemetry_collector.receive import items, otlp, protobuf
from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.receive.wire import field
from claude_telemetry_collector.segments import Signal

MIB = 1024 * 1024
TRACE_ID = bytes(range(1, 17))


def attributes(count: int, text: str = "") -> list[KeyValue]:
    return [KeyValue(key=f"key.{number}", value=AnyValue(string_value=text)) for number in range(count)]


def span(number: int, **fields: Any) -> Span:
    given: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": number.to_bytes(8, "big"),
        "name": f"span {number}",
        **fields,
    }
    return Span(**given)


def traces(*spans: Span, resource: Resource | None = None) -> bytes:
    scope = ScopeSpans(scope=InstrumentationScope(name="scope"), spans=spans)
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope], schema_url="https://schema.example")]
    ).SerializeToString()


def named(body: bytes) -> list[str]:
    request = ExportTraceServiceRequest.FromString(body)
    return [each.name for group in request.resource_spans for scope in group.scope_spans for each in scope.spans]


MANY = attributes(items.MOST_ATTRIBUTES + 1)
BAD: dict[str, tuple[Span, str]] = {
    "no ids": (span(9, trace_id=b"", span_id=b""), items.NO_IDS),
    "a trace id of zeros": (span(9, trace_id=bytes(16)), items.NO_IDS),
    "a short span id": (span(9, span_id=b"\x01\x02"), items.NO_IDS),
    "too many attributes": (span(9, attributes=MANY), items.ATTRIBUTES),
    "too many events": (span(9, events=[Span.Event()] * (items.MOST_PARTS + 1)), items.PARTS),
    "too many links": (span(9, links=[Span.Link()] * (items.MOST_PARTS + 1)), items.PARTS),
    "an event with too many attributes": (span(9, events=[Span.Event(attributes=MANY)]), items.ATTRIBUTES),
}


@pytest.mark.parametrize("large", [False, True], ids=["small body", "large body"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_span_is_taken_out_and_told_and_the_others_are_kept(case: str, large: bool) -> None:
    bad, why = BAD[case]
    filler = [span(3, attributes=attributes(1, "x" * 2 * MIB))] if large else []
    body = traces(span(1), bad, span(2), *filler)

    checked = otlp.check("traces", "protobuf", body)

    assert named(checked.body) == ["span 1", "span 2", *(["span 3"] if large else [])]
    assert dict(checked.rejected) == {why: 1}
    without = ExportTraceServiceRequest.FromString(traces(span(1), span(2), *filler))
    assert ExportTraceServiceRequest.FromString(checked.body) == without  # with resource, scope and schema
    count = 4 if large else 3
    assert checked.told("traces") == f"of {count} spans 1 were not kept: 1 {why}"


def test_a_good_body_is_kept_byte_for_byte_whatever_its_size() -> None:
    small, large = (
        traces(span(1), span(2)),
        traces(*(span(n, attributes=attributes(30, "x" * 100)) for n in range(1, 999))),
    )
    assert len(large) > MIB

    assert otlp.check("traces", "protobuf", small).body is small
    assert otlp.check("traces", "protobuf", large).body is large
    assert otlp.check("traces", "protobuf", large).kept == 998


def test_a_resource_with_too_many_attributes_takes_its_items_along() -> None:
    body = traces(span(1), span(2), resource=Resource(attributes=MANY)) + traces(span(3))

    checked = otlp.check("traces", "protobuf", body)

    assert (checked.kept, dict(checked.rejected)) == (1, {items.ATTRIBUTES: 2})
    assert named(checked.body) == ["span 3"]


def test_nothing_is_left_of_a_body_without_one_good_item() -> None:
    checked = otlp.check("traces", "protobuf", traces(span(1, span_id=b"")))
    assert (checked.body, checked.kept, dict(checked.rejected)) == (b"", 0, {items.NO_IDS: 1})


def test_a_span_may_carry_eight_mib_of_content_and_not_seventeen() -> None:
    checked = otlp.check(
        "traces",
        "protobuf",
        traces(
            span(1, attributes=attributes(1, "x" * 8 * MIB)),
            span(2, attributes=attributes(1, "x" * 17 * MIB)),
        ),
    )
    assert named(checked.body) == ["span 1"]
    assert dict(checked.rejected) == {items.LARGE: 1}


def test_log_records_and_data_points_are_counted_as_what_they_are() -> None:
    logs = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord(), LogRecord(attributes=MANY)])])]
    )
    points = [NumberDataPoint(as_int=1), NumberDataPoint(as_int=2)]
    too_many = Metric(name="b", gauge=Gauge(data_points=[NumberDataPoint(), NumberDataPoint(attributes=MANY)]))
    metrics = ExportMetricsServiceRequest(
        resource_metrics=[
            ResourceMetrics(
                scope_metrics=[ScopeMetrics(metrics=[Metric(name="a", gauge=Gauge(data_points=points)), too_many])]
            )
        ]
    )

    of_logs = otlp.check("logs", "protobuf", logs.SerializeToString())
    of_metrics = otlp.check("metrics", "protobuf", metrics.SerializeToString())

    assert (of_logs.kept, dict(of_logs.rejected)) == (1, {items.ATTRIBUTES: 1})
    assert (of_metrics.kept, dict(of_metrics.rejected)) == (2, {items.ATTRIBUTES: 2})
    assert of_metrics.told("metrics").startswith("of 4 data points 2 were not kept: ")


def _span_json(number: int, **fields: Any) -> dict[str, Any]:
    return {"traceId": TRACE_ID.hex().upper(), "spanId": f"{number:016x}", "name": f"span {number}", **fields}


def test_json_is_held_to_the_same() -> None:
    pair = {"key": "a", "value": {"stringValue": "b"}}
    spans = [
        _span_json(1),
        _span_json(2, spanId="AAAAAAAAAAE="),
        _span_json(3, traceId=7),
        _span_json(4, attributes=[pair] * (items.MOST_ATTRIBUTES + 1)),
        _span_json(5, events=[{}] * (items.MOST_PARTS + 1)),
        _span_json(6, attributes="none", events={}),
    ]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}], "schemaUrl": "s"}]}).encode()

    checked = otlp.check("traces", "json", body)

    kept = {"resourceSpans": [{"scopeSpans": [{"spans": [spans[0], spans[5]]}], "schemaUrl": "s"}]}
    assert json.loads(checked.body) == kept
    assert dict(checked.rejected) == {items.NO_IDS: 2, items.ATTRIBUTES: 1, items.PARTS: 1}


def test_values_within_values_are_read_to_a_depth() -> None:
    def nested(depth: int) -> bytes:
        value = b'{"stringValue": "x"}'
        for _ in range(depth):
            value = b'{"arrayValue": {"values": [' + value + b"]}}"
        pair = b'{"key": "k", "value": ' + value + b"}"
        ids = b'"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"'
        return b'{"resourceSpans": [{"scopeSpans": [{"spans": [{' + ids + b', "attributes": [' + pair + b"]}]}]}]}"

    assert otlp.check("traces", "json", nested(8)).kept == 1
    with pytest.raises(Refusal, match="more than 100 levels deep"):
        otlp.check("traces", "json", nested(40))


@pytest.mark.parametrize("large", [False, True], ids=["small body", "large body"])
def test_protobuf_is_read_to_the_depth_that_its_parser_allows(large: bool) -> None:
    def nested(depth: int) -> bytes:
        value = AnyValue(string_value="x").SerializeToString()
        for _ in range(depth):
            value = field(5, field(1, value))
        attribute = field(9, field(1, b"k") + field(2, value))
        ids = field(1, TRACE_ID) + field(2, bytes(7) + b"\1")
        return field(1, field(2, field(2, ids + attribute))) + (traces(span(1, name="x" * MIB)) if large else b"")

    deepest = max(depth for depth in range(60) if _is_read(nested(depth)))
    assert 40 < deepest < 50
    assert ExportTraceServiceRequest.FromString(nested(deepest))  # landing reads what is acknowledged
    with pytest.raises(Refusal, match="not a protobuf OTLP export request"):
        otlp.check("traces", "protobuf", nested(deepest + 1))


def _is_read(body: bytes) -> bool:
    try:
        return otlp.check("traces", "protobuf", body).kept > 0
    except Refusal:
        return False


def test_a_body_of_nothing_but_items_is_refused() -> None:
    empty = field(1, field(2, b"\x12\x00" * (items.MOST_ITEMS + 1)))
    assert len(empty) < MIB
    with pytest.raises(Refusal, match="more than 100,000 items") as refusal:
        otlp.check("traces", "protobuf", empty)
    assert refusal.value.status == 413


def test_json_of_nothing_but_values_is_refused_before_it_is_read() -> None:
    body = b'{"resourceSpans": [' + b"1," * 4_000_000 + b"1]}"
    with pytest.raises(Refusal, match="more values than are read at once") as refusal:
        otlp.check("traces", "json", body)
    assert refusal.value.status == 413


def test_bytes_that_would_be_gigabytes_as_messages_take_little_memory() -> None:
    """Sixteen MiB of empty spans took 1.4 GiB when they were parsed at once, and so do empty events in one span."""
    program = f"""
import resource
from claude_telemetry_collector.receive import otlp
from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.receive.wire import field
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bodies = [
    field(1, field(2, b"\\x12\\x00" * {8 * MIB})),
    field(1, field(2, field(2, b"\\x5a\\x00" * {8 * MIB}))),
    field(1, b"\\x12\\x00" * {8 * MIB}),
    b"\\x0a\\x00" * {8 * MIB},
]
before = peak()
for body in bodies:
    try:
        checked = otlp.check("traces", "protobuf", body)
        assert not checked.kept
    except Refusal as refusal:
        assert refusal.status == 413
unit = 1 << {0 if sys.platform == "darwin" else 10}
print((peak() - before) * unit)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 150 * MIB


SPANS = st.builds(
    span,
    st.integers(1, 2**60),
    attributes=st.lists(
        st.builds(KeyValue, key=st.text(max_size=5), value=st.builds(AnyValue, string_value=st.text(max_size=30))),
        max_size=3,
    ),
    events=st.lists(st.builds(Span.Event, name=st.text(max_size=5)), max_size=2),
    trace_id=st.sampled_from([TRACE_ID, TRACE_ID, b"", bytes(16), b"\x01"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(SPANS, max_size=6),
    st.integers(0, 3),
    st.binary(max_size=4),
    st.sampled_from(["traces", "logs", "metrics"]),
)
def test_taking_a_body_apart_finds_what_parsing_it_at_once_finds(
    spans: list[Span], cut: int, tail: bytes, signal: Signal
) -> None:
    body = traces(*spans, resource=Resource(attributes=attributes(1)))
    body = body[: len(body) - cut] + tail

    def found(at_once_bytes: int) -> items.Checked | str:
        before, protobuf.AT_ONCE_BYTES = protobuf.AT_ONCE_BYTES, at_once_bytes
        try:
            return protobuf.check(signal, body)
        except Refusal as refusal:
            return refusal.sentence
        finally:
            protobuf.AT_ONCE_BYTES = before

    at_once, apart = found(MIB), found(-1)
    if isinstance(at_once, items.Checked) and isinstance(apart, items.Checked):
        assert (apart.kept, apart.rejected) == (at_once.kept, at_once.rejected)
        assert named(apart.body) == named(at_once.body) if signal == "traces" else True
    elif isinstance(at_once, items.Checked):
        assert isinstance(apart, str)  # it is stricter: an item that is no message is an error there
    else:
        assert isinstance(apart, str) or apart.kept == 0
