"""Is the application ready for production: what the data says, dimension by dimension, and what people tick off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.queries import readiness
from claude_telemetry_collector.queries.readiness import DIMENSIONS, Item, State, Ticked
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away
from claude_telemetry_dashboard.panels.findings import address

_LOOKS: Mapping[State, tuple[str, str, Literal["green", "orange", "red", "gray"]]] = {
    "met": ("Met", ":material/check_circle:", "green"),
    "partly": ("Partly", ":material/timelapse:", "orange"),
    "open": ("Open", ":material/cancel:", "red"),
    "unknown": ("Not known", ":material/help:", "gray"),
}
_ORDER: Sequence[State] = ("open", "partly", "unknown", "met")


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    seen = dict(data.answer(readiness.observed, chosen.window, chosen.segment))
    items = readiness.scorecard(
        seen,
        {rule.rule for rule in data.alert_rules()},
        data.answer_for_a_while(readiness.told_at),
        data.health(),
        sees_people=data.role() == "admin",
    )
    ticks = data.answer_at_present(readiness.ticked)
    st.text(_status(items, ticks, chosen.words))
    if not seen["calls"]:
        st.info(f"No calls {chosen.words}: what is read off calls is not known.", icon=":material/search_off:")
    with st.grid(5, min_column_width=160, gap="small", key="tiles"):
        for dimension in DIMENSIONS:
            _tile(dimension, items, ticks)
    with st.grid(2, min_column_width=420, gap="medium", key="dimensions"):
        for dimension in DIMENSIONS:
            _dimension(dimension, items, ticks)


def _status(items: Sequence[Item], ticks: Sequence[Ticked], words: str) -> str:
    met = sum(item.state == "met" for item in items) + sum(tick.done for tick in ticks)
    said = f"{met} of {len(items) + len(ticks)} items are met, by the calls {words} and what was ticked off."
    worst = [item.title for item in items if item.state == "open"]
    return said + (f" Open: {'; '.join(worst[:3])}." if worst else "")


def _tile(dimension: str, items: Sequence[Item], ticks: Sequence[Ticked]) -> None:
    of_it = [item.state == "met" for item in items if item.dimension == dimension]
    by_hand = [tick.done for tick in ticks if tick.dimension == dimension]
    st.metric(
        dimension,
        f"{sum(of_it) + sum(by_hand)} of {len(of_it) + len(by_hand)}",
        help=f"Items that are met: {sum(of_it)} of {len(of_it)} by what the data says, "
        f"{sum(by_hand)} of {len(by_hand)} ticked off by people.",
        border=True,
        height="stretch",
    )


def _dimension(dimension: str, items: Sequence[Item], ticks: Sequence[Ticked]) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{dimension}**")
        listed = [item for item in items if item.dimension == dimension]
        for item in sorted(listed, key=lambda item: _ORDER.index(item.state)):
            _item(item)
        st.caption("Ticked off by people: no data can tell.")
        for tick in ticks:
            if tick.dimension == dimension:
                _tick(tick)


def _item(item: Item) -> None:
    words, icon, colour = _LOOKS[item.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(words, icon=icon, color=colour, width=112)
        with st.container(gap=None):
            st.text(item.title)
            st.caption(item.said)
        st.link_button("See", address(item.page, {}), type="tertiary", help=f"Opens the page {item.page}.")


def _tick(tick: Ticked) -> None:
    st.checkbox(
        tick.title,
        value=tick.done,
        key=f"tick-{tick.name}",
        disabled=data.role() == "viewer",
        help=None if tick.at is None else f"Last said on {formats.moment(tick.at)} UTC.",
        on_change=_said,
        args=(tick.name,),
    )


def _said(name: str) -> None:
    try:
        data.tick(name, done=bool(st.session_state[f"tick-{name}"]))
    except CollectorError as error:
        st.toast(f"This was not kept: {error}", icon=":material/error:")
