"""Export requests as our own delivery sends them, each with ids of its own, made at next to no cost.

Real calls of the real SDK are recorded once, through `instrument()`. What differs from call to call (ids, times, counts
and costs) is then written over in the gzipped bytes: there it stands in *stored* blocks, between compressed ones that
never refer to it. So a request of 512 spans takes a few microseconds a span to make, where compressing takes thirty,
and what is measured is the collector and not who sends.
"""

from __future__ import annotations

import itertools
import json
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import anthropic
import httpx2
import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

import claude_telemetry
from benchmarks.sink import taking

SPANS_A_BODY = 512
"""What delivery puts into one body, at the most."""

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_EMPTY_STORED_BLOCK = b"\x00\x00\xff\xff"
_LEVEL = 1
"""As delivery compresses."""
_WINDOW = 32 * 1024
_CLOSE = 6
"""Runs that are written over and are no further apart than this share a block."""
_LETTERS = np.frombuffer(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", dtype=np.uint8)

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


_COUNTS = (
    rb"claude\.usage\.uncached_input_tokens\x12\x03\x18(.)",
    rb"gen_ai\.usage\.output_tokens\x12\x03\x18(.)",
    rb"gen_ai\.usage\.input_tokens\x12\x03\x18(.)",
    rb"claude\.cost\.picodollars\x12\x06\x18(...)",
    rb"claude\.cost\.usd\x12\x09\x21(...)",
    rb"gen_ai\.usage\.cost\x12\x09\x21(...)",
)
"""Low parts of numbers, with the highest bit set: it goes on after them, or belongs to a fraction."""
_DIGITS = (rb'\\?"output_tokens\\?":\d(\d+)', rb'\\?"output\\?": ?\\?"0\.0*[1-9](\d+)')


class Template:
    """A request whose ids, times and numbers are written over, each number by itself."""

    def __init__(self, request: ExportTraceServiceRequest) -> None:
        self._plain = bytearray(request.SerializeToString())
        self.spans = sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans)
        plain = bytes(self._plain)
        raw, named, times = _found(request, plain)
        counts, digits = _matched(_COUNTS, plain), _matched(_DIGITS, plain)
        everything = [*raw, *named, *counts, *digits, *((at, 8) for at, _ in times)]
        self._zipped, places = _zipped(plain, sorted(everything))
        self.plain_bytes, self.zipped_bytes = len(self._plain), len(self._zipped)
        self._in_plain = np.frombuffer(self._plain, dtype=np.uint8)
        self._in_zipped = np.frombuffer(self._zipped, dtype=np.uint8)
        # One id may stand at several places (a request's own is the call's and its attempt's): all have one source.
        self._raw = _Overwritten(raw, plain, places)
        self._named = _Overwritten(named, plain, places)
        self._counts = _Overwritten(counts, None, places)
        self._digits = _Overwritten(digits, None, places)
        self._times = _Overwritten([(at, 8) for at, _ in times], None, places)
        self._offsets_ns = np.array([offset for _, offset in times], dtype=np.int64)

    def body(self, random: np.random.Generator, first_ns: int) -> bytes:
        """A request like it, gzipped, with new ids, and calls that begin from `first_ns` on."""
        raw = np.frombuffer(random.bytes(self._raw.size), dtype=np.uint8)
        named = _LETTERS[random.integers(0, len(_LETTERS), self._named.size, dtype=np.uint8)]
        times = (self._offsets_ns + first_ns).astype("<u8").view(np.uint8)
        counts = np.frombuffer(random.bytes(self._counts.size), dtype=np.uint8) | 128
        digits = random.integers(ord("0"), ord("9") + 1, self._digits.size, dtype=np.uint8)
        for overwritten, values in (
            (self._raw, raw),
            (self._named, named),
            (self._counts, counts),
            (self._digits, digits),
            (self._times, times),
        ):
            self._in_plain[overwritten.in_plain] = values[overwritten.source]
            self._in_zipped[overwritten.in_zipped] = values[overwritten.source]
        self._zipped[-8:-4] = struct.pack("<I", zlib.crc32(self._plain))
        return bytes(self._zipped)


