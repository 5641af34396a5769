"""Whether memory stays flat: many calls, abandoned streams and tasks, without us and with us.

    python -m benchmarks.memory [--calls 1000000] [--streams 100000] [--tasks 10000] [--samples 20]

The transport is a function in the process, and each line is a process of its own, so that nothing is measured but what
calls leave behind. What is delivered goes to a sink in this process; now and then the calls wait for it, since they
come faster than any API would answer them, and what is dropped would leave nothing behind. A sample is taken after
everything was delivered and collected, and the allocator has given back what it can (glibc): the process's resident
memory, and its objects as the garbage collector knows them. The first third of the samples is warm-up; the slope is
that of a straight line through the others.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import platform
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import claude_telemetry
from benchmarks.sink import taking

VARIANTS = ("without", "with")
FLAT_KIB = 4096
"""Growth of memory over all samples after the warm-up that counts as none: some of the allocator's arenas."""
FLAT_OBJECTS = 500
"""And of objects."""
BETWEEN_FLUSHES = 500
"""Calls, streams or tasks until delivery has caught up."""
AT_ONCE = 250
"""Tasks that run at the same time."""

ASK: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "Hello"}],
}
USAGE = {"input_tokens": 120, "cache_read_input_tokens": 3000, "output_tokens": 45, "service_tier": "standard"}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Hello. " * 20}],
    "stop_reason": "end_turn",
    "usage": USAGE,
}
JSON = json.dumps(MESSAGE).encode()
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "usage": {**USAGE, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *[{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello. "}}] * 20,
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 45}},
    {"type": "message_stop"},
]
STREAM = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in EVENTS]


