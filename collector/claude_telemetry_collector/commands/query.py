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
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TextIO, cast

import pyarrow as pa

from claude_telemetry.errors import ClaudeTelemetryError, QuestionRefusedError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.store import connect

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
        print(f"claude-telemetry query: {error}", file=sys.stderr)
        return 2 if isinstance(error, QuestionRefusedError) else 1
    answer = answer.rename_columns(_told_apart(answer.column_names))
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
    columns = [[_told(value) for value in column.to_pylist(maps_as_pydicts="lossy")] for column in answer.columns]
    return list(zip(*columns, strict=True))


def _told_apart(names: Sequence[str]) -> list[str]:
    """A JSON object would keep only the last of those with one name."""
    told: list[str] = []
    for name in names:
        unlike = (name if number == 0 else f"{name}_{number}" for number in itertools.count())
        told.append(next(other for other in unlike if other not in told and (other == name or other not in names)))
    return told


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
    if isinstance(value, pa.MonthDayNano):
        return _stretch(value)
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, dict):
        return {str(name): _told(part) for name, part in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [_told(part) for part in cast("list[object]", value)]
    return str(value)


def _stretch(value: pa.MonthDayNano) -> str:
    """As DuckDB writes an interval, and reads it again: `1 month 2 days -00:00:05.25`."""
    microseconds = abs(value.nanoseconds) // 1000
    minutes, seconds = divmod(microseconds // 1_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{microseconds % 1_000_000:06}".rstrip("0").rstrip(".")
    clock = f"{'-' if value.nanoseconds < 0 else ''}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
    counted = ((value.months, "month"), (value.days, "day"))
    parts = [f"{count} {word}{'' if abs(count) == 1 else 's'}" for count, word in counted if count]
    return " ".join([*parts, *([clock] if value.nanoseconds or not parts else [])])


def _text(value: object, unknown: str) -> str:
    if value is None:
        return unknown
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST_CELL else line[: WIDEST_CELL - 1] + "…"


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
