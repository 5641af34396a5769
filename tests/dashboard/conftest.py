"""A store that answers as a collector's does, and the pages over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import streamlit as st

from claude_telemetry.settings import Address
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import IncidentLog, ReaderServer, new_doors, open_database, publish, withdraw
from claude_telemetry_collector.store.ticks import TickLog
from claude_telemetry_dashboard import data
from tests.support.calls import land
from tests.support.pages import Pages

NOBODY = Address("127.0.0.1", 9)
"""Where no collector takes calls: the port of `discard`."""


class Store:
    """What a collector keeps, and the line over which a dashboard asks it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection: duckdb.DuckDBPyConnection = open_database(database_path(folder), memory_limit="256MB")
        self.incidents = IncidentLog(self.connection)
        self._server: ReaderServer | None = None

    def land(self, *calls: LandedCall) -> None:
        """Lands calls, and makes pages forget what they asked before."""
        land(self.connection, calls)
        st.cache_data.clear()

    def answer(self) -> None:
        """From now on it answers, at an address of its own."""
        doors = new_doors(self.folder)
        jobs = {"tick": TickLog(self.connection)}
        self._server = ReaderServer(self.connection, Address("127.0.0.1", 0), "a-token", doors=doors, jobs=jobs)
        self._server.start()
        publish(self.folder, self._server.url, "a-token", doors.tokens)

    def go_away(self) -> None:
        """From now on nobody answers, as when a collector has stopped."""
        if self._server is not None:
            withdraw(self.folder)
            self._server.stop()
            self._server = None
        st.cache_data.clear()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store without calls, which answers. The dashboard of this process is about it."""
    opened = Store(tmp_path)
    opened.answer()
    data.configure(data.Place(data=tmp_path, otlp_http=NOBODY))
    yield opened
    opened.go_away()
    opened.incidents.close()
    opened.connection.close()


@pytest.fixture
def open_page(store: Store) -> Callable[..., Pages]:
    """Opens a page by its name in the URL, with query parameters."""
    return Pages
