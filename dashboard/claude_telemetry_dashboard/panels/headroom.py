"""How near each model is to its rate limits, and what that is known from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries.errors import Headroom
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import box, listing

KINDS = {"requests": "Requests", "input_tokens": "Uncached input tokens", "output_tokens": "Output tokens"}


def show(found: Sequence[Headroom], zone: str, now: datetime) -> None:
    """A row for each model and kind of limit."""
    st.text(in_words(found, now))
    if not found:
        return
    with box.box(
        "Pace against limits",
        "Per minute, the mean of the last five. A limit is inferred from the minutes in which the API answered 429, "
        "in the last day of the time range: the pace in the middle of them. The API's own figures are in headers that "
        "belong to the account, which the application exports as the metric claude.rate_limit.remaining.",
    ):
        # What is known first, the nearest first of all.
        ranked = sorted(found, key=lambda one: (one.used is None, -(one.used or 0.0)))
        listing.show(_rows(ranked), _columns(zone), key="headroom")


def in_words(found: Sequence[Headroom], now: datetime) -> str:
    """When the next 429 is to be expected, and from which evidence."""
    hits = {one.model: one.hits for one in found if one.hits}
    if not hits:
        return "No call met a rate limit here, so nothing is known of how near it is: time to the next 429 unknown."
    soonest = min(
        (one for one in found if one.minutes_left is not None), key=lambda one: one.minutes_left or 0.0, default=None
    )
    evidence = f"{formats.count(sum(hits.values()))} answers were a 429"
    if soonest is None or soonest.minutes_left is None:
        return f"{evidence}; at the present pace none is in sight, as far as they tell."
    about = f"{KINDS[soonest.kind].lower()} of {formats.text(soonest.model)}"
    if soonest.minutes_left == 0:
        return f"{evidence}; the pace of {about} is at the point where they came: the next 429 can come any minute."
    at = now + timedelta(minutes=soonest.minutes_left)
    left = formats.ms(soonest.minutes_left * 60_000)
    return (
        f"{evidence}; if {about} go on growing as in the last half hour, the next is due in {left}, at {at:%H:%M} UTC."
    )


def _rows(found: Sequence[Headroom]) -> pa.Table:
    return pa.table(
        {
            "model": pa.array([one.model for one in found], pa.string()),
            "kind": pa.array([KINDS[one.kind] for one in found], pa.string()),
            "pace": pa.array([one.pace for one in found], pa.float64()),
            "limit": pa.array([one.limit for one in found], pa.float64()),
            "used": pa.array([one.used for one in found], pa.float64()),
            "left": pa.array([_left(one) for one in found], pa.string()),
            "hits": pa.array([one.hits for one in found], pa.int64()),
            "last_hit_at": pa.array([one.last_hit_at for one in found], pa.timestamp("us")),
            "known_from": pa.array([_known_from(one) for one in found], pa.string()),
        }
    )


def _columns(zone: str) -> dict[str, listing.Column]:
    return {
        "model": listing.text("Model", "That was asked.", 140),
        "kind": listing.text(
            "Limit", "What is limited, a minute. Input that is read from a cache does not count.", 150
        ),
        "pace": listing.count("Pace now", "A minute, the mean of the last five.", 76),
        "limit": listing.count("Limit", "A minute, as inferred; — where nothing tells of it.", 76),
        "used": listing.bar("Used", "The pace of now over the limit.", 110),
        "left": listing.text("Next 429", "If the pace goes on growing as in the last half hour.", 110),
        "hits": listing.count("429s", "Attempts that were refused at a limit, in the last day of the range.", 60),
        "known_from": listing.text("Known from", "The evidence.", 280),
        "last_hit_at": listing.moment("Last 429", "When it was sent.", zone),
    }


def _left(one: Headroom) -> str:
    if one.limit is None:
        return "unknown"
    if one.minutes_left is None:
        return "not in sight"
    return "any minute" if one.minutes_left == 0 else f"in {formats.ms(one.minutes_left * 60_000)}"


def _known_from(one: Headroom) -> str:
    if not one.hits:
        return "no 429: the limit is not known"
    if one.limit is None:
        return "as much went through without a 429: another kind was the limit"
    minutes = "one minute" if one.hit_minutes == 1 else f"{one.hit_minutes} minutes"
    return f"{minutes} with a 429, at {formats.count(one.lowest)} to {formats.count(one.highest)}"
