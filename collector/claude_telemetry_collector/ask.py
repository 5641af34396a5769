"""`claude-telemetry query "SELECT …"`: asks the running collector, and prints the answer.

Nothing is rounded on the way. In JSON whole numbers are numbers, exact decimals (money) are texts, since a JSON number
would become a float in most readers, times are ISO 8601 in UTC, and what is not known is `null`. Columns that hold JSON
(`attributes`, `usage`, `cost_breakdown`) stay text. CSV writes the same texts and leaves empty what is not known.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TextIO, cast

import pyarrow as pa

from claude_telemetry.errors import ClaudeTelemetryError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.store import connect

WIDEST_CELL = 60
"""In a table for people; the other formats cut nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with a sentence on standard error when there is no answer."""
    parser = argparse.ArgumentParser(
        prog="claude-telemetry query",
        description="Ask the running collector one SELECT, in DuckDB's SQL.",
        epilog="tables: calls, attempts, tool_uses, incidents; `DESCRIBE calls` lists the columns",
    )
    parser.add_argument("sql", help='the question, such as "SELECT model, sum(cost_usd) FROM calls GROUP BY ALL"')
    parser.add_argument("--format", choices=tuple(_FORMATS), default="table", help="how to print (default table)")
    add_flags(parser, "query")
    given = vars(parser.parse_args(argv))
    try:
        settings = settle("query", given)
        answer = connect(settings["data"]).ask(given["sql"])
    except ClaudeTelemetryError as error:
        print(f"claude-telemetry query: {error}", file=sys.stderr)
        return 2
    try:
        _FORMATS[given["format"]](answer, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def print_json(answer: pa.Table, out: TextIO) -> None:
    """An array of objects, one a row."""
    rows = [json.dumps(dict(zip(answer.column_names, row, strict=True)), ensure_ascii=False) for row in _rows(answer)]
    print("[" + ",\n ".join(rows) + "]", file=out)


def print_csv(answer: pa.Table, out: TextIO) -> None:
    """A line of names, and a line for each row."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.column_names)
    writer.writerows([_text(value, unknown="") for value in row] for row in _rows(answer))


def print_table(answer: pa.Table, out: TextIO) -> None:
    """Aligned columns, numbers to the right."""
    rows = [[_cut(_text(value, unknown="—")) for value in row] for row in _rows(answer)]
    widths = [max(map(len, cells)) for cells in zip(answer.column_names, *rows, strict=True)]
    numbers = [_is_number(column.type) for column in answer.columns]
    for cells in (answer.column_names, ["─" * width for width in widths], *rows):
        aligned = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, numbers, strict=True)
        )
        print("  ".join(aligned).rstrip(), file=out)
    print(f"({answer.num_rows} {'row' if answer.num_rows == 1 else 'rows'})", file=out)


_FORMATS: Mapping[str, Callable[[pa.Table, TextIO], None]] = {
    "json": print_json,
    "csv": print_csv,
    "table": print_table,
}


def _rows(answer: pa.Table) -> list[tuple[object, ...]]:
    columns = [[_told(value) for value in column.to_pylist()] for column in answer.columns]
    return list(zip(*columns, strict=True))


def _told(value: Any) -> object:
    """A value as JSON has it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date | time):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, dict):
        return {str(name): _told(part) for name, part in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [_told(part) for part in cast("list[object]", value)]
    return str(value)


def _text(value: object, unknown: str) -> str:
    if value is None:
        return unknown
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST_CELL else line[: WIDEST_CELL - 1] + "…"


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
