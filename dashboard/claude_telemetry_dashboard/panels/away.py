"""What a page says while the collector cannot be asked, and how it comes back by itself."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry_dashboard import data

LOOK_EVERY_S = 2.0


def guarded(draw: Callable[[], None], *, comes_back: bool = False) -> None:
    """Draws, or says why it cannot. Whoever draws again by itself anyway sets `comes_back`."""
    try:
        draw()
    except QuestionRefusedError as error:
        refused(error)
    except CollectorError as error:
        _say(error)
        if not comes_back:
            _watch()


def refused(error: QuestionRefusedError) -> None:
    """Says that the collector would not answer, and why."""
    st.error(_why_refused(error), icon=":material/error:")
    st.text(str(error))


def start_command(folder: Path) -> str:
    """The line to type to start the collector that this dashboard looks for."""
    return f"claude-telemetry collect --data {shlex.quote(str(folder))}"


def _why_refused(error: QuestionRefusedError) -> str:
    # DuckDB's words for a column and for a table that are not there. Pages ask for those of their own version.
    if str(error).startswith(("Binder Error", "Catalog Error")):
        return (
            "The collector does not know everything that this page asks for: it is of an older version than the "
            "dashboard. Restart the collector, and it will."
        )
    return "The collector would not answer this question. A shorter time range may help."


def _say(error: CollectorError) -> None:
    place = data.place()
    st.warning(
        "The collector is not running, so there is nothing to show. Calls are not lost meanwhile: applications keep "
        "what they can and send it later. This page goes on by itself as soon as the collector is back.",
        icon=":material/cloud_off:",
    )
    st.code(f"{start_command(place.data)} --otlp-http {place.otlp_http}", language="shell")
    st.text(str(error))


@st.fragment(run_every=LOOK_EVERY_S)
def _watch() -> None:
    if data.is_reachable():
        st.rerun()
