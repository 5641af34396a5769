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


def open_database(path: Path, *, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """The database at `path`, made if it is not there, with the tables of this version. The caller closes it.

    Raises `CollectorError` when another process holds it, a newer version has written it, or it is no database.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        migrate(connection, path)
        connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def close_database(connection: duckdb.DuckDBPyConnection) -> None:
    """Folds the log into the file and closes `connection`. Nothing is lost when this does not happen: the next opening
    does it, and takes longer."""
    try:
        connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        log.info("the database was closed without folding in its log: %s", error)
    finally:
        connection.close()
