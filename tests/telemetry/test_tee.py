"""An answer is read along without a byte of it changed, and comes to the same record however it is cut into chunks.

Through the real SDK and its HTTP library: each case is read twice, without us and with us, in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import importlib
import json
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry.fake import aws_frames, wire
from claude_telemetry.record import Call
from tests.scenarios import needs
from tests.scenarios.app import described, sdk
from tests.scenarios.asking import ASK, OPUS
from tests.scenarios.bodies import answering, http
from tests.scenarios.scenario import sdk_traces
from tests.support.chunks import chunks_of
from tests.support.recorded import recording, sdk_tracing

Reading = Literal["events", "bytes", "lines", "raw", "all"]


def _deflated_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _packers() -> Iterator[tuple[str, Callable[[bytes], bytes], Callable[[bytes], bytes]]]:
    """Name, how it is packed, and what is readable of the start of something packed, as far as that is known here."""
    yield "", bytes, bytes
    yield "gzip", gzip.compress, lambda data: zlib.decompressobj(wbits=31).decompress(data)
    yield "deflate", zlib.compress, lambda data: zlib.decompressobj().decompress(data)
    yield "deflate", _deflated_raw, lambda data: zlib.decompressobj(wbits=-15).decompress(data)
    with contextlib.suppress(ImportError):
        brotli: Any = importlib.import_module("brotli")
        yield "br", brotli.compress, lambda data: brotli.Decompressor().process(data)
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        with contextlib.suppress(ImportError):
            zstd: Any = importlib.import_module(name)
            yield "zstd", zstd.compress, _zstd_reader(zstd)
            break


def _zstd_reader(zstd: Any) -> Callable[[bytes], bytes]:
    def read(data: bytes) -> bytes:
        made = zstd.ZstdDecompressor()
        unpacked: bytes = (made.decompressobj() if hasattr(made, "decompressobj") else made).decompress(data)
        return unpacked

    return read


PACKERS = list(_packers())


@dataclass
class Body:
    """A body in chunks, which says how much of it was asked for."""

    chunks: list[bytes]
    is_cut: bool = False
    """Whether the connection breaks at the end."""
    handed: list[bytes] = field(default_factory=list[bytes])
    ended: bool = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.handed.append(chunk)
            yield chunk
        if self.is_cut:
            raise http.ReadError("the connection broke")
        self.ended = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


# The HTTP library wants streams to be of its own kinds, and which library that is comes to light at run time only.
_Stream: Callable[[list[bytes], bool], Any] = type("Stream", (Body, http.SyncByteStream, http.AsyncByteStream), {})


@dataclass(frozen=True)
class Case:
    """One answer, and how it comes and is read."""

    whole: dict[str, Any]
    media_type: str
    encoding: str
    unpack: Callable[[bytes], bytes]
    ends: list[tuple[bytes, str]]
    """What ends the parts of the plain body that matter, and the parts' names."""
    chunks: list[bytes]
    reading: Reading
    length: int
    """Of the pieces that the application reads."""
    stop_after: int | None
    """After so many pieces the application closes the answer."""
    is_cut: bool
    is_async: bool
    is_adopted: bool
    """Whether the SDK's own tracing is on."""

    @property
    def headers(self) -> dict[str, str]:
        encoded = {"content-encoding": self.encoding} if self.encoding else {}
        return {"content-type": self.media_type, "request-id": "req_1", **encoded}


COUNTS = st.integers(0, 10_000)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["data: x\n\nevent: message_stop\n\n", "\r\n\r\n", 'naïve "☕" \u2028 {"usage": 7}', "word " * 60]
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    usage = {
        "input_tokens": draw(COUNTS),
        "cache_read_input_tokens": draw(COUNTS),
        "output_tokens": draw(COUNTS),
        "service_tier": "standard",
        "inference_geo": "global",
    }
    content: list[dict[str, Any]] = [{"type": "text", "text": text} for text in draw(st.lists(TEXTS, max_size=3))]
    if draw(st.booleans()):
        content.append({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": draw(TEXTS)}})
    return wire.message(message_id="msg_1", model=OPUS, content=content, usage=usage, stop_reason="end_turn")


def _sse(whole: Mapping[str, Any], line_end: str, comments: bool) -> tuple[bytes, list[tuple[bytes, str]]]:
    body, ends = b"", list[tuple[bytes, str]]()
    for event in wire.events(whole):
        if comments:
            body += f": a comment{line_end}{line_end}".encode()
        body += wire.frame(event, line_end)
        if event["type"] in ("message_start", "message_delta", "message_stop"):
            # The first half of `\r\n` ends a line by itself.
            ends.append((body[:-1] if line_end == "\r\n" else body, event["type"]))
    return body, ends


def _frames(whole: Mapping[str, Any]) -> tuple[bytes, list[tuple[bytes, str]]]:
    body, ends = b"", list[tuple[bytes, str]]()
    for event in wire.events(whole):
        body += aws_frames.chunk(event)
        if event["type"] in ("message_start", "message_delta", "message_stop"):
            ends.append((body, event["type"]))
    return body, ends


@st.composite
def streams(draw: st.DrawFn) -> Case:
    """Streamed answers, read in any way."""
    whole = draw(messages())
    frames = draw(st.sampled_from([False, False, True]))
    plain, ends = _frames(whole) if frames else _sse(whole, draw(LINE_ENDS), draw(st.booleans()))
    readings: list[Reading] = ["bytes", "lines", "raw", "all"] if frames else ["events", "bytes", "lines", "raw", "all"]
    media_type = aws_frames.CONTENT_TYPE if frames else "text/event-stream; charset=utf-8"
    return _case(draw, whole, media_type, plain, ends, readings)


LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def json_bodies(draw: st.DrawFn) -> Case:
    whole = draw(messages())
    plain = json.dumps(whole, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 2]))).encode()
    return _case(draw, whole, "application/json", plain, [(plain, "message")], ["bytes", "lines", "raw", "all"])


