"""The receiver as an ASGI application: which path takes what, and what is answered.

Written without a framework: a request costs a third of what it costs with one, and there is no redirect, no default
page and no error page that could answer instead of us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.types import Receive, Scope, Send

from claude_telemetry_collector.receive import otlp
from claude_telemetry_collector.receive.body import Body, Gone, Limits, Room
from claude_telemetry_collector.receive.commit import GroupCommit
from claude_telemetry_collector.receive.inflate import CODINGS
from claude_telemetry_collector.receive.refusal import Refusal, put_off, too_large
from claude_telemetry_collector.segments import Arrival, Encoding, Signal

SIGNALS: Mapping[str, Signal] = {
    "/v1/traces": "traces",
    "/v1/logs": "logs",
    "/v1/metrics": "metrics",
    "/api/public/otel/v1/traces": "traces",  # where senders that are set up for Langfuse send
}
_ABOUT = ("/healthz", "/readyz")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    media_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Receiver:
    """One event loop's application. Bodies that it acknowledges are valid, and durable through `commit`."""

    def __init__(self, commit: GroupCommit, limits: Limits) -> None:
        self._commit = commit
        self._limits = limits
        self.room = Room(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        body = Body(receive, self._limits, self.room)
        try:
            answer = await self._answer_or_refusal(scope, headers, body)
        except Gone:
            return
        except asyncio.CancelledError:  # a stop has waited long enough
            answer = _refused(put_off("the collector is stopping"), headers, close=True)
        finally:
            body.give_back()
        await _send(send, answer)

    async def _answer_or_refusal(self, scope: Scope, headers: Mapping[str, str], body: Body) -> _Answer:
        try:
            return await self._answer(scope, headers, body)
        except Refusal as refusal:
            # Who asks before sending a body was given no permission, and may send it or not: only a new connection
            # is clear then.
            close = refusal.close or "expect" in headers or not await body.discard()
            return _refused(refusal, headers, close=close)

    async def _answer(self, scope: Scope, headers: Mapping[str, str], body: Body) -> _Answer:
        path, method = scope["path"], scope["method"]
        if path in _ABOUT:
            if method not in ("GET", "HEAD"):
                raise Refusal(405, f"{path} is read with GET", allow="GET, HEAD")
            return await self._about(path)
        signal = SIGNALS.get(path)
        if signal is None:
            raise Refusal(404, "nothing is received here: send OTLP to /v1/traces, /v1/logs or /v1/metrics")
        if method != "POST":
            raise Refusal(405, "OTLP is sent with POST", allow="POST")
        return await self._receive(signal, headers, body)

    async def _receive(self, signal: Signal, headers: Mapping[str, str], body: Body) -> _Answer:
        encoding = _encoding(headers)
        if encoding is None:
            raise Refusal(415, "this content-type is not read here: send application/x-protobuf or application/json")
        coding = _coding(headers)
        if self._commit.full:
            raise put_off("the collector is behind with landing what it has received")
        if _declared_bytes(headers) > self._limits.max_body_bytes:
            raise too_large(self._limits.max_body_bytes)
        content = await body.read(coding)
        otlp.check(signal, encoding, content)
        arrival = Arrival(signal=signal, encoding=encoding, received_at=datetime.now(UTC), body=content)
        try:
            await self._commit.commit(arrival)
        except OSError:
            raise put_off("the collector cannot write to its disk") from None
        return _Answer(200, otlp.MEDIA_TYPES[encoding], otlp.accepted(encoding))

    async def _about(self, path: str) -> _Answer:
        if path == "/healthz":
            return _Answer(200, "text/plain; charset=utf-8", b"alive\n")
        if self._commit.full:
            raise put_off("not ready: the collector is behind with landing what it has received")
        try:
            await self._commit.ready()
        except OSError as error:
            raise put_off(f"not ready: segments cannot be written ({error.strerror})") from None
        return _Answer(200, "text/plain; charset=utf-8", b"ready\n")


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
            415, "this content-encoding is not read here: send gzip, deflate or none", accept_encoding="gzip, deflate"
        )
    return coding


def _declared_bytes(headers: Mapping[str, str]) -> int:
    """What the sender says; 0 when it says nothing, as with a chunked body. What arrives is counted all the same."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _refused(refusal: Refusal, headers: Mapping[str, str], *, close: bool) -> _Answer:
    encoding = _encoding(headers) or "json"
    return _Answer(
        refusal.status,
        otlp.MEDIA_TYPES[encoding],
        otlp.refused(refusal.status, refusal.sentence, encoding),
        {**refusal.headers, **({"connection": "close"} if close else {})},
    )


async def _send(send: Send, answer: _Answer) -> None:
    headers = {"content-type": answer.media_type, "content-length": str(len(answer.body)), **answer.headers}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})
