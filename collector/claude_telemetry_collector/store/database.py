"""Opening the DuckDB file.

DuckDB lets one process hold a file, and keeps others out even from reading. That process is the store process, which
opens the file here; everybody else asks it (`reader`). The engine is closed before the first question: it may not
touch other files, load extensions, or have its settings changed.
"""

from __future__ import annotations

import logging
from pathlib import Path

import duckdb

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.store.migrations import migrate

log = logging.getLogger(__name__)

CHECKPOINT_THRESHOLD = "256MB"
"""The log is folded into the file when it has grown to this. DuckDB's own 16 MB costs a third of the landing rate."""

SPILL_LIMIT = "2GB"
"""What questions may spill to disk. DuckDB's own limit is nearly the whole disk, which acknowledged calls need too."""

_HEADER_BYTES = 3 * 4096
"""What a DuckDB file begins with, before its blocks.

Source: https://duckdb.org/docs/stable/internals/storage, read 2026-11-20.
"""


def open_database(path: Path, *, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """The database at `path`, made if it is not there, with the tables of this version. The caller closes it.

    Raises `CollectorError` when another process holds it, a newer version has written it, or it is no database.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CollectorError(
            f"{path.parent} cannot be made ({error.strerror}): choose another folder with --data"
        ) from error
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "checkpoint_threshold": CHECKPOINT_THRESHOLD,
        "max_temp_directory_size": SPILL_LIMIT,
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
    }
    try:
        connection = duckdb.connect(path, config=config)
    except duckdb.Error as error:
        if "Conflicting lock" in str(error):
            raise CollectorError(
                f"another process has {path} open: stop the other collector, or choose another folder with --data"
            ) from error
        raise CollectorError(
            f"{path} cannot be opened: {error}. Move it away, or choose another folder with --data"
        ) from error
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        _check_length(connection, path)
        migrate(connection, path)
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        connection.close()
        raise CollectorError(
            f"{path} cannot be used: {error}. It is left as it is: bring back a copy of it, or move it away together "
            f"with {path.name}.wal, or choose another folder with --data"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check_length(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """DuckDB reads a block when it needs it, and writes new ones where lost ones were: a file that has lost its end
    would open, and the rest of it would be written over. Raises `CollectorError`.

    Free blocks do not count: those at the end need not have been written yet."""
    rows = connection.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    missing = _HEADER_BYTES + int(rows[0][0]) - path.stat().st_size
    if missing > 0:
        raise CollectorError(
            f"{path} is damaged: {missing} bytes are missing at its end. It is left as it is: bring back a copy of it, "
            "or move it away, or choose another folder with --data"
        )


def close_database(connection: duckdb.DuckDBPyConnection) -> None:
    """Folds the log into the file and closes `connection`. Nothing is lost when this does not happen: the next opening
    does it, and takes longer."""
    try:
        connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        log.info("the database was closed without folding in its log: %s", error)
    finally:
        connection.close()
