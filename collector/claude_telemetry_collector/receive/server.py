"""The receiver's HTTP server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator

import uvicorn

from claude_telemetry_collector.receive.app import Receiver

_KEEP_ALIVE_S = 75
"""Longer than senders wait between two deliveries, so that they meet no connection that is just being closed."""
_PATIENCE_S = 5
"""How long a stop waits for requests that are under way."""


class ReceiverServer(uvicorn.Server):
    """Serves on a socket until `stop`."""

    def __init__(self, app: Receiver) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_PATIENCE_S,
            )
        )

    def serve_on(self, listener: socket.socket) -> None:
        """Blocks until `stop`, and then until the requests under way are answered. Closes `listener`."""
        self.run(sockets=[listener])

    def stop(self) -> None:
        """Thread-safe."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """What a signal means is decided by the process, not by its server."""
        yield
