"""Tools: how often they were asked for, what became of it, how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from claude_telemetry_collector.queries.buckets import buckets
from claude_telemetry_collector.queries.tools.runs_in import runs_in, uses_in
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.queries.zones import UTC_NAME
from claude_telemetry_collector.store import Reader

_MOST_TOOLS = 50
_MOST_GROUPS = 10
_OURS = "type IS DISTINCT FROM 'server_tool_use'"
"""What is not run by the API's own servers. Of the others there is never a run to see."""

_USES_RUN = "count(DISTINCT coalesce(tool_use_id, span_id))"
"""A use that was run twice was run. What was asked for with the last answers may not have begun yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTotals:
    """All tools together. `None` is not known, or nothing to make it of."""

    uses: int
    """Blocks of answers that ask for a tool."""
    server_uses: int
    """Of `uses`: those that Anthropic's servers ran."""
    tools: int
    """Different names."""
    runs: int
    failed: int
    cancelled: int
    unlinked: int
    """Of `runs`: those of which nobody says which call asked for them. With a segment they are left out."""
    never_run: int | None
    """How many more uses than runs there are of the tools whose runs are recorded. `None` where that is none of those
    that were asked for."""
    p95_ms: float | None

    @property
    def failed_ratio(self) -> float | None:
        """Failed over all that ran to their end."""
        ended = self.runs - self.cancelled
        return self.failed / ended if ended else None


def tool_totals(reader: Reader, window: Window, segment: Segment) -> ToolTotals:
    """See `ToolTotals`."""
    uses, parameters = uses_in(window, segment)
    runs, more = runs_in(window, segment)
    sql = (
        f"WITH {uses}, {runs}, ran AS (SELECT name, {_USES_RUN} AS uses_run FROM run GROUP BY name),"  # noqa: S608
        f" by_name AS (SELECT name, {_OURS} AS ours, count(*) AS uses FROM asked GROUP BY ALL),"
        " missing AS (SELECT sum(greatest(uses - uses_run, 0)) AS never_run FROM by_name JOIN ran"
        " ON by_name.name = ran.name AND ours),"
        " of_uses AS (SELECT coalesce(sum(uses), 0) AS uses, coalesce(sum(uses) FILTER (WHERE NOT ours), 0)"
        " AS server_uses, count(DISTINCT name) AS tools FROM by_name),"
        " of_runs AS (SELECT count(*) AS runs, count(*) FILTER (WHERE outcome = 'error') AS failed,"
        " count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,"
        " count(*) FILTER (WHERE call_span_id IS NULL) AS unlinked,"
        " quantile_cont(duration_ms, 0.95) FILTER (WHERE outcome <> 'cancelled') AS p95_ms FROM run)"
        " SELECT of_uses.*, of_runs.*, never_run FROM of_uses, of_runs, missing"
    )
    return ToolTotals(**reader.ask(sql, parameters | more).to_pylist()[0])


