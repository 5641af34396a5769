"""Attempts of some calls, without looking through those of all others.

The view `attempts` is what people ask. Most attempts stand in the rows of their calls (`store.tables.ATTEMPTS`), where
their start is worked out, so that no condition on it lets DuckDB pass over what is far away in time. A condition on the
call's own columns does.
"""

from __future__ import annotations

from claude_telemetry_collector.store.tables import ATTEMPTS, LONE_ATTEMPTS

RETRIES = ATTEMPTS.name
"""The table of the attempts that differ from their calls: of a call of several each, of others mostly none."""


def attempts_where(condition: str) -> str:
    """SQL of the attempts that meet `condition`, with the columns of `attempts`. The condition is about `trace_id`,
    `span_id` and `started_at`; of an only attempt the last is its call's, a moment before its own."""
    names = ", ".join(column.name for column in ATTEMPTS.columns)
    return f"SELECT {names} FROM {RETRIES} WHERE {condition} UNION ALL {LONE_ATTEMPTS} AND {condition}"  # noqa: S608
