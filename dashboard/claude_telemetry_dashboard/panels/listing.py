"""Tables of answers, of which a row can be selected: headings, units and meanings of their columns in one place.

What is in them was written by others: each cell is text or a number, and nothing in it is read as anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
import streamlit as st

from claude_telemetry_dashboard import formats

Width = int | Literal["small", "medium", "large"]
Column = Any
"""Streamlit's description of a column, which has no public type."""


def text(title: str, meaning: str, width: Width | None = None) -> Column:
    """A column of texts as they came."""
    return st.column_config.TextColumn(title, help=meaning, width=width)


def count(title: str, meaning: str, width: Width | None = 80) -> Column:
    """A column of whole numbers."""
    return st.column_config.NumberColumn(title, help=meaning, format="localized", width=width)


def usd(title: str, meaning: str, width: Width | None = 92) -> Column:
    """A column of dollars."""
    return st.column_config.NumberColumn(title, help=meaning, format="$%.4f", width=width)


def ms(title: str, meaning: str, width: Width | None = 96) -> Column:
    """A column of milliseconds."""
    return st.column_config.NumberColumn(title, help=meaning, format="%,d ms", width=width)


def share(title: str, meaning: str, width: Width | None = 80) -> Column:
    """A column of shares from 0 to 1, as percentages."""
    return st.column_config.NumberColumn(title, help=meaning, format="percent", width=width)


def bar(title: str, meaning: str, width: Width | None = 130) -> Column:
    """A column of shares from 0 to 1, as bars."""
    return st.column_config.ProgressColumn(
        title, help=meaning, format="percent", min_value=0.0, max_value=1.0, width=width
    )


def moment(title: str, meaning: str, zone: str, width: Width | None = 128) -> Column:
    """A column of moments, as clocks in `zone` show them."""
    return st.column_config.DatetimeColumn(
        f"{title} ({zone})", help=meaning, format="DD MMM HH:mm:ss", timezone=zone, width=width
    )


def show(rows: pa.Table, columns: Mapping[str, Column], *, key: str) -> Mapping[str, Any] | None:
    """Draws those columns of `rows`, at least one row, and gives the row that is selected, with all that it has."""
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        rows.select(list(columns)),
        hide_index=True,
        column_config=dict(columns),
        height="content" if rows.num_rows <= _ROWS_SHOWN else _HEIGHT_PX,
        placeholder=formats.UNKNOWN,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key=key,
    )
    selection = st.session_state[key]["selection"]
    chosen = [*selection["rows"], *(cell[0] for cell in selection["cells"])]
    return rows.slice(chosen[0], 1).to_pylist()[0] if chosen and chosen[0] < rows.num_rows else None


def numbers_of(rows: pa.Table, name: str) -> list[float]:
    """What is known in a column, as a sparkline wants it."""
    return [float(value) for row in rows.to_pylist() if (value := row[name]) is not None]


def long_times(rows: pa.Table, *names: str) -> pa.Table:
    """`rows` with those columns of milliseconds as texts: minutes and hours are unreadable as milliseconds."""
    for name in names:
        told = [formats.ms(value) for value in rows.column(name).to_pylist()]
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(told, pa.string()))
    return rows


def say_more(rows: pa.Table, column: str) -> None:
    """Says how many are not listed. `column` is the one in which each row says how many there are in all."""
    told: list[Any] = rows.column(column).to_pylist()
    if told and told[0] > rows.num_rows:
        st.caption(f"{formats.count(told[0] - rows.num_rows)} more are not listed.")


_ROWS_SHOWN = 12
_HEIGHT_PX = 460
"""A longer table scrolls in itself, so that what comes below stays near."""