def _case(
    draw: st.DrawFn,
    whole: dict[str, Any],
    media_type: str,
    plain: bytes,
    ends: list[tuple[bytes, str]],
    readings: list[Reading],
) -> Case:
    encoding, pack, unpack = draw(st.sampled_from(PACKERS))
    reading = draw(st.sampled_from(readings))
    stop_after = None if reading == "all" else draw(st.none() | st.integers(0, 12))
    chunks = draw(chunks_of(pack(plain)))
    is_cut = draw(st.integers(0, 7)) == 0
    return Case(
        whole=whole,
        media_type=media_type,
        encoding=encoding,
        unpack=unpack,
        ends=ends,
        chunks=chunks[: draw(st.integers(0, len(chunks)))] if is_cut else chunks,
        reading=reading,
        length=draw(st.sampled_from([1, 7, 64, 4096])),
        stop_after=stop_after,
        is_cut=is_cut,
        is_async=draw(st.booleans()),
        is_adopted=sdk_traces() and draw(st.booleans()),
    )


def read(case: Case, tracing: Mapping[str, Any]) -> tuple[list[Any], Body]:
    """What the application gets of it, piece by piece, and the body with what was asked for of it."""
    body = _Stream(case.chunks, case.is_cut)
    answer = http.Response(200, headers=case.headers, stream=body)
    got = asyncio.run(_read_async(case, tracing, answer)) if case.is_async else _read_sync(case, tracing, answer)
    return got, body


def _read_sync(case: Case, tracing: Mapping[str, Any], answer: Any) -> list[Any]:
    got: list[Any] = []
    client = sdk.Anthropic(api_key="k", http_client=http.Client(transport=answering(answer)), **tracing)
    with client, _seeing_errors(got):
        if case.reading == "events":
            events = client.messages.create(**ASK, stream=True)
            for number, event in enumerate(events):
                got.append(described(event))
                if number == case.stop_after:
                    break
            events.close()
            return got
        stream = "json" not in case.media_type
        with client.messages.with_streaming_response.create(**ASK, stream=stream) as raw:
            if case.reading == "all":
                got.append(raw.read())
                return got
            for number, piece in enumerate(_pieces(case, raw)):
                got.append(piece)
                if number == case.stop_after:
                    break
    return got


async def _read_async(case: Case, tracing: Mapping[str, Any], answer: Any) -> list[Any]:
    got: list[Any] = []

    async def reply(_: Any) -> Any:
        return answer

    client = sdk.AsyncAnthropic(
        api_key="k", http_client=http.AsyncClient(transport=http.MockTransport(reply)), **tracing
    )
    async with client:
        with _seeing_errors(got):
            if case.reading == "events":
                events = await client.messages.create(**ASK, stream=True)
                number = 0
                async for event in events:
                    got.append(described(event))
                    if number == case.stop_after:
                        break
                    number += 1
                await events.close()
                return got
            stream = "json" not in case.media_type
            async with client.messages.with_streaming_response.create(**ASK, stream=stream) as raw:
                if case.reading == "all":
                    got.append(await raw.read())
                    return got
                number = 0
                async for piece in _pieces(case, raw, suffix="a"):
                    got.append(piece)
                    if number == case.stop_after:
                        break
                    number += 1
    return got


def _pieces(case: Case, raw: Any, suffix: str = "") -> Any:
    match case.reading:
        case "bytes":
            return raw.iter_bytes(case.length)
        case "lines":
            return raw.iter_lines()
        case _:
            return raw.http_response.aiter_raw() if suffix else raw.http_response.iter_raw()


@contextlib.contextmanager
def _seeing_errors(got: list[Any]) -> Generator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever the application gets
        got.append(described(error))


def with_us(case: Case) -> tuple[list[Any], Body, Call]:
    with recording() as recorded:
        got, body = read(case, sdk_tracing(recorded.provider if case.is_adopted else None))
        if not recorded.exporter.get_finished_spans():
            gc.collect()  # old SDKs leave an answer open when reading it fails
        return got, body, recorded.only().call


def told(case: Case, body: Body) -> list[str]:
    """The parts of the answer that were there in what the application asked for. JSON is none before its end."""
    if "json" in case.media_type and not body.ended:
        return []
    seen = b"".join(body.handed)
    plain = case.unpack(seen) if seen else b""
    return [name for end, name in case.ends if plain.startswith(end)]


