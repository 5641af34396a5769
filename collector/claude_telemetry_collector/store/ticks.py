"""What people have ticked off on the readiness page: no data can tell it, so they say it.

Each tick is a row, also when one is taken back: the newest of a name counts. Who it was is not kept.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.tables import Table, required

TICKS = Table(
    name="readiness_ticks",
    columns=(required("name", "VARCHAR"), required("done", "BOOLEAN"), required("ticked_at", "TIMESTAMP")),
)

_NAME = re.compile(r"[a-z_]{1,40}")


class TickLog:
    """The job `tick`, in the store process: `{"name": "load_test", "done": true}`. Thread-safe."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def __call__(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Keeps the tick, and answers when that was. Raises `QuestionRefusedError` for what is no tick."""
        name, done = arguments.get("name"), arguments.get("done")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None or not isinstance(done, bool):
            raise QuestionRefusedError('a tick is {"name": "load_test", "done": true}, with the name of an item')
        now = datetime.now(UTC)
        cursor = self._connection.cursor()
        try:
            with self._lock:
                cursor.execute(
                    "INSERT INTO readiness_ticks VALUES ($name, $done, $at)",
                    {"name": name, "done": done, "at": stored(now)},
                )
        finally:
            cursor.close()
        return {"ticked_at": now.isoformat()}
