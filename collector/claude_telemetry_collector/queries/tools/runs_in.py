"""Which uses and runs of tools belong to a window and a segment, as SQL.

A *use* is a block of an answer that asks for a tool; it belongs to its call. A *run* is what the application then did.
It has labels of its own, but no model or prompt: it belongs to a segment when the call that asked for it does. Which
that is a run says itself, or the id of the use does.
"""

from __future__ import annotations

from datetime import timedelta

from claude_telemetry_collector.queries.window import COUNTED, Condition, Segment, Window, calls_in, microseconds

_LONGEST_BEFORE = timedelta(days=1)
"""How long before a run its call may have been made: nobody keeps a tool waiting for longer."""


def uses_in(window: Window, segment: Segment) -> Condition:
    """The uses that calls of `window` and `segment` ask for: `asked`, as a common table, and its parameters.

    `trace_id`, `span_id`, `position`, `tool_use_id`, `name`, `type`, and of the call `started_at`, `session_id`,
    `cost_usd`.
    """
    where, parameters = calls_in(window, segment)
    sql = (
        "asked AS (SELECT asking.*, position, tool_use_id, name, type FROM (SELECT trace_id, span_id, started_at,"  # noqa: S608
        f" session_id, cost_usd FROM calls WHERE {where}) AS asking JOIN tool_uses USING (trace_id, span_id))"
    )
    return sql, parameters


def runs_in(window: Window, segment: Segment) -> Condition:
    """The runs that began in `window` and belong to `segment`: `run`, as a common table, and its parameters.

    The facts of a run, and `call_trace_id` and `call_span_id`: the call that asked for it, NULL where nobody says
    which. With a segment those are left out.
    """
    in_window, parameters = window.where()
    linked = (
        f"began AS (SELECT * FROM tool_runs WHERE {in_window}),"  # noqa: S608
        " linked AS (SELECT began.*, coalesce(asked_by_trace_id, uses.trace_id) AS call_trace_id,"
        " coalesce(asked_by_span_id, uses.span_id) AS call_span_id FROM began LEFT JOIN"
        " (SELECT DISTINCT ON (tool_use_id) tool_use_id, trace_id, span_id FROM tool_uses WHERE tool_use_id IN"
        " (SELECT tool_use_id FROM began WHERE asked_by_span_id IS NULL)) AS uses"
        " ON began.asked_by_span_id IS NULL AND began.tool_use_id = uses.tool_use_id)"
    )
    if segment == Segment():
        return f"{linked}, run AS (SELECT * FROM linked)", parameters  # noqa: S608
    belongs, of_segment = segment.where()
    parameters |= {**of_segment, "asking_start": microseconds(window.start - _LONGEST_BEFORE)}
    sql = (
        f"{linked}, run AS (SELECT * FROM linked WHERE (call_trace_id, call_span_id) IN (SELECT trace_id, span_id"  # noqa: S608
        f" FROM calls WHERE {COUNTED} AND {belongs} AND started_at >= make_timestamp($asking_start)"
        " AND started_at < make_timestamp($window_end)))"
    )
    return sql, parameters
