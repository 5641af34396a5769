"""The process that sends: many connections, one thread, bodies made beforehand, so that little of the machine is its.

In an *open* load, requests are due at a given rate, and one that finds no connection free waits: its time counts from
when it was due. In a *closed* load, each connection sends the next request when it has the answer to the last.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

from benchmarks.bodies import SPANS_A_BODY, made, templates

_HEAD = (
    "POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-protobuf\r\n"
    "content-encoding: gzip\r\ncontent-length: {}\r\n\r\n"
)
_MOST_MADE_BYTES = 1 << 30
_LATEST_S = 30.0
"""After this long without an answer, something is wrong."""
_AGAIN_S = 0.05
"""How soon a closed load tries again after it was put off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent."""

    port: int
    spans: int
    """All in all."""
    spans_a_body: int = SPANS_A_BODY
    spans_a_second: float | None = None
    """`None` for a closed load."""
    connections: int = 8
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Sent:
    """What came of it. Times are of the monotonic clock, which is one for all processes."""

    began: float = 0.0
    ended: float = 0.0
    spans_a_body: int
    acknowledged: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When each request was due, and when it was acknowledged; in the order of the latter."""
    put_off: int = 0
    """Requests that were answered with anything but 200."""
    cpu_s: float = 0.0
    plain_bytes_a_span: float = 0.0
    zipped_bytes_a_span: float = 0.0

    @property
    def spans(self) -> int:
        """Acknowledged ones."""
        return len(self.acknowledged) * self.spans_a_body

    def waits_ms(self) -> list[float]:
        """From when each was due until its acknowledgement, shortest first."""
        return sorted(1000 * (acknowledged - due) for due, acknowledged in self.acknowledged)


class Sending:
    """Starts the process, which makes bodies until it is told to send them."""

    def __init__(self, load: Load) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(target=_process, args=(load, other_end), daemon=True)
        self._process.start()
        self._next("ready")

    def go(self) -> None:
        self._pipe.send("go")

    def done(self) -> bool:
        """Whether there is an outcome."""
        return self._pipe.poll()

    def outcome(self) -> Sent:
        """Waits for it."""
        sent = self._next("sent")
        self._process.join()
        assert isinstance(sent, Sent)
        return sent

    def _next(self, word: str) -> object:
        try:
            said, what = self._pipe.recv()
        except EOFError:
            raise SystemExit("the process that sends has ended; what it said stands above") from None
        if said != word:
            raise SystemExit(f"the process that sends said {said}, and {word} was expected")
        return what


def _process(load: Load, pipe: Pipe) -> None:
    patterns = templates(4 if load.spans_a_body > 1 else 64, load.spans_a_body)
    bodies = -(-load.spans // load.spans_a_body)
    rate = load.spans_a_second or 30_000
    following = made(patterns, load.seed, round(1e9 * load.spans_a_body / rate))
    ahead: deque[bytes] = deque()
    held = 0
    while len(ahead) < bodies and held < _MOST_MADE_BYTES:
        ahead.append(following())
        held += len(ahead[-1])
    sent = Sent(
        spans_a_body=load.spans_a_body,
        plain_bytes_a_span=sum(one.plain_bytes for one in patterns) / len(patterns) / load.spans_a_body,
        zipped_bytes_a_span=sum(one.zipped_bytes for one in patterns) / len(patterns) / load.spans_a_body,
    )
    pipe.send(("ready", None))
    pipe.recv()
    _Loop(load, bodies, lambda: ahead.popleft() if ahead else following(), sent).run()
    pipe.send(("sent", sent))


class _Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self.body = self.answer = b""
        """Under way; empty when it is idle."""
        self.left = memoryview(b"")
        self.due = self.begun = 0.0
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)


class _Loop:
    def __init__(self, load: Load, bodies: int, following: Callable[[], bytes], sent: Sent) -> None:
        self._load = load
        self._left = bodies
        self._following = following
        self._sent = sent
        self._selector = selectors.DefaultSelector()
        self._all = [_Connection(load.port) for _ in range(load.connections)]
        self._idle = list(self._all)
        self._waiting: deque[tuple[float, _Connection]] = deque()
        for one in self._idle:
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    def run(self) -> None:
        load, sent = self._load, self._sent
        cpu = time.process_time()
        sent.began = time.monotonic()
        every_s = load.spans_a_body / load.spans_a_second if load.spans_a_second else 0.0
        number = 0
        busy = 0
        while self._left or busy or self._waiting:
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                self._idle.append(self._waiting.popleft()[1])
            while self._idle and self._left:
                due = sent.began + number * every_s if every_s else now
                if due > now:
                    break
                self._begin(self._idle.pop(), due)
                number += 1
                self._left -= 1
            busy = load.connections - len(self._idle) - len(self._waiting)
            pause = _LATEST_S
            if self._left and self._idle:
                pause = sent.began + number * every_s - now
            if self._waiting:
                pause = min(pause, self._waiting[0][0] - now)
            if not busy and not self._left and not self._waiting:
                break
            for key, what in self._selector.select(max(0.0, pause)):
                self._go_on(key.data, what)
            if any(one.body and now - one.begun > _LATEST_S for one in self._all):
                raise SystemExit(f"a request has no answer after {_LATEST_S:.0f} s")
        sent.ended = time.monotonic()
        sent.cpu_s = time.process_time() - cpu

    def _begin(self, one: _Connection, due: float) -> None:
        body = self._following()
        one.due, one.begun = due, time.monotonic()
        one.body = _HEAD.format(len(body)).encode() + body
        one.left = memoryview(one.body)
        self._write(one)

    def _open_again(self, one: _Connection) -> None:
        """A connection that nothing came on for a while is closed, maybe just as something is sent."""
        if one.body and one.answer:
            raise SystemExit("the collector closed a connection in the middle of an answer")
        self._selector.unregister(one.socket)
        one.socket.close()
        one.open()
        self._selector.register(one.socket, selectors.EVENT_READ, one)
        if one.body:
            one.left = memoryview(one.body)
            self._write(one)

    def _write(self, one: _Connection) -> None:
        with suppress(BlockingIOError):
            one.left = one.left[one.socket.send(one.left) :]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if one.left else 0)
        if self._selector.get_key(one.socket).events != wanted:
            self._selector.modify(one.socket, wanted, one)

    def _go_on(self, one: _Connection, what: int) -> None:
        if what & selectors.EVENT_WRITE:
            self._write(one)
        if not what & selectors.EVENT_READ:
            return
        data = one.socket.recv(65536)
        if not data:
            self._open_again(one)
            return
        if not one.body:
            return  # it is about to be closed, since nothing came on it, and this says so
        one.answer += data
        if not _is_whole(one.answer):
            return
        if one.answer.startswith(b"HTTP/1.1 200"):
            self._sent.acknowledged.append((one.due, time.monotonic()))
            self._idle.append(one)
        else:
            self._sent.put_off += 1
            self._waiting.append((time.monotonic() + _AGAIN_S, one))
            if self._load.spans_a_second is None:
                self._left += 1
        one.answer = one.body = b""


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    raise SystemExit("an answer without a content-length")
