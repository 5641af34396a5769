"""Nothing leaves the process that it was not meant to: each secret place of a call holds a word that no sink may have.

Every sort of call is made with such a *canary* in the key, the headers, the texts, the tools, the errors; and then
every byte that left is searched for them.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

import claude_telemetry
from claude_telemetry.fake import aws_frames, wire
from claude_telemetry.guard import slips
from tests.scenarios import needs
from tests.scenarios.app import sdk
from tests.scenarios.asking import AT_ONCE, OPUS, PLAIN
from tests.scenarios.bodies import answering, http, json_response, message, response, sse, sse_response
from tests.scenarios.scenario import sdk_traces

SECRETS = (
    "api-key", "auth-token", "default-header", "extra-header", "default-query", "extra-query", "extra-body",
    "base-user", "base-password", "base-query", "metadata", "answer-header", "cookie", "connection-error",
    "middleware-error", "echoed-key", "aws-secret", "aws-session", "endpoint-user", "endpoint-query",
)  # fmt: skip
"""What nobody may see, whatever is asked for."""
CONTENT = (
    "system", "question", "earlier-answer", "tool-description", "tool-schema", "tool-input", "tool-result",
    "answer", "thinking", "tool-use", "batch-question", "batch-answer", "batch-error", "session-text", "prefill",
    "stop-sequence", "echoed-question", "error-page", "stream-error", "document", "own-tool-input",
    "own-tool-output", "own-tool-error", "completion", "cut-answer", "runner-input", "runner-output",
)  # fmt: skip
"""What people and models wrote: for the application's own spans, if it asks for that."""


def canary(place: str) -> str:
    assert place in SECRETS + CONTENT
    return f"zq{place.replace('-', '')}qz"


TOOL = {
    "name": "get_weather",
    "description": canary("tool-description"),
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": canary("tool-schema")}},
    },
}
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": canary("question")},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": canary("earlier-answer")},
            {"type": "tool_use", "id": "toolu_0", "name": "get_weather", "input": {"city": canary("tool-input")}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_0", "content": canary("tool-result")},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": canary("document")},
                "title": canary("document"),
            },
        ],
    },
]
ASK: dict[str, Any] = {
    "model": OPUS,
    "max_tokens": 100,
    "system": [{"type": "text", "text": canary("system"), "cache_control": {"type": "ephemeral"}}],
    "messages": MESSAGES,
    "tools": [TOOL],
    "stop_sequences": [canary("stop-sequence")],
    "metadata": {"user_id": "u_1", "note": canary("metadata")},
    "extra_headers": {"x-trace-me": canary("extra-header"), "x-api-key-2": canary("extra-header")},
    "extra_query": {"token": canary("extra-query")},
    "extra_body": {"secret": canary("extra-body"), "nested": {"secret": [canary("extra-body")]}},
}
ANSWER: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": canary("thinking"), "signature": canary("thinking")},
    {"type": "text", "text": canary("answer") + " and more"},
    {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": canary("tool-use")}},
]
HEADERS = {"x-internal": canary("answer-header"), "set-cookie": f"session={canary('cookie')}"}


def answer() -> dict[str, Any]:
    return message(content=ANSWER, stop_reason="tool_use")


def told_error(kind: str, *echoes: str) -> bytes:
    text = f"{kind}: {' '.join(canary(echo) for echo in echoes)}"
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}).encode()


@dataclass
class App:
    """An application that has a secret wherever one can be."""

    tracing: dict[str, Any]
    texts: list[str] = field(default_factory=list[str])

    def settings(self, handler: Any, *, is_async: bool = False, **further: Any) -> dict[str, Any]:
        """What a client of any platform is made with."""
        kind = http.AsyncClient if is_async else http.Client
        return {
            "base_url": (
                f"http://{canary('base-user')}:{canary('base-password')}@api.test/?token={canary('base-query')}"
            ),
            "http_client": kind(transport=handler),
            "default_headers": {"x-team": canary("default-header")},
            "default_query": {"team": canary("default-query")},
            **self.tracing,
            **further,
        }

    def client(self, *responses: Any, **further: Any) -> Any:
        return sdk.Anthropic(api_key=canary("api-key"), **self.settings(answering(*responses), **further))

    def async_client(self, *responses: Any) -> Any:
        left = list(responses)

        async def reply(_: Any) -> Any:
            return left.pop(0)

        transport = http.MockTransport(reply)
        return sdk.AsyncAnthropic(auth_token=canary("auth-token"), **self.settings(transport, is_async=True))


