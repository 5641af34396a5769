"""Bodies become calls: ours and the SDK's own, whatever they were encoded as."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.pricing import price_version
from claude_telemetry.record import Attempt, Call, ToolUse
from claude_telemetry.record.identity import batch_result_ids
from claude_telemetry_collector.decode import Decoded, LandedCall, decode, dialects, ours
from claude_telemetry_collector.decode.reading import Identity, Reading
from claude_telemetry_collector.decode.span import Span
from claude_telemetry_collector.segments import Encoding
from tests.support.calls import NOON, a_call
from tests.support.spans import NATIVE_SCOPE, a_body, as_protobuf, attributes, native_span, our_span

SAMPLES = Path(__file__).parents[1] / "data" / "otlp"
RECEIVED = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)


def decode_json(body: bytes) -> Decoded:
    return decode("traces", "json", body, RECEIVED)


def decode_protobuf(body: bytes) -> Decoded:
    return decode("traces", "protobuf", as_protobuf(body), RECEIVED)


def only(decoded: Decoded) -> LandedCall:
    assert decoded.error is None
    assert len(decoded.calls) == 1, decoded
    return decoded.calls[0]


def native(facts: dict[str, Any], **fields: Any) -> Call:
    scope = fields.pop("scope", NATIVE_SCOPE)
    return only(decode_json(a_body([native_span(facts, **fields)], scope=scope))).record.call


# What was sent is what is read.

FULL = a_call(
    attempt_rows=[
        Attempt(started_at=NOON, duration_ms=300, http_status=529, error_type="overloaded_error"),
        Attempt(started_at=NOON + timedelta(seconds=1), http_status=200, wait_ms=700, retry_after_ms=500),
    ],
    tool_uses=[
        ToolUse(tool_use_id="toolu_1", name="get_weather", type="tool_use"),
        ToolUse(name="web_search", type="server_tool_use"),
    ],
    received_at=RECEIVED,
    parent_span_id="00f067aa0ba902b7",
    ttft_ms=210,
    cache_read_tokens=3000,
    cache_write_tokens=500,
    cache_write_5m_tokens=200,
    cache_write_1h_tokens=300,
    thinking_tokens=12,
    web_search_requests=1,
    cost_usd=Decimal("0.012345678901"),
    net_cost_usd=Decimal("0.011111111011"),
    cost_breakdown='{"input":"0.012345678901"}',
    cost_flags="ttl_assumed",
    stream=True,
    stream_end="read",
    attempts=2,
    service_tier="standard",
    user_id="u-1",
    session_id="s-1",
    feature="search",
    prompt_name="answer",
    prompt_version="7",
    usage='{"input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":200}}',
)


@pytest.mark.parametrize("read", [decode_json, decode_protobuf])
def test_a_call_of_ours_comes_back_as_it_was_recorded(read: Any) -> None:
    call = only(read(a_body([our_span(FULL.record)])))

    assert call.record == FULL.record
    assert call.source == "claude_telemetry"
    assert call.received_at == RECEIVED
    assert call.attributes == {"claude.telemetry.version": "0.1.0"}


def test_a_span_of_the_sdk_that_we_completed_is_ours() -> None:
    call = only(decode_json(a_body([our_span(FULL.record)], scope=NATIVE_SCOPE)))

    assert (call.source, call.record) == ("claude_telemetry", FULL.record)


def test_what_our_own_delivery_sends_is_whole_and_a_span_of_the_application_may_not_be() -> None:
    delivered = a_body([native_span({"claude.telemetry.version": "0", "claude.telemetry.delivered": True})])
    exported = a_body([native_span({"claude.telemetry.version": "0", "claude.telemetry.delivered": "yes"})])

    assert [only(decode_json(body)).whole for body in (delivered, exported)] == [True, False]
    assert "claude.telemetry.delivered" not in only(decode_json(delivered)).attributes


def test_the_answers_of_several_models_are_a_list_and_tags_an_object() -> None:
    span = native_span({"claude.telemetry.version": "0", "claude.hops": '[{"model":"a"}]', "claude.tags": '{"a":"b"}'})
    odd = native_span({"claude.telemetry.version": "0", "claude.hops": '{"model":"a"}', "claude.tags": '["b"]'})

    told, untold = (only(decode_json(a_body([one]))).record.call for one in (span, odd))

    assert (told.hops, told.tags) == ('[{"model":"a"}]', '{"a":"b"}')
    assert (untold.hops, untold.tags) == (None, None)


def test_what_it_takes_to_price_an_answer_again_survives_however_deep_it_is() -> None:
    write = {"ephemeral_1h_input_tokens": 7}
    usage = {"iterations": [{"type": "message", "cache_creation": write}]}
    hops = json.dumps([{"usage": usage, "declined": {"claude-opus-5": ""}, "usage_partial": False}])
    told = {"claude.hops": hops, "claude.declined": '{"claude-opus-5": ""}', "claude.region": "europe-west1"}

    call = only(decode_json(a_body([native_span({"claude.telemetry.version": "0", **told})]))).record.call

    assert (call.hops, call.declined, call.region) == tuple(told.values())


def batch_result() -> dict[str, Any]:
    """The span that an application exports of a batch's result: of the time of reading, in a trace of its own."""
    told = {
        "claude.telemetry.version": "0",
        "anthropic.message.batch.id": "msgbatch_01",
        "claude.batch.custom_id": "r1",
    }
    return native_span(told | {"gen_ai.operation.name": "chat", "claude.start_ns": 1_794_900_000_000_000_000})


