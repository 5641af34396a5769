"""Calls as OTLP: a span each, or a usage record where no trace is recorded, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from claude_telemetry.emit import ToldCall
from claude_telemetry.emit.body import Body
from claude_telemetry.emit.encode import bodies_of, key_values
from claude_telemetry.guard import slips
from claude_telemetry.record import Attempt, CallRecord, ToolUse
from claude_telemetry_collector.decode import Decoded, decode
from tests.support.calls import NOON, a_call
from tests.support.spans import nanoseconds

RESOURCE = {"service.name": "shop", "service.version": "1.2"}
RECEIVED = NOON + timedelta(minutes=1)


class Ended(ToldCall):
    """A call that is over, for which a sampler said what `sampled` says."""

    def __init__(
        self, record: CallRecord, *, sampled: Sequence[bool] = (True,), resource: Mapping[str, Any] = RESOURCE
    ) -> None:
        call = record.call
        parent = None if call.parent_span_id is None else int(call.parent_span_id, 16)
        ids = (int(call.trace_id, 16), int(call.span_id, 16), parent)
        super().__init__("anthropic.messages.create", ids, nanoseconds(call.started_at), record, resource)
        self._answers = list(sampled)
        self._duration_ms = call.duration_ms or 0

    @property
    def end_ns(self) -> int:
        return self.start_ns + self._duration_ms * 1_000_000

    @property
    def sampled(self) -> bool:
        return self._answers.pop(0)

    def further_attributes(self) -> Mapping[str, Any]:
        return {"server.address": "api.anthropic.com"}


def a_record(**facts: Any) -> CallRecord:
    """Of a call of which all kinds of facts are known, without those that its resource tells."""
    usual: dict[str, Any] = {
        "service": "shop",
        "environment": None,
        "parent_span_id": "00f067aa0ba902b7",
        "status": "error",
        "error_type": "overloaded_error",
        "cost_usd": Decimal("0.000000000001"),
        "cost_breakdown": '{"input":"0.000000000001"}',
        "usage": '{"input_tokens":1000}',
        "hops": '[{"model":"claude-opus-5-5"},{"model":"claude-haiku-5-5"}]',
        "tags": '{"tier":"gold"}',
        "temperature": 0.5,
        "stream": True,
        "user_id": "Jürgen ✓",
    }
    attempts = [
        Attempt(started_at=NOON, duration_ms=300, http_status=529, error_type="overloaded_error", retry_after_ms=5),
        Attempt(started_at=NOON + timedelta(seconds=1), http_status=200, wait_ms=700, request_id="req_1"),
    ]
    tools = [ToolUse(tool_use_id="toolu_1", name="look", type="tool_use"), ToolUse(name="search")]
    return a_call(attempt_rows=attempts, tool_uses=tools, **(usual | facts)).record


def decoded(bodies: Sequence[Body]) -> list[Decoded]:
    return [decode(body.signal, "protobuf", body.data, RECEIVED) for body in bodies]


@pytest.mark.parametrize(("sampled", "signal"), [(True, "traces"), (False, "logs")])
@pytest.mark.parametrize("status", ["ok", "error", "cancelled"])
def test_a_call_comes_back_as_it_was_recorded_as_a_span_and_as_a_usage_record(
    sampled: bool, signal: str, status: str
) -> None:
    record = a_record(status=status)

    (body,) = bodies_of([Ended(record, sampled=[sampled])])

    (read,) = decoded([body])
    (call,) = read.calls
    assert (body.signal, body.calls) == (signal, 1)
    assert call.record == record
    assert call.whole
    assert call.attributes["server.address"] == "api.anthropic.com"
    assert call.attributes["resource"] == {"service.version": "1.2"}
    assert not [name for name in call.attributes if name.startswith(("claude.status", "claude.span", "claude.start"))]


def test_each_signal_has_a_body_of_its_own_that_says_how_many_calls_it_has() -> None:
    answers = [True, False, True, True, False]

    bodies = bodies_of([Ended(a_record(), sampled=[sampled]) for sampled in answers])

    assert [(body.signal, body.calls) for body in bodies] == [("traces", 3), ("logs", 2)]
    assert [len(read.calls) for read in decoded(bodies)] == [3, 2]


def test_nothing_makes_no_body() -> None:
    assert bodies_of([]) == []


def test_a_sampler_is_asked_once_for_each_call() -> None:
    """One that counts, or throws dice, would give another answer the second time: the call would go twice, or not."""
    bodies = bodies_of([Ended(a_record(), sampled=[False, True]), Ended(a_record(), sampled=[True, False])])

    assert [(body.signal, body.calls) for body in bodies] == [("traces", 1), ("logs", 1)]


@pytest.mark.parametrize("sampled", [True, False])
def test_calls_are_told_under_the_resource_that_they_happened_in(sampled: bool) -> None:
    shop, search = RESOURCE, {"service.name": "search"}
    records = [a_record(service=service) for service in ("shop", "search", "shop")]
    calls = [
        Ended(record, sampled=[sampled], resource=resource)
        for record, resource in zip(records, (shop, search, shop), strict=True)
    ]

    (body,) = bodies_of(calls)

    request: Any = (ExportTraceServiceRequest if sampled else ExportLogsServiceRequest).FromString(body.data)
    assert len(request.resource_spans if sampled else request.resource_logs) == 2
    (read,) = decoded([body])
    assert {call.record.call.span_id: call.record.call.service for call in read.calls} == {
        record.call.span_id: record.call.service for record in records
    }


@pytest.mark.parametrize("sampled", [True, False])
def test_a_call_that_cannot_be_encoded_is_counted_and_does_not_cost_the_others(sampled: bool) -> None:
    class Broken(Ended):
        def record(self) -> CallRecord:
            raise RuntimeError("it cannot be worked out")

    calls = [Ended(a_record(), sampled=[sampled]), Broken(a_record(), sampled=[sampled])]
    before = slips()

    (body,) = bodies_of([*calls, Ended(a_record(), sampled=[sampled])])

    assert body.calls == 2
    assert [len(read.calls) for read in decoded([body])] == [2]
    assert slips() != before


@pytest.mark.parametrize("sampled", [True, False])
@given(
    facts=st.fixed_dictionaries(
        {},
        optional={
            "user_id": st.text(st.characters(), min_size=1),
            "request_model": st.text(st.characters(), min_size=1),
            "max_tokens": st.integers(),
            "temperature": st.floats(),
        },
    )
)
def test_whatever_an_application_asked_for_its_call_is_told(sampled: bool, facts: dict[str, Any]) -> None:
    """The SDK sends what it is given, and the API refuses it: a call all the same."""
    (body,) = bodies_of([Ended(a_record(**facts), sampled=[sampled])])

    (read,) = decoded([body])
    (call,) = read.calls
    assert call.record.call.cost_usd == Decimal("0.000000000001")


def test_a_list_is_a_list_and_what_is_none_of_these_is_its_text() -> None:
    told = key_values({"beta": ["a", "b"], "at": datetime(2026, 11, 20, tzinfo=UTC), "large": 2**70})

    values = {pair.key: pair.value for pair in told}
    assert [value.string_value for value in values["beta"].array_value.values] == ["a", "b"]
    assert values["at"].string_value == "2026-11-20 00:00:00+00:00"
    assert values["large"].string_value == str(2**70)


def test_a_call_without_a_known_end_has_no_length() -> None:
    record = a_record(duration_ms=None)

    (read,) = decoded(bodies_of([Ended(record)]))

    assert read.calls[0].record == replace(record, call=replace(record.call, duration_ms=0))