Call = Callable[[App], None]


def whole(app: App) -> None:
    with app.client(json_response(answer(), **HEADERS)) as client:
        client.messages.create(**ASK)


def streamed(app: App) -> None:
    body = sse(answer())
    with app.client(sse_response([body[:900], body[900:]], **HEADERS), sse_response([body])) as client:
        for _ in client.messages.create(**ASK, stream=True):
            pass
        with client.messages.stream(**ASK) as events:
            events.get_final_message()


def closed_early(app: App) -> None:
    body = sse(answer())
    with app.client(sse_response([body[:1500], body[1500:]])) as client:
        events = client.messages.create(**ASK, stream=True)
        next(events)
        next(events)
        events.close()


def cut(app: App) -> None:
    class Cut:
        def __iter__(self) -> Generator[bytes]:
            yield sse(answer())[:1200]
            raise http.ReadError(canary("cut-answer"))

    body: Any = type("Body", (Cut, http.SyncByteStream), {})()
    cut_off = http.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
    with app.client(cut_off) as client, suppress(sdk.APIError, http.ReadError):
        for _ in client.messages.create(**ASK, stream=True):
            pass


def errors(app: App) -> None:
    """Which echo what they complain of."""
    is_json = {"content-type": "application/json", **HEADERS}
    answers = [
        response([told_error("invalid_request_error", "echoed-question", "question")], 400, **is_json),
        response([told_error("authentication_error", "echoed-key", "api-key")], 401, **is_json),
        response([f"<p>{canary('error-page')}</p>".encode()], 502, **{"content-type": "text/html", **AT_ONCE}),
        response([told_error("overloaded_error", "echoed-question")], 529, **is_json, **AT_ONCE),
        response([told_error("not_found_error", "echoed-question")], 404, **is_json),
    ]
    for reply in answers:
        with app.client(reply, max_retries=0) as client, suppress(sdk.APIError):
            client.messages.create(**ASK)
    with app.client(*answers[2:]) as client, suppress(sdk.APIError):
        client.messages.create(**ASK)


def error_in_a_stream(app: App) -> None:
    broken = b"event: error\ndata: " + told_error("api_error", "stream-error") + b"\n\n"
    no_json = b"event: message_delta\ndata: {" + canary("stream-error").encode() + b"\n\n"
    for further in (broken, no_json):
        with app.client(sse_response([further])) as client, suppress(sdk.APIError, ValueError):
            for _ in client.messages.create(**ASK, stream=True):
                pass


def unreachable(app: App) -> None:
    def refuse(_: Any) -> Any:
        raise http.ConnectError(canary("connection-error"))

    settings = app.settings(http.MockTransport(refuse), max_retries=0)
    with sdk.Anthropic(api_key=canary("api-key"), **settings) as client, suppress(sdk.APIError):
        client.messages.create(**ASK)


def failing_middleware(app: App) -> None:
    def middleware(request: Any, call_next: Any) -> Any:
        raise LookupError(canary("middleware-error"))

    with app.client(middleware=[middleware]) as client, suppress(LookupError):
        client.messages.create(**ASK)


def raw(app: App) -> None:
    with app.client(json_response(answer(), **HEADERS), json_response(answer(), **HEADERS)) as client:
        client.messages.with_raw_response.create(**ASK)
        with client.messages.with_streaming_response.create(**ASK) as read:
            b"".join(read.iter_bytes())


def counted(app: App) -> None:
    asked = {name: ASK[name] for name in ("model", "messages", "system", "tools", "extra_headers", "extra_query")}
    with app.client(json_response({"input_tokens": 12}, **HEADERS)) as client:
        client.messages.count_tokens(**asked)


def completed(app: App) -> None:
    whole = {
        "id": "compl_1", "type": "completion", "model": "claude-2.1", "stop_reason": "stop_sequence",
        "completion": canary("completion"), "stop": canary("stop-sequence"),
    }  # fmt: skip
    with app.client(json_response(whole)) as client:
        client.completions.create(model="claude-2.1", max_tokens_to_sample=10, prompt=canary("question"))


BATCH: dict[str, Any] = {
    "id": "msgbatch_01canary",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0},
    "created_at": "2026-11-20T08:00:00Z",
    "expires_at": "2026-11-21T08:00:00Z",
    "results_url": f"http://api.test/v1/messages/batches/msgbatch_01canary/results?sig={canary('base-query')}",
}


