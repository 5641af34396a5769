"""What calls cost before they were priced again, as it is stored.

A *repricing* is one time that past calls were given the prices of another book. The cost that a call had before is kept
as it was, under the repricing that replaced it, so that several of them can be followed backwards.
"""

from __future__ import annotations

from claude_telemetry_collector.store.tables import Table, TableColumn, required


def _maybe(name: str, sql_type: str) -> TableColumn:
    return TableColumn(name=name, sql_type=sql_type)


REPRICINGS = Table(
    name="repricings",
    columns=(
        required("repricing_id", "VARCHAR"),
        required("began_at", "TIMESTAMP"),
        required("since", "TIMESTAMP"),
        required("until", "TIMESTAMP"),
        _maybe("model", "VARCHAR"),
        required("price_version", "VARCHAR"),
        required("calls_changed", "BIGINT"),
        _maybe("reached", "TIMESTAMP"),
        _maybe("ended_at", "TIMESTAMP"),
    ),
)
"""`model`: only its calls. `since` and `until` are half-open. `reached`: everything that began before it is done.
`ended_at` is missing where it was broken off; the next one over the same days completes it."""

FORMER_COSTS = Table(
    name="former_costs",
    columns=(
        required("repricing_id", "VARCHAR"),
        required("trace_id", "VARCHAR"),
        required("span_id", "VARCHAR"),
        required("started_at", "TIMESTAMP"),
        _maybe("cost_usd", "DECIMAL(18,12)"),
        _maybe("net_cost_usd", "DECIMAL(18,12)"),
        _maybe("cost_status", "VARCHAR"),
        _maybe("cost_breakdown", "JSON"),
        _maybe("cost_flags", "VARCHAR"),
        _maybe("billed", "BOOLEAN"),
        _maybe("price_version", "VARCHAR"),
    ),
)
"""The columns of `calls` as they were before that repricing; a call that came out the same has no row."""

TABLES: tuple[Table, ...] = (REPRICINGS, FORMER_COSTS)
