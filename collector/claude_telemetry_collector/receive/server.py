"""The receiver's HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn

from claude_telemetry_collector.receive.app import Receiver
from claude_telemetry_collector.receive.connections import Connection, Connections

_KEEP_ALIVE_S = 75
"""Longer than senders wait between two deliveries, so that they meet no connection that is just being closed."""
_PATIENCE_S = 5
"""How long a stop waits for requests that are under way."""
_HANDSHAKE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM."""

    certificate: Path
    """With the chain."""
    key: Path


class Beside(Protocol):
    """Another way in, which is served by the same event loop."""

    connections: int
    """How many it may have."""

    async def start(self) -> None: ...

    async def stop(self, patience_s: float) -> None: ...


class ReceiverServer(uvicorn.Server):
    """Serves on a socket until `stop`."""

    def __init__(self, app: Receiver, *, tls: Tls | None = None, beside: Beside | None = None) -> None:
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
                ssl_certfile=tls.certificate if tls is not None else None,
                ssl_keyfile=tls.key if tls is not None else None,
            )
        )
        self._connections = Connections(
            app.limits, app.intake.measures, others=beside.connections if beside is not None else 0
        )
        self._beside = beside
        app.tells_also(self._connections.readings)

    def serve_on(self, listener: socket.socket) -> None:
        """Blocks until `stop`, and then until the requests under way are answered. Closes `listener`."""
        self.run(sockets=[listener])

    def stop(self) -> None:
        """Thread-safe."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with connections of our own."""
        config, loop = self.config, asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                lambda: Connection(config, self, self._connections, loop),
                sock=listener,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=_HANDSHAKE_S if config.ssl is not None else None,
            )
            for listener in sockets or ()
        ]
        self.started = True

    async def main_loop(self) -> None:
        """Serves until `stop`."""
        if self._beside is not None:
            await self._beside.start()
        sweep = asyncio.create_task(self._connections.sweep())
        try:
            await super().main_loop()
        finally:
            sweep.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers what is under way."""
        if self._beside is not None:
            await asyncio.gather(super().shutdown(sockets), self._beside.stop(_PATIENCE_S))
        else:
            await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """What a signal means is decided by the process, not by its server."""
        yield