def test_a_result_that_an_application_exports_has_the_ids_and_the_time_of_the_result_itself() -> None:
    call = only(decode_json(a_body([batch_result()]))).record.call

    trace_id, span_id = batch_result_ids("msgbatch_01", "r1")
    assert (call.trace_id, call.span_id) == (f"{trace_id:032x}", f"{span_id:016x}")
    assert call.started_at == datetime(2026, 11, 17, 7, 20, tzinfo=UTC)
    assert (call.duration_ms, call.parent_span_id) == (None, None)


@pytest.mark.parametrize("start_ns", ["yesterday", 0, -1, 2**62, None])
def test_a_result_of_no_believable_time_is_of_the_time_of_reading(start_ns: Any) -> None:
    span = batch_result()
    span["attributes"] = [pair for pair in span["attributes"] if pair["key"] != "claude.start_ns"]
    if start_ns is not None:
        span["attributes"] += attributes({"claude.start_ns": start_ns})

    assert only(decode_json(a_body([span]))).record.call.started_at == datetime(2026, 11, 18, 10, tzinfo=UTC)


def test_the_resource_names_the_service_and_the_environment_and_its_rest_is_kept() -> None:
    record = a_call(service=None, environment=None).record
    resource = {"service.name": "shop", "deployment.environment": "staging", "service.version": "1.2"}

    call = only(decode_json(a_body([our_span(record)], resource=resource)))

    assert (call.record.call.service, call.record.call.environment) == ("shop", "staging")
    assert call.attributes["resource"] == {"service.version": "1.2"}


def test_spans_of_others_are_counted_and_ignored() -> None:
    body = a_body([native_span({"gen_ai.usage.input_tokens": 3620})], scope="opentelemetry.instrumentation.anthropic")

    assert decode_json(body) == Decoded(spans=1, ignored=1)
    assert decode_protobuf(body) == Decoded(spans=1, ignored=1)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "anthropic.messages.batches.create"},
        {"name": "anthropic.messages.tool_runner", "kind": 1},
        {"name": "anthropic.messages.create", "kind": 1},
    ],
)
def test_other_spans_of_the_sdk_are_no_calls(fields: dict[str, Any]) -> None:
    assert decode_json(a_body([native_span({}, **fields)], scope=NATIVE_SCOPE)) == Decoded(spans=1, ignored=1)


def test_logs_and_metrics_tell_of_no_calls() -> None:
    assert decode("logs", "json", b'{"resourceLogs": []}', RECEIVED) == Decoded()
    assert decode("metrics", "protobuf", b"\xff", RECEIVED) == Decoded()


# The SDK's own spans.


@pytest.mark.parametrize("read", [decode_json, decode_protobuf])
@pytest.mark.parametrize("name", ["anthropic_sdk_native", "anthropic_sdk_bedrock_vertex"])
def test_samples_of_the_sdks_own_spans_come_to_the_expected_calls(name: str, read: Any) -> None:
    expected = json.loads((SAMPLES / "expected.json").read_text())["files"][f"{name}.traces.json"]
    decoded = read((SAMPLES / f"{name}.traces.json").read_bytes())

    calls = [one.record.call for one in decoded.calls if one.record.call.operation != "count_tokens"]

    assert decoded.error is None
    assert [(call.request_id, call.message_id, call.status, call.billed) for call in calls] == [
        (row["request_id"], row["message_id"], row["status"], row["billed"]) for row in expected["calls"]
    ]
    for call, row in zip(calls, expected["calls"], strict=True):
        assert call.model in (row["model"], None)
        assert (call.cache_read_tokens, call.cache_write_tokens, call.output_tokens) == (
            row["cache_read"],
            row["cache_write"],
            row["output"],
        )
        total = None
        if call.input_tokens is not None:
            total = call.input_tokens + (call.cache_read_tokens or 0) + (call.cache_write_tokens or 0)
        assert total == row["input_total"]
    assert {one.source for one in decoded.calls} == {"anthropic_sdk"}


