"""Usage records: a call whose trace is not recorded is read like the span that it stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from claude_telemetry.emit.encode import key_values
from claude_telemetry.record import Attempt, Call, CallRecord, ToolUse, columns_of
from claude_telemetry.record.attributes import (
    ATTEMPTED_AT_NS,
    RECORDER_VERSION,
    SCOPE,
    USAGE_RECORD,
    UsageRecord,
    attempt_attributes,
    attributes_of,
    tool_use_attributes,
)
from claude_telemetry_collector.decode import Decoded, LandedCall, decode
from claude_telemetry_collector.store import Landed, Writer
from tests.support.calls import NOON, a_call
from tests.support.spans import a_body, attributes, nanoseconds, our_span

RECEIVED = NOON + timedelta(minutes=1)
ATTEMPTS = [
    Attempt(started_at=NOON, duration_ms=300, http_status=529, error_type="overloaded_error", retry_after_ms=5),
    Attempt(started_at=NOON + timedelta(seconds=1), http_status=200, wait_ms=700, request_id="req_1"),
]


def a_record(**facts: Any) -> CallRecord:
    told: dict[str, Any] = {
        "environment": None,
        "parent_span_id": "00f067aa0ba902b7",
        "cost_usd": Decimal("0.000000000001"),
        "tags": '{"tier":"gold"}',
        "hops": '[{"model":"claude-opus-5-5"}]',
        "user_id": "Jürgen",
    }
    return a_call(attempt_rows=ATTEMPTS, tool_uses=[ToolUse(name="look", type="tool_use")], **(told | facts)).record


def facts_of(record: CallRecord) -> dict[str, Any]:
    """The attributes of the usage record of a call."""
    call = record.call
    structure = {
        "event.name": USAGE_RECORD,
        UsageRecord.STATUS: call.status,
        UsageRecord.SPAN_NAME: "anthropic.messages.create",
        UsageRecord.START_NS: nanoseconds(call.started_at),
        RECORDER_VERSION: "0.1.0",
    }
    parent = {} if call.parent_span_id is None else {UsageRecord.PARENT: call.parent_span_id}
    return {**attributes_of(call), **tool_use_attributes(record.tool_uses), **structure, **parent}


def a_log_record(
    record: CallRecord, other: Mapping[str, Any] | None = None, *, body: AnyValue | None = None
) -> LogRecord:
    """The usage record of a call, with `other` attributes than usual; `None` leaves one out."""
    call = record.call
    said = {name: value for name, value in {**facts_of(record), **(other or {})}.items() if value is not None}
    attempts = [
        {ATTEMPTED_AT_NS: nanoseconds(attempt.started_at), **attempt_attributes(attempt)} for attempt in record.attempts
    ]
    values = [AnyValue(kvlist_value=KeyValueList(values=key_values(attempt))) for attempt in attempts]
    return LogRecord(
        time_unix_nano=nanoseconds(call.started_at) + (call.duration_ms or 0) * 1_000_000,
        trace_id=bytes.fromhex(call.trace_id),
        span_id=bytes.fromhex(call.span_id),
        attributes=key_values(said),
        body=body or AnyValue(array_value=ArrayValue(values=values)),
    )


def request_of(*log_records: LogRecord, scope: str = SCOPE) -> ExportLogsServiceRequest:
    resource = Resource(attributes=key_values({"service.name": "shop"}))
    scope_logs = ScopeLogs(scope=InstrumentationScope(name=scope), log_records=log_records)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource, scope_logs=[scope_logs])])


def as_json(request: ExportLogsServiceRequest) -> bytes:
    """As OTLP has it: protobuf's own JSON, with ids in hexadecimal digits."""
    told = MessageToDict(request)
    for resource_logs, plain in zip(told["resourceLogs"], request.resource_logs, strict=True):
        for scope_logs, plain_scope in zip(resource_logs["scopeLogs"], plain.scope_logs, strict=True):
            for log_record, plain_record in zip(scope_logs["logRecords"], plain_scope.log_records, strict=True):
                log_record["traceId"], log_record["spanId"] = plain_record.trace_id.hex(), plain_record.span_id.hex()
    return json.dumps(told).encode()