def batch(app: App) -> None:
    text = [{"type": "text", "text": canary("batch-answer")}]
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": canary("batch-error")}}
    lines = [
        {"custom_id": "a", "result": {"type": "succeeded", "message": message(PLAIN, content=text)}},
        {"custom_id": "b", "result": {"type": "errored", "error": error}},
    ]
    results = response(
        [json.dumps(line).encode() + b"\n" for line in lines], **{"content-type": "application/x-jsonl", **HEADERS}
    )
    params = {"model": OPUS, "max_tokens": 10, "messages": [{"role": "user", "content": canary("batch-question")}]}
    with app.client(json_response(BATCH), json_response(BATCH), results) as client:
        batches = client.messages.batches
        batches.create(requests=[{"custom_id": "a", "params": params}, {"custom_id": "b", "params": params}])
        list(batches.results(BATCH["id"]))


def session(app: App) -> None:
    text = [{"type": "text", "text": canary("session-text")}]
    events: list[dict[str, Any]] = [
        {"id": "sevt_1", "type": "user.message", "content": text, "processed_at": "2026-11-20T08:00:00Z"},
        {"id": "sevt_2", "type": "agent.message", "content": text, "processed_at": "2026-11-20T08:00:00Z"},
        {
            "id": f"sevt_{id(app)}", "type": "span.model_request_end", "model_usage": PLAIN, "is_error": False,
            "model_request_start_id": "sevt_0", "processed_at": "2026-11-20T08:00:00Z",
        },
    ]  # fmt: skip
    agent = {"id": "agent_1", "type": "agent", "version": 1, "model": {"id": OPUS}, "system": canary("session-text")}
    told = {"id": "sesn_1", "type": "session", "agent": agent, "status": "idle", "title": canary("session-text")}
    stream = b"".join(map(wire.frame, events))
    page = {"data": events, "has_more": False}
    with app.client(json_response(told), sse_response([stream]), json_response(page)) as client:
        client.beta.sessions.retrieve("sesn_1")
        list(client.beta.sessions.events.stream("sesn_1"))
        list(client.beta.sessions.events.list("sesn_1"))


def asynchronous(app: App) -> None:
    async def play() -> None:
        replies = [
            json_response(answer(), **HEADERS),
            sse_response([sse(answer())]),
            response([told_error("authentication_error", "echoed-key")], 401, **{"content-type": "application/json"}),
        ]
        async with app.async_client(*replies) as client:
            await client.messages.create(**ASK)
            async for _ in await client.messages.create(**ASK, stream=True):
                pass
            with suppress(sdk.APIError):
                await client.messages.create(**ASK)

    asyncio.run(play())


def bedrock(app: App) -> None:
    frames = [aws_frames.chunk(event) for event in wire.events(answer())]
    frames_type = {"content-type": aws_frames.CONTENT_TYPE}
    replies = [
        json_response(answer(), **HEADERS),
        response(frames, **frames_type),
        response([*frames[:3], aws_frames.exception("throttlingException", canary("stream-error"))], **frames_type),
        response([told_error("validation_error", "echoed-question")], 400, **{"content-type": "application/json"}),
    ]
    settings = app.settings(answering(*replies), max_retries=0)
    client = sdk.AnthropicBedrock(
        aws_access_key=canary("aws-secret"),
        aws_secret_key=canary("aws-secret"),
        aws_session_token=canary("aws-session"),
        aws_region="us-east-1",
        **settings,
    )
    asked = {**ASK, "model": "global.anthropic.claude-opus-5-5"}
    with client:
        client.messages.create(**asked)
        for _ in range(2):
            with suppress(sdk.APIError, ValueError):
                list(client.messages.create(**asked, stream=True))
        with suppress(sdk.APIError):
            client.messages.create(**asked)


def own_tools(app: App) -> None:
    """Tools of the application under our decorator, whose content is to be seen on its spans."""

    @claude_telemetry.tool(record_input=True, record_output=True)
    def get_weather(city: str) -> str:
        if city == "nowhere":
            raise LookupError(canary("own-tool-error"))
        return canary("own-tool-output")

    whole(app)
    get_weather(canary("own-tool-input"))
    with suppress(LookupError):
        get_weather("nowhere")


