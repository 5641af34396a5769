"""Bedrock's frames are read along right, whatever way they are cut into chunks."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry.capture.wire import AwsFrames
from tests.support.chunks import chunks_of, pieces

EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "naïve ✓"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 45}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 45}},
]
DELTA = {"type": "content_block_delta"}
EXPECTED = [DELTA if event["type"] == "content_block_delta" else event for event in EVENTS]

OF_AN_EVENT = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
OTHER_HEADERS = b"".join(
    [
        b"\x01a\x00",  # true
        b"\x01b\x01",  # false
        b"\x01c\x02\x07",  # a byte
        b"\x01d\x03\x00\x07",  # a short
        b"\x01e\x04" + bytes(4),
        b"\x01f\x05" + bytes(8),
        b"\x01g\x06\x00\x02xy",  # bytes
        b"\x01h\x08" + bytes(8),  # a time
        b"\x01i\x09" + bytes(16),  # a UUID
    ]
)


def frame(headers: Mapping[str, str], payload: bytes, *, more_headers: bytes = b"") -> bytes:
    packed = more_headers + b"".join(
        struct.pack(f"!B{len(name)}sBH{len(value)}s", len(name), name.encode(), 7, len(value), value.encode())
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def chunk_frame(event: object, *, spaced: bool = False) -> bytes:
    text = json.dumps(event, separators=(", ", ": ") if spaced else (",", ":"))
    payload = {"bytes": base64.b64encode(text.encode()).decode(), "p": "abcdefgh"}
    return frame(OF_AN_EVENT, json.dumps(payload, separators=(",", ":")).encode())


def events_of(chunks: list[bytes], *, deltas: bool = False) -> list[Mapping[str, Any]]:
    """All events; the last is `{"broken": True}` when the parser gave up there."""
    parser = AwsFrames(deltas=deltas)
    events: list[Mapping[str, Any]] = []
    try:
        for chunk in chunks:
            events.extend(parser.feed(chunk))
        events.extend(parser.end())
    except ValueError:
        events.append({"broken": True})
    return events


WHOLE = {spaced: b"".join([chunk_frame(event, spaced=spaced) for event in EVENTS]) for spaced in (False, True)}


@settings(max_examples=300)
@given(st.data(), st.booleans())
def test_events_are_the_same_however_the_frames_are_cut(data: st.DataObject, spaced: bool) -> None:
    chunks = data.draw(chunks_of(WHOLE[spaced]))
    assert events_of(chunks) == EXPECTED
    assert events_of(chunks, deltas=True) == EVENTS


@settings(max_examples=200)
@given(chunks_of(WHOLE[False][:-30]))
def test_frames_cut_short_are_told_at_the_end(chunks: list[bytes]) -> None:
    assert events_of(chunks) == [*EXPECTED[:-1], {"broken": True}]


@settings(max_examples=400)
@given(st.integers(0, len(WHOLE[False]) - 1), st.integers(1, 255), st.integers(1, 400))
def test_a_changed_byte_is_told_and_what_stands_before_it_is_taken(place: int, change: int, length: int) -> None:
    broken = bytearray(WHOLE[False])
    broken[place] ^= change
    *events, last = events_of(pieces(bytes(broken), length))
    assert last == {"broken": True}
    assert events == EXPECTED[: len(events)]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({":message-type": "exception", ":exception-type": "throttlingException"}, "throttlingException"),
        ({":message-type": "error", ":error-code": "InternalError", ":error-message": "no"}, "InternalError"),
        ({":message-type": "error"}, "api_error"),
    ],
)
@settings(max_examples=50)
@given(data=st.data(), more=st.booleans())
def test_what_went_wrong_is_an_error_event(headers: dict[str, str], kind: str, data: st.DataObject, more: bool) -> None:
    payload = b'{"message": "a text that may hold anything"}'
    failed = frame(headers, payload, more_headers=OTHER_HEADERS if more else b"")
    chunks = data.draw(chunks_of(chunk_frame(EVENTS[0]) + failed))
    assert events_of(chunks) == [EVENTS[0], {"type": "error", "error": {"type": kind}}]


def test_frames_without_an_event_yield_nothing() -> None:
    others = [
        frame({":message-type": "event", ":event-type": "initial-response"}, b""),
        frame({":message-type": "event", ":event-type": "initial-response"}, b"{}"),
        frame({":message-type": "pong"}, b"{}"),
        frame({}, b"{}"),
        chunk_frame(["no", "event"]),
    ]
    assert events_of([b"".join(others)]) == []


@pytest.mark.parametrize(
    "body",
    [
        frame(OF_AN_EVENT, b"no JSON"),
        frame(OF_AN_EVENT, b'{"bytes": "AAAA"}'),
        frame(OF_AN_EVENT, '{"bytes": "✓"}'.encode()),
        frame({}, b"", more_headers=b"\x01a\x07\x00\x09short"),
        frame({}, b"", more_headers=b"\x01a\x63"),
        frame({}, b"", more_headers=b"\x09a"),
        struct.pack("!III", 8, 0, zlib.crc32(struct.pack("!II", 8, 0))),  # shorter than its own prelude
        struct.pack("!III", 2**31, 0, zlib.crc32(struct.pack("!II", 2**31, 0))),
    ],
)
def test_a_sound_frame_with_unsound_content_is_told_at_once(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"frame|JSON|Expecting|Non-base64|non-ascii|ASCII|base64|codec"):
        list(AwsFrames().feed(body))


@pytest.mark.parametrize("place", range(12))
def test_a_broken_prelude_is_told_before_its_frame_is_there(place: int) -> None:
    prelude = bytearray(WHOLE[False][:12])
    prelude[place] ^= 1
    with pytest.raises(ValueError, match="no stream of frames"):
        list(AwsFrames().feed(bytes(prelude)))


def test_a_delta_is_recognised_without_being_decoded() -> None:
    start = base64.b64encode(b'{"type":"content_block_delta","index":0,').decode()
    unfinished = frame(OF_AN_EVENT, f'{{"bytes":"{start}'.encode())
    assert events_of([unfinished]) == [DELTA]
    assert events_of([unfinished], deltas=True) == [{"broken": True}]


def test_the_frames_here_are_those_that_aws_own_parser_reads() -> None:
    eventstream: Any = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(WHOLE[False] + frame({":message-type": "exception"}, b"{}", more_headers=OTHER_HEADERS))
    *chunks, failed = list(buffer)
    assert [json.loads(base64.b64decode(json.loads(chunk.payload)["bytes"])) for chunk in chunks] == EVENTS
    assert (chunks[0].headers, failed.headers[":message-type"]) == (OF_AN_EVENT, "exception")
