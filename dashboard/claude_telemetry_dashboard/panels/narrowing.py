"""Buttons that set a filter of the page, as the bar on top would: so that the URL has it, and other pages too."""

from __future__ import annotations

import streamlit as st


def only(label: str, name: str, value: str | None) -> None:
    """A button that sets the filter `name`, as the URL calls it, to `value`; with `None` it takes the filter off."""
    icon = ":material/filter_alt_off:" if value is None else ":material/filter_alt:"
    st.button(label, key=f"only-{name}-{value is None}", icon=icon, on_click=_set, args=(name, value))


def _set(name: str, value: str | None) -> None:
    st.session_state[name] = value