def expected(case: Case, body: Body) -> dict[str, Any]:
    """The usage and its price, by what had come: 4 / 20 / 0.20 USD per million of input / output / cache read."""
    parts = told(case, body)
    usage = case.whole["usage"]
    inputs, cached, outputs = usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]
    if not parts:
        return dict.fromkeys(("input_tokens", "cache_read_tokens", "output_tokens", "cost_usd", "message_id"))
    whole = parts[-1] in ("message", "message_delta", "message_stop")
    millionths = inputs * 4 + cached * Decimal("0.2") + (outputs * 20 if whole else 0)
    return {
        "input_tokens": inputs,
        "cache_read_tokens": cached,
        "output_tokens": outputs if whole else None,
        "cost_usd": millionths / 1_000_000,
        "message_id": "msg_1",
    }


def _check(case: Case) -> None:
    bare, bare_body = read(case, sdk_tracing(None))
    got, body, call = with_us(case)
    assert got == bare
    assert body.handed == bare_body.handed
    assert {name: getattr(call, name) for name in expected(case, body)} == expected(case, body)


@settings(max_examples=700, deadline=None)
@given(streams())
def test_a_stream_is_read_as_without_us_and_recorded_as_far_as_it_came(case: Case) -> None:
    _check(case)


@settings(max_examples=300, deadline=None)
@given(json_bodies())
def test_a_json_body_is_read_as_without_us_and_recorded_as_far_as_it_came(case: Case) -> None:
    _check(case)


# The results of a batch


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[bytes], int, bool]:
    """The lines of a batch's results, how they come, after how many the application stops, and whether it is async."""
    wholes = draw(st.lists(messages(), min_size=1, max_size=5))
    lines = [
        {"custom_id": f"c{number}", "result": {"type": "succeeded", "message": whole}}
        for number, whole in enumerate(wholes)
    ]
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    body = line_end.join(json.dumps(line) for line in lines) + (line_end if draw(st.booleans()) else "")
    return lines, draw(chunks_of(body.encode())), draw(st.integers(0, 6)), draw(st.booleans())


@pytest.mark.skipif(not needs.batches(), reason="this SDK has batches in its beta only")
@settings(max_examples=300, deadline=None)
@given(batches())
def test_results_of_a_batch_are_read_as_without_us_and_recorded_line_by_line(
    drawn: tuple[list[dict[str, Any]], list[bytes], int, bool],
) -> None:
    lines, chunks, stop_after, is_async = drawn
    bare, _ = _results(chunks, stop_after, is_async)
    with recording() as recorded:
        got, body = _results(chunks, stop_after, is_async)
        calls = {record.call.custom_id: record.call for record in recorded.records() if record.call.custom_id}
    assert got == bare
    there = b"".join(body.handed).decode(errors="ignore")
    come = [line for line in lines if json.dumps(line) + "\n" in there or json.dumps(line) + "\r" in there]
    if body.ended:
        come = lines
    assert list(calls) == [line["custom_id"] for line in come]
    for line in come:
        usage = line["result"]["message"]["usage"]
        call = calls[line["custom_id"]]
        assert (call.input_tokens, call.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
        # Half of 4 / 20 / 0.20 USD per million.
        millionths = usage["input_tokens"] * 2 + usage["output_tokens"] * 10
        assert call.cost_usd == (millionths + usage["cache_read_input_tokens"] * Decimal("0.1")) / 1_000_000


_BATCH: dict[str, Any] = {
    "id": "msgbatch_01tee",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-11-20T08:00:00Z",
    "expires_at": "2026-11-21T08:00:00Z",
    "results_url": "http://api.test/v1/messages/batches/msgbatch_01tee/results",
}


def _results(chunks: list[bytes], stop_after: int, is_async: bool) -> tuple[list[Any], Body]:
    body = _Stream(chunks, False)
    replies = [
        http.Response(200, json=_BATCH),
        http.Response(200, headers={"content-type": "application/x-jsonl"}, stream=body),
    ]
    got: list[Any] = []

    async def reply(_: Any) -> Any:
        return replies.pop(0)

    async def play() -> None:
        transport = http.MockTransport(reply)
        settings = {"http_client": http.AsyncClient(transport=transport), **sdk_tracing(None)}
        async with sdk.AsyncAnthropic(api_key="k", **settings) as client:
            lines = await client.messages.batches.results(_BATCH["id"])
            with _seeing_errors(got):
                async for line in lines:
                    got.append(described(line))
                    if len(got) > stop_after:
                        break
            await lines.close()

    if is_async:
        asyncio.run(play())
        return got, body
    sync = http.Client(transport=answering(*replies))
    with sdk.Anthropic(api_key="k", http_client=sync, **sdk_tracing(None)) as client:
        lines = client.messages.batches.results(_BATCH["id"])
        with _seeing_errors(got):  # the SDK's own, where `\r\n` is cut in two
            for line in lines:
                got.append(described(line))
                if len(got) > stop_after:
                    break
        lines.close()
    return got, body
