"""The calls held against Anthropic's bill: what telemetry never saw, which prices are off, what is really paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import streamlit as st

from claude_telemetry_collector.queries import Window
from claude_telemetry_collector.queries.bill import Breakdown, Coverage, Day, Reconciliation, Tolerance, wording
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, charts, tables

DAYS_SHOWN = 30
COMMAND = "export ANTHROPIC_ADMIN_KEY=sk-ant-admin01-…\nclaude-telemetry reconcile"

_BY: Mapping[Breakdown, str] = {
    "model": "Model",
    "kind": "Kind of token",
    "tier": "Tier",
    "workspace": "Workspace",
    "key": "Key",
}


def show() -> None:
    """The page. It stays as it is until it is opened again: the bill changes once a day at most."""
    away.guarded(_draw)


def _draw() -> None:
    days = filters.whole_days(filters.chosen().window, DAYS_SHOWN)
    since, until = days.start.date(), days.end.date()
    found, tolerance = data.reconciliation(since, until), data.place().tolerance
    shown = _span(since, until - timedelta(days=1))
    st.caption(f"{shown}, UTC: whole days, {DAYS_SHOWN} at least. Other filters do not apply.")
    if not found.is_pulled:
        _how_to_begin()
        return
    _verdict(found, tolerance)
    if found.settled:
        if found.cells:
            _coverage(found, days)
        with st.grid(2, min_column_width=420, gap="medium", key="bill"):
            with st.container(border=True, height="stretch"):
                _prices(found)
            with st.container(border=True, height="stretch"):
                _discounts(found)
        _left_out(found)
    _freshness(found, tolerance)


def _how_to_begin() -> None:
    st.info("Nothing of the bill has been pulled for these days.", icon=":material/receipt_long:")
    st.markdown(
        "Anthropic's own report says what your organization used and what it is charged. With an Admin API key, "
        "which an admin makes in the Claude Console, the command below fetches it and keeps it beside the calls. "
        "The key is read from the environment, and stays there."
    )
    st.code(COMMAND, language="shell")


def _verdict(found: Reconciliation, tolerance: Tolerance) -> None:
    said = wording.verdict(found, tolerance)
    with st.container(horizontal=True, vertical_alignment="center", key="verdict"):
        if not found.settled:
            st.badge("Pending", icon=":material/hourglass_empty:", color="blue")
        elif not found.cells:
            st.badge("Nothing to compare", icon=":material/hourglass_empty:", color="blue")
        elif found.is_drift(tolerance):
            st.badge("Does not fit", icon=":material/error:", color="red")
        else:
            st.badge("Fits", icon=":material/check_circle:", color="green")
        st.text(said[:1].upper() + said[1:])


def _coverage(found: Reconciliation, days: Window) -> None:
    with st.container(border=True):
        st.markdown("**Coverage by day**", help="Tokens on the bill: those that telemetry saw, and those it did not.")
        chart = charts.coverage_per_day(found.by_day(), days)
        if chart is None:
            st.caption("No tokens were billed in these days.")
        else:
            st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
                chart.table, dict(chart.spec)
            )
    tabs: dict[str, list[dict[str, str]]] = {}
    for name, title in _BY.items():
        parts = found.by(name)
        if name in ("model", "kind") or len(parts) > 1:
            tabs[title] = [_row(title, _named(name, value), part) for value, part in parts.items()]
    tabs["Day (UTC)"] = [_row("Day (UTC)", f"{day}", part) for day, part in found.by_day().items()]
    for tab, rows in zip(st.tabs([f"By {title[:1].lower()}{title[1:]}" for title in tabs]), tabs.values(), strict=True):
        with tab:
            tables.table(rows)
    if found.carried:
        st.caption(f"{found.carried:,} tokens of batches are billed the day after they were created, and count there.")


def _row(title: str, name: str, part: Coverage) -> dict[str, str]:
    return {
        title: name,
        "Seen": wording.share(part.of_tokens),
        "Tokens billed": f"{part.billed:,}",
        "Missing": f"{part.missing:,}",
        "Missing, list price": wording.usd(part.missing_usd),
        "Surplus": f"{part.surplus:,}",
        "Searches missing": f"{part.searches_missing:,} of {part.searches_billed:,}",
    }


def _prices(found: Reconciliation) -> None:
    st.markdown("**Prices**", help="What our calls were priced at, for the same tokens as on the bill.")
    said = wording.price_sentence(found)
    st.text(f"{said[:1].upper()}{said[1:]}.")
    for finding in found.findings:
        st.text(wording.finding_sentence(finding))
        st.caption(_escaped(wording.remedy(finding)))


def _discounts(found: Reconciliation) -> None:
    st.markdown("**Discounts**", help="What is paid of the list price, by the bill's own two amounts.")
    if found.discounts:
        tables.table(
            [
                {
                    "Model": one.model,
                    **({"Workspace": one.workspace or "all"} if any(d.workspace for d in found.discounts) else {}),
                    "Paid": f"× {wording.number(one.multiplier)}" + ("" if one.uniform else " on average"),
                    "Days (UTC)": f"since {one.since}" if one.ongoing else f"{one.since} to {one.last_day}",
                    "List": wording.usd(one.list_usd),
                    "Billed": wording.usd(one.amount_usd),
                }
                for one in found.discounts
            ]
        )
    snippet = wording.as_toml(found.discounts)
    if snippet:
        with st.expander("For your price file"):
            st.code(snippet, language="toml")
    if found.unseparated:
        st.caption("Without list prices a discount and a wrong price cannot be told apart.")
        tables.table(
            [
                {
                    "Model": one.model,
                    "At our list price": wording.usd(one.ours_usd),
                    "Billed": wording.usd(one.amount_usd),
                    "Of our price": "—" if not one.ours_usd else wording.number(one.amount_usd / one.ours_usd),
                }
                for one in found.unseparated
            ]
        )
    elif not found.discounts:
        st.caption("No money is on the bill for these days.")


def _left_out(found: Reconciliation) -> None:
    if found.left_out:
        st.subheader("Not compared, or not in full", anchor=False)
        for one in found.left_out:
            st.text(f"· {one.what}.")


def _freshness(found: Reconciliation, tolerance: Tolerance) -> None:
    now = datetime.now(UTC)
    said = [f"The bill was pulled {formats.ago(found.fetched_at, now)}, at {formats.moment(found.fetched_at)} UTC."]
    if found.refreshed_at is not None:
        said.append(f"By its own word it is complete up to {formats.moment(found.refreshed_at)} UTC.")
    for title, days in (
        ("Pending, in no number here", found.pending),
        ("Not pulled", [day for day in found.days if day.state == "not_pulled"]),
    ):
        if days:
            said.append(f"{title}: {_listed(days)}.")
    said.append(
        f"Tokens have to fit exactly on complete days. Drift is less than {wording.share(tolerance.coverage)} seen, or "
        f"prices off by more than {wording.share(tolerance.price_error)}."
    )
    st.caption(_escaped(" ".join(said)))


def _listed(days: Sequence[Day]) -> str:
    return _span(days[0].day, days[-1].day) + (f", {len(days)} days" if len(days) > 1 else "")


def _span(first: date, last: date) -> str:
    return f"{first:%d %b %Y}" if first == last else f"{first:%d %b} to {last:%d %b %Y}"


def _named(name: str, value: object) -> str:
    if value is None:
        return "not told apart"
    return wording.kind_title(str(value)) if name == "kind" else str(value)


def _escaped(text: str) -> str:
    """For Markdown, in which two dollars would be a formula."""
    return text.replace("$", "\\$")
