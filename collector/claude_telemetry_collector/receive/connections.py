"""Connections: how long one may take over a request's head, how large that may be, and how many there may be.

uvicorn waits for a head for as long as its sender likes, and takes one of any size. So its protocol is watched here.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from claude_telemetry_collector.receive.app import answer_of
from claude_telemetry_collector.receive.body import Limits
from claude_telemetry_collector.receive.measures import Measures, Reading
from claude_telemetry_collector.receive.refusal import Refusal

_SWEEP_S = 1.0
_SPARE_FILES = 64
"""Open files that are needed for other things than connections."""
_MOST_HEADERS = 200


class Connections:
    """All of one server's, as far as they have to be watched. One event loop's own."""

    def __init__(self, limits: Limits, measures: Measures, *, others: int = 0) -> None:
        """`others`: connections that this process may have besides."""
        self.limits = limits
        self.measures = measures
        self.most = min(limits.connections, files_allowed() - _SPARE_FILES - others)
        self._idle: dict[Connection, None] = {}
        """Without a request under way, the one that is idle the longest first."""
        self._in_head: dict[Connection, float] = {}
        """Those whose next request's head is not complete, with its deadline; the earliest first."""
        self.open = 0
        self.closed_slow = 0
        self.closed_for_others = 0
        self.refused = 0

    async def sweep(self) -> None:
        """Closes connections whose heads take too long, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            while self._in_head and next(iter(self._in_head.values())) < loop.time():
                slow = next(iter(self._in_head))
                del self._in_head[slow]
                self.closed_slow += 1
                slow.turn_away(Refusal(408, "the request's head did not arrive in time", reason="timeout"))

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for it, perhaps since another one went."""
        self.open += 1
        if self.open > self.most:
            idle = next(iter(self._idle), None)
            if idle is None:
                self.refused += 1
                return False
            del self._idle[idle]
            self.closed_for_others += 1
            idle.transport.abort()
        self._idle[connection] = None
        self.expects_head(connection)
        return True

    def closed(self, connection: Connection) -> None:
        self.open -= 1
        self._idle.pop(connection, None)
        self._in_head.pop(connection, None)

    def expects_head(self, connection: Connection) -> None:
        """Its next head has begun, or is due; the time for it is running already, or runs from now on."""
        if connection not in self._in_head:
            self._in_head[connection] = connection.loop.time() + self.limits.head_s

    def has_head(self, connection: Connection) -> None:
        """A request is under way."""
        self._in_head.pop(connection, None)
        self._idle.pop(connection, None)

    def is_idle(self, connection: Connection) -> None:
        """Its last request is answered."""
        self._idle[connection] = None

    def readings(self) -> list[Reading]:
        """What `/metrics` is to tell of them."""
        return [
            Reading("connections", "gauge", "HTTP connections that are open", self.open),
            Reading("connections_limit", "gauge", "how many there may be", self.most),
            Reading("connections_slow", "counter", "closed since a head took too long", self.closed_slow),
            Reading("connections_displaced", "counter", "idle ones closed to let others in", self.closed_for_others),
            Reading("connections_refused", "counter", "closed at once since there were too many", self.refused),
        ]


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self, config: uvicorn.Config, server: uvicorn.Server, connections: Connections, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config, server.server_state, server.lifespan.state, loop)
        self._connections = connections
        self._is_in_head = False
        self._head_has_begun = False
        """In the data that is being looked at."""
        self._data_bytes = 0
        self._first_bytes = 0
        """Of the data in which the head began."""
        self._unseen_bytes = 0
        """Of a head that had begun before the data they came in."""
        self._refusal: Refusal | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._connections.opened(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._head_has_begun = False
        self._data_bytes = len(data)
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._connections.expects_head(self)
            # The parser tells of a header when it is complete, and until then it collects.
            self._unseen_bytes += 0 if self._head_has_begun else len(data)
            if self._unseen_bytes > self._connections.limits.head_bytes:
                self.turn_away(self._too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._head_has_begun = True
        self._first_bytes, self._unseen_bytes = self._data_bytes, 0

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._connections.has_head(self)
        # Only in much data can there be a large head: the usual one is not looked at twice.
        if len(self.headers) > _MOST_HEADERS or (
            self._first_bytes + self._unseen_bytes + self._data_bytes > self._connections.limits.head_bytes
            and len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            > self._connections.limits.head_bytes
        ):
            self._refusal = self._too_large()
            raise ValueError  # which makes the parser stop
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # else the next request had come already
            self._connections.is_idle(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words, which help no sender
        self.turn_away(self._refusal or Refusal(400, "this is no HTTP request as it is read here: send OTLP over HTTP"))

    def turn_away(self, refusal: Refusal) -> None:
        """Answers what is no request, or not yet one, and closes."""
        self._connections.measures.refused["reason", refusal.reason, "transport", "http"] += 1
        answer = answer_of(refusal, "json", close=True)
        headers = {"content-type": answer.media_type, "content-length": str(len(answer.body)), **answer.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[answer.status] + f"{head}\r\n".encode("latin-1") + answer.body)
        self.transport.close()

    def _too_large(self) -> Refusal:
        most_bytes = self._connections.limits.head_bytes
        return Refusal(
            431,
            f"the request's head is larger than {most_bytes:,} bytes or has more than {_MOST_HEADERS} headers",
            reason="too_large",
        )


def allow_many_files() -> None:
    """Lets this process have as many files and connections open as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def files_allowed() -> int:
    """How many files and connections this process may have open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return allowed if allowed != resource.RLIM_INFINITY else 1 << 20
