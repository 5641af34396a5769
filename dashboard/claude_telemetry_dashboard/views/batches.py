"""What was asked in batches: where each one is, what became of its items, what it cost and saved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import batches
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import (
    away,
    batches_charts,
    box,
    export,
    listing,
    narrowing,
    nothing,
    numbers,
    to_calls,
)

OUTCOMES = ("succeeded", "errored", "expired", "canceled")

_TILES: Mapping[str, tuple[str, str, numbers.Judgement, str]] = {
    "batches": ("Batches", "{batch}", "off", "Batches that were created."),
    "open": (
        "Without results",
        "{batch}",
        "off",
        "Batches whose results nobody has fetched: they are running, or over and not looked at.",
    ),
    "failed_ratio": ("Failed items", "ratio", "inverse", "Errored and expired items over all, canceled ones too."),
    "cost_usd": ("Cost", "USD", "inverse", "Of the items, at list price for batches."),
    "saved_usd": (
        "Saved",
        "USD",
        "normal",
        "What the same items would have cost more one by one: tokens cost half in a batch, web searches do not.",
    ),
}
"""By what it is called in the totals and in their course: title, unit, whether more is better, and what it counts."""


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    now = data.answer(batches.batch_totals, chosen.window, chosen.segment)
    if not now.batches:
        _without_batches(chosen)
        return
    before = data.answer_for_a_while(batches.batch_totals, chosen.before, chosen.segment)
    st.text(status(now, chosen.words))
    course = data.answer(batches.batches_over_time, chosen.window, chosen.segment, chosen.step, chosen.zone)
    numbers.show(tiles(now, before, course))
    box.chart(
        "Items by outcome",
        "Requests whose results were read, by when their batch was created.",
        batches_charts.items_over_time(course, chosen.on_clocks, chosen.step),
        f"No item of a batch created {chosen.words} has come back.",
    )
    found = data.answer(batches.batches, chosen.window, chosen.segment)
    one = chosen.segment.batch_id
    _board(chosen, found)
    if one is not None:
        _items(chosen, one)


def _without_batches(chosen: filters.Chosen) -> None:
    if chosen.segment.batch_id is not None:
        st.info(f"This batch was not created {chosen.words}.", icon=":material/search_off:")
        narrowing.only("All batches", "batch", None)
        return
    if data.latest_call_at() is None:
        nothing.show(chosen)
        return
    st.info(f"No batch was created {chosen.words}, as far as calls tell.", icon=":material/stacks:")
    st.caption(
        "What nobody waits for costs half in a batch. Batches are recorded by themselves: when one is created, and "
        "each of its items when the results are read."
    )
    st.code('client.messages.batches.create(requests=[{"custom_id": "doc-1", "params": {…}}])', language="python")


def status(now: batches.BatchTotals, words: str) -> str:
    """What there is to know, in a sentence or two."""
    said = f"{_batches(now.batches)} created {words}"
    if now.batches == 1:
        said += ", without results so far." if now.open else "."
    else:
        said += f", {formats.count(now.open)} of them without results so far."
    if not now.items:
        return said
    well = "all of them succeeded" if now.succeeded == now.items else f"{formats.count(now.succeeded)} succeeded"
    said += f" {formats.count(now.items)} items came back, {well}"
    if now.cost_usd is None:
        return f"{said}; what they cost is not known."
    bound = "at least " if now.unpriced else ""
    said += f"; they cost {bound}{formats.usd(now.cost_usd)}"
    said += f", {formats.count(now.unpriced)} unpriced" if now.unpriced else ""
    return f"{said}, {bound}{formats.usd(now.saved_usd)} less than one by one."


def tiles(now: batches.BatchTotals, before: batches.BatchTotals, course: pa.Table) -> list[numbers.Tile]:
    """The headline numbers. `course` is as `queries.batches.batches_over_time` gives it."""
    return [
        numbers.figure(
            title,
            getattr(now, name),
            getattr(before, name),
            unit,
            meaning,
            more_is=more_is,
            course=listing.numbers_of(course, name),
        )
        for name, (title, unit, more_is, meaning) in _TILES.items()
    ]


def _board(chosen: filters.Chosen, found: pa.Table) -> None:
    with box.box(
        "Batches",
        "Newest first. That a batch has ended is known when its results are read. Select one for its items.",
    ):
        rows = found.append_column("state", pa.array([_state(row) for row in found.to_pylist()], pa.string()))
        columns = {
            "created_at": listing.moment("Created", "When, or the earliest that is told of it.", chosen.zone, 124),
            "batch_id": listing.text("Batch", "Its id.", 150),
            "state": listing.text("State", "How far it is, as far as telemetry tells.", 190),
            "items": listing.count("Items", "That came back.", 56),
            "succeeded": listing.count("Well", "Items that succeeded.", 50),
            "errored": listing.count("Errored", "Items that the API refused.", 64),
            "expired": listing.count("Expired", "Items that were not begun in 24 hours.", 64),
            "cost_usd": listing.usd("Cost", "Of its items, at list price for batches.", 80),
            "saved_usd": listing.usd("Saved", "Against asking one by one.", 80),
            "models": listing.text("Models", "That answered.", 150),
            "feature": listing.text("Feature", "That asked.", 120),
        }
        row = listing.show(rows, columns, key="batches")
        with st.container(horizontal=True, vertical_alignment="center"):
            if row is not None:
                narrowing.only("Its items", "batch", row["batch_id"])
            if chosen.segment.batch_id is not None:
                narrowing.only("All batches", "batch", None)
            export.offer(rows, "batches")
            listing.say_more(found, "batches")


def _state(row: dict[str, object]) -> str:
    created = row["created_at"]
    if row["took_ms"] is not None:
        return f"results read after {formats.ms(float(str(row['took_ms'])))}"
    if row["items"]:
        return "results read"
    now = datetime.now(UTC)
    age = formats.ago(created if isinstance(created, datetime) else None, now)
    return f"no results, created {age}"


def _items(chosen: filters.Chosen, batch_id: str) -> None:
    with box.box("Items", "Those that did not succeed come first. Each is a call of its own."):
        st.text(batch_id)
        outcome = st.segmented_control(
            "Outcome", OUTCOMES, key="item-outcome", bind="query-params", label_visibility="collapsed"
        )
        found = data.answer(batches.batch_items, chosen.window, chosen.segment, batch_id, outcome=outcome)
        if not found.num_rows:
            st.caption("No item is like that." if outcome else "No item has come back yet.")
            return
        columns = {
            "custom_id": listing.text("Item", "The application's name for it.", 170),
            "outcome": listing.text("Outcome", "As the API says it.", 90),
            "error_type": listing.text("Error", "Why it did not succeed.", 170),
            "model": listing.text("Model", "That answered.", 160),
            "stop_reason": listing.text("Stopped by", "Why the model stopped.", 100),
            "input_tokens": listing.count("Uncached input", "Tokens.", 110),
            "output_tokens": listing.count("Output", "Tokens.", 80),
            "cost_usd": listing.usd("Cost", "At list price for batches."),
        }
        row = listing.show(found, columns, key="batch-items")
        with st.container(horizontal=True, vertical_alignment="center"):
            if row is not None:
                to_calls.link_to_one("The call", row["trace_id"], row["span_id"])
            to_calls.link("All as calls", batch=batch_id)
            export.offer(found, "batch-items")
            listing.say_more(found, "items")


def _batches(number: int) -> str:
    return "1 batch was" if number == 1 else f"{formats.count(number)} batches were"
