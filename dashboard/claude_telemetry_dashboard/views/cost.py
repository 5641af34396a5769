"""What it costs: by whom and what for, for one of each, and what it would cost otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import Reading
from claude_telemetry_collector.queries.cost import UnitCost, cost_by_service, cost_over_time, unit_costs
from claude_telemetry_collector.queries.cost_split import Split, cost_split
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import (
    away,
    box,
    cost_charts,
    forecast,
    grouped,
    held_against_bill,
    imagined,
    nothing,
    numbers,
    unpriced,
)
from claude_telemetry_dashboard.panels.grouped import Amount

REFRESH_S = 60.0
"""Budgets are not kept by the second, and all of it is added up again."""

TILES = ("cost_usd", "net_cost_usd", "cost_per_request_usd", "cost_per_1k_output_usd")
NAMES = ("requests", *TILES, "no_price_calls")
BY = ("cost_usd", "cost_per_request_usd", "total_tokens", "output_tokens")
ROWS = 50

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)

_AMOUNTS: Mapping[str, Amount] = {
    "cost_usd": Amount(title="Cost", help="At list price. At least this, where calls are unpriced.", unit="USD"),
    "share": Amount(title="Share", help="Of the cost of all calls in this view.", unit="ratio"),
    "calls": Amount(title="Calls", help="All of them, whatever their outcome.", unit="{call}"),
    "cost_per_request_usd": Amount(title="Per request", help="Over the calls that have a price.", unit="USD"),
    "total_tokens": Amount(title="Tokens", help="Input of every kind and output, each token once.", unit="token"),
    "output_tokens": Amount(title="Output", help="Output tokens, thinking included.", unit="token"),
    "cost_usd_unpriced": Amount(title="Unpriced", help="Calls without a price: they add nothing.", unit="{call}"),
}


def show() -> None:
    """The page. It draws itself again now and then."""
    _live()


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    chosen = filters.chosen()
    found = data.overview(NAMES, NAMES, chosen.window, chosen.before, chosen.segment, chosen.step, chosen.zone)
    if not found.now["requests"].value:
        nothing.show(chosen)
        return
    st.text(sentence(found.now, found.before, chosen.words))
    _tiles(chosen, found)
    if found.now["no_price_calls"].value:
        unpriced.show(*data.unpriced_models(chosen.window, chosen.segment), chosen.words)
    by, then = grouped.choose_two(data.answer_for_a_while(queries.tag_names, chosen.window))
    with st.grid(2, min_column_width=420, gap="medium", key="charts"):
        _over_time(chosen, by)
        _split(data.answer(cost_split, chosen.window, chosen.segment))
        forecast.show(chosen.segment, chosen.zone)
        _by_service(chosen, found.now)
    _breakdown(chosen, found.now["cost_usd"], by, then)
    imagined.show(chosen, int(found.now["requests"].value or 0))
    held_against_bill.show()


def sentence(now: Mapping[str, Reading], before: Mapping[str, Reading], words: str) -> str:
    """What was spent, and how that compares. `words` says when: `in the last hour`."""
    spent, calls = now["cost_usd"], now["requests"].value or 0
    if spent.value is None:
        return f"What {formats.count(calls)} {'call' if calls == 1 else 'calls'} {words} cost is not known."
    bound = "At least " if spent.unknown else ""
    said = f"{bound}{formats.usd(spent.value)} spent {words}"
    if numbers.has_discount(now):
        said += f" at list price, {formats.usd(now['net_cost_usd'].value)} after discounts"
    share = formats.change(spent.value, before["cost_usd"].value)
    if share is not None:
        said += f", {formats.percent_change(share)} on the period before"
    each = now["cost_per_request_usd"].value
    said += f"; {formats.usd(each)} a call." if each is not None else "."
    missing = numbers.left_out(spent.unknown, spent.unpriced)
    return f"{said} Not all of it: {missing}." if missing else said


def _tiles(chosen: filters.Chosen, found: data.Overview) -> None:
    names = [name for name in TILES if name != "net_cost_usd" or numbers.has_discount(found.now)]
    shown = [numbers.tile(found.now[name], found.before[name], numbers.course_of(name, found.course)) for name in names]
    before = {cost.unit: cost for cost in data.answer_for_a_while(unit_costs, chosen.before, chosen.segment)}
    now = data.answer(unit_costs, chosen.window, chosen.segment)
    numbers.show([*shown, *(unit_tile(cost, before[cost.unit]) for cost in now if cost.unit != "tenant" or cost.units)])


def unit_tile(now: UnitCost, before: UnitCost) -> numbers.Tile:
    """What one user, session or tenant costs, as a tile."""
    share = formats.change(now.usd, before.usd)
    about = "" if now.is_exact else "about "
    having = f"{about}{formats.count(now.units)} of them have calls with a price"
    notes = [f"What one {now.unit} cost on average, at list price: {having}."]
    if now.unnamed:
        notes.append(f"{formats.count(now.unnamed)} calls name no {now.unit} and are left out.")
    if now.unpriced:
        notes.append(f"{formats.count(now.unpriced)} more have no price and are left out.")
    notes.append(f"Before: {numbers.plain(formats.usd(before.usd))}.")
    return numbers.Tile(
        title=f"Cost per {now.unit}",
        value=("" if now.is_exact or now.usd is None else "≈ ") + numbers.plain(formats.usd(now.usd)),
        delta=None if share is None else formats.percent_change(share),
        judgement="inverse" if share is not None and abs(share) >= numbers.SMALL_CHANGE else "off",
        help=" ".join(notes),
        course=(),
    )


def _over_time(chosen: filters.Chosen, by: str) -> None:
    # A week or more is told in whole days: that is what budgets and bills are in.
    daily = chosen.window.length >= _WEEK
    window = filters.whole_days(chosen.window, 7, chosen.zone) if daily else chosen.window
    step = _DAY if daily else chosen.step
    table = data.answer(cost_over_time, window, chosen.segment, step, by, zone=chosen.zone)
    with box.box(
        f"Cost per day, {window.length.days} days" if daily else "Cost over time",
        "At list price, by when the calls started, with the filters above. The colours are what you chose to tell the "
        "cost apart by.",
        _missing(table),
    ):
        shown = filters.on_clocks(window, chosen.zone)
        box.draw(cost_charts.over_time(table, shown, step), f"Nothing has cost anything {chosen.words}.")


def _missing(table: pa.Table) -> str:
    rows = table.to_pylist()
    missing = numbers.left_out(sum(row["unknown"] for row in rows), sum(row["unpriced"] for row in rows))
    return f"At least: {missing}." if missing else ""


def _split(parts: Split) -> None:
    notes: list[str] = []
    if parts.not_split_usd:
        notes.append(
            f"{formats.usd(parts.not_split_usd)} of {numbers.calls(parts.not_split_calls)} is not split: whoever "
            "recorded them told the sum only."
        )
    if parts.cost.unknown:
        notes.append(f"At least: {numbers.left_out(parts.cost.unknown, parts.cost.unpriced)}.")
    box.chart(
        "Cost by kind of token",
        "The lines of each call's cost, added up: exact, and together the whole cost at list price.",
        cost_charts.split(parts),
        "Nothing has cost anything.",
        numbers.plain(" ".join(notes)),
    )


def _breakdown(chosen: filters.Chosen, cost: Reading, by: str, then: str | None) -> None:
    rows = data.answer(queries.breakdown, BY, chosen.window, chosen.segment, by, then, limit=ROWS)
    rows = _with_shares(rows, cost)
    with box.box("What it is spent on", "The dearest first. A row without a name is of calls without that label."):
        grouped.table(rows, grouped.labels(by, then), _AMOUNTS, name="cost")


def _with_shares(rows: pa.Table, cost: Reading) -> pa.Table:
    whole = float(cost.value or 0)
    shares = [None if value is None or not whole else float(value) / whole for value in rows["cost_usd"].to_pylist()]
    return rows.append_column("share", [shares] if rows.num_rows else pa.chunked_array([], pa.float64()))


def _by_service(chosen: filters.Chosen, now: Mapping[str, Reading]) -> None:
    rows = data.answer(cost_by_service, chosen.window, chosen.segment)
    amounts = {"calls": _AMOUNTS["calls"], "cost_usd": _AMOUNTS["cost_usd"]}
    if numbers.has_discount(now):
        amounts["net_cost_usd"] = Amount(title="After discounts", help="Those that you have stated.", unit="USD")
    with box.box(
        "How it was served",
        "Batches cost less, the fast mode more; the priority tier is paid by contract. As the answers say.",
    ):
        grouped.table(
            rows,
            {"way": "Asked", "service_tier": "Tier", "speed": "Speed"},
            {**amounts, "cost_usd_unpriced": _AMOUNTS["cost_usd_unpriced"]},
            name="cost-by-service",
        )
