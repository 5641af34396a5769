"""The receiver as an ASGI application: which path takes what, and what is answered.

Written without a framework: a request costs a third of what it costs with one, and there is no redirect, no default
page and no error page that could answer instead of us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from claude_telemetry_collector.receive import measures, otlp
from claude_telemetry_collector.receive.body import Body, Gone, Limits, Room
from claude_telemetry_collector.receive.inflate import CODINGS
from claude_telemetry_collector.receive.intake import Intake
from claude_telemetry_collector.receive.refusal import Refusal, put_off
from claude_telemetry_collector.segments import Encoding, Signal

SIGNALS: Mapping[str, Signal] = {
    "/v1/traces": "traces",
    "/v1/logs": "logs",
    "/v1/metrics": "metrics",
    "/api/public/otel/v1/traces": "traces",  # where senders that are set up for Langfuse send
}
_SAFE_TO_READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Answer:
    """To one request."""

    status: int
    media_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Receiver:
    """One event loop's application. Bodies that it acknowledges are valid, and durable."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.limits: Limits = intake.limits
        self.room = Room(intake.limits)
        self._more_readings: list[measures.ReadingsOf] = []

    def tells_also(self, readings: measures.ReadingsOf) -> None:
        """Adds what `/metrics` is to tell."""
        self._more_readings.append(readings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        body = Body(receive, self.limits, self.room)
        counts = self.intake.measures
        counts.in_flight += 1
        try:
            answer = await self._answer_or_refusal(scope, headers, body)
        except Gone:
            return
        except asyncio.CancelledError:  # a stop has waited long enough
            answer = self._refused(put_off("the collector is stopping", "stopping"), headers, close=True)
        finally:
            counts.in_flight -= 1
            counts.received_bytes += body.received_bytes
            body.give_back()
        await _send(send, answer)

    async def _answer_or_refusal(self, scope: Scope, headers: Mapping[str, str], body: Body) -> Answer:
        try:
            return await self._answer(scope, headers, body)
        except Refusal as refusal:
            # Who asks before sending a body was given no permission, and may send it or not: only a new connection
            # is clear then.
            close = refusal.close or "expect" in headers or not await body.discard()
            return self._refused(refusal, headers, close=close)
        except MemoryError:
            return self._refused(put_off("the collector is short of memory", "memory"), headers, close=True)

    async def _answer(self, scope: Scope, headers: Mapping[str, str], body: Body) -> Answer:
        path, method = scope["path"], scope["method"]
        signal = SIGNALS.get(path) or _signal_of(path)
        if signal is not None:
            if method != "POST":
                raise Refusal(405, "OTLP is sent with POST", reason="method", allow="POST")
            return await self._receive(signal, headers, body)
        if path not in ("/healthz", "/readyz", "/metrics"):
            raise Refusal(
                404, "nothing is received here: send OTLP to /v1/traces, /v1/logs or /v1/metrics", reason="path"
            )
        if method not in _SAFE_TO_READ:
            raise Refusal(405, f"{path} is read with GET", reason="method", allow="GET, HEAD")
        return await self._about(path, headers)

    async def _receive(self, signal: Signal, headers: Mapping[str, str], body: Body) -> Answer:
        intake = self.intake
        source = intake.admit(headers.get("authorization"))
        encoding = _encoding(headers)
        if encoding is None:
            raise Refusal(
                415,
                "this content-type is not read here: send application/x-protobuf or application/json",
                reason="content_type",
            )
        coding = _coding(headers)
        intake.check_size(source, _declared_bytes(headers))
        content = await body.read(coding, intake.most_bytes(source))
        checked = await intake.keep(signal, encoding, content, source, "http")
        return Answer(200, otlp.MEDIA_TYPES[encoding], otlp.accepted(signal, encoding, checked))

    async def _about(self, path: str, headers: Mapping[str, str]) -> Answer:
        if path == "/healthz":
            return Answer(200, "text/plain; charset=utf-8", b"alive\n")
        if path == "/metrics":
            self.intake.sources.admit(headers.get("authorization"))
            return Answer(200, measures.MEDIA_TYPE, self.intake.measures.exposition(self._readings()))
        self.intake.check_room("not ready: ")
        try:
            await self.intake.commit.ready()
        except OSError as error:
            raise put_off(f"not ready: segments cannot be written ({error.strerror})", "disk") from None
        return Answer(200, "text/plain; charset=utf-8", b"ready\n")

    def _readings(self) -> Iterable[measures.Reading]:
        for readings in (self.intake.commit.readings, *self._more_readings):
            try:
                yield from readings()
            except OSError:  # what cannot be read is left out
                continue

    def _refused(self, refusal: Refusal, headers: Mapping[str, str], *, close: bool) -> Answer:
        self.intake.refused(refusal, "http")
        return answer_of(refusal, _encoding(headers) or "json", close=close)


def answer_of(refusal: Refusal, encoding: Encoding, *, close: bool) -> Answer:
    """How a refusal is told."""
    return Answer(
        refusal.status,
        otlp.MEDIA_TYPES[encoding],
        otlp.refused(refusal.status, refusal.sentence, encoding),
        {**refusal.headers, **({"connection": "close"} if close else {})},
    )


def _signal_of(path: str) -> Signal | None:
    """What is sent there, by the path's end: exporters put a prefix before it, or a slash behind it."""
    start = path.rfind("/v1/")
    return SIGNALS.get(path[start:].rstrip("/")) if start >= 0 else None


def _headers(scope: Scope) -> dict[str, str]:
    """By name; a header that is there several times is one list, as HTTP has it."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        key = name.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _encoding(headers: Mapping[str, str]) -> Encoding | None:
    return otlp.ENCODINGS.get(headers.get("content-type", "").partition(";")[0].strip().lower())


def _coding(headers: Mapping[str, str]) -> str:
    coding = headers.get("content-encoding", "").strip().lower() or "identity"
    if coding not in CODINGS:
        raise Refusal(
            415,
            "this content-encoding is not read here: send gzip, zstd, deflate or none",
            reason="content_encoding",
            accept_encoding="gzip, zstd, deflate",
        )
    return coding


def _declared_bytes(headers: Mapping[str, str]) -> int:
    """What the sender says; 0 when it says nothing, as with a chunked body. What arrives is counted all the same."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


async def _send(send: Send, answer: Answer) -> None:
    headers = {"content-type": answer.media_type, "content-length": str(len(answer.body)), **answer.headers}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})