class _Overwritten:
    """Places that are written over, in the plain request and in the gzipped one, and with which of the new bytes."""

    def __init__(self, runs: list[tuple[int, int]], alike_in: bytes | None, places: dict[int, int]) -> None:
        """`alike_in`: runs that hold the same bytes there will hold the same new ones."""
        in_plain: list[int] = []
        source: list[int] = []
        begun: dict[bytes | int, int] = {}
        self.size = 0
        for at, size in runs:
            name = at if alike_in is None else alike_in[at : at + size]
            if name not in begun:
                begun[name] = self.size
                self.size += size
            in_plain += range(at, at + size)
            source += range(begun[name], begun[name] + size)
        self.in_plain: Places = np.array(in_plain, dtype=np.int64)
        self.in_zipped: Places = np.array([places[at] for at in in_plain], dtype=np.int64)
        self.source: Places = np.array(source, dtype=np.int64)


def templates(count: int, spans: int = SPANS_A_BODY) -> list[Template]:
    """`count` requests of `spans` spans each, of which no two are alike."""
    recorded = _recorded(count * spans)
    return [Template(request) for request in _requests(recorded, spans)]


def _found(
    request: ExportTraceServiceRequest, plain: bytes
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], list[tuple[int, int]]]:
    """Where the binary ids stand, the ids in letters (both as place and size), and the times, with how long after the
    first span each of them is."""
    raw: list[tuple[int, int]] = []
    times: list[tuple[int, int]] = []
    spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    first_ns = min(span.start_time_unix_nano for span in spans)
    begin = 0
    for span in spans:
        begin = plain.index(span.trace_id, begin)
        raw += [(begin, 16), (plain.index(span.span_id, begin), 8)]
        stamps = [span.start_time_unix_nano, span.end_time_unix_nano, *(event.time_unix_nano for event in span.events)]
        at = begin
        for stamp in stamps:
            at = plain.index(struct.pack("<Q", stamp), at)
            times.append((at, stamp - first_ns))
            at += 8
    named = [(found.start(1), 20) for found in re.finditer(rb"(?:req|msg|toolu)_01(\w{20})", plain)]
    return raw, named, times


def _matched(patterns: Iterable[bytes], plain: bytes) -> list[tuple[int, int]]:
    """Place and size of what is in the brackets of `patterns`."""
    found = [match for pattern in patterns for match in re.finditer(pattern, plain, re.DOTALL)]
    return [(match.start(1), match.end(1) - match.start(1)) for match in found]


def _zipped(plain: bytes, runs: list[tuple[int, int]]) -> tuple[bytearray, dict[int, int]]:
    """`plain` as gzip has it, with `runs` (place and size) in stored blocks; and where each byte of these is."""
    stored: list[tuple[int, int]] = []
    for at, size in runs:
        if stored and at - stored[-1][1] <= _CLOSE:
            stored[-1] = (stored[-1][0], at + size)
        else:
            stored.append((at, at + size))
    # What is written over looks to the compressor like a byte that is rare, so that no block refers to it.
    counts = np.bincount(np.frombuffer(plain, dtype=np.uint8), minlength=256)
    for rare in np.argsort(counts):
        hidden = bytearray(plain)
        for begin, end in stored:
            hidden[begin:end] = bytes([int(rare)]) * (end - begin)
        zipped, places = _blocks(plain, bytes(hidden), stored)
        with suppress(zlib.error):
            if zlib.decompress(zipped, 31) == plain:
                return zipped, places
    raise RuntimeError("the request cannot be compressed so that its ids can be written over")


def _blocks(plain: bytes, hidden: bytes, stored: list[tuple[int, int]]) -> tuple[bytearray, dict[int, int]]:
    zipped = bytearray(_GZIP_HEAD)
    places: dict[int, int] = {}
    before = 0
    for begin, end in stored:
        block = _compressed(plain[before:begin], hidden[max(0, before - _WINDOW) : before])
        # The empty block that a flush ends with is given something to hold.
        zipped += block[: -len(_EMPTY_STORED_BLOCK)] + struct.pack("<HH", end - begin, (end - begin) ^ 0xFFFF)
        places.update({at: len(zipped) + at - begin for at in range(begin, end)})
        zipped += plain[begin:end]
        before = end
    zipped += _compressed(plain[before:], b"") + _LAST_BLOCK
    return zipped + struct.pack("<II", zlib.crc32(plain), len(plain)), places


