"""Explore: a list of single calls, and from there one call, its trace, and everything as it came.

The open call stands in the URL as `?call=<trace id>-<span id>`, so that a message can point at it. The rest of the URL
is the list's: filters, order, columns and the id that was looked for, so that a link is a saved view.
"""

from __future__ import annotations

from urllib.parse import urlencode

import pyarrow as pa
import streamlit as st

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import LISTED, Cursor
from claude_telemetry_collector.queries.calls import top_calls
from claude_telemetry_collector.queries.narrowed import ALL, CALL_ID
from claude_telemetry_collector.queries.trace import trace
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, call_detail, call_list, export, numbers
from claude_telemetry_dashboard.panels.call_list import NEWEST, Wanted

PAGE_SIZE = call_list.ROWS_SHOWN
MOST_RANKED = 200
MOST_EXPORTED = 20_000
"""More calls are no file to look through: `claude-telemetry query` gives all there are."""
LOOK_EVERY_S = 2.0
TABLE = "calls-table"
LONG_RANGE = "90d"


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
    ids = CALL_ID.fullmatch(asked_for)
    found = data.answer(queries.call, ids[1], ids[2]) if ids else None
    if found is None:
        st.info("There is no such call, or it has not landed yet.", icon=":material/search_off:")
        st.text(asked_for[:100])
    else:
        around = data.answer(trace, found.call.trace_id, found.call.started_at)
        call_detail.show(found, around, _open, filters.chosen().zone)


def _list() -> None:
    chosen = filters.chosen()
    row = st.container(horizontal=True, vertical_alignment="center", key="call-filters")
    with row:
        wanted = call_list.controls(chosen, ordered=True)
    if wanted.order == NEWEST:
        _pages(chosen, wanted)
    else:
        _ranked(chosen, wanted)


def _pages(chosen: filters.Chosen, wanted: Wanted) -> None:
    turned = _turned_pages((*filters.asked_for(), wanted))
    page = data.answer(
        queries.calls,
        chosen.window,
        chosen.segment,
        wanted.narrowed,
        columns=wanted.fetched,
        before=turned[-1] if turned else None,
        limit=PAGE_SIZE,
    )
    with st.container(horizontal=True, vertical_alignment="center", key="said"):
        _say(chosen, wanted, "newest first")
        if not turned:
            _watch_for_newer(wanted)
    _table(page.rows, chosen, wanted)
    with st.container(horizontal=True, vertical_alignment="center", key="turn-pages"):
        _turn(turned, page.next)
        call_list.columns()
        _offer(chosen, wanted)
        _link()


def _ranked(chosen: filters.Chosen, wanted: Wanted) -> None:
    top = data.answer(
        top_calls,
        wanted.order,
        chosen.window,
        chosen.segment,
        wanted.narrowed,
        columns=wanted.fetched,
        limit=MOST_RANKED,
    )
    of_all = f"the {wanted.order} {formats.count(top.rows.num_rows)} of {formats.count(top.calls)}"
    with st.container(horizontal=True, vertical_alignment="center", key="said"):
        _say(
            chosen, wanted, f"{of_all}, {formats.count(top.unknown)} unknown and not ranked" if top.unknown else of_all
        )
    _table(top.rows, chosen, wanted)
    with st.container(horizontal=True, key="below-ranked"):
        call_list.columns()
        _offer(chosen, wanted)
        _link()


def _say(chosen: filters.Chosen, wanted: Wanted, order: str) -> None:
    said = f"Calls {chosen.words}, {order}."
    if wanted.narrowed == ALL:
        cost = data.readings(("cost_usd", "net_cost_usd"), chosen.window, chosen.segment)
        if cost["cost_usd"].calls:
            said += f" Cost: {numbers.plain(numbers.cost(cost))}."
    st.caption(f"{said} Select one to see all of it.", width="content")


def _table(rows: pa.Table, chosen: filters.Chosen, wanted: Wanted) -> None:
    if rows.num_rows:
        call_list.table(rows, wanted.columns, chosen.zone, key=TABLE, on_select=_open_selected)
        return
    call_list.nothing_drawn(TABLE)
    if wanted.narrowed.named is None:
        st.info("No calls here. A longer time range or fewer filters may show some.", icon=":material/search_off:")
    else:
        st.info("No call of this time range and these filters has this id.", icon=":material/search_off:")
        if st.session_state.get("range") != LONG_RANGE:
            st.button("Look in the last 90 days", on_click=_look_far_back, icon=":material/history:", key="far-back")


def _look_far_back() -> None:
    st.session_state["range"] = LONG_RANGE


def _offer(chosen: filters.Chosen, wanted: Wanted) -> None:
    if wanted.order == NEWEST:
        page = data.later(
            queries.calls, chosen.window, chosen.segment, wanted.narrowed, columns=LISTED, limit=MOST_EXPORTED
        )
        export.offer(lambda: page().rows, "calls")
        return
    top = data.later(top_calls, wanted.order, chosen.window, chosen.segment, wanted.narrowed, limit=MOST_RANKED)
    export.offer(lambda: top().rows, f"{wanted.order}-calls")


def _link() -> None:
    with st.popover("Link", icon=":material/link:", key="link"):
        asked = [(name, value) for name in st.query_params for value in st.query_params.get_all(name)]
        st.code(f"{st.context.url}?{urlencode(asked)}", language=None, wrap_lines=True)


def _open_selected() -> None:
    found = call_list.selected(TABLE)
    if found is not None:
        _open(*found)


def _open(trace_id: str, span_id: str) -> None:
    st.query_params["call"] = f"{trace_id}-{span_id}"


def _turned_pages(about: tuple[object, ...]) -> list[Cursor]:
    """Where the pages that were turned end, oldest last. Another filter begins at the newest call again."""
    known: tuple[tuple[object, ...], list[Cursor]] | None = st.session_state.get("turned-pages")
    if known is None or known[0] != about:
        known = st.session_state["turned-pages"] = (about, list[Cursor]())
    return known[1]


def _turn(turned: list[Cursor], following: Cursor | None) -> None:
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
    st.caption(f"Page {len(turned) + 1}", width="content")


def _back(turned: list[Cursor]) -> None:
    turned.pop()


@st.fragment(run_every=LOOK_EVERY_S)
def _watch_for_newer(wanted: Wanted) -> None:
    """Says how many calls came in since the list was drawn. The list itself stays still under the reader's hand."""
    chosen = filters.chosen()
    try:
        newest = data.answer(
            queries.calls, chosen.window, chosen.segment, wanted.narrowed, columns=wanted.fetched, limit=PAGE_SIZE
        )
    except CollectorError:
        st.badge("The collector is away", icon=":material/cloud_off:", color="orange")
        return
    drawn = set(call_list.drawn_in(TABLE))
    ids = newest.rows.select(["trace_id", "span_id"]).to_pylist()
    count = sum((row["trace_id"], row["span_id"]) not in drawn for row in ids)
    many = f"{count} or more" if count == PAGE_SIZE else str(count)
    # There also when there is nothing to show, so that the list does not move when there is.
    label = f"Show {many} newer" if count else "Nothing newer"
    if st.button(label, icon=":material/refresh:", key="show-newer", disabled=not count):
        st.rerun()
