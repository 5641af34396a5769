"""Values of an answer as commands print them: exact for programs, short for people.

For programs whole numbers are numbers, exact decimals (money) are texts, since a JSON number would become a float in
most readers, times are ISO 8601 in UTC, and what is not known is `null`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

UNKNOWN = "—"

Number = Decimal | float | int


def rows_of(answer: pa.Table) -> list[tuple[object, ...]]:
    """The rows, each value as JSON has it."""
    columns = [[told(value) for value in column.to_pylist(maps_as_pydicts="lossy")] for column in answer.columns]
    return list(zip(*columns, strict=True))


def json_lines(answer: pa.Table) -> Iterator[str]:
    """One JSON object for each row."""
    names = answer.column_names
    for row in rows_of(answer):
        yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)


def told(value: Any) -> object:
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
        return {str(name): told(part) for name, part in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [told(part) for part in cast("list[object]", value)]
    return str(value)


def figure(value: Number | None, unit: str) -> str:
    """A number in its unit (as `Metric.unit` has it) for people: rounded, and a dash for what is not known."""
    if value is None:
        return UNKNOWN
    if unit == "USD":
        return _usd(Decimal(str(value)))
    if unit == "ms":
        return _ms(float(value))
    if unit == "ratio":
        return f"{float(value) * 100:.1f} %"
    return f"{value:,.0f}"


def _usd(dollars: Decimal) -> str:
    size, sign = abs(dollars), "-" if dollars < 0 else ""
    if size >= Decimal("0.1") or size == 0:
        return f"{sign}${size:,.2f}"
    # Of a fraction of a cent two digits say something.
    return f"{sign}${size:.{min(1 - size.adjusted(), 12)}f}"


def _ms(value: float) -> str:
    if round(value) < 1000:
        return f"{value:.0f} ms"
    if value < 59_950:
        return f"{value / 1000:.1f} s"
    minutes, seconds = divmod(round(value / 1000), 60)
    return f"{minutes} min {seconds} s"


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