def tools(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """A row for each tool, the most frequent first, at most 50.

    `name` (VARCHAR, NULL where it is not told), `type` (`tool_use`, `server_tool_use`, `mcp_tool_use`; NULL where only
    runs tell of it), `uses`, `runs`, `failed`, `cancelled` (BIGINT), `failed_ratio` (DOUBLE, of those that ended; NULL
    without), `p50_ms`, `p95_ms` (DOUBLE, cancelled ones left out), `untimed` (BIGINT: runs without a duration),
    `never_run` (BIGINT: how many more uses than runs; NULL where no run of it is recorded), `last_at` (TIMESTAMP),
    `trace_id` and `span_id` of the last call that asked for it, `tools` (BIGINT: how many there are).
    """
    uses, parameters = uses_in(window, segment)
    runs, more = runs_in(window, segment)
    parameters |= {**more, "most": _MOST_TOOLS}
    sql = (
        f"WITH {uses}, {runs}, of_uses AS (SELECT name, type, count(*) AS uses, max(started_at) AS last_at,"  # noqa: S608
        " arg_max(trace_id, started_at) AS trace_id, arg_max(span_id, started_at) AS span_id"
        " FROM asked GROUP BY name, type),"
        f" of_runs AS (SELECT name, {_USES_RUN} AS uses_run, count(*) AS runs,"
        " count(*) FILTER (WHERE outcome = 'error') AS failed,"
        " count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,"
        " quantile_cont(duration_ms, 0.5) FILTER (WHERE outcome <> 'cancelled') AS p50_ms,"
        " quantile_cont(duration_ms, 0.95) FILTER (WHERE outcome <> 'cancelled') AS p95_ms,"
        " count(*) - count(duration_ms) AS untimed, max(started_at) AS last_at,"
        " arg_max(call_trace_id, started_at) AS trace_id, arg_max(call_span_id, started_at) AS span_id"
        " FROM run GROUP BY name)"
        " SELECT coalesce(u.name, r.name) AS name, type, coalesce(uses, 0) AS uses, coalesce(runs, 0) AS runs,"
        " coalesce(failed, 0) AS failed,"
        " coalesce(cancelled, 0) AS cancelled, failed / nullif(runs - cancelled, 0)::DOUBLE AS failed_ratio,"
        " p50_ms, p95_ms, coalesce(untimed, 0) AS untimed, "
        " CASE WHEN uses_run IS NOT NULL THEN greatest(coalesce(uses, 0) - uses_run, 0) END AS never_run,"
        " greatest(u.last_at, r.last_at) AS last_at, coalesce(u.trace_id, r.trace_id) AS trace_id,"
        " coalesce(u.span_id, r.span_id) AS span_id, count(*) OVER () AS tools"
        " FROM of_uses AS u FULL JOIN of_runs AS r ON u.name IS NOT DISTINCT FROM r.name"
        " AND u.type IS DISTINCT FROM 'server_tool_use'"
        " ORDER BY greatest(coalesce(uses, 0), coalesce(runs, 0)) DESC, name NULLS LAST, type LIMIT $most"
    )
    return reader.ask(sql, parameters)


def runs_over_time(reader: Reader, window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME) -> pa.Table:
    """Runs by what became of them: `bucket` (TIMESTAMP, on the clocks of `zone`), `outcome` (VARCHAR), `runs`
    (BIGINT). Only what there is: a bucket without runs has no row."""
    runs, parameters = runs_in(window, segment)
    steps = buckets(window, step, zone)
    sql = (
        f"WITH {runs} SELECT make_timestamp($bucket_origin + ({steps.number}) * $bucket_step) AS bucket, outcome,"  # noqa: S608
        " count(*) AS runs FROM run GROUP BY ALL ORDER BY bucket, outcome"
    )
    return reader.ask(sql, parameters | steps.only_number())


def runs_course(reader: Reader, window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME) -> pa.Table:
    """All runs together: one row per bucket, oldest first, also for those without: `bucket` (TIMESTAMP, on the clocks
    of `zone`), `runs` (BIGINT), `failed_ratio`, `p95_ms` (DOUBLE; NULL without runs that ended)."""
    runs, parameters = runs_in(window, segment)
    steps = buckets(window, step, zone)
    sql = (
        f"WITH {runs}, found AS (SELECT {steps.number} AS number, count(*) AS runs,"  # noqa: S608
        " count(*) FILTER (WHERE outcome = 'error')"
        " / nullif(count(*) FILTER (WHERE outcome <> 'cancelled'), 0)::DOUBLE AS failed_ratio,"
        " quantile_cont(duration_ms, 0.95) FILTER (WHERE outcome <> 'cancelled') AS p95_ms FROM run GROUP BY number)"
        f" SELECT bucket, coalesce(runs, 0) AS runs, failed_ratio, p95_ms FROM {steps.every} AS every"
        " LEFT JOIN found ON found.number = every.number ORDER BY bucket"
    )
    return reader.ask(sql, parameters | steps.parameters)


def uses_over_time(reader: Reader, window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME) -> pa.Table:
    """Uses by tool: `bucket` (TIMESTAMP, on the clocks of `zone`), `name` (VARCHAR; NULL for the rest), `rest`
    (BOOLEAN), `uses` (BIGINT). Only what there is. The ten most frequent tools have rows of their own."""
    uses, parameters = uses_in(window, segment)
    steps = buckets(window, step, zone)
    parameters |= {**steps.only_number(), "most": _MOST_GROUPS}
    sql = (
        f"WITH {uses}, stepped AS (SELECT {steps.number} AS number, name, count(*) AS uses FROM asked GROUP BY ALL),"  # noqa: S608
        " ranked AS (SELECT name, row_number() OVER (ORDER BY sum(uses) DESC, name) AS place FROM stepped"
        " GROUP BY name)"
        " SELECT make_timestamp($bucket_origin + number * $bucket_step) AS bucket,"
        " CASE WHEN place <= $most THEN ranked.name END AS name, place > $most AS rest, sum(uses) AS uses"
        " FROM stepped JOIN ranked ON stepped.name IS NOT DISTINCT FROM ranked.name"
        " GROUP BY ALL ORDER BY bucket, rest, name"
    )
    return reader.ask(sql, parameters)
