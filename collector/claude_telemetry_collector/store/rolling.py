"""The thread that rolls up what is stale, a little at a time, beside landing and questions."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime

import duckdb

from claude_telemetry_collector.store.rollups import Rollups, Shape

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_REST = 3
"""It rests that many times as long as it worked, so that landing and questions have the processor, also where an hour
of many calls is rolled up again and again since some come late."""


class Rolling:
    """Keeps the roll-ups of a store fresh. Made before anybody asks: its tables are there from then on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, shape: Shape) -> None:
        self._rollups = Rollups(connection, shape)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rolling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when it has stopped. What it was at is done, or not begun."""
        self._stopping.set()
        self._thread.join()
        self._rollups.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                rolled = self._rollups.roll(datetime.now(UTC))
            except duckdb.Error as error:
                # Questions read the calls meanwhile.
                log.warning("hours are not rolled up, and are tried again: %s", error)
                rolled = False
            self._stopping.wait(_REST * (time.monotonic() - began) if rolled else _LOOK_EVERY_S)
