"""What goes wrong, on whose side, what asking again costs and saves, and how near the limits are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import Window, errors
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import (
    away,
    box,
    charts,
    export,
    headroom,
    lesser_answers,
    listing,
    nothing,
    numbers,
    retry_policy,
    to_calls,
)

TILES = (
    "error_ratio",
    "failed_calls",
    "limited_calls",
    "cancelled_calls",
    "retries",
    "retry_ratio",
    "refused_calls",
    "truncated_ratio",
)
NAMES = ("requests", *TILES)

BY = {
    "model": "Model",
    "feature": "Feature",
    "http_status": "HTTP status",
    "user_id": "User",
    "service": "Service",
    "prompt_version": "Prompt version",
    "api_key_alias": "API key",
}
"""What failures are told apart by, with what it is called."""

_NEWEST = f"Of the newest {errors.NEWEST:,} calls that were retried or failed."

_AGAIN = {True: "Asking again can help.", False: "Asking again does not help."}

RECENT = timedelta(minutes=30)
"""What the pace of now, and where it is going, is read from."""


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    overview = data.overview(NAMES, NAMES, chosen.window, chosen.before, chosen.segment, chosen.step, chosen.zone)
    if not overview.now["requests"].value:
        nothing.show(chosen)
        return
    failed = data.answer(errors.failures, chosen.window, chosen.segment)
    cost = data.answer(errors.retry_cost, chosen.window, chosen.segment)
    st.text(status(overview, failed, cost, chosen.words))
    numbers.tiles(overview.now, overview.before, overview.course, TILES)
    _course(chosen)
    _by_type(failed)
    _by_label(chosen)
    _retries(chosen, cost)
    _limits(chosen)
    lesser_answers.show(chosen)


def status(overview: data.Overview, failed: pa.Table, cost: errors.RetryCost, words: str) -> str:
    """What there is to know, in a sentence or two. Plain text: the name of an error type is in it."""
    calls, lost = int(overview.now["requests"].value or 0), int(overview.now["failed_calls"].value or 0)
    if not lost:
        sentence = f"None of {formats.count(calls)} calls failed {words}."
    else:
        worst = failed.slice(0, 1).to_pylist()[0]
        most = f"{formats.text(worst['error_type'])} ({errors.SIDES[worst['side']]})"
        ratio = formats.ratio(overview.now["error_ratio"].value)
        sentence = (
            f"{formats.count(lost)} of {formats.count(calls)} calls failed {words}, {ratio} of those that ended; "
            f"most often {most}."
        )
    if cost.retried:
        sentence += (
            f" Asking again saved {formats.count(cost.saved)} more, and did not help {formats.count(cost.lost)}."
        )
    return sentence


def _course(chosen: filters.Chosen) -> None:
    found = data.errors_by_type(chosen.window, chosen.segment, chosen.step, chosen.zone)
    box.chart(
        "Errors by type",
        "Failed calls, by when they started. A call that a retry saved did not fail.",
        charts.errors_by_type(found, chosen.on_clocks, chosen.step),
        f"No call failed {chosen.words}.",
    )


def _by_type(failed: pa.Table) -> None:
    if not failed.num_rows:
        return
    with box.box(
        "What failed, and what to do",
        "Failed calls by the type of their error. Sides: the limits of the account, the request itself, the key, the "
        "API, the way there.",
    ):
        rows = _explained(failed)
        columns = {
            "error_type": listing.text("Error", "The API's error type, else what the client met.", 140),
            "on": listing.text("Side", "Who can change something.", 100),
            "http_status": listing.count("Status", "The most frequent HTTP status; none without an answer.", 60),
            "errors": listing.count("Calls", "Failed calls.", 60),
            "ratio": listing.share("Share", "Of all calls that ended.", 64),
            "users": listing.count("Users", "Different users that met it.", 56),
            "to_do": listing.text("What to do", "What helps. Select the row to read all of it.", 350),
        }
        row = listing.show(rows, columns, key="errors-by-type")
        if row is not None and row["meaning"] is not None:
            st.text(f"{row['meaning']} {row['to_do']}")
        with st.container(horizontal=True):
            if row is not None:
                to_calls.link("All of these calls", status="error", error=row["error_type"])
                to_calls.link_to_one("The last one", row["trace_id"], row["span_id"])
            export.offer(rows, "errors-by-type")


def _explained(failed: pa.Table) -> pa.Table:
    """With what is known of each type, and whose side it is on."""
    rows: list[Any] = failed.to_pylist()
    kinds = [errors.ERROR_KINDS.get(row["error_type"]) for row in rows]
    more: dict[str, list[str | None]] = {
        "on": [errors.SIDES[row["side"]] for row in rows],
        "meaning": [None if kind is None else f"{kind.meaning} {_AGAIN[kind.asking_again_helps]}" for kind in kinds],
        "to_do": [None if kind is None else kind.to_do for kind in kinds],
    }
    for name, texts in more.items():
        failed = failed.append_column(name, pa.array(texts, pa.string()))
    return failed


def _by_label(chosen: filters.Chosen) -> None:
    with box.box("Where it failed", "Calls that ended, told apart by a label. Only those with a failure are listed."):
        by = st.segmented_control(
            "By",
            list(BY),
            format_func=lambda name: BY[name],
            default="model",
            required=True,
            key="failed-by",
            bind="query-params",
            label_visibility="collapsed",
        )
        rows = data.answer(errors.failures_by, chosen.window, chosen.segment, by or "model")
        if not rows.num_rows:
            st.caption(f"No call failed {chosen.words}.")
            return
        columns = {
            "label": listing.text(
                BY[by or "model"], "As the application or the API named it; — for calls without.", 240
            ),
            "ended": listing.count("Ended", "Calls that ended, well or not.", 80),
            "errors": listing.count("Failed", "Calls that failed.", 80),
            "ratio": listing.bar("Error rate", "Failed over ended."),
            "worst_type": listing.text("Most often", "The most frequent error.", 180),
            "worst_errors": listing.count("Of that", "How many had it.", 80),
        }
        listing.show(rows, columns, key="errors-by-label")
        listing.say_more(rows, "groups")
        export.offer(rows, "errors-by-label")


def _retries(chosen: filters.Chosen, cost: errors.RetryCost) -> None:
    st.subheader("Asking again", anchor=False)
    st.text(retry_policy.in_words(cost, chosen.words))
    reasons = data.answer(errors.retries_by_reason, chosen.window, chosen.segment)
    with box.box(
        "Why attempts failed",
        "Each attempt that failed, whatever became of its call. Times are all of them together. " + _NEWEST,
    ):
        if not reasons.num_rows:
            st.caption("No attempt failed, as far as calls tell of their attempts.")
        else:
            columns = {
                "error_type": listing.text("Error", "The API's error type, or what the client met.", 150),
                "attempts": listing.count("Attempts", "That failed so.", 76),
                "saved": listing.count("Saved", "Followed by another, and the call went well.", 60),
                "lost": listing.count("Lost", "Followed by another, and the call failed.", 56),
                "given_up": listing.count("Given up", "Not followed by another.", 74),
                "waited_p50_ms": listing.text("Pause", "The pause before the next attempt; half were shorter.", 84),
                "took_ms": listing.text("Time in them", "From sending to the answer or the failure.", 110),
            }
            listing.show(listing.long_times(reasons, "waited_p50_ms", "took_ms"), columns, key="retry-reasons")
    with box.box(
        "Retry policy",
        "How calls were asked again, held against what works. A rule without an occasion says nothing. " + _NEWEST,
    ):
        retry_policy.show(data.answer(errors.retry_policy, chosen.window, chosen.segment))


def _limits(chosen: filters.Chosen) -> None:
    st.subheader("Limits", anchor=False)
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    found = data.answer(errors.headroom, chosen.window, Window(end - RECENT, end), chosen.segment)
    headroom.show(found, chosen.zone, datetime.now(UTC))