def decode_protobuf(request: ExportLogsServiceRequest) -> Decoded:
    return decode("logs", "protobuf", request.SerializeToString(), RECEIVED)


def decode_json(request: ExportLogsServiceRequest) -> Decoded:
    return decode("logs", "json", as_json(request), RECEIVED)


def only(decoded: Decoded) -> LandedCall:
    assert decoded.error is None
    (call,) = decoded.calls
    return call


both = pytest.mark.parametrize("read", [decode_protobuf, decode_json])


@both
@pytest.mark.parametrize("status", ["ok", "error", "cancelled"])
def test_a_call_comes_back_as_it_was_recorded(read: Any, status: str) -> None:
    record = a_record(status=status)

    call = only(read(request_of(a_log_record(record))))

    assert call.record == record
    assert (call.source, call.received_at) == ("claude_telemetry", RECEIVED)
    assert call.attributes == {RECORDER_VERSION: "0.1.0"}


@both
def test_a_call_in_no_trace_of_the_application_has_no_parent(read: Any) -> None:
    record = a_record(parent_span_id=None)

    assert only(read(request_of(a_log_record(record)))).record == record


@both
def test_other_log_records_are_counted_and_ignored(read: Any) -> None:
    mine = a_log_record(a_record())
    others = [a_log_record(a_record(), {"event.name": name}) for name in ("claude.other", None)]
    request = request_of(*others, mine)
    request.resource_logs.extend(request_of(mine, mine, scope="myapp.logging").resource_logs)

    decoded = read(request)

    assert len(decoded.calls) == 1
    assert (decoded.spans, decoded.ignored, decoded.refused) == (5, 4, 0)


@both
def test_one_that_no_version_of_us_has_written_is_none_of_ours(read: Any) -> None:
    decoded = read(request_of(a_log_record(a_record(), {RECORDER_VERSION: None})))

    assert (decoded.calls, decoded.ignored) == ((), 1)


@both
@pytest.mark.parametrize("missing", ["trace_id", "span_id"])
def test_one_without_ids_is_refused(read: Any, missing: str) -> None:
    log_record = a_log_record(a_record())
    setattr(log_record, missing, b"")

    decoded = read(request_of(log_record, a_log_record(a_record())))

    assert (len(decoded.calls), decoded.refused) == (1, 1)


@both
def test_one_that_does_not_say_when_it_began_is_put_at_its_end(read: Any) -> None:
    record = a_record()

    call = only(read(request_of(a_log_record(record, {UsageRecord.START_NS: "yesterday"})))).record.call

    assert (call.started_at, call.duration_ms) == (NOON + timedelta(seconds=1), 0)


@both
def test_one_of_no_time_at_all_is_refused(read: Any) -> None:
    log_record = a_log_record(a_record(), {UsageRecord.START_NS: None})
    log_record.time_unix_nano = 0

    assert read(request_of(log_record)) == Decoded(spans=1, refused=1)


@both
@pytest.mark.parametrize(
    "body",
    [
        AnyValue(),
        AnyValue(string_value="no list"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="no attempt"), AnyValue()])),
    ],
)
def test_a_call_whose_attempts_cannot_be_read_is_a_call_without(read: Any, body: AnyValue) -> None:
    record = a_record()

    assert only(read(request_of(a_log_record(record, body=body)))).record == replace(record, attempts=())


@both
def test_an_attempt_without_a_time_of_its_own_began_with_the_call(read: Any) -> None:
    attempt = KeyValueList(values=key_values({"http.response.status_code": 200}))
    body = AnyValue(array_value=ArrayValue(values=[AnyValue(kvlist_value=attempt)]))

    call = only(read(request_of(a_log_record(a_record(), body=body))))

    assert call.record.attempts == (Attempt(started_at=NOON, http_status=200),)


