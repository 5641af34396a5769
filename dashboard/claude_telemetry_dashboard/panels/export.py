"""Taking a table along: as CSV for spreadsheets, as Parquet for programs. A file is made when somebody asks for it.

A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula, and runs it: a feature that somebody
named `=HYPERLINK(…)` would be one. So such a text gets an apostrophe before that sign, also in headings, and every text
is quoted. It gets one after each `;`, tab and line break as well: where spreadsheets expect another separator than the
comma, a new cell begins there. Numbers are no texts and stay as they are.

Source of the rules: OWASP, "CSV Injection", read 2026-11-20; the signs of full width and what is invisible before a
sign are from the same page and from how LibreOffice and Excel trim cells.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import streamlit as st

_INVISIBLE = r"[\x00-\x20\"\x7f-\xa0\x{ad}\x{1680}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{2064}\x{3000}\x{feff}]*"
_FORMULA = rf"(^|[;\t\r\n])({_INVISIBLE})([=+\-@\x{{ff1d}}\x{{ff0b}}\x{{ff0d}}\x{{ff20}}])"
"""A sign that begins a formula, at the start of a text or after what may begin a cell. In RE2's words."""

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""By which Excel knows that a file is UTF-8."""


def offer(table: pa.Table | Callable[[], pa.Table], name: str) -> None:
    """A button that opens to the downloads of `table`, or of what it gives when somebody asks.

    `name` is ours, the only one of its kind on the page, and names the files. A function runs outside of the page: it
    asks by `data`, and draws nothing.
    """

    def rows() -> pa.Table:
        return table() if callable(table) else table

    with st.popover("Export", icon=":material/download:", key=f"export-{name}"):
        _download("CSV, for spreadsheets", f"{name}.csv", "text/csv", lambda: csv_of(rows()))
        _download(
            "Parquet, for programs", f"{name}.parquet", "application/vnd.apache.parquet", lambda: parquet_of(rows())
        )


def csv_of(table: pa.Table) -> bytes:
    """`table` as CSV in UTF-8, a line of names first. Times are ISO 8601 in UTC, bytes hexadecimal, nested values JSON;
    what is not known is empty, and so is what is no number in a column of numbers. Money is exact."""
    if not table.num_columns:
        return _BOM.encode()
    heads = _quoted(pa.array(table.column_names, pa.string())).to_pylist()
    lines = [",".join(str(head) for head in heads)]
    for batch in cast("list[Any]", table.to_batches()):
        cells = [pc.fill_null(_cells(column), "") for column in batch.columns]
        lines += pc.binary_join_element_wise(*cells, ",").to_pylist()
    return (_BOM + "\r\n".join(lines) + "\r\n").encode()


def parquet_of(table: pa.Table) -> bytes:
    """`table` as Parquet, every value as it is."""
    file = io.BytesIO()
    pq.write_table(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        table, file, compression="zstd"
    )
    return file.getvalue()


def _download(label: str, file_name: str, mime: str, made: Callable[[], bytes]) -> None:
    st.download_button(
        label,
        made,
        file_name=f"claude-telemetry-{file_name}",
        mime=mime,
        key=f"download-{file_name}",
        on_click="ignore",
        width="stretch",
    )


def _cells(column: Any) -> Any:
    """What stands in the cells of a column, as an array of texts."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _cells(column.storage)
    if pa.types.is_dictionary(kind):
        return _cells(column.dictionary_decode())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.string())
    if pa.types.is_floating(kind):
        finite = cast("Any", pc).is_finite(column)
        return pc.if_else(finite, column, pa.scalar(None, kind)).cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _quoted(column.cast(pa.string()))
    if pa.types.is_decimal(kind):
        return _told(column, lambda value: format(value, "f"))
    if pa.types.is_timestamp(kind):
        return _told(column.cast(pa.timestamp("us")), lambda value: value.replace(tzinfo=None).isoformat() + "Z")
    if pa.types.is_date(kind):
        return column.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _told(column, lambda value: value.hex())
    return _quoted(_told(column, _any))


def _told(column: Any, told: Callable[[Any], str]) -> Any:
    values: Iterable[Any] = column.to_pylist()
    return pa.array([None if value is None else told(value) for value in values], pa.string())


def _any(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _quoted(texts: Any) -> Any:
    harmless = pc.replace_substring_regex(texts, _FORMULA, r"\1\2'\3")
    harmless = pc.replace_substring_regex(harmless, r"^([\t\r\n])", r"'\1")
    return pc.binary_join_element_wise('"', pc.replace_substring(harmless, '"', '""'), '"', "")
