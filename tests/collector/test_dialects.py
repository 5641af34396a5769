"""Whoever tells of a call, and however they write it: what it used, whose it was, and how that is known."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from claude_telemetry_collector.decode import Decoded, LandedCall, decode
from claude_telemetry_collector.decode.dialects import DIALECTS, SOURCES
from claude_telemetry_collector.decode.identity import rank_of_source, total_input
from claude_telemetry_collector.decode.libraries import GENERIC
from tests.support.spans import as_protobuf
from tests.support.telling import RECEIVED, SAMPLES, Told, a_log_record, a_span, counts, samples

EXPECTED = json.loads((SAMPLES / "expected.json").read_text())
TABLE = json.loads((SAMPLES / "dialects.json").read_text())

GEN_AI = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-sonnet-5-5"}


def only(told: Told) -> LandedCall:
    decoded = told.decoded()
    assert len(decoded.calls) == 1, decoded
    return decoded.calls[0]


def shown(call: LandedCall) -> dict[str, Any]:
    """As `expected.json` has it."""
    facts = call.record.call
    return {
        "request_id": facts.request_id,
        "message_id": facts.message_id,
        "model": facts.model,
        "input_total": total_input(call),
        "cache_read": facts.cache_read_tokens,
        "cache_write": facts.cache_write_tokens,
        "output": facts.output_tokens,
        "status": facts.status,
        "billed": facts.billed,
    }


# Every source of the table.


def test_every_source_of_the_table_is_told_apart() -> None:
    known = {source.name for source in (*SOURCES, GENERIC)} | {dialect.source for dialect in DIALECTS}

    # Metrics make no calls, and the spans of the package with our name are none.
    assert {source["id"] for source in TABLE["sources"]} - known == {"claude_code_metric", "claude_telemetry_pypi"}


@pytest.mark.parametrize("row", TABLE["sources"], ids=lambda row: row["id"])
def test_sources_rank_as_the_table_says(row: dict[str, Any]) -> None:
    ranks = [
        (row["rank"], rank_of_source(row["id"])),
        *((other["rank"], rank_of_source(other["id"])) for other in TABLE["sources"] if other["rank"] is not None),
    ]
    if row["rank"] is not None:
        assert all(
            (mine < theirs) == (ours < other)
            for (mine, ours), (theirs, other) in zip(ranks[:1] * 30, ranks, strict=False)
        )


@pytest.mark.parametrize(
    "row", [row for row in TABLE["sources"] if row["signal"].startswith("traces")], ids=lambda row: row["id"]
)
def test_facts_are_looked_for_where_the_table_has_them(row: dict[str, Any]) -> None:
    source = next((source for source in (*SOURCES, GENERIC) if source.name == row["id"]), None)
    if source is None:
        return  # the SDK's own spans, and those that are no calls
    named = {path.split("#")[0] for paths in source.paths.values() for path in paths}
    words = (
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "message_id",
        "request_id",
        "cost_usd_reported",
    )
    wanted = {
        path.split("#")[0] for word in words for path in row["map"].get(word, ()) if " " not in path.split("#")[0]
    }

    assert wanted - named <= {"gen_ai.usage.input_token_details"}


PLAIN = ("request_id", "message_id", "model", "input_total", "cache_read", "cache_write", "output", "status", "billed")


@pytest.mark.parametrize("name", [name for name in EXPECTED["files"] if not name.startswith(("combo_", "litellm"))])
def test_a_sample_comes_to_its_calls(name: str) -> None:
    expected = EXPECTED["files"][name]["calls"]
    calls = [one for told in samples(name) for one in told.decoded().calls]
    counted = [call for call in calls if call.record.call.operation != "count_tokens"]

    assert [shown(call) for call in counted] == [{word: row[word] for word in PLAIN} for row in expected]
    for call, row in zip(counted, expected, strict=True):
        reported = call.reported_cost_usd
        if "cost_usd_reported" in row:
            assert reported == Decimal(str(row["cost_usd_reported"]))
        if "web_search_requests" in row:
            assert call.record.call.web_search_requests == row["web_search_requests"]
        if "platform" in row:
            assert call.record.call.platform == row["platform"]
        if "error_type" in row:
            assert call.record.call.error_type == row["error_type"]


@pytest.mark.parametrize("name", [name for name in EXPECTED["files"] if name.endswith(".traces.json")])
def test_a_sample_in_protobuf_tells_the_same(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    request = json.loads(body)
    for resource_spans in request["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                span.pop("flags", None)

    from_protobuf = decode("traces", "protobuf", as_protobuf(json.dumps(request).encode()), RECEIVED)

    assert from_protobuf == decode("traces", "json", body, RECEIVED)


@pytest.mark.parametrize("name", [name for name in EXPECTED["files"] if "metrics" in name])
def test_metrics_make_no_calls(name: str) -> None:
    assert decode("metrics", "json", (SAMPLES / name).read_bytes(), RECEIVED) == Decoded()


def test_what_the_api_tells_is_no_word_about_the_application() -> None:
    (call, *_) = [one for told in samples("anthropic_api_server.traces.json") for one in told.decoded().calls]

    assert (call.record.call.service, call.instance) == (None, None)


def test_an_old_openllmetry_says_by_a_word_of_its_own_what_it_asked_for() -> None:
    facts = {"llm.request.type": "chat", "gen_ai.request.model": "claude-haiku-4-5", "gen_ai.system": "Anthropic"}
    usage = {"gen_ai.usage.prompt_tokens": 640, "gen_ai.usage.completion_tokens": 12}

    call = only(a_span("opentelemetry.instrumentation.langchain", "ChatAnthropic.chat", facts | usage, span="1"))

    assert (call.source, total_input(call), call.record.call.provider) == ("openllmetry_langchain", 640, "anthropic")


# Numbers, however they are written.


def _as_text(value: dict[str, Any]) -> dict[str, Any]:
    number = value.get("intValue", value.get("doubleValue"))
    return value if number is None else {"stringValue": str(number)}


def _as_double(value: dict[str, Any]) -> dict[str, Any]:
    return {"doubleValue": float(value["intValue"])} if "intValue" in value else value


def _as_number(value: dict[str, Any]) -> dict[str, Any]:
    return {"intValue": int(value["intValue"])} if "intValue" in value else value


@pytest.mark.parametrize("written", [_as_text, _as_double, _as_number])
@pytest.mark.parametrize("name", [name for name in EXPECTED["files"] if "metrics" not in name])
def test_counts_may_be_texts_doubles_or_numbers(name: str, written: Any) -> None:
    for told in samples(name):
        request = json.loads(told.body)
        _rewrite(request, written)
        again = Told(told.signal, json.dumps(request).encode()).decoded()
        assert [shown(call) for call in again.calls] == [shown(call) for call in told.decoded().calls]


def _rewrite(node: Any, written: Any) -> None:
    if isinstance(node, dict):
        fields = cast("dict[str, Any]", node)
        for key, value in fields.items():
            if key == "value" and isinstance(value, dict):
                fields[key] = written(cast("dict[str, Any]", value))
            _rewrite(fields[key], written)
    elif isinstance(node, list):
        for item in cast("list[object]", node):
            _rewrite(item, written)


def test_ids_in_capitals_and_enums_by_name_are_the_same_call() -> None:
    for told in samples("combo_sdk_and_api.traces.json"):
        request = json.loads(told.body)
        (span,) = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
        span |= {name: span[name].upper() for name in ("traceId", "spanId", "parentSpanId") if name in span}
        span["kind"] = ["", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"][span["kind"]]
        again = Told("traces", json.dumps(request).encode())
        assert again.decoded() == told.decoded()


@pytest.mark.parametrize("name", ["openlit.traces.json", "claude_code_events.logs.json", "spring_ai.traces.json"])
def test_a_body_without_a_resource_is_read(name: str) -> None:
    for told in samples(name):
        request = json.loads(told.body)
        for resource in (*request.get("resourceSpans", ()), *request.get("resourceLogs", ())):
            del resource["resource"]
        again = Told(told.signal, json.dumps(request).encode()).decoded()
        assert [shown(call) for call in again.calls] == [shown(call) for call in told.decoded().calls]


@pytest.mark.parametrize("name", [name for name in EXPECTED["files"] if "metrics" not in name and "pypi" not in name])
def test_a_body_without_scopes_comes_to_the_same_calls(name: str) -> None:
    for told in samples(name):
        request = json.loads(told.body)
        for resource in (*request.get("resourceSpans", ()), *request.get("resourceLogs", ())):
            for scope in (*resource.get("scopeSpans", ()), *resource.get("scopeLogs", ())):
                if scope["scope"]["name"] in ("opentelemetry.instrumentation.langchain", "checkout"):
                    continue  # nothing but the scope says that its writes of 0 are none
                del scope["scope"]
        again = Told(told.signal, json.dumps(request).encode()).decoded()
        assert [shown(call) for call in again.calls] == [shown(call) for call in told.decoded().calls]


# What the input count holds.


def test_an_unknown_producer_counts_without_the_cache_when_its_numbers_prove_it() -> None:
    call = only(a_span("acme.llm", "chat", GEN_AI | counts(120, 45, 3000, 500), span="1"))

    assert (call.source, call.input_basis, total_input(call)) == ("gen_ai_generic", "exclusive_by_count", 3620)


def test_an_unknown_producer_is_taken_to_follow_the_conventions_otherwise() -> None:
    call = only(a_span("acme.llm", "chat", GEN_AI | counts(3620, 45, 3000, 500), span="1"))

    assert (call.input_basis, total_input(call), call.record.call.input_tokens) == ("inclusive_assumed", 3620, 120)


@pytest.mark.parametrize(
    ("facts", "total", "basis"),
    [
        # Version 5 leaves the cache out; what it wrote there stands in the API's own words.
        (
            {
                "ai.usage.promptTokens": 120,
                "ai.usage.cachedInputTokens": 3000,
                "ai.response.providerMetadata": json.dumps(
                    {
                        "anthropic": {
                            "usage": {
                                "input_tokens": 120,
                                "cache_read_input_tokens": 3000,
                                "cache_creation_input_tokens": 500,
                            }
                        }
                    }
                ),
            },
            3620,
            "exclusive",
        ),
        ({"ai.usage.inputTokens": 120, "ai.usage.cachedInputTokens": 3000}, None, "exclusive"),
        (
            {
                "ai.usage.inputTokens": 3620,
                "ai.usage.inputTokenDetails.cacheReadTokens": 3000,
                "ai.usage.inputTokenDetails.cacheWriteTokens": 500,
            },
            3620,
            "inclusive",
        ),
    ],
    ids=["5 with the API's usage", "5 without", "6"],
)
def test_the_vercel_sdk_counts_by_its_version(facts: dict[str, Any], total: int | None, basis: str) -> None:
    usual = {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.completionTokens": 45}
    usual |= {"gen_ai.system": "anthropic.messages", "gen_ai.request.model": "claude-sonnet-5-5"}

    call = only(a_span("ai", "ai.generateText.doGenerate", usual | facts, span="1", kind=1))

    assert (total_input(call), call.input_basis, call.record.call.output_tokens) == (total, basis, 45)


def test_what_leaves_the_cache_out_and_does_not_tell_of_it_leaves_the_input_unknown() -> None:
    facts = GEN_AI | {"gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 5, "gen_ai.system": "anthropic"}

    call = only(a_span("openlit.otel.tracing", "anthropic.messages", facts, span="1"))

    assert (call.source, total_input(call), call.record.call.cost_usd) == ("openlit_anthropic", None, None)
    assert (call.told_input_tokens, call.input_basis) == (60, "exclusive")


@pytest.mark.parametrize(
    ("details", "written"),
    [
        ({"cache_read": 1000, "cache_creation": 150}, 150),
        (
            {
                "cache_read": 1000,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 50,
                "ephemeral_1h_input_tokens": 100,
            },
            150,
        ),
        ({"cache_read": 1000}, None),
    ],
)
@pytest.mark.parametrize("text", [json.dumps, repr])
def test_langsmiths_cache_writes_are_the_sum_of_their_parts(details: dict[str, int], written: int, text: Any) -> None:
    facts = GEN_AI | {"langsmith.span.kind": "llm", "gen_ai.usage.input_tokens": 1275, "gen_ai.usage.output_tokens": 3}
    facts |= {"gen_ai.usage.input_token_details": text(details)}

    call = only(a_span("langsmith", "ChatAnthropic", facts, span="1", kind=1))

    assert (call.record.call.cache_write_tokens, total_input(call)) == (written, 1275)


def test_the_split_of_cache_writes_is_kept_where_it_adds_up() -> None:
    raw = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 500}
    split = {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300}
    facts = GEN_AI | {"gen_ai.usage.input_tokens": 620, "gen_ai.usage.output_tokens": 45}
    whole = only(
        a_span(
            "logfire.anthropic",
            "m",
            facts | {"gen_ai.usage.raw": json.dumps(raw | {"cache_creation": split})},
            span="1",
        )
    )
    cut = {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 0}
    part = only(
        a_span(
            "logfire.anthropic", "m", facts | {"gen_ai.usage.raw": json.dumps(raw | {"cache_creation": cut})}, span="1"
        )
    )

    assert (whole.record.call.cache_write_5m_tokens, whole.record.call.cache_write_1h_tokens) == (200, 300)
    assert (part.record.call.cache_write_5m_tokens, part.record.call.cache_write_1h_tokens) == (None, None)


# What is no call, and what is one to another model.


@pytest.mark.parametrize(
    ("scope", "facts"),
    [
        ("pydantic-ai", {"gen_ai.operation.name": "invoke_agent"}),
        ("gen_ai", {"gen_ai.operation.name": "invoke_agent"}),
        ("gen_ai", {"gen_ai.operation.name": "agent_step"}),
        ("ai", {"ai.operationId": "ai.streamText"}),
        ("acme", {"gen_ai.operation.name": "embeddings"}),
        ("openinference.instrumentation.langchain", {"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 5}),
        ("openinference.instrumentation.crewai", {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 5}),
        ("langfuse-sdk", {"langfuse.observation.type": "agent"}),
        ("langsmith", {"langsmith.span.kind": "chain"}),
        ("mlflow.tracing.provider", {"mlflow.spanType": '"AGENT"'}),
        ("claude-telemetry", {"turns": 3, "gen_ai.system": "anthropic"}),
        ("opentelemetry.instrumentation.httpx", {"gen_ai.system": "anthropic"}),
        (SCOPE := "com.anthropic.claude-platform", {"anthropic.test": True}),
        ("org.springframework.boot", {"http.url": "/"}),
    ],
)
def test_what_lies_around_calls_is_none(scope: str, facts: dict[str, Any]) -> None:
    usage = {"gen_ai.request.model": "claude-sonnet-5-5"} if scope != "org.springframework.boot" else {}

    assert (
        a_span(scope, "anthropic.test", usage | counts(10, 5) | facts if usage else facts, span="1").decoded().calls
        == ()
    )


@pytest.mark.parametrize(
    ("scope", "model", "provider"),
    [
        (
            "opentelemetry.instrumentation.botocore.bedrock-runtime",
            "us.meta.llama4-maverick-17b-instruct-v1:0",
            "aws.bedrock",
        ),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", "amazon.nova-pro-v1:0", "aws.bedrock"),
        ("opentelemetry.instrumentation.genai.openai", "gpt-6", "openai"),
        ("acme", "gemini-3-pro", "gcp.vertex_ai"),
        ("litellm", "gpt-6", "openai"),
        ("pydantic-ai", "mistral-large", "mistral_ai"),
    ],
)
def test_other_models_are_not_counted(scope: str, model: str, provider: str) -> None:
    facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.provider.name": provider}

    assert a_span(scope, "litellm_request", facts | counts(10, 5), span="1").decoded().calls == ()


@pytest.mark.parametrize(
    ("asked", "model", "platform"),
    [
        ("us.anthropic.claude-sonnet-5-5-v1:0", "claude-sonnet-5-5", "bedrock"),
        ("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6", "bedrock"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-5-5-v1:0",
            "claude-sonnet-5-5",
            "bedrock",
        ),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5", "vertex"),
        ("vertex_ai/claude-sonnet-5-5", "claude-sonnet-5-5", "vertex"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001", "anthropic"),
    ],
)
def test_a_models_name_says_where_it_runs(asked: str, model: str, platform: str) -> None:
    facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": asked} | counts(10, 5)

    call = only(a_span("acme", "chat", facts, span="1")).record.call

    assert (call.model, call.request_model, call.platform) == (model, asked, platform)


# How it went.


@pytest.mark.parametrize(
    ("facts", "status", "expected"),
    [
        ({"error.type": "anthropic.RateLimitError"}, 2, ("error", "rate_limit_error", False)),
        ({"error.type": "529"}, 2, ("error", "529", False)),
        ({"error.type": "APITimeoutError"}, 2, ("error", "client_timeout_error", None)),
        ({"error.type": "litellm.exceptions.APIConnectionError"}, 2, ("error", "connection_error", None)),
        ({"http.response.status_code": 500, "error.type": "InternalServerError"}, 2, ("error", "api_error", False)),
        ({"error.type": "ValueError"}, 2, ("error", "ValueError", None)),
        ({}, 0, ("ok", None, True)),
        ({}, 1, ("ok", None, True)),
    ],
)
def test_errors_are_told_in_the_apis_words(facts: dict[str, Any], status: int, expected: tuple[Any, ...]) -> None:
    call = only(
        a_span("opentelemetry.instrumentation.anthropic", "anthropic.chat", GEN_AI | facts, span="1", status=status)
    )

    assert (call.record.call.status, call.record.call.error_type, call.record.call.billed) == expected


def test_an_empty_span_of_an_error_takes_its_reason_from_the_exception() -> None:
    exception = {
        "name": "exception",
        "attributes": [{"key": "exception.type", "value": {"stringValue": "anthropic.OverloadedError"}}],
    }

    call = only(a_span("openlit.instrumentation.anthropic", "chat", {}, span="1", status=2, events=[exception]))

    assert (call.record.call.status, call.record.call.error_type) == ("error", "overloaded_error")


def test_litellm_says_what_the_api_said_in_its_error() -> None:
    said = 'AnthropicException - {"type":"error","error":{"type":"overloaded_error"},"request_id":"req_011Abc"}'
    facts = GEN_AI | {"error.message": said, "error.type": "InternalServerError", "http.response.status_code": 500}

    call = only(a_span("litellm", "litellm_request", facts, span="1", status=2, kind=1))

    assert (call.record.call.error_type, call.record.call.request_id) == ("overloaded_error", "req_011Abc")
    assert "AnthropicException" not in repr(call)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("stop", None),
        ("length", "max_tokens"),
        ("tool-calls", "tool_use"),
        ("end_turn", "end_turn"),
        ('["refusal"]', "refusal"),
    ],
)
def test_why_it_stopped_is_told_in_the_apis_words(reason: str, kept: str | None) -> None:
    call = only(a_span("acme", "chat", GEN_AI | counts(1, 1) | {"gen_ai.response.finish_reasons": reason}, span="1"))

    assert call.record.call.stop_reason == kept


# Claude Code.

OLD_EVENT = {
    "event.name": "api_request",
    "event.timestamp": "2025-06-01T10:00:00.000Z",
    "session.id": "s-1",
    "model": "claude-sonnet-4-20250514",
    "input_tokens": "120",
    "output_tokens": "45",
    "cache_read_tokens": "3000",
    "cache_creation_tokens": "500",
    "cost_usd": "0.0042",
    "duration_ms": "2500",
}


def test_an_old_claude_code_writes_numbers_as_texts() -> None:
    told = a_log_record("com.anthropic.claude_code.events", OLD_EVENT, body="claude_code.api_request", at_s=10)

    call = only(told)

    assert (total_input(call), call.record.call.output_tokens, call.record.call.duration_ms) == (3620, 45, 2500)
    assert call.reported_cost_usd == Decimal("0.0042")
    assert call.record.call.started_at.second == 47  # 10 s after the start of times here, less 2.5 s


def test_two_records_of_one_session_are_two_calls_and_one_that_comes_again_is_one() -> None:
    def record(sequence: int, **fields: Any) -> LandedCall:
        return only(
            a_log_record("com.anthropic.claude_code.events", OLD_EVENT | {"event.sequence": sequence}, **fields)
        )

    def ids(call: LandedCall) -> tuple[str, str]:
        return call.record.call.trace_id, call.record.call.span_id

    assert ids(record(1)) == ids(record(1, at_s=4))
    assert ids(record(1)) != ids(record(2))


def test_a_record_that_has_its_time_as_a_text_only_is_of_that_time() -> None:
    told = a_log_record("com.anthropic.claude_code.events", OLD_EVENT, body="claude_code.api_request")
    untimed = Told("logs", re.sub(rb'"timeUnixNano": "[0-9]+"', b'"timeUnixNano": "0"', told.body))

    assert only(untimed).record.call.started_at == datetime(2025, 6, 1, 9, 59, 57, 500000, tzinfo=UTC)


def test_the_address_of_a_user_is_not_kept() -> None:
    for name in ("claude_code_events.logs.json", "claude_code_traces.traces.json"):
        assert all("dev@example.com" not in repr(told.decoded()) for told in samples(name))


# Content stays outside.


@pytest.mark.parametrize("name", [name for name in EXPECTED["files"] if "metrics" not in name])
def test_what_people_wrote_is_in_nothing_that_is_kept(name: str) -> None:
    words = (
        "Where is my parcel",
        "Answer briefly",
        "On its way",
        "hello",
        '"hi"',
        "plan my day",
        "Summarise",
        "slow down",
    )

    kept = repr([told.decoded() for told in samples(name)])

    assert not [word for word in words if word in kept]


@pytest.mark.parametrize(
    "text",
    ["{" * 5000, "[" * 100_000, "{'a': " * 400, "\0", '{"id": "msg_1"', "(" * 9000, '{"usage": 1e999}', "9" * 5000],
)
def test_texts_that_are_no_objects_break_nothing(text: str) -> None:
    sealed = ("output.value", "metadata", "gen_ai.usage.raw", "metadata.usage_object", "ai.response.providerMetadata")
    facts: dict[str, Any] = dict.fromkeys(sealed, text) | counts(10, 5) | GEN_AI | {"openinference.span.kind": "LLM"}

    for scope in ("openinference.instrumentation.anthropic", "logfire.anthropic", "litellm", "ai", "langsmith", "acme"):
        a_span(scope, "litellm_request", facts | {"ai.operationId": "x.doStream"}, span="1").decoded()


def test_counts_are_found_in_what_only_python_could_read() -> None:
    usage = (
        "{'prompt_tokens': 1710, 'prompt_tokens_details': PromptTokensDetailsWrapper(cached_tokens=1200), "
        "'cache_creation_input_tokens': 300, 'cache_read_input_tokens': 1200, "
        "'server_tool_use': ServerToolUse(web_search_requests=2)}"
    )

    told = {"gen_ai.usage.input_tokens": 1710, "gen_ai.usage.output_tokens": 66}
    call = only(a_span("litellm", "litellm_request", GEN_AI | told | {"metadata.usage_object": usage}, span="1"))

    facts = call.record.call
    assert (facts.cache_read_tokens, facts.cache_write_tokens, facts.web_search_requests) == (1200, 300, 2)
