"""A list of single calls: which of them, in what order, with which columns, all of it in the URL.

A row's selection says only its place in the list, and by the time it comes other calls may be there; so the ids that
were drawn are remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import streamlit as st

from claude_telemetry.record import Call
from claude_telemetry_collector.queries import LISTED
from claude_telemetry_collector.queries.calls import MOST_EXTREME
from claude_telemetry_collector.queries.narrowed import Narrowed
from claude_telemetry_dashboard import data, filters
from claude_telemetry_dashboard.panels import tables

STATUSES = ("ok", "error", "cancelled")

NEWEST = "newest"
ROWS_SHOWN = 50
"""A longer list scrolls in itself."""
_ROW_PX = 35
ORDERS = (NEWEST, *MOST_EXTREME)

WIDTHS: Mapping[str, int] = {
    "started_at": 128,
    "status": 70,
    "error_type": 108,
    "model": 140,
    "feature": 110,
    "user_id": 82,
    "duration_ms": 82,
    "cost_usd": 82,
    "output_tokens": 68,
}
"""The columns of the list unless others are chosen, in pixels: together as wide as a page of 1280."""

COLUMNS = "columns"
_WIDTH_PX = 110
_WIDE_PX = 230
_WIDE = frozenset({"request_id", "message_id", "trace_id", "span_id", "parent_span_id", "batch_id", "session_id"})

NAMED_HELP = (
    "The whole id of a request (also of an attempt that was retried), a message, a trace, a span, a session, a batch "
    "or a framework's run, within the time range."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the controls of a list are set to."""

    narrowed: Narrowed
    order: str
    """One of `ORDERS`."""
    columns: tuple[str, ...]
    """Of `LISTED`, in that order."""

    @property
    def fetched(self) -> tuple[str, ...]:
        """The columns to ask for: where no model answered, the one that was asked for is shown."""
        return (*self.columns, "request_model") if "model" in self.columns else self.columns


def controls(chosen: filters.Chosen, *, ordered: bool) -> Wanted:
    """Draws the controls in the container that is open. `ordered`: whether the order can be chosen."""
    order = NEWEST
    if ordered:
        order = st.segmented_control(
            "Order",
            ORDERS,
            default=NEWEST,
            required=True,
            key="order",
            bind="query-params",
            label_visibility="collapsed",
        )
    status = st.segmented_control("Status", STATUSES, key="status", bind="query-params", label_visibility="collapsed")
    error_type = st.selectbox(
        "Error type",
        filters.with_chosen("error", data.choices(chosen.window, "error_type")),
        index=None,
        placeholder="All error types",
        key="error",
        bind="query-params",
        accept_new_options=True,
        label_visibility="collapsed",
        width=150,
    )
    named = st.text_input(
        "Find by id",
        placeholder="Id: req_…, trace, session",
        max_chars=200,
        key="find",
        bind="query-params",
        help=NAMED_HELP,
        label_visibility="collapsed",
        width=200,
    )
    return Wanted(
        narrowed=Narrowed(status=status, error_type=error_type, named=(named or "").strip() or None),
        order=order or NEWEST,
        columns=_chosen_columns(),
    )


def table(rows: pa.Table, columns: Sequence[str], zone: str, *, key: str, on_select: Callable[[], None]) -> None:
    """The list. `selected` says which call was selected in it."""
    ids = rows.select(["trace_id", "span_id"]).to_pylist()
    st.session_state[_drawn(key)] = [(row["trace_id"], row["span_id"]) for row in ids]
    shown = tables.with_a_model(rows) if "model" in columns else rows
    height: int | Literal["content"] = "content" if rows.num_rows <= ROWS_SHOWN else ROWS_SHOWN * _ROW_PX
    tables.selectable(shown, Call, widths(columns), key=key, on_select=on_select, zone=zone, height=height)


def selected(key: str) -> tuple[str, str] | None:
    """The trace id and span id of the call that is selected in the list `key`."""
    row = tables.selected_row(key)
    drawn = drawn_in(key)
    return drawn[row] if row is not None and row < len(drawn) else None


def drawn_in(key: str) -> Sequence[tuple[str, str]]:
    """The calls that the list `key` last held."""
    drawn: Sequence[tuple[str, str]] = st.session_state.get(_drawn(key), ())
    return drawn


def nothing_drawn(key: str) -> None:
    """The list `key` holds nothing now."""
    st.session_state[_drawn(key)] = []


def _drawn(key: str) -> str:
    return f"{key}-drawn"


def widths(columns: Sequence[str]) -> Mapping[str, int]:
    """How wide each column is, in pixels."""
    return {name: WIDTHS.get(name, _WIDE_PX if name in _WIDE else _WIDTH_PX) for name in columns}


def columns() -> None:
    """Draws the choice of columns. They are named as everywhere in SQL."""
    with st.popover("Columns", icon=":material/view_column:", key="choose-columns"):
        st.multiselect(
            "Columns", LISTED, default=list(WIDTHS), key=COLUMNS, bind="query-params", label_visibility="collapsed"
        )


def _chosen_columns() -> tuple[str, ...]:
    # They stand below the list that they are about: before they are first drawn, only the URL has them.
    told = st.session_state.get(COLUMNS) or st.query_params.get_all(COLUMNS)
    # A list without columns shows nothing to select.
    return tuple(name for name in dict.fromkeys(told) if name in LISTED) or tuple(WIDTHS)
