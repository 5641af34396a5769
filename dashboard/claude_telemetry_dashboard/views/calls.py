"""Single calls: a list in pages, newest first, and everything about one of them.

The open call stands in the URL as `?call=<trace id>-<span id>`, so that a message can point at it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from claude_telemetry.errors import CollectorError
from claude_telemetry.record import Call
from claude_telemetry_collector.queries import Cursor, Page
from claude_telemetry_dashboard import data, filters
from claude_telemetry_dashboard.panels import away, call_detail, numbers, tables

PAGE_SIZE = 50
LOOK_EVERY_S = 2.0
WIDTHS = {
    "started_at": 128,
    "status": 74,
    "error_type": 118,
    "model": 140,
    "feature": 110,
    "user_id": 82,
    "duration_ms": 82,
    "cost_usd": 82,
    "input_tokens": 108,
    "cache_read_tokens": 86,
    "output_tokens": 68,
}
"""The columns of the list, in pixels: together as wide as a page of 1280. The rest is in a call's detail."""

TABLE = "calls-table"
STATUSES = ("ok", "error", "cancelled")

_CALL_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")


def show() -> None:
    """The page."""
    asked_for = st.query_params.get("call")
    if asked_for is None:
        away.guarded(_list)
    else:
        away.guarded(lambda: _one(asked_for))


def _one(asked_for: str) -> None:
    if st.button("All calls", icon=":material/arrow_back:", key="all-calls"):
        del st.query_params["call"]
        st.rerun()
    ids = _CALL_ID.fullmatch(asked_for)
    found = data.call(ids[1], ids[2]) if ids else None
    if found is None:
        st.info("There is no such call, or it has not landed yet.", icon=":material/search_off:")
        st.text(asked_for[:100])
    else:
        call_detail.show(found)


def _list() -> None:
    chosen = filters.chosen()
    row = st.container(horizontal=True, vertical_alignment="center", key="call-filters")
    with row:
        status, error_type = _narrowed(chosen)
    turned = _turned_pages((*filters.asked_for(), status, error_type))
    page = _fetched(status, error_type, turned[-1] if turned else None)
    _remember(page)
    if not turned:
        # In a row that is there anyway: a button that pushed the list down would be in the way of a click.
        with row:
            _watch_for_newer(status, error_type)
    if not page.rows.num_rows:
        st.info("No calls here. A longer time range or fewer filters may show some.", icon=":material/search_off:")
        return
    tables.selectable(tables.with_a_model(page.rows), Call, WIDTHS, key=TABLE, on_select=_open_selected)
    _turn(turned, page.next)


def _fetched(status: str | None, error_type: str | None, before: Cursor | None) -> Page:
    chosen = filters.chosen()
    return data.calls(
        chosen.window, chosen.segment, status=status, error_type=error_type, before=before, limit=PAGE_SIZE
    )


def _narrowed(chosen: filters.Chosen) -> tuple[str | None, str | None]:
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
        width=220,
    )
    st.caption(f"Calls {chosen.words}, newest first. Select one to see all of it.", width="content")
    if status is None and error_type is None:
        cost = data.readings(("cost_usd", "net_cost_usd"), chosen.window, chosen.segment)
        if cost["cost_usd"].calls:
            st.caption(f"Cost: {numbers.plain(numbers.cost(cost))}.", width="content")
    return status, error_type


def _remember(page: Page) -> None:
    # A selection says only which row, and by the time it comes other calls may be the newest.
    drawn = page.rows.select(["trace_id", "span_id"]).to_pylist()
    st.session_state["drawn-calls"] = [(row["trace_id"], row["span_id"]) for row in drawn]


def _open_selected() -> None:
    row = tables.selected_row(TABLE)
    drawn = _drawn()
    if row is not None and row < len(drawn):
        st.query_params["call"] = "-".join(drawn[row])


def _drawn() -> Sequence[tuple[str, str]]:
    drawn: Sequence[tuple[str, str]] = st.session_state.get("drawn-calls", ())
    return drawn


def _turned_pages(about: tuple[object, ...]) -> list[Cursor]:
    """Where the pages that were turned end, oldest last. Another filter begins at the newest call again."""
    known: tuple[tuple[object, ...], list[Cursor]] | None = st.session_state.get("turned-pages")
    if known is None or known[0] != about:
        known = st.session_state["turned-pages"] = (about, list[Cursor]())
    return known[1]


def _turn(turned: list[Cursor], following: Cursor | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="turn-pages"):
        st.button("Newest", on_click=turned.clear, disabled=not turned, icon=":material/first_page:")
        st.button("Newer", on_click=_back, args=(turned,), disabled=not turned, icon=":material/chevron_left:")
        st.button(
            "Older",
            on_click=turned.append,
            args=(following,),
            disabled=following is None,
            icon=":material/chevron_right:",
            icon_position="right",
        )
        st.caption(f"Page {len(turned) + 1}")


def _back(turned: list[Cursor]) -> None:
    turned.pop()


@st.fragment(run_every=LOOK_EVERY_S)
def _watch_for_newer(status: str | None, error_type: str | None) -> None:
    """Says how many calls came in since the list was drawn. The list itself stays still under the reader's hand."""
    try:
        newest = _fetched(status, error_type, None).rows.select(["trace_id", "span_id"]).to_pylist()
    except CollectorError:
        st.badge("The collector is away", icon=":material/cloud_off:", color="orange")
        return
    drawn = set(_drawn())
    count = sum((row["trace_id"], row["span_id"]) not in drawn for row in newest)
    if count:
        many = f"{count} or more" if count == PAGE_SIZE else str(count)
        if st.button(f"Show {many} newer", icon=":material/refresh:", key="show-newer"):
            st.rerun()