def test_a_streamed_call_of_the_sdks_own_tracing_is_read_whole_and_priced() -> None:
    decoded = decode_json((SAMPLES / "anthropic_sdk_native.traces.json").read_bytes())

    assert decoded.calls[0].record.call == Call(
        started_at=datetime(2026, 11, 18, 10, tzinfo=UTC),
        duration_ms=2140,
        ttft_ms=614,
        service="checkout-api",
        provider="anthropic",
        platform="anthropic",
        operation="chat",
        request_model="claude-sonnet-5-5",
        model="claude-sonnet-5-5",
        status="ok",
        http_status=200,
        request_id="req_011SampleNat1",
        message_id="msg_01SampleNat1",
        trace_id="a1b2c3d4e5f60718293a4b5c6d7e8f90",
        span_id="1000000000000001",
        parent_span_id="0fffffffffffff01",
        input_tokens=230,  # 5230 in all, 4100 read, 900 written
        cache_read_tokens=4100,
        cache_write_tokens=900,
        cache_write_5m_tokens=600,
        cache_write_1h_tokens=300,
        output_tokens=412,
        thinking_tokens=120,
        # Sonnet 5.5, USD per million: 2 in, 10 out, 2.50 and 4 to write, 0.10 to read.
        # 230 x 2 + 4100 x 0.10 + 600 x 2.50 + 300 x 4 + 412 x 10 = 7690 millionths.
        cost_usd=Decimal("0.00769"),
        net_cost_usd=Decimal("0.00769"),
        cost_status="priced",
        cost_breakdown=decoded.calls[0].record.call.cost_breakdown,
        cost_flags="geo_unreported,server_tools_unreported,speed_unreported",
        price_version=price_version(),
        billed=True,
        stop_reason="end_turn",
        max_tokens=1024,
        effort="medium",
        stream=True,
        attempts=1,
        service_tier="standard",
        organization_id="6b1f0c52-0000-4a7e-9d11-52aa0be90c10",
        workspace_id="wrkspc_01SampleWs",
        session_id="conv_7781",
    )


def test_compaction_is_billed_beside_the_counts() -> None:
    decoded = decode_json((SAMPLES / "combo_sdk_and_api.traces.json").read_bytes())

    call = next(one for one in decoded.calls if one.source == "anthropic_sdk").record.call

    # Opus 5.5: 4 in, 20 out, 0.20 to read. The answer: 1200 x 4 + 4000 x 0.20 + 300 x 20 = 11 600 millionths;
    # the compaction: 90 000 x 4 + 1200 x 20 = 384 000.
    assert call.cost_usd == Decimal("0.3956")
    assert "compaction_cache_unreported" in (call.cost_flags or "")


@pytest.mark.parametrize("read", [decode_json, decode_protobuf])
def test_a_place_that_costs_more_is_read_off_the_address(read: Any) -> None:
    decoded = read((SAMPLES / "anthropic_sdk_bedrock_vertex.traces.json").read_bytes())

    vertex = decoded.calls[1].record.call

    # Sonnet 5.5 in us-east5: (400 x 2 + 20 x 10) x 1.1 millionths.
    assert (vertex.platform, vertex.cost_usd) == ("vertex", Decimal("0.0011"))


def test_an_answered_error_costs_nothing() -> None:
    facts = {"http.response.status_code": 529, "error.type": "overloaded_error", "http.request.resend_count": 2}

    call = native(facts, status={"code": 2})

    assert (call.status, call.attempts, call.cost_usd, call.cost_status, call.billed) == (
        "error",
        3,
        Decimal(0),
        "priced",
        False,
    )


@pytest.mark.parametrize("error", ["client_timeout_error", "connection_error"])
def test_what_an_unanswered_call_costs_is_unknown(error: str) -> None:
    call = native({"error.type": error}, status={"code": 2})

    assert (call.status, call.error_type, call.cost_usd, call.cost_status, call.billed) == (
        "error",
        error,
        None,
        "unknown",
        None,
    )


