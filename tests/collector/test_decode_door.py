"""Content and secrets stay outside, and so does what no table can hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from claude_telemetry_collector.decode import decode
from claude_telemetry_collector.decode.door import let_in
from tests.support.calls import a_call
from tests.support.spans import NATIVE_SCOPE, a_body, as_protobuf, attributes, native_span, our_span

RECEIVED = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)

CONTENT = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.request.stop_sequences",
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
    "anthropic.tool_result.content",
    "anthropic.message.content",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "input.value",
    "output.value",
    "llm.input_messages.0.message.content",
    "llm.prompt_template.variables",
    "langfuse.observation.input",
    "langfuse.trace.output",
    "mlflow.spanInputs",
    "mlflow.spanOutputs",
    "ai.prompt.messages",
    "ai.response.text",
    "ai.response.toolCalls",
    "ai.toolCall.args",
    "request_data",
    "response_data",
    "all_messages_events.messages",
    "user_prompt",
    "exception.message",
    "exception.stacktrace",
    "db.statement",
]

SECRETS = [
    "http.request.header.x-api-key",
    "http.request.header.authorization",
    "http.response.header.set_cookie",
    "authorization",
    "x-api-key",
    "api_key",
    "apiKey",
    "ANTHROPIC_API_KEY",
    "auth.token",
    "proxy.password",
    "url.full",
    "url.query",
]

NAMES = [
    "gen_ai.prompt.name",
    "gen_ai.prompt.version",
    "claude.prompt.fingerprint",
    "gen_ai.output.type",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.request.reasoning.level",
    "gen_ai.conversation.id",
    "anthropic.message.stop_reason",
    "anthropic.thinking.type",
    "server.address",
    "url.path",
    "http.route",
    "host.name",
    "service.version",
    "exception.type",
]


@pytest.mark.parametrize("name", CONTENT + SECRETS)
def test_content_and_secrets_are_not_let_in_wherever_they_stand(name: str) -> None:
    canary = "canary-7f3a"
    span = native_span({name: canary, "kept": {name: canary, "list": [{name: canary}]}})
    span["events"] = [{"name": "claude.attempt", "timeUnixNano": "1", "attributes": attributes({name: canary})}]
    span["status"] = {"code": 2, "message": canary}
    body = a_body([span], scope=NATIVE_SCOPE, resource={name: canary})

    for decoded in (
        decode("traces", "json", body, RECEIVED),
        decode("traces", "protobuf", as_protobuf(body), RECEIVED),
    ):
        assert len(decoded.calls) == 1
        assert canary not in repr(decoded)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_ids_are_let_in_also_where_they_name_content(name: str) -> None:
    assert let_in([(name, "v")]) == {name: "v"}


def test_numbers_are_let_in_by_any_name() -> None:
    counts = {"gen_ai.usage.prompt_tokens": 640, "user_prompt_length": 52, "response.has_tool_call": False}

    assert let_in(counts.items()) == counts


def test_a_long_text_is_not_let_in_by_a_name_that_says_nothing() -> None:
    assert let_in([("note", "x" * 1025), ("other", "x" * 1024)]) == {"other": "x" * 1024}


def test_what_no_table_can_hold_is_left_out_and_the_rest_kept() -> None:
    odd: dict[str, Any] = {
        "nul": "a\0b",
        "surrogate": "a\ud800b",
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 2**63,
        "list": [1, float("nan"), "x\0"],
        "k\0": 1,
        "k" * 300: 1,
        "nothing": None,
    }

    assert let_in(odd.items()) == {
        "nul": "a\ufffdb",
        "surrogate": "a?b",
        "list": [1, None, "x\ufffd"],
        "k\ufffd": 1,
    }


def test_nesting_and_length_are_bounded() -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]

    kept = let_in([("deep", deep), ("long", list(range(1000)))])

    assert kept["deep"] == [[[[[None]]]]]
    assert kept["long"] == list(range(128))


def test_of_thousands_of_attributes_the_first_are_kept_and_facts_are_found_among_all() -> None:
    span = our_span(a_call(user_id="u-1").record)
    span["attributes"] = attributes({f"a{number}": number for number in range(5000)}) + span["attributes"]

    (call,) = decode("traces", "json", a_body([span]), RECEIVED).calls

    assert call.record.call.user_id == "u-1"
    assert len(call.attributes) == 129
    assert call.attributes["claude.collector.dropped_attributes"] == 5001 - 128
