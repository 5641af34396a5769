"""One session, call by call: how its history and its cost grew."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import users
from claude_telemetry_collector.queries.users import SessionTotals
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import box, export, listing, narrowing, numbers, to_calls, users_charts


def show(chosen: filters.Chosen) -> None:
    """The session that the filters name: what it came to, its growth, its calls."""
    told = data.answer(users.session_totals, chosen.window, chosen.segment)
    with st.container(horizontal=True, vertical_alignment="center"):
        narrowing.only("All sessions", "session", None)
        st.text(formats.text(chosen.segment.session_id))
    if not told.calls:
        st.info(
            f"No calls of this session {chosen.words}. A longer time range may show them.", icon=":material/search_off:"
        )
        return
    st.text(in_words(told))
    calls = data.answer(users.session_calls, chosen.window, chosen.segment)
    with st.grid(2, min_column_width=420, gap="medium", key="session-charts"):
        box.chart(
            "Growth of the history",
            "Tokens of each call, in order. A conversation is sent again with each turn.",
            users_charts.history(calls),
            "No call says how many tokens it took.",
        )
        box.chart(
            "Cost so far",
            "What the session has cost up to each call, at list price. Calls without a price add nothing.",
            users_charts.cost_so_far(calls),
            "No call has a price.",
        )
    _calls(chosen, calls)


def in_words(told: SessionTotals) -> str:
    """What there is to know about a session, in sentences."""
    bound = "at least " if told.unpriced else ""
    said = f"{numbers.calls(told.calls)}"
    if told.first_at is not None and told.last_at is not None:
        said += f" in {formats.ms((told.last_at - told.first_at) / timedelta(milliseconds=1))}"
    said += ", none failed" if not told.failed else f", {formats.count(told.failed)} failed"
    said += f", {bound}{formats.usd(told.cost_usd)}." if told.cost_usd is not None else ", of unknown cost."
    if told.input_first and told.input_last is not None:
        said += (
            f" Its input went from {formats.count(told.input_first)} to {formats.count(told.input_last)} tokens a call"
        )
        said += f" (×{told.input_last / told.input_first:.1f})"
        read = (
            f", {formats.ratio(told.cache_read_sum / told.input_sum)} of all of it from a cache"
            if (told.cache_read_sum is not None and told.input_sum)
            else ""
        )
        said += f"{read}."
    if told.is_long:
        said += " That is beyond ten turns or 100,000 tokens: summarise or cut the history."
    return said


def _calls(chosen: filters.Chosen, calls: pa.Table) -> None:
    with box.box("Its calls", "In the order in which they were made."):
        columns = {
            "number": listing.count("#", "Its place in the session.", 40),
            "started_at": listing.moment("Started", "When the application asked.", chosen.zone),
            "pause_ms": listing.text("Pause", "Since the call before ended.", 90),
            "model": listing.text("Model", "That answered.", 150),
            "status": listing.text("Status", "ok, error or cancelled.", 70),
            "message_count": listing.count("Messages", "How many the question had.", 80),
            "input_tokens": listing.count("Input", "Tokens of every kind.", 80),
            "output_tokens": listing.count("Output", "Tokens.", 70),
            "duration_ms": listing.ms("Took", "Retries included.", 84),
            "cost_usd": listing.usd("Cost", "At list price."),
            "cost_so_far_usd": listing.usd("So far", "Of all calls up to this one."),
            "stop_reason": listing.text("Stopped by", "Why the model stopped.", 90),
        }
        row = listing.show(listing.long_times(calls, "pause_ms"), columns, key="session-calls")
        with st.container(horizontal=True, vertical_alignment="center"):
            if row is not None:
                to_calls.link_to_one("The call", row["trace_id"], row["span_id"])
            export.offer(calls, "session-calls")
            listing.say_more(calls, "calls")
