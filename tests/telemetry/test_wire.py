"""Bodies are read along right, whatever way they are cut into chunks."""

from __future__ import annotations

import gzip
import json
import sys
import types
import zlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.capture.wire import JsonBody, SseBody, decoder_for

EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "naïve ✓\r\n\n data: x"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 45}},
    {"type": "message_stop"},
]
# The text of an answer is not decoded.
EXPECTED = [event if event["type"] != "content_block_delta" else {"type": "content_block_delta"} for event in EVENTS]


def body(line_end: str) -> bytes:
    lines = [": a comment", ""]
    for event in EVENTS:
        lines += [f"event: {event['type']}", f"data: {json.dumps(event)}", ""]
    lines += ["event: ping", 'data: {"type": "ping"}', "", ""]
    return line_end.join(lines).encode()


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def read(chunks: list[bytes]) -> list[Mapping[str, Any]]:
    parser = SseBody()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    events += parser.end()
    return [event for event in events if event["type"] != "ping"]


@given(st.lists(st.integers(0, 2000), max_size=30), st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_are_the_same_however_the_stream_is_cut(places: list[int], line_end: str) -> None:
    assert read(cut(body(line_end), places)) == EXPECTED


@given(st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_are_the_same_one_byte_at_a_time(line_end: str) -> None:
    assert read([bytes([byte]) for byte in body(line_end)]) == EXPECTED


@given(st.lists(st.integers(0, 2000), max_size=10), st.sampled_from(["gzip", "deflate"]))
def test_compressed_streams_are_the_same_too(places: list[int], encoding: str) -> None:
    plain = body("\n")
    packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    decode = decoder_for(encoding)
    assert read([decode(chunk) for chunk in cut(packed, places)]) == EXPECTED


def test_data_on_several_lines_is_one_event() -> None:
    assert read([b'event: message_stop\ndata: {"type":\ndata: "message_stop"}\n\n']) == [{"type": "message_stop"}]


def test_an_event_without_its_empty_line_is_none() -> None:
    assert read([b'event: message_stop\ndata: {"type": "message_stop"}\n']) == []


def test_a_line_that_never_ends_is_not_kept_for_ever() -> None:
    parser = SseBody()
    for _ in range(16):
        assert list(parser.feed(b"x" * 1024 * 1024)) == []
    with pytest.raises(ValueError, match="does not end"):
        list(parser.feed(b"x"))


@given(st.lists(st.integers(0, 200), max_size=5))
def test_a_json_body_is_its_object_at_the_end(places: list[int]) -> None:
    message = {"type": "message", "usage": {"input_tokens": 1}}
    parser = JsonBody()
    for chunk in cut(json.dumps(message).encode(), places):
        assert list(parser.feed(chunk)) == []
    assert list(parser.end()) == [message]


def test_a_json_body_cut_short_is_none() -> None:
    parser = JsonBody()
    list(parser.feed(b'{"type": "mess'))
    with pytest.raises(ValueError, match="Unterminated"):
        list(parser.end())


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip"])
def test_an_encoding_that_cannot_be_undone_is_told(encoding: str) -> None:
    with pytest.raises(ValueError, match="encod"):
        decoder_for(encoding)


def test_zstd_is_undone_by_whichever_package_the_http_library_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Decompressor:
        def decompress(self, data: bytes) -> bytes:
            return data.removeprefix(b"packed:")

    package = types.ModuleType("backports.zstd")
    monkeypatch.setattr(package, "ZstdDecompressor", Decompressor, raising=False)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", package)
    assert decoder_for("zstd")(b"packed:text") == b"text"
