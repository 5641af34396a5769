"""Ways from a number to the calls that it is made of. What is chosen on the page stays chosen there."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from claude_telemetry_dashboard import filters

CALLS = "calls"


def link(label: str, **narrowed: str | None) -> None:
    """A link to the list of calls, narrowed by its own filters as they are named in the URL (`status`, `error`)."""
    st.link_button(label, url(**narrowed), icon=":material/list:")


def link_to_one(label: str, trace_id: str | None, span_id: str | None) -> None:
    """A link to one call; nothing where it is not known which."""
    if trace_id is not None and span_id is not None:
        st.link_button(label, url(call=f"{trace_id}-{span_id}"), icon=":material/search:")


def url(**narrowed: str | None) -> str:
    """The address of the list of calls, with the filters of this page and those of `narrowed`; `None` takes one off."""
    kept = [(name, value) for name in _SHARED if name not in narrowed for value in st.query_params.get_all(name)]
    asked = [*kept, *((name, value) for name, value in narrowed.items() if value is not None)]
    return f"{CALLS}?{urlencode(asked)}" if asked else CALLS


_SHARED = ("range", "from", "to", "tz", *filters.LABELS, *filters.MORE_LABELS, "tag")
"""What filters are called in the URL of every page."""
