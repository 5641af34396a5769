"""Single calls in a terminal: which columns, how wide, and a line for each call."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

import pyarrow as pa

from claude_telemetry.record import Call, Column, columns_of
from claude_telemetry_collector.commands.values import UNKNOWN, figure, told
from claude_telemetry_collector.queries import LISTED
from claude_telemetry_collector.terminal import cells_wide, cut, printable

COLUMNS: tuple[str, ...] = (
    "started_at",
    "status",
    "model",
    "feature",
    "duration_ms",
    "cost_usd",
    "output_tokens",
    "error_type",
    "user_id",
    "input_tokens",
    "cache_read_tokens",
    "request_id",
)
"""The columns unless others are given. A narrow terminal shows the first of them."""

_WIDTHS: Mapping[str, int] = {
    "started_at": 23,
    "status": 9,
    "error_type": 20,
    "model": 26,
    "feature": 18,
    "user_id": 14,
    "request_id": 32,
    "message_id": 32,
    "trace_id": 32,
    "session_id": 24,
}
_NUMBER_WIDTH = 11
_TEXT_WIDTH = 20
_GAP = 2


def add_columns(parser: argparse.ArgumentParser) -> None:
    """The flags that say how calls are printed."""
    group = parser.add_argument_group("how they are printed")
    group.add_argument(
        "--columns",
        type=_columns_given,
        metavar="NAME,…",
        help=f"which columns of `calls` (default {', '.join(COLUMNS)}; with --json all of them)",
    )
    group.add_argument("--json", action="store_true", help="a JSON object a line, exact; what is not known is null")


def fetched(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns to ask for."""
    chosen: tuple[str, ...] | None = given["columns"]
    columns = chosen or (LISTED if given["json"] else COLUMNS)
    # Where no model answered, the one that was asked for is shown.
    return columns if "model" not in columns else tuple(dict.fromkeys((*columns, "request_model")))


def shown(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns to print: those that were asked for, or as many as a terminal has room for."""
    chosen: tuple[str, ...] | None = given["columns"]
    if chosen or given["json"]:
        return chosen or LISTED
    if not sys.stdout.isatty():
        return COLUMNS
    ends = accumulate(_width(name) + _GAP for name in COLUMNS)
    room = shutil.get_terminal_size().columns + _GAP
    return tuple(name for name, end in zip(COLUMNS, ends, strict=True) if end <= room) or COLUMNS[:1]


def head(columns: Sequence[str]) -> Iterator[str]:
    """The lines above the calls."""
    yield (" " * _GAP).join(_aligned(name, name) for name in columns).rstrip()
    yield (" " * _GAP).join("─" * _width(name) for name in columns)


def lines(rows: pa.Table, columns: Sequence[str]) -> Iterator[str]:
    """A line for each call, as wide as every other, so that calls that come later stand below."""
    for row in rows.to_pylist():
        row["model"] = row.get("model") or row.get("request_model")
        yield (" " * _GAP).join(_aligned(name, _cell(name, row[name])) for name in columns).rstrip()


def _columns_given(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in LISTED:
            raise argparse.ArgumentTypeError(f"{name!r} is no column of a list: give some of {', '.join(LISTED)}")
    return names


_OF_A_CALL: Mapping[str, Column] = {column.name: column for column in columns_of(Call)}


def _is_number(name: str) -> bool:
    return _OF_A_CALL[name].fact.unit is not None


def _width(name: str) -> int:
    return max(_WIDTHS.get(name, _NUMBER_WIDTH if _is_number(name) else _TEXT_WIDTH), len(name))


def _aligned(name: str, text: str) -> str:
    kept = cut(text, _width(name))
    room = " " * (_width(name) - cells_wide(kept))
    return room + kept if _is_number(name) else kept + room


def _cell(name: str, value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}"
    if _is_number(name):
        return figure(value, _OF_A_CALL[name].fact.unit or "")
    return printable(value if isinstance(value, str) else str(told(value)).lower())
