"""The metrics over time, in `buckets`.

The first and the last bucket are cut by the window: what lies outside of it is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa

from claude_telemetry_collector.queries.buckets import MOST_BUCKETS, buckets
from claude_telemetry_collector.queries.metrics import ask_grouped, bucket_key, label_key, metrics_named
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.queries.zones import UTC_NAME
from claude_telemetry_collector.store import Reader

__all__ = ["MOST_BUCKETS", "errors_by_type", "series"]

_MOST_ERROR_TYPES = 10


def series(
    reader: Reader, names: Sequence[str], window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME
) -> pa.Table:
    """One row per bucket, oldest first: `bucket` (TIMESTAMP, what clocks of `zone` show when it starts), then for each
    metric its value, and `<name>_unknown`.

    Every bucket that touches the window is there. In one without calls a count is 0 and every other metric NULL.
    Raises `ValueError` for more than 10,000 buckets.
    """
    steps = buckets(window, step, zone)
    shown = ", ".join(
        f"{_or_zero(metric.name, metric.is_count)}, {_or_zero(metric.name + '_unknown', True)}"
        for metric in metrics_named(names)
    )

    def written(groups: str) -> str:
        return (
            f"SELECT bucket, {shown} FROM {steps.every} AS every LEFT JOIN ({groups}) AS found"  # noqa: S608
            " ON found.key_0 = every.number ORDER BY bucket"
        )

    keys = [bucket_key(steps)]
    return ask_grouped(reader, names, window, segment, keys, written, steps.parameters, rests_on=["unknown"])


def errors_by_type(reader: Reader, window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME) -> pa.Table:
    """Failed calls: `bucket` (TIMESTAMP, on the clocks of `zone`), `error_type` (VARCHAR; NULL for the rest and for
    errors without a type), `rest` (BOOLEAN), `errors` (BIGINT). Only what there is: a bucket without errors has no row.

    The ten most frequent types have rows of their own; all others together are the rest.
    """
    steps = buckets(window, step, zone)

    def written(groups: str) -> str:
        return (
            f"WITH failed AS (SELECT key_0 AS number, key_1 AS told, failed_calls AS errors FROM ({groups})"  # noqa: S608
            " WHERE failed_calls > 0),"
            " ranked AS (SELECT told, row_number() OVER (ORDER BY sum(errors) DESC, told) AS place"
            " FROM failed GROUP BY told)"
            " SELECT bucket, CASE WHEN place <= $most THEN ranked.told END AS error_type, place > $most AS rest,"
            " sum(errors)::BIGINT AS errors"
            " FROM failed JOIN ranked ON failed.told IS NOT DISTINCT FROM ranked.told"
            f" JOIN {steps.every} AS every ON every.number = failed.number"
            " GROUP BY ALL ORDER BY bucket, rest, error_type"
        )

    keys = [bucket_key(steps), label_key("error_type")]
    asked = {**steps.parameters, "most": _MOST_ERROR_TYPES}
    return ask_grouped(reader, ["failed_calls"], window, segment, keys, written, asked, rests_on=())


def _or_zero(column: str, count: bool) -> str:
    return f"coalesce({column}, 0) AS {column}" if count else column
