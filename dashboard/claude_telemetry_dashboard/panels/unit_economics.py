"""What one of each costs, by feature, with its trend."""

from __future__ import annotations

from collections.abc import Mapping

from claude_telemetry_collector.queries.unit_economics import unit_economics
from claude_telemetry_dashboard import data, filters
from claude_telemetry_dashboard.panels import box, grouped
from claude_telemetry_dashboard.panels.grouped import Amount

_AGAINST = "Against the period before, per "

_AMOUNTS: Mapping[str, Amount] = {
    "calls": Amount(title="Calls", help="All of them, whatever their outcome.", unit="{call}"),
    "cost_usd": Amount(title="Cost", help="At list price. At least this, where calls are unpriced.", unit="USD"),
    "per_request_usd": Amount(title="Per request", help="Over the calls that have a price.", unit="USD"),
    "per_request_change": Amount(title="Change", help=f"{_AGAINST}request.", unit="ratio"),
    "per_session_usd": Amount(title="Per session", help="Over the calls that name a session.", unit="USD"),
    "per_session_change": Amount(title="Change, session", help=f"{_AGAINST}session.", unit="ratio"),
    "per_user_usd": Amount(title="Per user", help="Over the calls that name a user.", unit="USD"),
    "per_user_change": Amount(title="Change, user", help=f"{_AGAINST}user.", unit="ratio"),
    "unpriced": Amount(title="Unpriced", help="Calls without a price: they add nothing.", unit="{call}"),
}


def show(chosen: filters.Chosen) -> None:
    """A table, in a frame."""
    rows = data.answer(unit_economics, chosen.window, chosen.before, chosen.segment)
    with box.box(
        "What one of each costs, by feature", "A request, a session and a user of each feature, dearest first."
    ):
        grouped.table(rows, {"feature": "Feature"}, _AMOUNTS, name="unit-economics")