class _Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that comes event by event."""

    def __iter__(self) -> Generator[bytes]:
        yield from STREAM

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for event in STREAM:
            yield event


def _json(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=JSON, headers={"content-type": "application/json"})


def _stream(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, stream=_Chunks(), headers={"content-type": "text/event-stream"})


# What is done, some of it at a time


def calls(count: int) -> Generator[int]:
    with _client(_json) as client:
        for _ in range(count):
            client.messages.create(**ASK)
            yield 1


def streams(count: int) -> Generator[int]:
    """Nobody reads them to their end: closed early, dropped after some events, dropped without a look."""
    with _client(_stream) as client:
        for number in range(count):
            events = client.messages.create(**ASK, stream=True)
            if number % 3 < 2:
                next(events)
            if number % 3 == 0:
                events.close()
            del events
            yield 1


def tasks(count: int) -> Generator[int]:
    """A third of them whole answers, a third streams, a third cancelled while they wait."""

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return _stream(request) if b'"stream":true' in request.content.replace(b" ", b"") else _json(request)

    async def ask(client: anthropic.AsyncAnthropic, number: int) -> None:
        if number % 3 != 1:
            await client.messages.create(**ASK)
        else:
            async for _ in await client.messages.create(**ASK, stream=True):
                pass

    async def some(numbers: Sequence[int]) -> None:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
        async with anthropic.AsyncAnthropic(api_key="k", http_client=http, **_TRACING_OFF) as client:
            started = [asyncio.create_task(ask(client, number)) for number in numbers]
            await asyncio.sleep(0)
            for number, task in zip(numbers, started, strict=True):
                if number % 3 == 2:
                    task.cancel()
            await asyncio.gather(*started, return_exceptions=True)

    loop = asyncio.new_event_loop()
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        loop.run_until_complete(some(numbers))
        yield len(numbers)
    loop.close()


KINDS: Mapping[str, Callable[[int], Generator[int]]] = {"calls": calls, "streams": streams, "tasks": tasks}
_TRACING_OFF: dict[str, Any] = {"open_telemetry": {"traces": False}}


def _client(answer: Callable[[httpx2.Request], httpx2.Response]) -> anthropic.Anthropic:
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", http_client=http, **_TRACING_OFF)


# The process that is measured


@dataclass(frozen=True, slots=True)
class Sample:
    done: int
    rss_kib: int
    objects: int


def measured(kind: str, count: int, samples: int, *, sink: str | None) -> list[Sample]:
    """Does it, and looks at this process along the way."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    if sink is not None:
        claude_telemetry.instrument(
            tracer_provider=TracerProvider(shutdown_on_exit=False), meter_provider=meters, endpoint=sink
        )
    taken: list[Sample] = []
    done, every = 0, max(count // samples, 1)
    for more in KINDS[kind](count):
        done += more
        if done % BETWEEN_FLUSHES == 0:
            _deliver()
        if done // every > len(taken):
            reader.get_metrics_data()
            _deliver()
            gc.collect()
            taken.append(Sample(done, _rss_kib(), len(gc.get_objects())))
    claude_telemetry.uninstrument()
    return taken


def _deliver() -> None:
    if not claude_telemetry.flush(60):
        print("not all calls were delivered", file=sys.stderr)


def _rss_kib() -> int:
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


# The table


def _in_a_process(kind: str, count: int, samples: int, variant: str, sink: str) -> list[Sample]:
    command = [sys.executable, "-m", "benchmarks.memory", "--measure", kind, "--samples", str(samples)]
    command += [f"--{kind}", str(count), *(["--sink", sink] if variant == "with" else [])]
    told = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
    if told.stderr:
        print(told.stderr, end="", file=sys.stderr)
    return [Sample(*row) for row in json.loads(told.stdout)]


def slope(samples: Sequence[Sample], value: Callable[[Sample], int]) -> float:
    """Of the straight line through what is after the warm-up, for each thing done."""
    after = samples[len(samples) // 3 :]
    middle = sum(sample.done for sample in after) / len(after)
    mean = sum(map(value, after)) / len(after)
    spread = sum((sample.done - middle) ** 2 for sample in after)
    return sum((sample.done - middle) * (value(sample) - mean) for sample in after) / spread if spread else 0.0


def main(counts: Mapping[str, int], samples: int) -> bool:
    """Prints the table. Whether all lines are flat."""
    print(f"{platform.machine()}, Python {platform.python_version()}, anthropic {anthropic.__version__}")
    print(f"{'':18}{'done':>10}{'start MiB':>11}{'warm MiB':>10}{'end MiB':>9}{'objects':>9}", end="")
    print(f"{'bytes each':>12}{'objects each':>14}{'seconds':>9}")
    all_flat = True
    with taking(len) as url:
        for kind, count in counts.items():
            for variant in VARIANTS if count else ():
                started = time.monotonic()
                taken = _in_a_process(kind, count, samples, variant, url)
                first, warm, last = taken[0], taken[len(taken) // 3], taken[-1]
                kib, objects = slope(taken, lambda one: one.rss_kib), slope(taken, lambda one: one.objects)
                over = last.done - warm.done
                flat = kib * over < FLAT_KIB and objects * over < FLAT_OBJECTS
                all_flat = all_flat and (flat or variant == "without")
                print(
                    f"{kind + ' ' + variant:18}{last.done:10,}{first.rss_kib / 1024:11.1f}{warm.rss_kib / 1024:10.1f}"
                    f"{last.rss_kib / 1024:9.1f}{last.objects:9,}{kib * 1024:12.3f}{objects:14.5f}"
                    f"{time.monotonic() - started:9.0f}  {'flat' if flat else 'GROWS'}",
                    flush=True,
                )
    return all_flat


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000, help="JSON calls, one after the other")
    parser.add_argument("--streams", type=int, default=100_000, help="streams that nobody reads to their end")
    parser.add_argument("--tasks", type=int, default=10_000, help="asyncio tasks, some hundred at a time")
    parser.add_argument("--samples", type=int, default=20, help="how often to look along the way")
    parser.add_argument("--measure", choices=list(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--sink", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    if given.measure:
        found = measured(given.measure, getattr(given, given.measure), given.samples, sink=given.sink)
        print(json.dumps([(one.done, one.rss_kib, one.objects) for one in found]))
    else:
        sys.exit(0 if main({kind: getattr(given, kind) for kind in KINDS}, given.samples) else 1)