def _compressed(data: bytes, known: bytes) -> bytes:
    """`data` after `known`, ending at a whole byte."""
    settings = (_LEVEL, zlib.DEFLATED, -15)
    compressing = zlib.compressobj(*settings, zdict=known) if known else zlib.compressobj(*settings)
    block = compressing.compress(data) + compressing.flush(zlib.Z_SYNC_FLUSH)
    if not block.endswith(_EMPTY_STORED_BLOCK):
        raise RuntimeError("zlib no longer ends a flush with an empty stored block")
    return block


# Real calls


def _requests(recorded: list[ExportTraceServiceRequest], spans: int) -> Iterator[ExportTraceServiceRequest]:
    """The recorded spans again, `spans` in each request, with times as a busy process has them."""
    first = recorded[0].resource_spans[0]
    all_spans = [span for one in recorded for span in one.resource_spans[0].scope_spans[0].spans]
    for start in range(0, len(all_spans), spans):
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add(resource=first.resource)
        scope = resource.scope_spans.add(scope=first.scope_spans[0].scope)
        for number, span in enumerate(all_spans[start : start + spans]):
            moved = scope.spans.add()
            moved.CopyFrom(span)
            moved.start_time_unix_nano = 1_795_000_000_000_000_000 + number * 1_953_000
            moved.end_time_unix_nano = moved.start_time_unix_nano + (400 + 37 * number % 1900) * 1_000_000
            for event in moved.events:
                event.time_unix_nano = moved.start_time_unix_nano + 1000
        yield request


def _recorded(count: int) -> list[ExportTraceServiceRequest]:
    """What delivery sends of `count` calls."""
    sent: list[bytes] = []
    with taking(sent.append) as url:
        provider = TracerProvider(shutdown_on_exit=False)
        claude_telemetry.instrument(tracer_provider=provider, endpoint=url, service="shop")
        try:
            with _client() as client:
                for number in range(count):
                    _call(client, number)
                    if number % 256 == 0:
                        claude_telemetry.flush(10)
            claude_telemetry.flush(10)
        finally:
            claude_telemetry.uninstrument()
    requests = [ExportTraceServiceRequest.FromString(zlib.decompress(body, 31)) for body in sent]
    found = sum(len(one.resource_spans[0].scope_spans[0].spans) for one in requests)
    if found != count:
        raise RuntimeError(f"{found} of {count} calls were recorded")
    return requests


def _call(client: anthropic.Anthropic, number: int) -> None:
    with claude_telemetry.label(
        feature=("search", "chat", "summary", "triage")[number % 4],
        user=f"user-{number * 7919 % 1000}",
        session=f"session-{number * 7919 % 3000}",
        prompt=f"prompt-{number % 10}",
        prompt_version=str(number % 3),
    ):
        client.messages.create(
            model=("claude-sonnet-5-5", "claude-haiku-4-5", "claude-opus-4-8")[number % 3],
            max_tokens=1024,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": "Hello"}],
        )


def _client() -> anthropic.Anthropic:
    numbers = itertools.count()

    def answer(request: httpx2.Request) -> httpx2.Response:
        number = next(numbers)
        content: list[object] = [{"type": "text", "text": "Hello."}]
        if number % 4 == 3:
            content.append(
                {"type": "tool_use", "id": f"toolu_01{2 * 10**18 + number:020}", "name": "weather", "input": {}}
            )
        usage = {
            "input_tokens": 100 + number * 31 % 900,
            "cache_read_input_tokens": 3000 + number * 17 % 5000,
            "cache_creation_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
            "output_tokens": 50 + number * 13 % 700,
            "service_tier": "standard",
        }
        message = {
            "id": f"msg_01{10**18 + number:020}",
            "type": "message",
            "role": "assistant",
            "model": json.loads(request.content)["model"],
            "content": content,
            "stop_reason": "tool_use" if number % 4 == 3 else "end_turn",
            "usage": usage,
        }
        return httpx2.Response(200, json=message, headers={"request-id": f"req_01{number:020}"})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", http_client=http)


def made(templates: list[Template], seed: int, spacing_ns: int) -> Callable[[], bytes]:
    """Makes one body after the other; the calls of each begin `spacing_ns` after those of the one before, and the first
    ones now."""
    random = np.random.default_rng(seed)
    first_ns = time.time_ns() // 1000 * 1000
    numbers = itertools.count()

    def following() -> bytes:
        number = next(numbers)
        return templates[number % len(templates)].body(random, first_ns + number * spacing_ns)

    return following