@both
def test_what_is_written_of_an_attempt_passes_the_same_door_as_all_else(read: Any) -> None:
    attempt = {"error.type": "a\0b", "anthropic.request.id": "r" * 5000, "claude.attempt.wait_ms": -1}
    body = AnyValue(array_value=ArrayValue(values=[AnyValue(kvlist_value=KeyValueList(values=key_values(attempt)))]))

    call = only(read(request_of(a_log_record(a_record(), body=body))))

    assert call.record.attempts == (Attempt(started_at=NOON, error_type="a\ufffdb"),)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("protobuf", b"\xff\xff\xff"),
        ("json", b"{"),
        ("json", b"[]"),
        ("json", b"7"),
        ("json", b"[" * 100_000),
        ("json", b'{"resourceLogs": "\xff"}'),
    ],
)
def test_a_body_that_cannot_be_read_says_why_and_never_quotes_it(encoding: Any, body: bytes) -> None:
    decoded = decode("logs", encoding, body, RECEIVED)

    assert decoded.error is not None
    assert decoded.calls == ()
    assert len(decoded.error) < 100


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"resourceLogs": null}',
        '{"resourceLogs": [7, {"scopeLogs": {}}]}',
        '{"resourceLogs": [{"scopeLogs": [7, {"scope": "claude_telemetry", "logRecords": [{}]}]}]}',
        '{"resourceLogs": [{"scopeLogs": [{"scope": {"name": "claude_telemetry"}, "logRecords": [7, {"body": 7}]}]}]}',
    ],
)
def test_json_of_another_shape_holds_no_calls(body: str) -> None:
    decoded = decode("logs", "json", body.encode(), RECEIVED)

    assert (decoded.calls, decoded.error, decoded.refused) == ((), None, 0)


odd = st.recursive(
    st.text(st.characters(), max_size=30) | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.text(max_size=10) | st.sampled_from(
    [
        *(
            column.fact.attribute
            for record in (Call, Attempt)
            for column in columns_of(record)
            if column.fact.attribute
        ),
        *(UsageRecord.STATUS, UsageRecord.SPAN_NAME, UsageRecord.START_NS, UsageRecord.PARENT, ATTEMPTED_AT_NS),
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=st.dictionaries(names, odd, max_size=6), attempts=st.lists(st.dictionaries(names, odd, max_size=4)))
def test_whatever_it_says_it_lands(
    store: duckdb.DuckDBPyConnection, facts: dict[str, Any], attempts: list[dict[str, Any]]
) -> None:
    for table in ("calls", "attempt_rows", "tool_uses"):
        store.execute(f"DELETE FROM {table}")
    said = facts | {"event.name": USAGE_RECORD, RECORDER_VERSION: "0"}
    log_record = {
        "timeUnixNano": str(nanoseconds(NOON)),
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "attributes": attributes(said),
        "body": attributes({"attempts": attempts})[0]["value"],
    }
    scope_logs = {"scope": {"name": SCOPE}, "logRecords": [log_record]}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [scope_logs]}]}).encode()

    decoded = decode("logs", "json", body, datetime(2026, 11, 20, 13, tzinfo=UTC))

    assert Writer(store).land(decoded.calls) == Landed(calls=1, duplicates=0)
    assert store.execute("SELECT count(*) FROM attempts").fetchall() == [(min(len(attempts), 64),)]


def test_a_span_and_a_usage_record_of_the_same_call_are_one(store: duckdb.DuckDBPyConnection) -> None:
    record = a_record()
    as_log = decode_protobuf(request_of(a_log_record(record))).calls
    as_span = decode("traces", "json", a_body([our_span(record)]), RECEIVED).calls

    assert Writer(store).land([*as_log, *as_span]) == Landed(calls=1, duplicates=1)
    assert Writer(store).land(as_span) == Landed(calls=0, duplicates=1)

    assert store.execute("SELECT count(*), sum(cost_usd) FROM calls").fetchall() == [(1, Decimal("0.000000000001"))]


def test_an_attribute_with_a_name_twice_is_what_it_says_last() -> None:
    log_record = a_log_record(a_record())
    log_record.attributes.append(KeyValue(key="user.id", value=AnyValue(string_value="ann")))

    assert only(decode_protobuf(request_of(log_record))).record.call.user_id == "ann"
