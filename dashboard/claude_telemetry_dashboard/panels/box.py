"""The frame that everything on a page stands in: a title, what it counts on hover, the thing itself, a note below."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import streamlit as st

from claude_telemetry_dashboard.panels.charts import Drawing


@contextmanager
def box(title: str, meaning: str, note: str = "") -> Generator[None]:
    """A frame around what is drawn within. All texts are ours: `title` and `meaning` are read as Markdown."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**", help=meaning)
        yield
        if note:
            st.caption(note)


def chart(title: str, meaning: str, drawing: Drawing | None, nothing: str, note: str = "") -> None:
    """A chart in its frame, or `nothing` where there is nothing to draw."""
    with box(title, meaning, note):
        draw(drawing, nothing)


def draw(drawing: Drawing | None, nothing: str) -> None:
    """A chart, or `nothing` where there is nothing to draw."""
    if drawing is None:
        st.caption(nothing)
    else:
        st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
            drawing.table, dict(drawing.spec)
        )
