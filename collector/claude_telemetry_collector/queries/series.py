"""The metrics over time, in *buckets*: windows of one length, side by side.

Buckets are counted from a fixed Monday at midnight UTC, so that they stay where they are while a window moves on. The
first and the last are cut by the window: what lies outside of it is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa

from claude_telemetry_collector.queries.metrics import counts_sql, metrics_named, values_sql
from claude_telemetry_collector.queries.window import BUCKET_ORIGIN, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

MOST_BUCKETS = 10_000
_MOST_ERROR_TYPES = 10

_BUCKET = "(epoch_us(started_at) - $bucket_origin) // $bucket_step"
_BUCKET_START = "make_timestamp($bucket_origin + {number} * $bucket_step)"


def series(reader: Reader, names: Sequence[str], window: Window, segment: Segment, step: timedelta) -> pa.Table:
    """One row per bucket, oldest first: `bucket` (TIMESTAMP, its start in UTC), then for each metric its value, and
    `<name>_unknown`.

    Every bucket that touches the window is there. In one without calls a count is 0 and every other metric NULL.
    Raises `ValueError` for more than 10,000 buckets.
    """
    where, parameters = calls_in(window, segment)
    parameters |= _buckets(window, step)
    shown = ", ".join(
        f"{_or_zero(metric.name, metric.is_count)}, {_or_zero(metric.name + '_unknown', True)}"
        for metric in metrics_named(names)
    )
    sql = (
        f"WITH found AS (SELECT {_BUCKET} AS number, {values_sql(names)}, {counts_sql(names)}"  # noqa: S608
        f" FROM calls WHERE {where} GROUP BY ALL)"
        f" SELECT {_BUCKET_START.format(number='every.number')} AS bucket, {shown}"
        " FROM range($bucket_first, $bucket_end) AS every(number) LEFT JOIN found ON found.number = every.number"
        " ORDER BY bucket"
    )
    return reader.ask(sql, parameters)


def errors_by_type(reader: Reader, window: Window, segment: Segment, step: timedelta) -> pa.Table:
    """Failed calls: `bucket` (TIMESTAMP), `error_type` (VARCHAR; NULL for the rest and for errors without a type),
    `rest` (BOOLEAN), `errors` (BIGINT). Only what there is: a bucket without errors has no row.

    The ten most frequent types have rows of their own; all others together are the rest.
    """
    where, parameters = calls_in(window, segment)
    steps = _buckets(window, step)
    parameters |= {name: steps[name] for name in ("bucket_origin", "bucket_step")}
    parameters["most"] = _MOST_ERROR_TYPES
    sql = (
        f"WITH failed AS (SELECT {_BUCKET} AS number, error_type FROM calls"  # noqa: S608
        f" WHERE {where} AND status = 'error'),"
        " ranked AS (SELECT error_type, row_number() OVER (ORDER BY count(*) DESC, error_type) AS place"
        " FROM failed GROUP BY error_type)"
        f" SELECT {_BUCKET_START.format(number='number')} AS bucket,"
        " CASE WHEN place <= $most THEN ranked.error_type END AS error_type, place > $most AS rest,"
        " count(*) AS errors"
        " FROM failed JOIN ranked ON failed.error_type IS NOT DISTINCT FROM ranked.error_type"
        " GROUP BY ALL ORDER BY bucket, rest, error_type"
    )
    return reader.ask(sql, parameters)


def _buckets(window: Window, step: timedelta) -> dict[str, object]:
    length = step // timedelta(microseconds=1)
    if length <= 0:
        raise ValueError(f"a bucket of {step} has no length: give a step above zero")
    first = (microseconds(window.start) - BUCKET_ORIGIN) // length
    # Half-open: a window that ends where a bucket starts does not reach into it.
    end = -((BUCKET_ORIGIN - microseconds(window.end)) // length)
    if end - first > MOST_BUCKETS:
        raise ValueError(f"{window.length} in steps of {step} makes {end - first} buckets: give a longer step")
    return {"bucket_origin": BUCKET_ORIGIN, "bucket_step": length, "bucket_first": first, "bucket_end": end}


def _or_zero(column: str, count: bool) -> str:
    return f"coalesce({column}, 0) AS {column}" if count else column
