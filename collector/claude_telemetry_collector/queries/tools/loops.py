"""Agents that go round in circles: one tool, asked for again and again within minutes of one session.

What a tool was asked with is content and not kept, so that a loop is a question and not a verdict: reading twenty files
looks the same as reading one file twenty times.
"""

from __future__ import annotations

import pyarrow as pa

from claude_telemetry_collector.queries.tools.runs_in import uses_in
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

TIMES = 10
MINUTES = 10
"""A loop is a tool that is asked for this often within so many minutes."""
_MOST_LOOPS = 50


def loops(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """Each session (or trace, for calls without a session) and tool with a loop in it, the longest first, at most 50.

    `session_id` (VARCHAR; NULL where it is only a trace), `name`, `uses` (BIGINT: of that tool in that session, all of
    them), `at_once` (BIGINT: the most within ten minutes), `calls` (BIGINT), `cost_usd` (DECIMAL: of the calls that
    asked; NULL where none has a cost), `unpriced` (BIGINT), `first_at`, `last_at` (TIMESTAMP), `trace_id` and
    `span_id` of the last call, `loops` (BIGINT: how many there are).
    """
    uses, parameters = uses_in(window, segment)
    parameters |= {"times": TIMES, "span_us": MINUTES * 60_000_000, "most": _MOST_LOOPS}
    sql = (
        f"WITH {uses}, told AS MATERIALIZED (SELECT *, coalesce(session_id, trace_id) AS held_in FROM asked"  # noqa: S608
        " WHERE name IS NOT NULL),"
        " often AS (SELECT held_in, name FROM told GROUP BY held_in, name HAVING count(*) >= $times),"
        " near AS (SELECT told.*, count(*) OVER (PARTITION BY held_in, name ORDER BY epoch_us(started_at)"
        " RANGE BETWEEN $span_us PRECEDING AND CURRENT ROW) AS at_once"
        " FROM told SEMI JOIN often USING (held_in, name)),"
        " calling AS (SELECT held_in, name, trace_id, span_id, any_value(session_id) AS session_id, count(*) AS uses,"
        " max(at_once) AS at_once, any_value(cost_usd) AS cost_usd, min(started_at) AS started_at FROM near"
        " GROUP BY held_in, name, trace_id, span_id)"
        " SELECT any_value(session_id) AS session_id, name, sum(uses) AS uses, max(at_once) AS at_once,"
        " count(*) AS calls, sum(cost_usd) AS cost_usd, count(*) - count(cost_usd) AS unpriced,"
        " min(started_at) AS first_at, max(started_at) AS last_at, arg_max(trace_id, started_at) AS trace_id,"
        " arg_max(span_id, started_at) AS span_id, count(*) OVER () AS loops"
        " FROM calling GROUP BY held_in, name HAVING max(at_once) >= $times"
        " ORDER BY at_once DESC, uses DESC, name, held_in LIMIT $most"
    )
    return reader.ask(sql, parameters)
