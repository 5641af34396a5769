"""A small HTTP/1.1 server that both stand-ins answer with.

An *exchange* is one request and its answer. Connections are kept alive, as clients expect, and `stop` ends them all:
no thread, socket or half-sent answer is left behind.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

_STOP_WITHIN_S = 5.0


class Exchange(BaseHTTPRequestHandler):
    """One request, read, and the means to answer it."""

    protocol_version = "HTTP/1.1"
    # Without these two an answer goes out in small packets, and waits 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version = "claude-telemetry-fake"
    sys_version = ""

    body: bytes = b""

    @property
    def stopping(self) -> threading.Event:
        """Set when the server is being stopped: whoever waits should give up."""
        return cast("_Server", self.server).stopping

    def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer. Raises `OSError` when the client is gone."""
        self._head(status, {**headers, "content-length": str(len(body))})
        self.wfile.write(body)
        self.wfile.flush()

    def send_part_of(self, status: int, headers: Mapping[str, str], body: bytes, length: int) -> None:
        """Promises all of `body`, sends `length` bytes of it and breaks the connection."""
        self._head(status, {**headers, "content-length": str(len(body))})
        self.wfile.write(body[:length])
        self.wfile.flush()
        self.break_off()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Starts an answer that comes in pieces."""
        self._head(status, {**headers, "transfer-encoding": "chunked"})
        self.wfile.flush()

    def piece(self, data: bytes) -> None:
        """The next piece. Raises `OSError` when the client is gone."""
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()

    def end(self) -> None:
        """The end of an answer that came in pieces."""
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def break_off(self) -> None:
        """Breaks the connection where it is."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _serve(self) -> None:
        try:
            self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
            cast("_Server", self.server).answer(self)
        except OSError:
            # The client hung up, which clients may do at any time.
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Says nothing: what came in is in the ledger."""


class _Server(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, answer: Callable[[Exchange], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer = answer
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__((host, port), Exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        # A daemon: connections are shut down and joined in `stop`, and until then an idle one must not hold up exit.
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._connections[request] = thread
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - the edge of a thread; told in `handle_error`
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._connections.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A connection that breaks while a request is read is the client's affair; anything else is a bug to be seen.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        with self._lock:
            open_now = list(self._connections.items())
        for connection, _ in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in open_now:
            thread.join(_STOP_WITHIN_S)


class Loopback:
    """Serves exchanges in the background, from `start` to `stop`. Also a context manager."""

    def __init__(self, answer: Callable[[Exchange], None], host: str, port: int) -> None:
        """Takes the port at once, so that `url` holds from here on; port 0 takes a free one.

        Raises `OSError` when the port is taken.
        """
        self._server = _Server(host, port, answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="claude-telemetry-fake", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        host = str(self._server.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends every connection and waits for the threads. Idempotent."""
        self._server.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.end_connections()