def test_a_stream_that_was_closed_early_costs_at_least_its_input() -> None:
    facts = {
        "gen_ai.request.model": "claude-sonnet-5-5",
        "gen_ai.response.model": "claude-sonnet-5-5",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 1000,
        "http.response.status_code": 200,
    }

    call = native(facts, status={})

    assert (call.status, call.output_tokens, call.cost_usd, call.cost_status) == (
        "cancelled",
        None,
        Decimal("0.002"),
        "partial",
    )


def test_a_call_that_tells_no_tokens_has_no_price() -> None:
    call = native({"gen_ai.request.model": "claude-sonnet-5-5", "http.response.status_code": 200})

    assert (call.input_tokens, call.cost_usd, call.cost_status, call.billed) == (None, None, "unknown", True)


def test_counting_tokens_is_free() -> None:
    call = native(
        {"gen_ai.request.model": "claude-sonnet-5-5", "anthropic.message.count_tokens.input_tokens": 8123},
        name="anthropic.messages.count_tokens",
    )

    assert (call.operation, call.input_tokens, call.cost_usd, call.billed) == ("count_tokens", None, Decimal(0), False)


def test_an_input_that_is_smaller_than_its_cached_part_is_not_believed() -> None:
    call = native({"gen_ai.usage.input_tokens": 120, "gen_ai.usage.cache_read.input_tokens": 3000})

    assert (call.input_tokens, call.cache_read_tokens, call.cost_usd) == (None, 3000, None)


def test_a_split_of_cache_writes_that_does_not_add_up_is_left_out() -> None:
    parts = "anthropic.usage.cache_creation.ephemeral_{}_input_tokens"
    call = native(
        {
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.cache_write.input_tokens": 900,
            parts.format("5m"): 600,
            parts.format("1h"): 0,
        }
    )

    assert (call.input_tokens, call.cache_write_tokens) == (100, 900)
    assert (call.cache_write_5m_tokens, call.cache_write_1h_tokens) == (None, None)


@pytest.mark.parametrize(
    ("suffix", "platform"),
    [("", "anthropic"), (".bedrock", "bedrock"), (".aws", "claude_platform_aws"), (".foundry", "foundry")],
)
def test_the_scope_names_the_platform(suffix: str, platform: str) -> None:
    assert native({}, scope=f"com.anthropic.sdk.typescript{suffix}").platform == platform


def test_a_clouds_region_that_is_not_known_leaves_the_price_unknown() -> None:
    call = native(
        {"gen_ai.request.model": "claude-sonnet-5-5", "gen_ai.usage.input_tokens": 1000},
        scope="com.anthropic.sdk.go.vertex",
    )

    assert (call.cost_usd, call.cost_status) == (None, "unknown")


# Bodies that are not what they should be.


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("protobuf", b"\xff\xff\xff"),
        ("protobuf", as_protobuf(a_body([our_span(FULL.record)])).replace(b"shop", b"sh\xffp")),
        ("json", b"{"),
        ("json", b"[]"),
        ("json", b"[" * 100_000),
        ("json", b'{"resourceSpans": "\xff"}'),
        ("json", b'{"x": ' + b"9" * 5000 + b"}"),
    ],
)
def test_an_unreadable_body_is_told_and_not_raised(encoding: Encoding, body: bytes) -> None:
    decoded = decode("traces", encoding, body, RECEIVED)

    assert decoded.calls == ()
    assert decoded.error is not None


def test_an_empty_request_is_fine() -> None:
    assert decode("traces", "protobuf", b"", RECEIVED) == Decoded()
    assert decode("traces", "json", b"{}", RECEIVED) == Decoded()


@pytest.mark.parametrize(
    "broken",
    [
        {"traceId": ""},
        {"traceId": "0" * 32},
        {"traceId": "xyz"},
        {"spanId": "12"},
        {"spanId": None},
        {"startTimeUnixNano": "0", "endTimeUnixNano": "0"},
        {"startTimeUnixNano": "18446744073709551615", "endTimeUnixNano": "18446744073709551615"},
    ],
)
def test_a_call_without_identity_or_time_is_refused_and_the_others_of_its_body_are_not(broken: dict[str, Any]) -> None:
    decoded = decode_json(a_body([our_span(FULL.record) | broken, our_span(a_call().record)]))

    assert (len(decoded.calls), decoded.refused, decoded.spans) == (1, 1, 2)


