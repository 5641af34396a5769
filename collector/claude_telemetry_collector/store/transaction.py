"""All or nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress

import duckdb


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Generator[None]:
    """What is written within is there at once when it ends, and not at all when it raises."""
    cursor.execute("BEGIN")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        # After a failed COMMIT there is no transaction left to roll back.
        with suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        raise
