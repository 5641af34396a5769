"""Live: the calls that came in last, while they come in.

The list is drawn anew every two seconds, newest on top. It keeps its height, holds still when it is paused or when a
row of it is selected, and each row links to its call by its own ids: what is clicked is what opens, whatever has come
in since.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import streamlit as st

from claude_telemetry.record import Call
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import Window
from claude_telemetry_collector.queries.calls import arrived
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, call_list, numbers, tables
from claude_telemetry_dashboard.panels.call_list import Wanted

REFRESH_S = 2.0
MOST = 200
TABLE = "live-table"
HEIGHT_PX = 640
MINUTE = timedelta(minutes=1)
NAMES = ("requests", "error_ratio", "duration_p95_ms", "cost_usd", "net_cost_usd")

_PAUSED, _HELD = "live-paused", "live-held"
_LINK = "open"


def show() -> None:
    """The page. It draws itself again every two seconds."""
    with st.container(horizontal=True, vertical_alignment="center", key="call-filters"):
        wanted = call_list.controls(filters.chosen(), ordered=False)
        call_list.columns()
    _live(wanted)


@st.fragment(run_every=REFRESH_S)
def _live(wanted: Wanted) -> None:
    away.guarded(lambda: _draw(wanted), comes_back=True)


def _draw(wanted: Wanted) -> None:
    chosen = filters.chosen()
    newest = data.answer(arrived, chosen.window, chosen.segment, wanted.narrowed, columns=wanted.fetched, limit=MOST)
    with st.container(horizontal=True, vertical_alignment="center", key="live-state"):
        paused = st.toggle("Pause", key=_PAUSED, help="Holds the list still. Selecting a row does so too.")
        rows = _held(newest, wanted, paused=paused)
        _say(chosen, newest, rows, paused=paused)
    if not rows.num_rows:
        st.info(
            f"No calls {chosen.words} with these filters. They will appear here.", icon=":material/hourglass_empty:"
        )
        return
    _table(rows, wanted, chosen.zone)


def _held(newest: pa.Table, wanted: Wanted, *, paused: bool) -> pa.Table:
    """What is shown: what came in last, or, while it is held still, what that was then."""
    held: tuple[tuple[object, ...], pa.Table] | None = st.session_state.get(_HELD)
    about = (*filters.asked_for(), wanted)
    if paused and held is not None and held[0] == about:
        return held[1]
    st.session_state[_HELD] = (about, newest)
    return newest


def _say(chosen: filters.Chosen, newest: pa.Table, rows: pa.Table, *, paused: bool) -> None:
    if paused:
        shown = set(_ids(rows))
        more = sum(one not in shown for one in _ids(newest))
        many = f"{more} or more" if more == MOST else formats.count(more)
        st.caption(f"Held still. {many} newer since." if more else "Held still. Nothing newer yet.", width="content")
        return
    # In steps of its refresh, so that several who look ask the same.
    now = datetime.now(UTC).replace(microsecond=0)
    end = now - timedelta(seconds=now.second % REFRESH_S)
    minute = data.answer_at_present(queries.readings, NAMES, Window(end - MINUTE, end), chosen.segment, clock="ended")
    st.text(numbers.status(minute, "ended in the last minute"))


def _ids(rows: pa.Table) -> list[tuple[str, str]]:
    return [(row["trace_id"], row["span_id"]) for row in rows.select(["trace_id", "span_id"]).to_pylist()]


def _table(rows: pa.Table, wanted: Wanted, zone: str) -> None:
    links = pa.array([f"calls?call={trace_id}-{span_id}" for trace_id, span_id in _ids(rows)])
    shown = tables.with_a_model(rows) if "model" in wanted.columns else rows
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        shown.select(list(wanted.columns)).append_column(_LINK, links),
        hide_index=True,
        column_order=[_LINK, *wanted.columns],
        column_config={
            **tables.configured(Call, call_list.widths(wanted.columns), zone),
            _LINK: st.column_config.LinkColumn(
                "", help="Opens the call in another tab.", display_text=":material/open_in_new:", width=44
            ),
        },
        height=HEIGHT_PX,
        placeholder=formats.UNKNOWN,
        on_select=_hold,
        selection_mode="single-row",
        key=TABLE,
    )


def _hold() -> None:
    if tables.selected_row(TABLE) is not None:
        st.session_state[_PAUSED] = True
