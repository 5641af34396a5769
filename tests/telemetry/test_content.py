"""Content is recorded when it is asked for, as it is asked for, and not otherwise."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from anthropic import Anthropic
from anthropic.types import TextBlock, ToolUseBlock
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from claude_telemetry.capture.content import ContentPolicy
from claude_telemetry.capture.policies import CONTENT_VARIABLE as VARIABLE
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from tests.support.recorded import sdk_tracing

ON = ContentPolicy(on_spans=True)
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
SYSTEM, TOOLS = "gen_ai.system_instructions", "gen_ai.tool.definitions"
TRUNCATED = "anthropic.content.truncated"
PIXELS = b"\x89PNG of a cat"
IMAGE: dict[str, Any] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXELS).decode()},
}
IMAGE_FACTS = {"mime_type": "image/png", "size_bytes": 13, "sha256": hashlib.sha256(PIXELS).hexdigest()}


def asked(policy: ContentPolicy = ON, **body: Any) -> dict[str, Any]:
    """The attributes of a question, their JSON read. A failure inside fails the test."""
    before = slips()
    found = policy.question({"model": "claude-haiku-4-5", "max_tokens": 100, **body})
    assert slips() == before
    return read(found)


def answered(*events: Mapping[str, Any], policy: ContentPolicy = ON) -> dict[str, Any]:
    before, collector = slips(), policy.collector()
    for event in events:
        collector.take(event)
    found = read(collector.attributes())
    assert slips() == before
    return found


def read(attributes: Mapping[str, str | bool]) -> dict[str, Any]:
    return {name: json.loads(value) if isinstance(value, str) else value for name, value in attributes.items()}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def said(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": list(parts)}]


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def redacting(hook: Callable[[str, str], str | None]) -> ContentPolicy:
    return ContentPolicy(on_spans=True, redact=hook)


# Whether, and where


@pytest.mark.parametrize(
    ("asked_for", "on_spans", "on_events"),
    [
        (None, False, False),
        ("", False, False),
        ("NO_CONTENT", False, False),
        ("SPAN_ONLY", True, False),
        ("event_only", False, True),
        (" SPAN_AND_EVENT ", True, True),
        ("true", True, False),
        ("False", False, False),
    ],
)
def test_opentelemetrys_variable_says_where_to(asked_for: str | None, on_spans: bool, on_events: bool) -> None:
    environ = {} if asked_for is None else {VARIABLE: asked_for}
    policy = ContentPolicy.from_environ(environ=environ)
    assert (policy.on_spans, policy.on_events, policy.on) == (on_spans, on_events, on_spans or on_events)


def test_an_argument_beats_the_variable() -> None:
    assert not ContentPolicy.from_environ(False, environ={VARIABLE: "true"}).on
    assert ContentPolicy.from_environ(True, environ={}).on_spans
    assert ContentPolicy.from_environ("EVENT_ONLY", environ={VARIABLE: "SPAN_ONLY"}).on_events


def test_a_word_that_nobody_knows_is_no_consent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "claude_telemetry"):
        assert not ContentPolicy.from_environ(environ={VARIABLE: "yes, why not"}).on
    assert len(caplog.records) == 1
    assert "SPAN_AND_EVENT" in caplog.text


def test_by_default_there_is_none() -> None:
    assert ContentPolicy().question({"messages": [user("Hello")], "system": "Be kind."}) == {}


# The shape


def test_a_question_is_written_as_the_sdks_own_tracing_writes_it(claude: FakeClaude) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    options = sdk_tracing(provider)
    options["open_telemetry"]["traces"] = {"content_mode": "content"}
    body: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be kind. ünïcode"}, {"type": "text", "text": "Today is Friday."}],
        "messages": [
            user("Weather?"),
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Well", "signature": "c2ln"},
                    TextBlock.construct(type="text", text="I ask."),
                    ToolUseBlock(type="tool_use", id="toolu_1", name="weather", input={"at": "Rome", "n": [1, None]}),
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "srvtoolu_1",
                        "content": [
                            {"type": "web_search_result", "title": "T", "url": "https://x", "encrypted_content": "e"}
                        ],
                    },
                    {"type": "redacted_thinking", "data": "opaque"},
                ],
            },
            user(
                [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "wind"}]},
                    {"type": "tool_result", "tool_use_id": "toolu_3"},
                ]
            ),
            {"role": "system", "content": "Mind the umbrella."},
        ],
    }
    claude.answer("It rains.", tools=["weather"], thinking="So it is")
    with Anthropic(api_key="k", base_url=claude.url, max_retries=0, **options) as client:
        create: Any = client.messages.create
        message = create(model="claude-haiku-4-5", max_tokens=100, **body)
    (span,) = exporter.get_finished_spans()
    provider.shutdown()
    theirs = span.attributes or {}

    ours = ON.question(body)
    assert ours == {INPUT: theirs[INPUT], SYSTEM: theirs[SYSTEM]}

    collector = ON.collector()
    collector.take(message.to_dict())
    (answer,) = read(collector.attributes())[OUTPUT]
    assert answer.pop("finish_reason") == "tool_call"  # which the conventions require and the SDK leaves out
    assert [answer] == json.loads(str(theirs[OUTPUT]))


def test_tools_are_written_as_the_conventions_have_them() -> None:
    schema = {"type": "object", "properties": {"at": {"type": "string"}}}
    found = asked(
        tools=[
            {"name": "weather", "description": "At a place", "input_schema": schema, "cache_control": {"type": "x"}},
            {"type": "custom", "name": "time", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5, "cache_control": None},
            {"type": "mcp_toolset", "mcp_server_name": "files"},
        ]
    )
    assert found == {
        TOOLS: [
            {"type": "function", "name": "weather", "description": "At a place", "parameters": schema},
            {"type": "function", "name": "time", "parameters": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
            {"type": "mcp_toolset", "name": "files", "mcp_server_name": "files"},
        ]
    }


EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "msg_1", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "We"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "ll"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ask."}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"at": "Ro'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": 'me"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
WHOLE = {
    "type": "message",
    "content": [
        {"type": "thinking", "thinking": "Well", "signature": "c2ln"},
        {"type": "text", "text": "I ask."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"at": "Rome"}},
    ],
    "stop_reason": "tool_use",
}


def test_a_streamed_answer_is_the_same_as_a_whole_one() -> None:
    expected = [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Well"},
                {"type": "text", "content": "I ask."},
                {"type": "tool_call", "id": "toolu_1", "name": "weather", "arguments": {"at": "Rome"}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert answered(WHOLE) == answered(*EVENTS) == {OUTPUT: expected}


def test_of_an_answer_that_stopped_there_is_what_came() -> None:
    (answer,) = answered(*EVENTS[:14])[OUTPUT]
    assert "finish_reason" not in answer
    assert answer["parts"][1:] == [
        words("I ask."),
        {"type": "tool_call", "id": "toolu_1", "name": "weather", "arguments": '{"at": "Ro'},
    ]
    assert answered() == {}
    assert answered(EVENTS[0]) == {OUTPUT: [{"role": "assistant", "parts": []}]}


def test_when_a_middleware_asks_again_the_last_answer_is_the_answer() -> None:
    assert answered(*EVENTS[:9], *EVENTS) == answered(*EVENTS)
    assert answered(*EVENTS, WHOLE) == answered(WHOLE)
    assert answered(*EVENTS, EVENTS[0], *EVENTS[7:11]) == {OUTPUT: [{"role": "assistant", "parts": [words("I ask.")]}]}


# Files


def test_of_an_image_or_a_document_there_is_type_size_and_hash() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}
    text = {"type": "text", "media_type": "text/plain", "data": "a secrét"}
    found = asked(
        messages=[
            user(
                [
                    IMAGE,
                    {"type": "image", "source": {"type": "url", "url": "https://x/cat.png?token=secret"}},
                    {"type": "document", "source": pdf, "title": "secret", "context": "secret"},
                    {"type": "document", "source": text},
                    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "a"}},
                    {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [IMAGE, {"type": "text", "text": "x"}],
                    },
                ]
            )
        ]
    )
    sha256 = {data: hashlib.sha256(data).hexdigest() for data in (b"%PDF", "a secrét".encode())}
    assert found == {
        INPUT: said(
            {"type": "anthropic_image", **IMAGE_FACTS},
            {"type": "anthropic_image"},
            {"type": "anthropic_document", "mime_type": "application/pdf", "size_bytes": 4, "sha256": sha256[b"%PDF"]},
            {
                "type": "anthropic_document",
                "mime_type": "text/plain",
                "size_bytes": 9,
                "sha256": sha256["a secrét".encode()],
            },
            {"type": "anthropic_document", "mime_type": "application/pdf"},
            {"type": "anthropic_image"},
            {
                "type": "tool_call_response",
                "id": "toolu_1",
                "response": [{"type": "image", **IMAGE_FACTS}, {"type": "text", "text": "x"}],
            },
        )
    }


def test_the_bytes_of_a_file_in_a_servers_tool_result_are_left_out_at_any_depth() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "SECRET"}}
    results: list[dict[str, Any]] = [
        {"type": "web_fetch_tool_result", "content": {"type": "web_fetch_result", "url": "u", "content": document}},
        {
            "type": "text_editor_code_execution_tool_result",
            "content": {
                "type": "text_editor_code_execution_view_result",
                "file_type": "image",
                "content": "SECRET",
            },
        },
        {
            "type": "tool_result",
            "content": [{"type": "search_result", "content": [document], "encrypted_index": "SECRET"}],
        },
        {"type": "tool_result", "content": [{"type": "tool_reference", "of": "SECRET"}, "SECRET", document]},
        {"type": "code_execution_tool_result", "content": {"encrypted_stdout": "SECRET", "files": [IMAGE]}},
        {"type": "container_upload", "file_id": "SECRET"},
    ]
    found = ON.question({"messages": [user(results)]})
    assert "SECRET" not in str(found)
    assert IMAGE["source"]["data"] not in str(found)
    parts = read(found)[INPUT][0]["parts"]
    assert parts[0]["response"]["url"] == "u"
    assert parts[0]["response"]["content"]["size_bytes"] == 6
    assert parts[3]["response"][:2] == [{"type": "tool_reference"}, {"type": "unknown"}]
    assert parts[5] == {"type": "anthropic_container_upload"}


# Size


def test_the_newest_messages_are_kept_and_a_cut_is_told() -> None:
    policy = ContentPolicy(on_spans=True, content_bytes=400)  # 200 of them for a question
    turns = [user(f"{number}" * 30) for number in range(10)]
    found = policy.question({"system": "Be kind.", "messages": turns, "tools": [{"name": "weather"}]})
    assert set(found) == {INPUT, TRUNCATED}
    assert found[TRUNCATED] is True
    assert len(str(found[INPUT])) <= 200
    messages = read(found)[INPUT]
    # A message is 34 bytes around its part and a comma, a part 29 around its 30: 189 in two messages.
    # Of the third there would be room for its frame, but for nothing in it.
    assert [message["parts"][0]["content"][0] for message in messages] == ["8", "9"]
    whole = asked(system="Be kind.", messages=turns, tools=[{"name": "weather"}])
    assert set(whole) == {INPUT, SYSTEM, TOOLS}


def test_of_a_text_that_is_too_long_its_start_is_kept_within_the_bytes() -> None:
    policy = ContentPolicy(on_spans=True, content_bytes=400)
    for text in ("x" * 1000, "ü" * 1000, '"\n' * 500, "\x00" * 1000, "😀" * 300):
        found = policy.question({"messages": [user("old"), user(text)]})
        assert found[TRUNCATED] is True
        assert 120 < len(str(found[INPUT]).encode()) <= 200
        (message,) = read(found)[INPUT]
        kept = message["parts"][0]["content"]
        assert text.startswith(kept)


def test_an_answer_has_the_other_half() -> None:
    policy = ContentPolicy(on_spans=True, content_bytes=400)
    start, text = EVENTS[0], EVENTS[7:10]
    found = policy.collector()
    for event in (start, *text, *[{**text[1], "delta": {"type": "text_delta", "text": "y" * 50}}] * 9, EVENTS[-2]):
        found.take(event)
    attributes = found.attributes()
    assert attributes[TRUNCATED] is True
    assert len(str(attributes[OUTPUT])) <= 200
    (answer,) = read(attributes)[OUTPUT]
    assert answer["parts"][0]["content"].startswith("I ask.yyyyy")
    assert answer["finish_reason"] == "tool_call"


def test_an_answer_that_was_cut_before_it_was_redacted_says_so() -> None:
    policy = ContentPolicy(on_spans=True, content_bytes=400, redact=lambda text, where: "short")
    long = {**EVENTS[8], "delta": {"type": "text_delta", "text": "y" * 300}}
    assert answered(EVENTS[0], EVENTS[7], long, policy=policy) == {
        OUTPUT: [{"role": "assistant", "parts": [words("short")]}],
        TRUNCATED: True,
    }


def test_half_of_a_surrogate_pair_can_be_sent() -> None:
    found = ON.question({"messages": [user("cut \ud83d here")], "system": "\ude00"})
    assert "".join(map(str, found.values())).encode()
    assert read(found)[INPUT] == said(words("cut ? here"))


# Redaction


def test_a_hook_sees_every_text_and_its_place_before_it_is_recorded() -> None:
    seen: list[tuple[str, str]] = []

    def hook(text: str, where: str) -> str:
        seen.append((where, text))
        return text.replace("SECRET", "···")

    policy = redacting(hook)
    body = {
        "system": "SECRET one",
        "messages": [
            user("SECRET two"),
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "SECRET three"},
                    {"type": "tool_use", "id": "t", "name": "weather", "input": {"SECRET": ["SECRET four", 5]}},
                ],
            },
            user(
                [
                    {"type": "tool_result", "tool_use_id": "t", "content": "SECRET six"},
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "SECRET 7"}]},
                    {"type": "web_search_tool_result", "tool_use_id": "t", "content": {"error_code": "SECRET"}},
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "web_search_result", "title": "SECRET"}],
                    },
                ]
            ),
        ],
        "tools": [
            {"name": "weather", "description": "SECRET", "input_schema": {"SECRET": "SECRET"}},
            {"type": "web_search_20250305", "name": "web_search", "user_location": {"city": "SECRET"}},
        ],
    }
    found = policy.question(body)
    collector = policy.collector()
    collector.take({"type": "message", "content": [{"type": "text", "text": "SECRET ten"}]})
    found.update(collector.attributes())
    assert set(found) == {INPUT, OUTPUT, SYSTEM, TOOLS}
    assert "SECRET" not in str(found)
    assert read(found)[INPUT][1]["parts"][1]["arguments"] == {"···": ["··· four", 5]}
    assert (INPUT, '{"SECRET":["SECRET four",5]}') in seen
    assert {where for where, _ in seen} == {INPUT, OUTPUT, SYSTEM, TOOLS}
    assert len(seen) == 12


@pytest.mark.parametrize("failing", [False, True])
def test_what_the_hook_drops_or_fails_at_is_not_recorded(failing: bool, caplog: pytest.LogCaptureFixture) -> None:
    def hook(text: str, where: str) -> str | None:
        if failing:
            raise ValueError(text)
        return None

    policy, before = redacting(hook), slips().get("redact content", 0)
    body = {
        "system": "SECRET",
        "messages": [
            user("SECRET"),
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {"at": "SECRET"}}],
            },
        ],
        "tools": [{"name": "weather", "description": "SECRET", "input_schema": {"type": "SECRET"}}],
    }
    with caplog.at_level(logging.DEBUG, "claude_telemetry"):
        found = policy.question(body)
    assert read(found) == {
        INPUT: [
            *said(),
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "t", "name": "weather", "arguments": None}],
            },
        ],
        TOOLS: [{"type": "function", "name": "weather"}],
    }
    assert "SECRET" not in caplog.text
    assert slips().get("redact content", 0) - before == (5 if failing else 0)


def test_a_hook_that_gives_no_text_has_failed() -> None:
    def hook(text: str, where: str) -> Any:
        return len(text)

    before = slips().get("redact content", 0)
    assert read(redacting(hook).question({"messages": [user("SECRET")]})) == {INPUT: said()}
    assert slips()["redact content"] == before + 1


def test_what_a_hook_makes_of_json_may_be_no_json() -> None:
    policy = redacting(lambda text, where: text.replace("4111", "<card>"))
    body = {"messages": [user([{"type": "tool_use", "id": "t", "name": "pay", "input": {"card": 4111}}])]}
    (part,) = read(policy.question(body))[INPUT][0]["parts"]
    assert part["arguments"] == '{"card":<card>}'


# The application's request


def test_what_only_the_sdk_may_read_is_not_read() -> None:
    messages, content, system, tools = iter([user("Hello")]), iter([IMAGE]), iter(["text"]), iter([{"name": "weather"}])
    assert asked(messages=messages, system=system, tools=tools) == {}
    assert asked(messages=[user(content), user("Hello")]) == {INPUT: [*said(), *said(words("Hello"))]}
    assert [len(list(rest)) for rest in (messages, content, system, tools)] == [1, 1, 1, 1]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def _blocks(draw: st.DrawFn) -> dict[str, Any]:
    kinds = ["text", "thinking", "tool_use", "tool_result", "image", "document", "web_search_tool_result", "x"]
    fields = st.sampled_from(["text", "thinking", "input", "id", "name", "content", "source", "tool_use_id"])
    block: dict[str, Any] = {"type": draw(st.sampled_from(kinds)), **draw(st.dictionaries(fields, _json, max_size=4))}
    return block


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["system", "tools", "messages"]), _json | st.lists(_blocks(), max_size=4)),
    st.lists(st.builds(user, _json | st.lists(_blocks(), max_size=4)), max_size=4),
    st.integers(0, 2000),
)
def test_no_question_is_a_failure_and_none_exceeds_its_bytes(
    body: dict[str, Any], messages: list[dict[str, Any]], content_bytes: int
) -> None:
    body.setdefault("messages", messages)
    before, slipped = copy.deepcopy(body), slips()
    found = ContentPolicy(on_spans=True, content_bytes=content_bytes).question(body)
    assert repr(body) == repr(before)
    assert slips() == slipped
    read(found)
    # Brackets around each list are not counted.
    assert sum(len(value.encode()) for value in found.values() if isinstance(value, str)) <= content_bytes // 2 + 6


@st.composite
def _events(draw: st.DrawFn) -> dict[str, Any]:
    return draw(st.sampled_from(EVENTS) | st.just({"type": "message", "content": [draw(_blocks())]}))


@settings(max_examples=60)
@given(st.lists(_events(), max_size=12))
def test_no_order_of_events_is_a_failure(events: list[dict[str, Any]]) -> None:
    answered(*events)
