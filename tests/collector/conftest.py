"""A store of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from claude_telemetry_collector.store import open_database


@pytest.fixture
def store(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database without calls."""
    connection = open_database(tmp_path / "calls.duckdb", memory_limit="256MB")
    yield connection
    connection.close()