def test_a_span_that_says_only_when_it_ended_is_put_there() -> None:
    span = our_span(FULL.record) | {"startTimeUnixNano": "0"}

    call = only(decode_json(a_body([span]))).record.call

    assert (call.started_at, call.duration_ms) == (NOON + timedelta(seconds=1), None)


@pytest.mark.parametrize("end", ["0", "1", str(10**19)])
def test_a_duration_that_cannot_be_is_unknown(end: str) -> None:
    call = only(decode_json(a_body([our_span(FULL.record) | {"endTimeUnixNano": end}]))).record.call

    assert (call.started_at, call.duration_ms) == (NOON, None)


@pytest.mark.parametrize("fields", [{"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR"}}])
def test_enums_may_be_names(fields: dict[str, Any]) -> None:
    assert native({}, **fields).status == "error"


def test_numbers_may_be_text_or_numbers_and_ids_may_be_upper_case() -> None:
    span = our_span(FULL.record)
    span["traceId"] = "ABCDEF00000000000000000000000001"
    span["startTimeUnixNano"] = int(span["startTimeUnixNano"])
    span["attributes"] = [
        {"key": "claude.telemetry.version", "value": {"stringValue": "0"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 45}},
        {"key": "gen_ai.request.max_tokens", "value": {"intValue": "1024"}},
        {"key": "anthropic.message.stop_reason", "value": {}},
        {"value": {"stringValue": "no key"}},
        "no attribute",
    ]

    call = only(decode_json(a_body([span]))).record.call

    assert (call.trace_id, call.output_tokens, call.max_tokens) == ("abcdef00000000000000000000000001", 45, 1024)


@pytest.mark.parametrize(
    "facts",
    [
        {"gen_ai.usage.output_tokens": -1},
        {"gen_ai.usage.output_tokens": "45"},
        {"gen_ai.usage.output_tokens": True},
        {"gen_ai.usage.output_tokens": 45.5},
        {"claude.cost.picodollars": 10**18},
        {"claude.cost.picodollars": -5},
        {"user.id": "u" * 5000},
        {"user.id": ""},
        {"claude.usage": "{"},
        {"claude.usage": "[1]"},
        {"claude.usage": '{"input_tokens": NaN'},
    ],
)
def test_a_fact_that_cannot_be_true_is_unknown(facts: dict[str, Any]) -> None:
    span = native_span({"claude.telemetry.version": "0", "claude.attempts": 1, **facts})

    call = only(decode_json(a_body([span]))).record.call

    assert (call.output_tokens, call.cost_usd, call.user_id, call.usage) == (None, None, None, None)


def test_a_span_that_defeats_its_reader_does_not_cost_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(span: Span, identity: Identity, received_at: datetime) -> Reading:
        if span.attributes.get("user.id") == "odd":
            raise RuntimeError("secret words")
        return ours.read(span, identity, received_at)

    monkeypatch.setattr(dialects, "DIALECTS", (replace(dialects.DIALECTS[0], read=stumble),))

    decoded = decode_json(a_body([our_span(a_call(user_id=user).record) for user in ("a", "odd", "b")]))

    assert [one.record.call.user_id for one in decoded.calls] == ["a", "b"]
    assert (decoded.refused, decoded.error) == (1, None)
    assert "secret" not in caplog.text


def test_a_call_of_ours_has_no_more_attempts_than_can_be_believed() -> None:
    attempts = tuple(Attempt(started_at=NOON, http_status=500) for _ in range(1000))

    call = only(decode_json(a_body([our_span(replace(FULL.record, attempts=attempts))])))

    assert len(call.record.attempts) == 64


# Both encodings are one format.

values = st.recursive(
    st.text(max_size=20) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.text(max_size=12) | st.sampled_from([fact["key"] for fact in our_span(FULL.record)["attributes"]])


@given(facts=st.dictionaries(names, values, max_size=12), native=st.booleans())
def test_json_and_protobuf_of_one_request_are_the_same_calls(facts: dict[str, Any], native: bool) -> None:
    facts = facts if native else {"claude.telemetry.version": "0.1.0"} | facts
    body = a_body([native_span(facts)], scope=NATIVE_SCOPE)

    from_json, from_protobuf = decode_json(body), decode_protobuf(body)

    assert from_json == from_protobuf
    assert len(from_json.calls) == 1


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_raise(body: bytes) -> None:
    assert decode("traces", "protobuf", body, RECEIVED).calls == ()
    assert decode("traces", "json", body, RECEIVED).calls == ()
