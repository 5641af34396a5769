"""Incidents, open and past, and the rules with their last readings."""

from __future__ import annotations

from claude_telemetry_collector.queries.window import Window, microseconds
from claude_telemetry_collector.store import Reader
from claude_telemetry_collector.store.incidents import (
    INCIDENT_COLUMNS,
    RULE_STATE_COLUMNS,
    Incident,
    RuleState,
    incident_from,
    rule_state_from,
)


def incidents(reader: Reader, window: Window | None = None, *, limit: int = 100) -> tuple[Incident, ...]:
    """Open incidents first, then closed ones, each newest first. With a window: those that were open in some part of
    it."""
    where, parameters = "TRUE", dict[str, object](most=limit)
    if window is not None:
        where = (
            "opened_at < make_timestamp($window_end)"
            " AND (closed_at IS NULL OR closed_at >= make_timestamp($window_start))"
        )
        parameters |= {"window_start": microseconds(window.start), "window_end": microseconds(window.end)}
    sql = (
        f"SELECT {INCIDENT_COLUMNS} FROM incidents WHERE {where}"  # noqa: S608
        " ORDER BY closed_at IS NULL DESC, opened_at DESC, incident_id LIMIT $most"
    )
    return tuple(incident_from(row) for row in reader.ask(sql, parameters).to_pylist())


def rules(reader: Reader) -> tuple[RuleState, ...]:
    """The rules that are looked at, by title. Empty until the collector has looked once."""
    sql = f"SELECT {RULE_STATE_COLUMNS} FROM rule_states ORDER BY title, rule"  # noqa: S608
    return tuple(rule_state_from(row) for row in reader.ask(sql).to_pylist())
