"""What changed: why the cost differs from that of the period before."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from claude_telemetry_collector.queries import drivers as questions
from claude_telemetry_collector.queries.drivers import Driver, Drivers
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import box, tables

_MEANING = (
    "What moved the cost most against the period before, whichever way. Volume: more or fewer calls. Size: longer or "
    "shorter calls. Price: dearer or cheaper tokens, by model, kind of token or list price. They add up to the change."
)


def show(chosen: filters.Chosen) -> None:
    """The five that moved it most, in a frame."""
    found = data.answer_for_a_while(questions.drivers, chosen.window, chosen.before, chosen.segment)
    note = "The same dollars show under a model, a feature and a user." if found.top else ""
    if found.unpriced:
        note += f" {formats.count(found.unpriced)} calls without a price are in no amount."
    with box.box("What changed", _MEANING, note):
        st.text(in_words(found))
        if found.top:
            tables.table([_row(driver) for driver in found.top])


def in_words(found: Drivers) -> str:
    """The change in a sentence."""
    now, before = formats.usd(found.now_usd), formats.usd(found.before_usd)
    difference = found.now_usd - found.before_usd
    if not difference:
        return f"{now}, as much as in the period before."
    share = formats.change(found.now_usd, found.before_usd)
    percent = "" if share is None else f" ({formats.percent_change(share)})"
    return f"{_signed(difference)}{percent} against the period before: {now} after {before}."


def _row(driver: Driver) -> dict[str, str]:
    return {
        "Which": f"{driver.label or f'no {driver.by}'} · {driver.by}",
        "Change": _signed(driver.difference_usd),
        "Volume": _signed(driver.volume_usd),
        "Size": _signed(driver.size_usd),
        "Price": _signed(driver.price_usd),
    }


def _signed(amount: Decimal) -> str:
    return ("+" if amount > 0 else "") + formats.usd(amount)
