"""Bodies are read along right, whatever way they are cut into chunks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry.capture.wire import (
    ONE_DELTA,
    AwsFrames,
    BodyParser,
    JsonBody,
    JsonLines,
    SseBody,
    parser_for,
)
from tests.support.chunks import chunks_of, pieces

EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "naïve ✓\r\n\n data: x"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "event: message_stop\n\n"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 45}},
    {"type": "message_stop"},
]
DELTA = {"type": "content_block_delta"}
# The text of an answer is not decoded.
EXPECTED = [event if event["type"] != "content_block_delta" else DELTA for event in EVENTS]

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
FIELDS = st.sampled_from(
    [
        "",
        "",
        ": a comment",
        "event: content_block_delta",
        "event:content_block_delta",
        "event: message_stop",
        "event",
        'data: {"type":"content_block_delta","index":0}',
        'data:{"type": "message_stop"}',
        'data: {"type":',
        'data: "message_delta"}',
        "data: [1, 2]",
        "data:",
        "data: ",
        "data",
        "id: 7",
        "retry: 10",
        "no field at all",
    ]
)


def body(line_end: str) -> bytes:
    lines = [": a comment", ""]
    for event in EVENTS:
        lines += [f"event: {event['type']}", f"data: {json.dumps(event)}", ""]
    lines += ["event: ping", 'data: {"type": "ping"}', "", ""]
    return line_end.join(lines).encode()


def events_of(parser: BodyParser, chunks: list[bytes]) -> list[Mapping[str, Any]]:
    """All events; the last is `{"broken": True}` when the parser gave up there."""
    events: list[Mapping[str, Any]] = []
    try:
        for chunk in chunks:
            events.extend(parser.feed(chunk))
        events.extend(parser.end())
    except ValueError:
        events.append({"broken": True})
    return events


def read(chunks: list[bytes], *, deltas: bool = False) -> list[Mapping[str, Any]]:
    return [event for event in events_of(SseBody(deltas=deltas), chunks) if event.get("type") != "ping"]


def as_the_format_says(whole: bytes, *, deltas: bool) -> list[Mapping[str, Any]]:
    """The events of a whole body, line by line, as the format's description has it; nothing here is clever."""
    events: list[Mapping[str, Any]] = []
    name, data = "", list[str]()
    *ended, _ = re.split("\r\n|\r|\n", whole.decode())
    for line in ended:
        field, _, value = line.partition(":")
        if line and field == "event":
            name = value.removeprefix(" ")
        elif line and field == "data":
            data.append(value.removeprefix(" "))
        elif not line:
            text = "\n".join(data)
            if data and name == "content_block_delta" and not deltas:
                events.append(DELTA)
            elif text:
                try:
                    decoded = json.loads(text)
                except ValueError:
                    return [*events, {"broken": True}]
                events += [decoded] if isinstance(decoded, dict) else []
            name, data = "", []
    return events


@settings(max_examples=400)
@given(LINE_ENDS.flatmap(lambda line_end: chunks_of(body(line_end))))
def test_events_are_the_same_however_the_stream_is_cut(chunks: list[bytes]) -> None:
    assert read(chunks) == EXPECTED


@settings(max_examples=200)
@given(LINE_ENDS.flatmap(lambda line_end: chunks_of(body(line_end))))
def test_deltas_are_decoded_when_content_is_wanted(chunks: list[bytes]) -> None:
    assert read(chunks, deltas=True) == EVENTS


@settings(max_examples=800)
@given(st.data(), st.lists(st.tuples(FIELDS, LINE_ENDS), max_size=24), st.booleans())
def test_lines_in_any_order_and_with_any_ends_mean_what_the_format_says(
    data: st.DataObject, lines: list[tuple[str, str]], deltas: bool
) -> None:
    whole = "".join(field + end for field, end in lines).encode()
    chunks = data.draw(chunks_of(whole))
    assert events_of(SseBody(deltas=deltas), chunks) == as_the_format_says(whole, deltas=deltas)


@settings(max_examples=300)
@given(st.sampled_from([SseBody, JsonBody, JsonLines, AwsFrames]), st.lists(st.binary(max_size=200), max_size=20))
def test_garbage_is_told_or_yields_little(
    parser: type[SseBody | JsonBody | JsonLines | AwsFrames], chunks: list[bytes]
) -> None:
    # An empty object takes two bytes.
    assert len(events_of(parser(), chunks)) <= 1 + sum(map(len, chunks)) / 2


PIECES = st.sampled_from(
    [
        'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n',
        'event: content_block_delta\ndata: {"type":"content_block_delta"}\n',
        'event: content_block_delta\ndata: {"type":"content_block_delta"}\r\rdata: {"type":"ping"}\n\n',
        'event: content_block_delta\ndata: {"type":"content_block_delta"}\nd',
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        'data: {"type":\n',
        'data: "ping"}\r\r',
        "event: ping\n",
        "id: 7\n",
        "\n",
    ]
)


@settings(max_examples=800)
@given(st.lists(st.lists(PIECES, max_size=3).map("".join), max_size=8), st.booleans())
def test_a_chunk_that_looks_like_a_delta_means_what_the_format_says(texts: list[str], deltas: bool) -> None:
    chunks = [text.encode() for text in texts]
    assert events_of(SseBody(deltas=deltas), chunks) == as_the_format_says(b"".join(chunks), deltas=deltas)


