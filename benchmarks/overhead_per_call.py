"""What recording a call costs the application: CPU time per call, beside the same call without us.

    python -m benchmarks.overhead_per_call [ROUNDS]

The transport is a function in this process, so no network is in the figures. Each round times every variant in a new
order; the figure is the median of the rounds. Delivery to a collector is on, to a sink that reads and forgets.
"""

from __future__ import annotations

import json
import platform
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import httpx2
from opentelemetry.sdk.trace import TracerProvider

import claude_telemetry

CALLS = 300
USAGE = {
    "input_tokens": 120,
    "cache_read_input_tokens": 3000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
    "output_tokens": 45,
    "service_tier": "standard",
}
ASK: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


def message(text: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": USAGE,
    }


def stream_of(deltas: int) -> bytes:
    start: dict[str, Any] = {**message(""), "content": [], "usage": {**USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "some words "}}
            for _ in range(deltas)
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 45}},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


class _Chunks(httpx2.SyncByteStream):
    """A body that comes event by event."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Generator[bytes]:
        for event in self._body.split(b"\n\n")[:-1]:
            yield event + b"\n\n"


def _json_transport(text: str) -> httpx2.MockTransport:
    body = json.dumps(message(text)).encode()
    return httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=body, headers={"content-type": "application/json"})
    )


def _stream_transport(deltas: int) -> httpx2.MockTransport:
    body = stream_of(deltas)
    return httpx2.MockTransport(
        lambda _: httpx2.Response(200, stream=_Chunks(body), headers={"content-type": "text/event-stream"})
    )


SCENARIOS: dict[str, tuple[Callable[[], httpx2.MockTransport], bool]] = {
    "JSON, 0.6 kB": (lambda: _json_transport("x" * 100), False),
    "JSON, 40 kB": (lambda: _json_transport("x" * 40_000), False),
    "stream, 10 events": (lambda: _stream_transport(5), True),
    "stream, 306 events": (lambda: _stream_transport(301), True),
}
VARIANTS = ("without", "own span", "SDK's span", "SDK's span completed")


@contextmanager
def _sink() -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _microseconds_per_call(transport: httpx2.MockTransport, *, stream: bool, variant: str, sink: str) -> float:
    provider = TracerProvider(shutdown_on_exit=False)
    tracing: dict[str, Any] = {"tracer_provider": provider} if variant.startswith("SDK") else {"traces": False}
    if variant in ("own span", "SDK's span completed"):
        claude_telemetry.instrument(tracer_provider=provider, endpoint=sink, flush_interval=60)
    options: Any = tracing
    http = httpx2.Client(transport=transport)
    with anthropic.Anthropic(api_key="k", http_client=http, open_telemetry=options) as client:

        def ask() -> None:
            if stream:
                for _ in client.messages.create(stream=True, **ASK):
                    pass
            else:
                client.messages.create(**ASK)

        for _ in range(5):
            ask()
        start = time.thread_time_ns()
        for _ in range(CALLS):
            ask()
        spent_ns = time.thread_time_ns() - start
    claude_telemetry.uninstrument()
    provider.shutdown()
    return spent_ns / CALLS / 1000


def main(rounds: int) -> None:
    """Prints a line for each scenario: microseconds without us, and what each variant adds, with its ratio."""
    print(f"{platform.machine()}, Python {platform.python_version()}, anthropic {anthropic.__version__}")
    print(f"CPU µs per call, median of {rounds} rounds of {CALLS} calls; + what is added, × the ratio to without")
    with _sink() as sink:
        for name, (transport, stream) in SCENARIOS.items():
            times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
            for _ in range(rounds):
                for variant in random.sample(VARIANTS, len(VARIANTS)):
                    times[variant].append(
                        _microseconds_per_call(transport(), stream=stream, variant=variant, sink=sink)
                    )
            medians = {variant: statistics.median(values) for variant, values in times.items()}
            bare = medians["without"]
            added = "   ".join(
                f"{variant} +{medians[variant] - bare:.0f} ×{medians[variant] / bare:.2f}" for variant in VARIANTS[1:]
            )
            print(f"{name:20} {bare:6.0f}   {added}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
