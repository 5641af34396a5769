"""Which calls failed: by the type of their error, and by what they can be told apart by."""

from __future__ import annotations

import pyarrow as pa

from claude_telemetry_collector.queries.errors.kinds import side_sql
from claude_telemetry_collector.queries.window import Segment, Window, calls_in, told_apart
from claude_telemetry_collector.store import Reader

_MOST_TYPES = 50


def failures(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """Failed calls, one row for each type of error, the most frequent first, at most 50.

    `error_type` (VARCHAR; NULL for errors without one), `side` (of `SIDES`), `http_status` (BIGINT, the most frequent
    one; NULL without an answer), `errors`, `ratio` (DOUBLE: of all calls that ended), `models`, `features`, `users`
    (BIGINT: how many different ones), `took_ms` (BIGINT, all durations together; calls without one add nothing),
    `first_at`, `last_at` (TIMESTAMP), `trace_id` and `span_id` of the last one, `types` (BIGINT: how many there are,
    shown or not).
    """
    where, parameters = calls_in(window, segment)
    parameters["most"] = _MOST_TYPES
    sql = (
        f"SELECT error_type, {side_sql('error_type')} AS side, mode(http_status) AS http_status, count(*) AS errors,"  # noqa: S608
        f" count(*)::DOUBLE / (SELECT count(*) FROM calls WHERE {where} AND status IN ('ok', 'error')) AS ratio,"
        " count(DISTINCT coalesce(model, request_model)) AS models, count(DISTINCT feature) AS features,"
        " count(DISTINCT user_id) AS users, try_cast(sum(duration_ms::HUGEINT) AS BIGINT) AS took_ms,"
        " min(started_at) AS first_at, max(started_at) AS last_at,"
        " arg_max(trace_id, started_at) AS trace_id, arg_max(span_id, started_at) AS span_id,"
        f" count(*) OVER () AS types FROM calls WHERE {where} AND status = 'error' GROUP BY error_type"
        " ORDER BY errors DESC, error_type NULLS LAST LIMIT $most"
    )
    return reader.ask(sql, parameters)


def failures_by(reader: Reader, window: Window, segment: Segment, by: str, limit: int = 20) -> pa.Table:
    """Calls that ended, by a label or tag (`tag:<name>`): the ones with most failures first, at most `limit`.
    Only those with a failure.

    `label` (VARCHAR; NULL without one), `ended`, `errors` (BIGINT), `ratio` (DOUBLE), `worst_type` (VARCHAR: the most
    frequent type of error; NULL for errors without one) and `worst_errors`, `groups` (BIGINT: labels with failures).
    Raises `ValueError` for a name that calls cannot be told apart by.
    """
    where, parameters = calls_in(window, segment)
    label, path = told_apart(by, "by")
    parameters |= {"most": limit, **path}
    sql = (
        f"WITH typed AS (SELECT {label} AS label, CASE WHEN status = 'error' THEN error_type END AS error_type,"  # noqa: S608
        " status = 'error' AS failed, count(*) AS calls FROM calls"
        f" WHERE {where} AND status IN ('ok', 'error') GROUP BY ALL)"
        " SELECT label, sum(calls) AS ended, sum(calls) FILTER (WHERE failed) AS errors,"
        " sum(calls) FILTER (WHERE failed)::DOUBLE / sum(calls) AS ratio,"
        " first(error_type ORDER BY calls DESC, error_type) FILTER (WHERE failed) AS worst_type,"
        " max(calls) FILTER (WHERE failed) AS worst_errors, count(*) OVER () AS groups"
        " FROM typed GROUP BY label HAVING bool_or(failed) ORDER BY errors DESC, label NULLS LAST LIMIT $most"
    )
    return reader.ask(sql, parameters)