def tool_runner(app: App) -> None:
    """The SDK's, which makes spans of its own."""

    def get_weather(city: str) -> str:
        """Tells the weather.

        Args:
            city: Where.
        """
        return canary("runner-output")

    use = {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": canary("runner-input")}}
    first = message(content=[use], stop_reason="tool_use")
    asked = {name: ASK[name] for name in ("model", "max_tokens", "system", "messages")}
    with app.client(json_response(first), json_response(message())) as client:
        client.beta.messages.tool_runner(**asked, tools=[sdk.beta_tool(get_weather)]).until_done()


def _calls() -> Iterator[Call]:
    yield from (
        whole,
        streamed,
        closed_early,
        cut,
        errors,
        error_in_a_stream,
        unreachable,
        raw,
        asynchronous,
        own_tools,
    )
    if needs.middleware():
        yield failing_middleware
    if needs.count_tokens():
        yield counted
    if needs.completions():
        yield completed
    if needs.batches():
        yield batch
    if needs.sessions():
        yield session
    if needs.tool_runner():
        yield tool_runner
    if needs.botocore():
        yield bedrock


CALLS = list(_calls())


def all_of_them(app: App) -> None:
    for call in CALLS:
        call(app)


@dataclass
class Leaving:
    """Every byte that leaves, by where it goes."""

    delivered: list[bytes] = field(default_factory=list[bytes])
    disk: list[bytes] = field(default_factory=list[bytes])
    told: list[str] = field(default_factory=list[str])
    """In logs, warnings and counts of slips."""
    measured: str = ""
    spans: list[ReadableSpan] = field(default_factory=list[ReadableSpan])
    """Of the application's own provider."""

    def found(self, places: Sequence[str]) -> set[tuple[str, str]]:
        """Where which canary sits."""
        sinks: dict[str, list[bytes]] = {
            "delivered": self.delivered,
            "disk": self.disk,
            "told": [text.encode() for text in self.told],
            "measured": [self.measured.encode()],
            "spans": [span.to_json().encode() for span in self.spans],
        }
        return {
            (sink, place)
            for sink, texts in sinks.items()
            for place in places
            for text in texts
            if _holds(text, canary(place))
        }


def _holds(data: bytes, word: str) -> bool:
    """Whether `data` has `word`, as it is, in capitals, in base 64 or in hexadecimal digits."""
    forms = {word.encode(), word.upper().encode(), word.encode().hex().encode(), word[::-1].encode()}
    for offset in range(3):
        packed = base64.b64encode(b"\0" * offset + word.encode())
        forms.add(packed[(offset * 4 + 2) // 3 + 1 : -4])
    return any(form in data for form in forms)


def _unpacked(data: bytes) -> list[bytes]:
    """`data`, and what is gzipped in it."""
    found = [data]
    for start in (match.start() for match in re.finditer(b"\x1f\x8b\x08", data)):
        with suppress(zlib.error):
            found.append(zlib.decompressobj(wbits=31).decompress(data[start:]))
    return found


@contextmanager
def _receiver(kept: list[bytes]) -> Generator[str]:
    """Keeps whole requests, headers and all, unpacked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.extend([f"{self.requestline}\n{self.headers}".encode(), *_unpacked(body)])
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Kept(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record) + repr(record.args))


@contextmanager
def _telling(kept: list[str]) -> Generator[None]:
    """Keeps what our log and OpenTelemetry's say, and warnings."""
    handler = _Kept(kept)
    loggers = [logging.getLogger(name) for name in ("claude_telemetry", "opentelemetry")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
        kept.extend(str(warning.message) for warning in warned)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def leaving(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    tracing: str,
    receiver: bool = True,
    sampled: bool = True,
    content: str | None = None,
) -> Leaving:
    """Makes `call`, and gives what has left by then. `tracing` is `own`, `sdk`, `sdk with content` or `none`."""
    left = Leaving()
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("claude_telemetry.guard._slips", Counter[str]())
    monkeypatch.setenv("CLAUDE_TELEMETRY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLAUDE_TELEMETRY_SPOOL", str(tmp_path / "spool"))
    with _telling(left.told), _receiver(left.delivered) as url:
        settings: dict[str, Any] = {"tracer_provider": provider} if tracing != "none" else {}
        claude_telemetry.instrument(
            endpoint=url if receiver else NOBODY_THERE,
            meter_provider=meters,
            capture_content=content,
            **settings,
        )
        try:
            call(App(_client_tracing(tracing, provider)))
            left.measured = str(data.to_json()) if (data := reader.get_metrics_data()) is not None else ""
            claude_telemetry.flush(5 if receiver else 0.2)
        finally:
            claude_telemetry.uninstrument()
    left.told.append(json.dumps(slips()))
    left.spans = list(exporter.get_finished_spans())
    left.disk = [part for path in tmp_path.rglob("*") if path.is_file() for part in _unpacked(path.read_bytes())]
    assert receiver is bool(left.delivered)
    return left


def _client_tracing(tracing: str, provider: TracerProvider) -> dict[str, Any]:
    if not sdk_traces():
        return {}
    match tracing:
        case "sdk":
            return {"open_telemetry": {"tracer_provider": provider}}
        case "sdk with content":
            return {"open_telemetry": {"tracer_provider": provider, "traces": {"content_mode": "content"}}}
        case _:
            return {"open_telemetry": {"traces": False}}


NOBODY_THERE = f"http://{canary('endpoint-user')}:pw@127.0.0.1:9/?token={canary('endpoint-query')}"
WAYS = ["own", "none", *(["sdk"] if sdk_traces() else [])]


@pytest.mark.parametrize("tracing", WAYS)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_nothing_secret_and_nothing_written_leaves(
    call: Call, tracing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leaving(call, tmp_path, monkeypatch, tracing=tracing)
    expected: set[tuple[str, str]] = set()
    if call is own_tools and tracing != "none":
        # Its own policy asked for it, on its own spans.
        expected = {("spans", "own-tool-input"), ("spans", "own-tool-output")}
    assert left.found(SECRETS + CONTENT) == expected
    assert "gen_ai.client.operation.duration" in left.measured


def test_a_canary_is_found_however_it_is_packed() -> None:
    word = canary("answer")
    packed = gzip.compress(word.encode())
    for form in (word.encode(), base64.b64encode(b"x" + word.encode()), word.encode().hex().encode()):
        assert _holds(b"some" + form + b"thing", word)
    assert any(_holds(part, word) for part in _unpacked(b"frame" + packed + b"frame"))
    assert not _holds(b"something else", word)


def test_an_address_that_cannot_be_used_is_told_without_what_is_secret_in_it(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    claude_telemetry.instrument(endpoint=f"{canary('endpoint-user')}:pw@collector.test:4318")
    claude_telemetry.uninstrument()
    assert "collector.test:4318" in caplog.text
    assert canary("endpoint-user") not in caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("sampled", [True, False])
def test_nothing_secret_and_nothing_written_waits_on_disk(
    sampled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leaving(all_of_them, tmp_path, monkeypatch, tracing="own", receiver=False, sampled=sampled)
    assert any(b"anthropic.messages.create" in data for data in left.disk)
    assert {found for found in left.found(SECRETS + CONTENT) if found[0] != "spans"} == set()


@pytest.mark.parametrize("tracing", WAYS)
@pytest.mark.parametrize("receiver", [True, False])
@pytest.mark.parametrize("content", ["SPAN_ONLY", "EVENT_ONLY"])
def test_content_that_is_asked_for_is_on_the_applications_spans_and_nowhere_else(
    tracing: str, receiver: bool, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leaving(all_of_them, tmp_path, monkeypatch, tracing=tracing, receiver=receiver, content=content)
    found = left.found(SECRETS + CONTENT)
    if tracing == "none":
        assert found == set()
        return
    wanted = {"system", "question", "earlier-answer", "tool-description", "tool-schema", "tool-input", "tool-result"}
    wanted |= {"answer", "thinking", "tool-use"}
    assert {place for _, place in found} >= wanted
    assert {sink for sink, _ in found} == {"spans"}
    assert {place for _, place in found} & set(SECRETS) == set()


@pytest.mark.skipif(not sdk_traces(), reason="this SDK has no tracing of its own")
def test_content_that_the_sdk_records_stays_on_the_applications_spans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leaving(all_of_them, tmp_path, monkeypatch, tracing="sdk with content")
    found = left.found(SECRETS + CONTENT)
    assert {("spans", "question"), ("spans", "answer"), ("spans", "runner-output")} <= found
    assert {sink for sink, _ in found} == {"spans"}
    assert {place for _, place in found} & set(SECRETS) == set()
