"""What a page shows before the first call: what to paste, and whether calls arrive."""

from __future__ import annotations

import streamlit as st

from claude_telemetry.settings import Address
from claude_telemetry_dashboard import data, formats

DEFAULT_ADDRESS = Address("127.0.0.1", 4318)


def show() -> None:
    """The way from here to a first call on the page."""
    st.subheader("No calls yet", anchor=False)
    how_to_begin()


def how_to_begin() -> None:
    """The lines to paste, and a check of the way that calls take."""
    st.text("Add two lines to an application that uses the anthropic SDK, before or after it makes its clients:")
    st.code(snippet(data.place().otlp_http), language="python")
    st.text("Its next call is on this page within seconds. To see whether calls arrive at all, send one from here:")
    check()


def snippet(address: Address) -> str:
    """What to paste so that an application's calls reach a collector that listens at `address`."""
    reached = Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port)  # noqa: S104
    where = "" if reached == DEFAULT_ADDRESS else f'endpoint="http://{reached}"'
    return f"import claude_telemetry\n\nclaude_telemetry.instrument({where})"


def check() -> None:
    """A button that sends a test call, and what became of it."""
    if st.button("Send a test call", icon=":material/send:", key="send-test-call"):
        with st.spinner("Sending, and waiting until it has landed …"):
            sent = data.send_trial()
        st.session_state["test-call"] = sent
        if sent.landed_after_s is not None:
            # A toast, since the page that it arrives on is another one: it has a call to show.
            st.toast(arrived(sent.landed_after_s), icon=":material/check_circle:", duration="long")
    trial = st.session_state.get("test-call")
    if isinstance(trial, data.Trial) and trial.problem is not None:
        st.error("The test call did not arrive.", icon=":material/error:")
        st.text(trial.problem)


def arrived(after_s: float) -> str:
    """What to say of a test call that has landed."""
    return (
        f"The test call landed after {formats.ms(after_s * 1000)}: collector and dashboard work. "
        "It is made up, cost nothing, and carries the feature “test-call”."
    )
