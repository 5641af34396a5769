"""Answers byte for byte, for what a real server would hardly send twice in the same way."""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from claude_telemetry.fake import Served, wire
from tests.scenarios import needs
from tests.scenarios.app import App
from tests.scenarios.asking import OPUS, USAGE
from tests.support.recorded import http_library

http = http_library()

HELLO = {"type": "text", "text": "naïve café ☕, and 7 more words to say"}


class _Pieces:
    """A body that comes in these pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


# The HTTP library wants streams to be of its own kinds, and which library that is comes to light at run time only.
Chunks: Callable[[Sequence[bytes]], Any] = type("Chunks", (_Pieces, http.SyncByteStream, http.AsyncByteStream), {})


def message(usage: dict[str, Any] = USAGE, **fields: Any) -> dict[str, Any]:
    """A whole answer of the API."""
    return {
        "id": wire.new_id("msg_01"),
        "type": "message",
        "role": "assistant",
        "model": OPUS,
        "content": [HELLO],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
        **fields,
    }


def sse(whole: dict[str, Any]) -> bytes:
    """The same as a stream."""
    return b"".join(map(wire.frame, wire.events(whole)))


def json_response(whole: Any, /, **headers: str) -> Any:
    return response([json.dumps(whole).encode()], **{"content-type": "application/json", **headers})


def sse_response(pieces: Sequence[bytes], /, **headers: str) -> Any:
    return response(pieces, **{"content-type": "text/event-stream; charset=utf-8", **headers})


def response(pieces: Sequence[bytes], status: int = 200, /, **headers: str) -> Any:
    return http.Response(status, headers={"request-id": "req_mock", **headers}, stream=Chunks(pieces))


def pieces_of(body: bytes, length: int) -> list[bytes]:
    return [body[at : at + length] for at in range(0, len(body), length)]


def truth(whole: dict[str, Any], *, stream: bool = False) -> Served:
    """What the ledger would say of it."""
    return Served(
        request_id="req_mock",
        path="/v1/messages",
        status=200,
        message_id=whole["id"],
        model=whole["model"],
        usage=whole["usage"],
        stop_reason=whole["stop_reason"],
        stream=stream,
    )


def mocked(app: App, *responses: Any, **settings: Any) -> Any:
    """A client with a transport that has these answers."""
    return app.client(http_client=http.Client(transport=answering(*responses)), **settings)


def answering(*responses: Any) -> Any:
    """A transport that has these answers."""
    left = list(responses)

    def answer(_: Any) -> Any:
        return left.pop(0)

    return http.MockTransport(answer)


def mocked_async(app: App, *responses: Any, **settings: Any) -> Any:
    left = list(responses)

    async def answer(_: Any) -> Any:
        return left.pop(0)

    return app.async_client(http_client=http.AsyncClient(transport=http.MockTransport(answer)), **settings)


def deflated(body: bytes) -> bytes:
    return zlib.compress(body)


def brotlied(body: bytes) -> bytes:
    brotli: Any = importlib.import_module("brotli")
    packed: bytes = brotli.compress(body)
    return packed


def zstandarded(body: bytes) -> bytes:
    zstd: Any = importlib.import_module("backports.zstd" if needs.httpx2() else "zstandard")
    packed: bytes = zstd.compress(body)
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": deflated,
    "br": brotlied,
    "zstd": zstandarded,
}
