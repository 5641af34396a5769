"""Answers that are less than was asked for: refused, cut off, asked for again, left in the middle."""

from __future__ import annotations

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import errors
from claude_telemetry_collector.queries.errors import Answers
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import box, listing, to_calls


def show(chosen: filters.Chosen) -> None:
    """In words, and the refused and the cut ones each as a table."""
    st.subheader("Answers that are less than asked for", anchor=False)
    st.text(in_words(data.answer(errors.answers, chosen.window, chosen.segment)))
    with st.grid(2, min_column_width=420, gap="medium", key="answers"):
        with box.box("Refusals", "Answers in which the model declined, by the policy that the API named."):
            refused = data.answer(errors.refusals, chosen.window, chosen.segment)
            _table(refused, _of_refusals(chosen.zone), "refusals", f"No answer was a refusal {chosen.words}.")
        with box.box(
            "Cut off at max_tokens",
            "Answers that ended since `max_tokens` was reached: longer than you asked for, and billed.",
        ):
            cut = data.answer(errors.truncations, chosen.window, chosen.segment)
            _table(cut, _OF_TRUNCATIONS, "truncations", f"No answer was cut off {chosen.words}.")


def in_words(told: Answers) -> str:
    """What else is less than was asked for, in sentences."""
    refused = f"{formats.count(told.refused)} of {formats.count(told.calls)} answers were refusals"
    said = [f"{refused}, {formats.count(told.truncated)} were cut off at max_tokens"]
    if told.window_full:
        said.append(f"{formats.count(told.window_full)} filled the context window")
    if told.reasked:
        often = f" ({formats.count(told.reasked_often)} of them more than three times)" if told.reasked_often else ""
        said.append(f"{formats.count(told.reasked)} were asked for again since an answer did not fit its schema{often}")
    if told.streams:
        said.append(
            f"of {formats.count(told.streams)} streams the connection or an error cut {formats.count(told.cut)}, and "
            f"the application left {formats.count(told.abandoned)}"
        )
    unknown = told.stop_unknown + told.streams_end_unknown
    note = f" Of {formats.count(unknown)} it is not known how they ended." if unknown else ""
    return "; ".join(said) + "." + note


def _table(rows: pa.Table, columns: dict[str, listing.Column], name: str, nothing: str) -> None:
    if not rows.num_rows:
        st.caption(nothing)
        return
    row = listing.show(rows, columns, key=name)
    if row is not None:
        to_calls.link_to_one("The last one", row["trace_id"], row["span_id"])


def _of_refusals(zone: str) -> dict[str, listing.Column]:
    return {
        "category": listing.text("Policy", "As the API named it; — where it named none.", 120),
        "model": listing.text("Model", "That declined.", 150),
        "calls": listing.count("Calls", "Refused.", 64),
        "empty": listing.count("Empty", "Without any content: they may be free.", 64),
        "cost_usd": listing.usd("Cost", "What they cost at list price."),
        "last_at": listing.moment("Last", "When the last one started.", zone),
    }


_OF_TRUNCATIONS = {
    "feature": listing.text("Feature", "That asked.", 120),
    "model": listing.text("Model", "That answered.", 150),
    "max_tokens": listing.count("max_tokens", "The most output that was asked for.", 90),
    "calls": listing.count("Cut off", "Answers that reached it.", 64),
    "ratio": listing.share("Share", "Of the answers of this feature, model and limit.", 64),
    "cost_usd": listing.usd("Cost", "What the cut ones cost at list price."),
}
