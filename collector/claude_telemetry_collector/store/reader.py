"""Asking the store: in its own process, or over loopback from another.

A *reader* answers SQL with an Arrow table. Pages, rules and the command line know no more than that, so one query
works in the store process (`LocalReader`), in the dashboard (`RemoteReader`) and in a test. Both give the same table:
money as exact decimals, times in UTC, `VARIANT` as JSON text, whole-number sums as 64-bit integers where they fit.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import duckdb
import pyarrow as pa

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.masks import Masks

_BATCH_ROWS = 100_000
_WHOLE_NUMBER = pa.decimal128(38, 0)
"""What DuckDB's 128-bit sums of whole numbers become in Arrow."""


class Reader(Protocol):
    """Answers questions about landed calls. Thread-safe."""

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The rows of `sql`, one SELECT, with `$name` in it taken from `parameters`.

        Raises `QuestionRefusedError` when it cannot be answered as asked, and `CollectorError` when nobody is there
        to answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one question may take. Beyond it the question is refused; a cut answer would look like the whole."""

    seconds: float = 30.0
    rows: int = 1_000_000
    answer_bytes: int = 64 * 1024 * 1024


class LocalReader:
    """Asks through `connection`, in the process that holds the database.

    Each question runs on a cursor of its own in a read-only transaction, so that it sees whole landings only and
    changes nothing. The SQL is trusted to be one statement; strangers' SQL goes through `ReaderServer`. With `masks`,
    people have other names in the answers.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, limits: Limits | None = None, masks: Masks | None = None
    ) -> None:
        self._connection = connection
        self._limits = limits or Limits()
        self._masks = masks

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See `Reader`."""
        bound = {name: _bound(value) for name, value in (parameters or {}).items()}
        try:
            cursor = self._connection.cursor()
        except duckdb.ConnectionException as error:
            raise CollectorError("the store is closed") from error
        try:
            with _interrupted_after(self._limits.seconds, cursor):
                if self._masks is not None:
                    self._masks.put_on(cursor)
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                return self._answer(cursor, sql, bound)
        except duckdb.InterruptException as error:
            raise QuestionRefusedError(
                f"the question took longer than {self._limits.seconds:g} s: bound it by started_at, or aggregate"
            ) from error
        except duckdb.Error as error:
            raise QuestionRefusedError(str(error)) from error
        finally:
            # Closing ends the transaction. An answer left open would keep DuckDB from ever folding its log in.
            cursor.close()

    def _answer(self, cursor: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, object]) -> pa.Table:
        relation = cursor.sql(sql, params=bound) if bound else cursor.sql(sql)
        if relation is None:  # pyright: ignore[reportUnnecessaryComparison] - the stub is wrong: no rows, no relation
            raise QuestionRefusedError("this is no question: give one SELECT")
        names = relation.columns
        types = [str(kind) for kind in relation.types]
        if any("VARIANT" in kind for kind in types):
            relation = relation.project(
                ", ".join(
                    f"CAST(#{place} AS JSON)" if "VARIANT" in kind else f"#{place}"
                    for place, kind in enumerate(types, start=1)
                )
            )
        return _with_whole_numbers(self._bounded(relation.to_arrow_reader(_BATCH_ROWS)).rename_columns(names))

    def _bounded(self, batches: pa.RecordBatchReader) -> pa.Table:
        kept: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in batches:
            rows += batch.num_rows
            size += batch.nbytes
            if rows > self._limits.rows:
                raise QuestionRefusedError(
                    f"the answer has more than {self._limits.rows} rows: add LIMIT, or aggregate"
                )
            if size > self._limits.answer_bytes:
                raise QuestionRefusedError(
                    f"the answer is larger than {self._limits.answer_bytes} bytes: ask for fewer columns or rows"
                )
            kept.append(batch)
        return pa.Table.from_batches(kept, schema=batches.schema)


@contextmanager
def _interrupted_after(seconds: float, cursor: duckdb.DuckDBPyConnection) -> Generator[None]:
    def interrupt() -> None:
        with suppress(duckdb.ConnectionException):
            cursor.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _bound(value: object) -> object:
    """Times as they are stored. One with a zone would make DuckDB convert every row to compare it."""
    return stored(value) if isinstance(value, datetime) else value


def _with_whole_numbers(table: pa.Table) -> pa.Table:
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if column.type.equals(_WHOLE_NUMBER):
            with suppress(pa.ArrowInvalid):
                table = table.set_column(place, name, column.cast(pa.int64()))
    return table
