"""SQL: one's own questions, read-only, with the answer as a table to look at or to take along.

The question stands in the URL, so that a link brings it back; it is asked when somebody says so, and not by opening a
link.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import streamlit as st

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry_collector.queries.own import own_question
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, export

MOST_SHOWN = 1000
MOST_CHARACTERS = 4000
"""More does not fit into an address."""

TABLES = ("calls", "attempts", "tool_uses", "tool_runs", "call_sources", "events", "incidents", "former_costs")

EXAMPLES: Mapping[str, str] = {
    "Cost by feature and model": (
        "SELECT feature, model, count(*) AS calls, sum(cost_usd) AS cost_usd\nFROM calls\n"
        "WHERE started_at >= $since AND started_at < $until\nGROUP BY ALL\nORDER BY cost_usd DESC NULLS LAST\nLIMIT 100"
    ),
    "Errors by hour": (
        "SELECT date_trunc('hour', started_at) AS hour, error_type, count(*) AS calls\nFROM calls\n"
        "WHERE started_at >= $since AND started_at < $until AND status = 'error'\nGROUP BY ALL\n"
        "ORDER BY hour, calls DESC"
    ),
    "Retries that waited": (
        "SELECT started_at, trace_id, span_id, attempt, http_status, error_type, wait_ms\nFROM attempts\n"
        "WHERE started_at >= $since AND started_at < $until AND wait_ms IS NOT NULL\n"
        "ORDER BY wait_ms DESC\nLIMIT 100"
    ),
    "Tools that failed": (
        "SELECT name, error_type, count(*) AS runs, avg(duration_ms) AS mean_ms\nFROM tool_runs\n"
        "WHERE started_at >= $since AND started_at < $until AND outcome = 'error'\nGROUP BY ALL\nORDER BY runs DESC"
    ),
}

_SQL, _ASKED = "sql", "sql-asked"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, and what came of it."""

    sql: str
    rows: pa.Table | None
    took_s: float
    refusal: str = ""


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    st.caption(
        "One SELECT in DuckDB's SQL, which changes nothing. `$since` and `$until` are the ends of the time range above."
    )
    sql = st.text_area(
        "Question",
        value=next(iter(EXAMPLES.values())),
        height=190,
        max_chars=MOST_CHARACTERS,
        key=_SQL,
        bind="query-params",
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="center", key="ask-sql"):
        if st.button("Ask", type="primary", icon=":material/play_arrow:", key="ask"):
            st.session_state[_ASKED] = _asked(sql, chosen)
        with st.popover("Examples", icon=":material/lightbulb:", key="sql-examples"):
            for title, example in EXAMPLES.items():
                st.button(title, on_click=_take, args=(example,), width="stretch", key=f"example {title}")
        with st.popover("Tables", icon=":material/table:", key="sql-tables", on_change="rerun") as tables:
            if tables.open:
                _tables(chosen)
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is not None:
        _answer(asked, sql)


def _asked(sql: str, chosen: filters.Chosen) -> _Asked:
    began = time.perf_counter()
    with st.spinner("Asking …"):
        try:
            rows = data.later(own_question, sql, chosen.window)()
        except QuestionRefusedError as error:
            return _Asked(sql, None, time.perf_counter() - began, str(error))
    return _Asked(sql, rows, time.perf_counter() - began)


def _answer(asked: _Asked, sql: str) -> None:
    if asked.rows is None:
        st.error("The question was not answered.", icon=":material/error:")
        st.text(asked.refusal)
        return
    rows = asked.rows.num_rows
    told = f"{formats.count(rows)} {'row' if rows == 1 else 'rows'} in {formats.ms(asked.took_s * 1000)}."
    cut = f" The first {MOST_SHOWN:,} are shown, the export has all." if rows > MOST_SHOWN else ""
    changed = " The question above has changed since." if sql != asked.sql else ""
    st.caption(told + cut + changed)
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        asked.rows.slice(0, MOST_SHOWN),
        hide_index=True,
        column_config={
            name: _column(column.type) for name, column in zip(asked.rows.column_names, asked.rows.columns, strict=True)
        },
        placeholder=formats.UNKNOWN,
        key="sql-answer",
    )
    export.offer(asked.rows, "answer")


def _column(kind: pa.DataType) -> Any:
    """Text is text, also where it looks like a link, and a time is in UTC."""
    if pa.types.is_timestamp(kind):
        return st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss.SSS", timezone="UTC")
    if pa.types.is_integer(kind):
        return st.column_config.NumberColumn(format="localized")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return st.column_config.NumberColumn()
    return None if pa.types.is_nested(kind) or pa.types.is_boolean(kind) else st.column_config.TextColumn()


def _tables(chosen: filters.Chosen) -> None:
    for name in TABLES:
        columns = data.answer_for_a_while(own_question, f"SELECT * FROM {name} LIMIT 0", chosen.window)  # noqa: S608
        st.markdown(f"**{name}**")
        st.code(", ".join(columns.column_names), language=None, wrap_lines=True)


def _take(example: str) -> None:
    st.session_state[_SQL] = example
