"""What could be done otherwise, by dollars per month: each with its evidence, what it takes for granted, and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import streamlit as st

from claude_telemetry_collector.queries import Reading
from claude_telemetry_collector.queries.insights import RULES, Finding, all_of, per_month, ranked
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, findings, numbers, unit_economics

_SHORT = timedelta(days=1)
"""A range shorter than a day says little about a month: nights and weekends are not in it."""


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    now = datetime.now(UTC)
    spent = data.readings(("requests", "cost_usd"), chosen.window, chosen.segment)
    if not spent["requests"].value:
        st.info(f"No calls {chosen.words}. What could be saved is read off calls.", icon=":material/savings:")
        return
    with st.spinner("Looking for what could be saved …"):
        answers = [data.answer(rule, chosen.window, chosen.segment) for rule in RULES]
    found = ranked(all_of(answers), chosen.window, now)
    worth = {finding.name: per_month(finding.saved_usd, chosen.window, now) for finding in found}
    todo = [finding for finding in found if finding.found]
    st.text(_status(todo, worth, chosen.words))
    _tiles(found, worth, spent["cost_usd"], per_month(_amount(spent["cost_usd"]), chosen.window, now))
    if min(chosen.window.end, now) - chosen.window.start < _SHORT:
        st.caption("A month is this range over and over: with less than a day of it, take these amounts for a hint.")
    _listed("By dollars per month", [each for each in todo if worth[each.name] is not None], worth)
    _listed("Without dollars", [each for each in todo if worth[each.name] is None], worth)
    _listed("Nothing found", [each for each in found if not each.found], worth)
    unit_economics.show(chosen)


def _status(todo: Sequence[Finding], worth: Mapping[str, Decimal | None], words: str) -> str:
    best = next((finding for finding in todo if worth[finding.name]), None)
    if best is None:
        return f"Nothing to save was found {words}."
    number = f"{len(todo)} {'finding' if len(todo) == 1 else 'findings'} {words}"
    bound = findings.BOUNDS[best.bound].lower()
    return f"{number}. The largest is worth {bound}{formats.usd(worth[best.name])} a month: {best.title.lower()}."


def _tiles(
    found: Sequence[Finding], worth: Mapping[str, Decimal | None], cost: Reading, cost_a_month: Decimal | None
) -> None:
    todo = [finding for finding in found if finding.found]
    known = [amount for finding in todo if (amount := worth[finding.name])]
    sure = [amount for finding in todo if finding.bound == "exact" and (amount := worth[finding.name])]
    unknown = sum(worth[finding.name] is None and finding.kind == "saving" for finding in todo)
    with st.grid(4, min_column_width=160, gap="small", key="tiles"):
        _tile("Cost a month", cost_a_month, "What 30 days like this range cost at list price. " + _missing(cost))
        _tile(
            "Could be saved a month",
            # What overlaps can add up to more than was spent.
            min(sum(known, Decimal(0)), cost_a_month or Decimal("Infinity")) if known else None,
            "The findings added up, as if each were done by itself. They overlap: a call that is not made needs no "
            "cache. All of them together save less than this.",
            prefix="up to ",
        )
        _tile(
            "Of that, exact",
            sum(sure, Decimal(0)) if sure else None,
            "Findings whose saving is exact arithmetic by the price book, as far as what they take for granted holds.",
        )
        st.metric(
            "Findings",
            formats.count(len(todo)),
            help=f"Rules that found something, of {len(found)}. Of {unknown} of them the saving is not known.",
            border=True,
            height="stretch",
        )


def _tile(title: str, amount: Decimal | None, meaning: str, prefix: str = "") -> None:
    shown = formats.usd(amount) if amount is None else f"{prefix}{formats.usd(amount)}"
    st.metric(title, numbers.plain(shown), help=meaning, border=True, height="stretch")


def _missing(cost: Reading) -> str:
    missing = numbers.left_out(cost.unknown, cost.unpriced)
    return f"At least: {missing}." if missing else ""


def _amount(cost: Reading) -> Decimal | None:
    return cost.value if isinstance(cost.value, Decimal) else None


def _listed(title: str, listed: Sequence[Finding], worth: Mapping[str, Decimal | None]) -> None:
    if listed:
        st.markdown(f"**{title}**")
        for finding in listed:
            findings.show(finding, worth[finding.name])
