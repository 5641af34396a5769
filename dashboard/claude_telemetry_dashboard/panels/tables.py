"""Tables whose columns are formatted by the units that the record declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from claude_telemetry.record import Call, Column, columns_of
from claude_telemetry_dashboard import formats

_TITLES: Mapping[str, str] = {
    "api_key_alias": "API key",
    "cache_fingerprints": "Fingerprints up to each cache mark",
    "cache_write_1h_tokens": "Cache write for 1 hour",
    "cache_write_5m_tokens": "Cache write for 5 minutes",
    "error_type": "Error",
    "http_status": "HTTP status",
    "input_tokens": "Uncached input",
    "max_tokens": "Most output asked for",
    "message_count": "Messages",
    "reask": "Re-ask",
    "retry_after_ms": "Asked to wait",
    "session_id": "Session",
    "started_at": "Started",
    "thinking_budget_tokens": "Most thinking asked for",
    "tool_count": "Tools",
    "ttft_ms": "Time to first token",
    "usage_partial": "More than the counts say",
    "user_id": "User",
    "wait_ms": "Waited before",
}
_UNITS = ("_ms", "_usd", "_tokens")


def titled(name: str) -> str:
    """A column's name as a heading: `cache_read_tokens` is `Cache read`. Units stand with the values."""
    if name in _TITLES:
        return _TITLES[name]
    for unit in _UNITS:
        name = name.removesuffix(unit)
    text = " ".join("ID" if word == "id" else word for word in name.split("_"))
    return text[:1].upper() + text[1:]


def configured(record: type, widths: Mapping[str, int], zone: str = "UTC") -> dict[str, Any]:
    """The `column_config` of `st.dataframe` for these columns of a record, so many pixels wide, with their meaning as
    help. Times are as clocks in `zone` show them, an IANA name."""
    columns = {column.name: column for column in columns_of(record)}
    return {name: _configured(columns[name], width, zone) for name, width in widths.items()}


def with_a_model(rows: pa.Table) -> pa.Table:
    """`rows` of calls, where the model of one without an answer is the one that was asked for, as the filter has it."""
    model = pc.coalesce(rows["model"], rows["request_model"])
    return rows.set_column(rows.column_names.index("model"), "model", model)


def facts(values: Mapping[str, Any], names: Sequence[str], record: type = Call) -> None:
    """A line each: what a fact is called, and what is known of it. What is not known shows a dash."""
    columns = {column.name: column for column in columns_of(record)}
    for name in names:
        with _line():
            st.caption(titled(name), width="content")
            st.text(formats.cell(values.get(name), columns[name]), text_alignment="right")


def lines(values: Mapping[str, str]) -> None:
    """A line each: a name on the left, a text on the right, both as they came."""
    for name, value in values.items():
        with _line():
            st.text(name)
            st.text(value, text_alignment="right")


def table(rows: Sequence[Mapping[str, str]]) -> None:
    """A plain table of text. At least one row."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    st.dataframe(columns, hide_index=True)  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open


def selectable(
    rows: pa.Table,
    record: type,
    widths: Mapping[str, int],
    *,
    key: str,
    on_select: Callable[[], None],
    zone: str = "UTC",
    height: int | Literal["content"] = "content",
) -> None:
    """A table of records, of which one can be selected; `on_select` is then called. See `configured`."""
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        rows.select(list(widths)),
        hide_index=True,
        column_config=configured(record, widths, zone),
        height=height,
        placeholder=formats.UNKNOWN,
        on_select=on_select,
        selection_mode=["single-row", "single-cell"],
        key=key,
    )


def selected_row(key: str) -> int | None:
    """Which row of the table `key` is selected, or has a selected cell."""
    selection = st.session_state[key]["selection"]
    rows = [*selection["rows"], *(cell[0] for cell in selection["cells"])]
    return rows[0] if rows else None


def _line() -> AbstractContextManager[object]:
    return st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small")


def _configured(column: Column, width: int, zone: str) -> Any:
    title, meaning = titled(column.name), column.fact.meaning
    if column.type is bool:
        return st.column_config.CheckboxColumn(title, help=meaning, width=width)
    number_format = formats.column_format(column)
    if number_format is not None:
        return st.column_config.NumberColumn(title, help=meaning, format=number_format, width=width)
    if column.name.endswith("_at"):
        return st.column_config.DatetimeColumn(
            f"{title} ({zone})", help=meaning, format="DD MMM HH:mm:ss", timezone=zone, width=width
        )
    return st.column_config.TextColumn(title, help=meaning, width=width)
