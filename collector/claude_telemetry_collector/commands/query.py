"""`claude-telemetry query "SELECT …"`: asks the running collector, and prints the answer.

Nothing is rounded on the way. In JSON whole numbers are numbers, exact decimals (money) are texts, since a JSON number
would become a float in most readers, times are ISO 8601 in UTC, stretches of time are as DuckDB writes them, bytes are
hexadecimal, and what is not known is `null`. Columns that hold JSON (`attributes`, `usage`, `cost_breakdown`) stay
text. Of a name that comes twice, as in a join of two tables, the second is numbered: `started_at_1`. CSV writes the
same texts and leaves empty what is not known.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

import pyarrow as pa

from claude_telemetry.errors import ClaudeTelemetryError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.commands.values import rows_of
from claude_telemetry_collector.queries.own import with_names_told_apart
from claude_telemetry_collector.store import connect
from claude_telemetry_collector.terminal import cells_wide, cut, failed, printable

WIDEST_CELL = 60
"""In a table for people; the other formats cut nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or with a sentence on standard error 1 when nobody could be asked and 2 when the question was
    refused."""
    parser = argparse.ArgumentParser(
        prog="claude-telemetry query",
        usage='%(prog)s "SELECT …" [OPTION ...]',
        description="Ask the running collector one SELECT, in DuckDB's SQL.",
        epilog="tables: calls, attempts, tool_uses, incidents, former_costs; `DESCRIBE calls` lists the columns",
    )
    parser.add_argument("sql", help='the question, such as "SELECT model, sum(cost_usd) FROM calls GROUP BY ALL"')
    parser.add_argument("--format", choices=tuple(_FORMATS), default="table", help="how to print (default table)")
    add_flags(parser, "query")
    given = vars(parser.parse_args(argv))
    try:
        settings = settle("query", given)
        answer = connect(settings["data"]).ask(given["sql"])
    except ClaudeTelemetryError as error:
        return failed("query", error)
    answer = with_names_told_apart(answer)
    try:
        _FORMATS[given["format"]](answer, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def print_json(answer: pa.Table, out: TextIO) -> None:
    """An array of objects, one a row."""
    rows = [json.dumps(dict(zip(answer.column_names, row, strict=True)), ensure_ascii=False) for row in rows_of(answer)]
    print("[" + ",\n ".join(rows) + "]", file=out)


def print_csv(answer: pa.Table, out: TextIO) -> None:
    """A line of names, and a line for each row."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.column_names)
    writer.writerows([_text(value, unknown="") for value in row] for row in rows_of(answer))


def print_table(answer: pa.Table, out: TextIO) -> None:
    """Aligned columns, numbers to the right."""
    heads = [_cut(name) for name in answer.column_names]
    rows = [[_cut(_text(value, unknown="—")) for value in row] for row in rows_of(answer)]
    numbers = [_is_number(column.type) for column in answer.columns]
    widths = [max(map(cells_wide, cells)) for cells in zip(heads, *rows, strict=True)]
    for cells in (heads, ["─" * width for width in widths], *rows):
        filled = zip(
            cells,
            [" " * (width - cells_wide(cell)) for cell, width in zip(cells, widths, strict=True)],
            numbers,
            strict=True,
        )
        print("  ".join(room + cell if number else cell + room for cell, room, number in filled).rstrip(), file=out)
    print(f"({answer.num_rows} {'row' if answer.num_rows == 1 else 'rows'})", file=out)


_FORMATS: Mapping[str, Callable[[pa.Table, TextIO], None]] = {
    "json": print_json,
    "csv": print_csv,
    "table": print_table,
}


def _text(value: object, unknown: str) -> str:
    if value is None:
        return unknown
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return cut(printable(" ".join(text.split())), WIDEST_CELL)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
