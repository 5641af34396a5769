"""A store that answers as a running collector's does, for commands that ask it."""

from __future__ import annotations

from pathlib import Path

from claude_telemetry.settings import Address
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import ReaderServer, open_database, publish, withdraw
from tests.support.calls import land


class Answering:
    """The store of the data folder `data`. A context manager."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.connection = open_database(database_path(data), memory_limit="256MB")
        self._server: ReaderServer | None = None

    def land(self, *calls: LandedCall) -> None:
        land(self.connection, calls)

    def answer(self) -> None:
        """From now on it answers, at an address of its own."""
        self._server = ReaderServer(self.connection, Address("127.0.0.1", 0), "a-token")
        self._server.start()
        publish(self.data, self._server.url, "a-token")

    def go_away(self) -> None:
        """From now on nobody answers."""
        if self._server is not None:
            withdraw(self.data)
            self._server.stop()
            self._server = None

    def __enter__(self) -> Answering:
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        self.connection.close()
