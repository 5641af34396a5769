"""The job: goes through the calls of a window in order of time, some thousand at once, each lot in one transaction.

A lot is read, priced and written in one snapshot; where landing has changed one of its calls meanwhile, DuckDB lets one
of the two fail, and whoever fails tries again. So landing waits for a lot at the most, and what a lot has done stays,
whatever happens to the next. A better copy of a call that lands meanwhile counts as one that lands afterwards: it has
the cost that it was recorded with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from claude_telemetry.errors import CollectorError, PriceBookError, QuestionRefusedError
from claude_telemetry.pricing import Book, book_from, shipped
from claude_telemetry_collector.queries.kept_usage import ROW, NotKept
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.reprice.again import COST_COLUMNS, priced_again
from claude_telemetry_collector.reprice.difference import Difference
from claude_telemetry_collector.store.arrow import arrow_table, stored
from claude_telemetry_collector.store.repricings import FORMER_COSTS
from claude_telemetry_collector.store.rollups import note_hours_of
from claude_telemetry_collector.store.tables import CALLS

LOT = 4000
"""Calls that are done at once: a fraction of a second, for which landing may have to wait."""
TRIES = 8
FIRST_WAIT_S = 0.05
"""Before the second try; each wait after that is twice as long."""

_CONFLICT = duckdb.TransactionException
_KEY = ("trace_id", "span_id", "started_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the job was given."""

    window: Window
    """The part of the whole that is to be done now."""
    model: str | None
    own_prices: str | None
    """A user's own prices, as TOML. `None` for those that the collector has."""
    price_version: str | None
    """Of the book whose difference was looked at. `None` for whichever there is."""
    repricing_id: str | None
    """`None` to look only."""
    whole: Window
    """What the repricing is about, over all parts."""
    is_last: bool
    """Whether no part is to follow."""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Asked:
        """Raises `QuestionRefusedError` for what cannot be meant."""
        try:
            part = _days(arguments["since"], arguments["until"])
            whole = arguments.get("whole")
            return cls(
                window=part,
                model=_text(arguments.get("model")),
                own_prices=_text(arguments.get("own_prices")),
                price_version=_text(arguments.get("price_version")),
                repricing_id=_text(arguments.get("repricing_id")),
                whole=part if whole is None else _days(whole[0], whole[1]),
                is_last=whole is None or arguments.get("last") is True,
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise QuestionRefusedError(f"calls cannot be priced again as asked: {error!r}") from error


class Repricing:
    """Prices past calls again through `connection`. `prices`: the user's own, as the collector was given them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, prices: Path | None, *, lot: int = LOT) -> None:
        self._connection = connection
        self._prices = prices
        self._lot = lot

    def do(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Says what pricing the calls of a window again changes (see `Difference.told`), and writes it if the arguments
        have a `repricing_id`.

        Raises `QuestionRefusedError` for a book that cannot be read, or is no longer the one that was looked at.
        """
        asked = Asked.of(arguments)
        book = self._book(asked)
        difference = Difference(book.version)
        cursor = self._connection.cursor()
        try:
            if asked.repricing_id is not None:
                _begin(cursor, asked, book)
            for first, last in self._lots(cursor, asked):
                self._do_lot(cursor, asked, book, first, last, difference)
            if asked.repricing_id is not None and asked.is_last:
                _end(cursor, asked.repricing_id)
        finally:
            cursor.close()
        return difference.told()

    def _book(self, asked: Asked) -> Book:
        """The book as it is on disk now: it may be newer than what this process began with."""
        try:
            own = None if self._prices is None else self._prices.read_bytes()
            book = _book_from(shipped(), own if asked.own_prices is None else asked.own_prices.encode())
        except OSError as error:
            raise QuestionRefusedError(
                f"the collector cannot read its prices in {self._prices}: {error.strerror}"
            ) from error
        except PriceBookError as error:
            raise QuestionRefusedError(str(error)) from error
        if asked.price_version not in (None, book.version):
            raise QuestionRefusedError(
                f"the price book is {book.version} by now, and {asked.price_version} was looked at: look again"
            )
        return book

    def _lots(self, cursor: duckdb.DuckDBPyConnection, asked: Asked) -> Iterator[tuple[datetime, datetime]]:
        """When the calls of each lot began: after the first time, and up to the last."""
        where, parameters = calls_in(asked.window, Segment(model=asked.model))
        ends = cursor.execute(
            "SELECT max(started_at) AS last FROM ("  # noqa: S608 - conditions from queries, values bound
            f" SELECT started_at, (row_number() OVER (ORDER BY started_at) - 1) // $lot AS lot FROM calls WHERE {where}"
            ") GROUP BY lot ORDER BY last",
            {**parameters, "lot": self._lot},
        ).fetchall()
        first = stored(asked.window.start) - timedelta(microseconds=1)
        for (last,) in ends:
            if last > first:  # of calls that began at one moment, all are in one lot
                yield first, last
                first = last

    def _do_lot(
        self,
        cursor: duckdb.DuckDBPyConnection,
        asked: Asked,
        book: Book,
        first: datetime,
        last: datetime,
        difference: Difference,
    ) -> None:
        wait_s = FIRST_WAIT_S
        for tries_left in reversed(range(TRIES)):
            try:
                rows = self._write_lot(cursor, asked, book, first, last)
            except _CONFLICT as error:
                if not tries_left:
                    raise CollectorError(
                        f"the calls after {first} are being changed by others: try again; what is done stays done"
                    ) from error
                time.sleep(wait_s)
                wait_s *= 2
                continue
            for row, again in rows:
                difference.add(row, again)
            return

    def _write_lot(
        self, cursor: duckdb.DuckDBPyConnection, asked: Asked, book: Book, first: datetime, last: datetime
    ) -> list[tuple[dict[str, Any], Any]]:
        """Prices a lot, and writes it if that is asked. Raises `_CONFLICT`, and has done nothing then."""
        cursor.execute("BEGIN")
        try:
            rows = [(row, priced_again(row, book)) for row in _rows(cursor, asked, first, last)]
            if asked.repricing_id is not None:
                priced = [(row, again) for row, again in rows if not isinstance(again, NotKept)]
                changed = [(row, again.columns) for row, again in priced if again.changed]
                _keep_former(cursor, asked.repricing_id, [row for row, _ in changed])
                write_costs(cursor, changed)
                same = [
                    row["row_number"]
                    for row, again in priced
                    if not again.changed and again.columns["price_version"] != row["price_version"]
                ]
                _write_version(cursor, same, book.version, first, last)
                cursor.execute(
                    "UPDATE repricings SET reached = $last, calls_changed = calls_changed + $changed"
                    " WHERE repricing_id = $id",
                    {"last": last, "changed": len(changed), "id": asked.repricing_id},
                )
            cursor.execute("COMMIT")
        except BaseException:
            # After a failed COMMIT there is no transaction left to roll back.
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            raise
        return rows


@lru_cache(maxsize=2)
def _book_from(builtin: bytes, own: bytes | None) -> Book:
    """The same book for every day of a repricing: by that, charges of calls that are alike are remembered."""
    return book_from(builtin, own)


def _rows(cursor: duckdb.DuckDBPyConnection, asked: Asked, first: datetime, last: datetime) -> Iterator[dict[str, Any]]:
    where, parameters = calls_in(asked.window, Segment(model=asked.model))
    found = cursor.execute(
        f"SELECT rowid AS row_number, trace_id, span_id, {ROW} FROM calls"  # noqa: S608 - as above
        f" WHERE {where} AND started_at > $first AND started_at <= $last",
        {**parameters, "first": first, "last": last},
    )
    names = [column[0] for column in found.description or ()]
    for values in found.fetchall():
        yield dict(zip(names, values, strict=True))


def _begin(cursor: duckdb.DuckDBPyConnection, asked: Asked, book: Book) -> None:
    """Notes the repricing, unless a part of it was done before."""
    cursor.execute(
        "INSERT INTO repricings (repricing_id, began_at, since, until, model, price_version, calls_changed)"
        " SELECT $id, $now, $since, $until, $model, $version, 0"
        " WHERE NOT EXISTS (FROM repricings WHERE repricing_id = $id)",
        {
            "id": asked.repricing_id,
            "now": stored(datetime.now(UTC)),
            "since": stored(asked.whole.start),
            "until": stored(asked.whole.end),
            "model": asked.model,
            "version": book.version,
        },
    )


def _end(cursor: duckdb.DuckDBPyConnection, repricing_id: str) -> None:
    cursor.execute(
        "UPDATE repricings SET ended_at = $now, reached = until WHERE repricing_id = $id",
        {"now": stored(datetime.now(UTC)), "id": repricing_id},
    )


def _keep_former(cursor: duckdb.DuckDBPyConnection, repricing_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    values: dict[str, Sequence[object]] = {name: [row[name] for row in rows] for name in (*_KEY, *COST_COLUMNS)}
    table = arrow_table(FORMER_COSTS, {**values, "repricing_id": [repricing_id] * len(rows)})
    names = ", ".join(table.column_names)
    _with_incoming(cursor, table, f"INSERT INTO former_costs ({names}) SELECT {names} FROM incoming")  # noqa: S608


def write_costs(
    cursor: duckdb.DuckDBPyConnection, changed: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    """Gives rows their new costs, within the transaction that they were read in."""
    if not changed:
        return
    names = (*COST_COLUMNS, "hops")
    table = arrow_table(CALLS, {name: [columns[name] for _, columns in changed] for name in names})
    table = table.append_column("row_number", pa.array([row["row_number"] for row, _ in changed], pa.int64()))
    times = [row["started_at"] for row, _ in changed]
    taken = ", ".join(f"{name} = incoming.{name}" for name in names)
    _with_incoming(cursor, table, f"UPDATE calls SET {taken} FROM incoming WHERE {_SAME_ROW}", min(times), max(times))  # noqa: S608
    note_hours_of(cursor, times)


def _write_version(
    cursor: duckdb.DuckDBPyConnection, row_numbers: Sequence[int], version: str, first: datetime, last: datetime
) -> None:
    """Calls that come out the same have been priced by this book as well."""
    if row_numbers:
        table = pa.table({"row_number": pa.array(row_numbers, pa.int64()), "version": [version] * len(row_numbers)})
        sql = f"UPDATE calls SET price_version = incoming.version FROM incoming WHERE {_SAME_ROW}"  # noqa: S608
        _with_incoming(cursor, table, sql, first, last)


# A row keeps its number within a transaction. The times let DuckDB skip all other row groups.
_SAME_ROW = "calls.rowid = incoming.row_number AND calls.started_at BETWEEN $first AND $last"


def _with_incoming(cursor: duckdb.DuckDBPyConnection, table: pa.Table, sql: str, *bounds: datetime) -> None:
    cursor.register("incoming", table)
    try:
        cursor.execute(sql, dict(zip(("first", "last"), bounds, strict=False)) if bounds else None)
    finally:
        cursor.unregister("incoming")


def _days(since: str, until: str) -> Window:
    """From the UTC day `since` up to, and without, the day `until`."""
    return Window(*(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) for day in (since, until)))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{value!r} is no text")
