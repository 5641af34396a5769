"""What recording costs the application: CPU time per call beside the same call without us; and `instrument()`.

    python -m benchmarks.overhead [ROUNDS]

The transport is a function in this process, so no network is in the figures. Each round times every variant in a new
order; a figure is the median of the rounds. Delivery goes to a sink in a process of its own.

Two figures for each variant: CPU of the thread that makes the calls, which is what its caller waits for; and CPU of the
whole process until all is delivered, which is what the machine pays.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
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
        self._events = [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]

    def __iter__(self) -> Generator[bytes]:
        yield from self._events


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
    "stream, 200 events": (lambda: _stream_transport(195), True),
    "stream, 306 events": (lambda: _stream_transport(301), True),
}
WITHOUT, NATIVE, ADOPTED, OWN, ALONE = (
    "without",
    "the SDK's tracing",
    "the SDK's span, completed",
    "own span in the application's tracing",
    "application without tracing",
)
VARIANTS = (WITHOUT, NATIVE, ADOPTED, OWN, ALONE)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of one call, in microseconds."""

    thread: float
    process: float


@contextmanager
def _sink() -> Generator[str]:
    """A receiver that reads and forgets, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as sink:  # noqa: S603
        assert sink.stdout is not None
        try:
            yield sink.stdout.readline().strip()
        finally:
            sink.kill()


def _be_the_sink() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


def _per_call(transport: httpx2.MockTransport, *, stream: bool, variant: str, sink: str) -> Cost:
    provider = TracerProvider(shutdown_on_exit=False)
    tracing: dict[str, Any] = {"tracer_provider": provider} if variant in (NATIVE, ADOPTED) else {"traces": False}
    if variant in (ADOPTED, OWN):
        claude_telemetry.instrument(tracer_provider=provider, endpoint=sink, flush_interval=60)
    elif variant == ALONE:
        claude_telemetry.instrument(endpoint=sink, flush_interval=60)
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
        claude_telemetry.flush()
        process_ns, thread_ns = time.process_time_ns(), time.thread_time_ns()
        for _ in range(CALLS):
            ask()
        thread_ns = time.thread_time_ns() - thread_ns
        claude_telemetry.flush()
        process_ns = time.process_time_ns() - process_ns
    claude_telemetry.uninstrument()
    provider.shutdown()
    return Cost(thread_ns / CALLS / 1000, process_ns / CALLS / 1000)


_INSTRUMENT = """
import resource, sys, time
import anthropic, claude_telemetry
def mebibytes():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
before, start_ns = mebibytes(), time.process_time_ns()
claude_telemetry.instrument(endpoint=sys.argv[1])
print((time.process_time_ns() - start_ns) / 1e6, mebibytes() - before)
"""


def _instrument_once(sink: str) -> tuple[float, float]:
    """CPU ms and MiB of `instrument()` in a fresh process that has imported `anthropic`."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _INSTRUMENT, sink], capture_output=True, text=True, check=True, env=os.environ
    )
    cpu_ms, mebibytes = done.stdout.split()
    return float(cpu_ms), float(mebibytes)


def _show(name: str, medians: dict[str, Cost]) -> None:
    bare = medians[WITHOUT]
    print(f"\n{name}: {bare.thread:.0f} µs without")
    for variant in VARIANTS[1:]:
        cost = medians[variant]
        print(
            f"  {variant:38} +{cost.thread - bare.thread:5.0f} ×{cost.thread / bare.thread:.2f}"
            f"   whole process +{cost.process - bare.process:5.0f} ×{cost.process / bare.process:.2f}"
        )


def _goals(medians: dict[str, dict[str, Cost]], instrument: tuple[float, float]) -> None:
    def added(scenario: str, variant: str) -> float:
        return medians[scenario][variant].thread - medians[scenario][WITHOUT].thread

    def of_native(scenario: str) -> float:
        return added(scenario, ADOPTED) / added(scenario, NATIVE)

    def ratio(scenario: str, variant: str) -> float:
        return medians[scenario][variant].thread / medians[scenario][WITHOUT].thread

    json_call, short, long = "JSON, 0.6 kB", "stream, 200 events", "stream, 306 events"
    goals = [
        ("the SDK's span completed, JSON: × what its tracing adds", of_native(json_call), 1.5),
        ("the SDK's span completed, 200 events: × what its tracing adds", of_native(short), 1.5),
        ("own span, JSON: × without", ratio(json_call, OWN), 1.25),
        ("own span, 306 events: × without", ratio(long, OWN), 1.15),
        ("no tracing in the application, JSON: × without", ratio(json_call, ALONE), 1.25),
        ("no tracing in the application, 306 events: × without", ratio(long, ALONE), 1.15),
        ("instrument(), CPU ms", instrument[0], 60.0),
        ("instrument(), MiB", instrument[1], 15.0),
    ]  # fmt: skip
    print("\ngoals")
    for name, figure, goal in goals:
        print(f"  {'met   ' if figure <= goal else 'MISSED'} {name}: {figure:.2f}, goal {goal:g}")


def main(rounds: int) -> None:
    """Prints a table for each scenario, and the goals."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", end=", ")
    print(f"anthropic {anthropic.__version__}, median of {rounds} rounds of {CALLS} calls, CPU µs per call")
    all_medians: dict[str, dict[str, Cost]] = {}
    with _sink() as sink:
        instrument = [_instrument_once(sink) for _ in range(5)]
        for name, (transport, stream) in SCENARIOS.items():
            costs: dict[str, list[Cost]] = {variant: [] for variant in VARIANTS}
            for _ in range(rounds):
                for variant in random.sample(VARIANTS, len(VARIANTS)):
                    costs[variant].append(_per_call(transport(), stream=stream, variant=variant, sink=sink))
            medians = {
                variant: Cost(
                    statistics.median(cost.thread for cost in found), statistics.median(cost.process for cost in found)
                )
                for variant, found in costs.items()
            }
            all_medians[name] = medians
            _show(name, medians)
    cpu_ms, mebibytes = (statistics.median(figures) for figures in zip(*instrument, strict=True))
    print(f"\ninstrument(): {cpu_ms:.0f} ms CPU, {mebibytes:.1f} MiB")
    _goals(all_medians, (cpu_ms, mebibytes))


if __name__ == "__main__":
    if sys.argv[1:] == ["--sink"]:
        _be_the_sink()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