def test_a_chunk_that_is_one_delta_is_recognised_without_being_split() -> None:
    parser = SseBody()
    chunk = b'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n'
    assert parser.feed(chunk) is ONE_DELTA
    # The rest of an event before it is no reason to lose either of the two.
    list(parser.feed(b'data: {"type":"ping"}\n'))
    assert list(parser.feed(b"\n" + chunk)) == [{"type": "ping"}, DELTA]
    assert parser.feed(chunk) is ONE_DELTA


def test_data_on_several_lines_is_one_event() -> None:
    assert read([b'event: message_stop\ndata: {"type":\ndata: "message_stop"}\n\n']) == [{"type": "message_stop"}]


def test_an_event_without_its_empty_line_is_none() -> None:
    assert read([b'event: message_stop\ndata: {"type": "message_stop"}\n']) == []


def test_what_stands_before_a_broken_event_is_taken() -> None:
    assert events_of(SseBody(), [b'data: {"type": "message_stop"}\n\ndata: {"usage": \n\ndata: {}\n\n']) == [
        {"type": "message_stop"},
        {"broken": True},
    ]


@pytest.mark.parametrize("length", [1, 65536])
def test_an_event_that_never_ends_is_not_kept_for_ever(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_telemetry.capture.wire.sse.LONGEST_EVENT", 200_000)
    assert events_of(SseBody(), pieces(b"x" * 200_000, length)) == []
    assert events_of(SseBody(), pieces(b"x" * 200_001, length)) == [{"broken": True}]


def test_json_nested_without_end_is_told_and_not_followed() -> None:
    assert events_of(SseBody(), [b"data: " + b"[" * 200_000 + b"\n\n"]) == [{"broken": True}]
    assert events_of(JsonBody(), [b'{"a":' * 200_000]) == [{"broken": True}]


@given(chunks_of(json.dumps({"type": "message", "usage": {"input_tokens": 1}}).encode()))
def test_a_json_body_is_its_object_at_the_end(chunks: list[bytes]) -> None:
    parser = JsonBody()
    for chunk in chunks:
        assert list(parser.feed(chunk)) == []
    assert list(parser.end()) == [{"type": "message", "usage": {"input_tokens": 1}}]


def test_a_json_body_cut_short_is_none() -> None:
    parser = JsonBody()
    list(parser.feed(b'{"type": "mess'))
    with pytest.raises(ValueError, match="Unterminated"):
        list(parser.end())


def test_a_json_body_too_large_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_telemetry.capture.wire.json_body.LARGEST", 1000)
    parser = JsonBody()
    list(parser.feed(b" " * 1000))
    with pytest.raises(ValueError, match="too large"):
        parser.feed(b" ")


RESULTS: list[dict[str, Any]] = [
    {
        "custom_id": "one",
        "result": {"type": "succeeded", "message": {"id": "msg_1", "content": "zwei\nZeilen ✓ \u2028"}},
    },
    {"custom_id": "two", "result": {"type": "expired"}},
    {"custom_id": "three", "result": {"type": "errored", "error": {"type": "error"}}},
]


@settings(max_examples=300)
@given(st.data(), LINE_ENDS, st.booleans(), st.booleans())
def test_each_line_is_a_result_however_the_body_is_cut(
    data: st.DataObject, line_end: str, ends: bool, blank: bool
) -> None:
    lines = [json.dumps(result, ensure_ascii=False) for result in RESULTS]
    whole = line_end.join(["", *lines, " "] if blank else lines) + (line_end if ends else "")
    assert events_of(JsonLines(), data.draw(chunks_of(whole.encode()))) == RESULTS


@given(chunks_of(b'{"a": 1}\n{"b": '))
def test_lines_cut_short_are_told_at_the_end(chunks: list[bytes]) -> None:
    assert events_of(JsonLines(), chunks) == [{"a": 1}, {"broken": True}]


def test_a_line_that_never_ends_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_telemetry.capture.wire.jsonl.LONGEST_LINE", 1000)
    assert events_of(JsonLines(), pieces(b" " * 1000, 100)) == []
    assert events_of(JsonLines(), pieces(b" " * 1001, 100)) == [{"broken": True}]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/event-stream; charset=utf-8", SseBody),
        ("TEXT/EVENT-STREAM", SseBody),
        ("application/json", JsonBody),
        ("application/problem+json;charset=utf-8", JsonBody),
        ("application/x-jsonl", JsonLines),
        ("application/jsonl", JsonLines),
        ("application/x-ndjson", JsonLines),
        ("binary/octet-stream", JsonLines),
        ("application/vnd.amazon.eventstream", AwsFrames),
    ],
)
def test_the_content_type_says_how_a_body_is_read(content_type: str, kind: type) -> None:
    assert type(parser_for(content_type)) is kind


@pytest.mark.parametrize("content_type", ["", "text/html", "application/octet-stream", "json"])
def test_an_unknown_content_type_is_told(content_type: str) -> None:
    with pytest.raises(ValueError, match="media type"):
        parser_for(content_type)
