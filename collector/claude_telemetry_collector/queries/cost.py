"""What it costs, in more ways than one number: over time by anything, by unit of use, by how the calls were served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pyarrow as pa

from claude_telemetry_collector.queries.buckets import buckets
from claude_telemetry_collector.queries.metrics import counts_sql, values_sql
from claude_telemetry_collector.queries.metrics.grouped import ask_grouped, bucket_key, label_key
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.queries.zones import UTC_NAME
from claude_telemetry_collector.store import Reader

_MOST_KEYS = 10
_MOST_COUNTED = 200_000
"""Among more calls than this, counting different users takes longer than anybody waits for a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """What one of something costs on average, at list price."""

    unit: str
    """`user`, `session` or `tenant`."""
    usd: Decimal | None
    """`None` where no call with a price names one."""
    units: int
    """How many different ones have a call with a price."""
    is_exact: bool
    """Whether `units` was counted; among very many calls it is estimated, to within a few percent."""
    calls: int
    """The calls that name one."""
    unpriced: int
    """Those of them without a price: they are in neither side."""
    unnamed: int
    """Calls that name none, and are in neither side."""


_UNITS = {"user": "user_id", "session": "session_id", "tenant": "tenant"}


def cost_over_time(
    reader: Reader, window: Window, segment: Segment, step: timedelta, by: str, *, zone: str = UTC_NAME
) -> pa.Table:
    """What each step cost: `bucket` (TIMESTAMP, what clocks of `zone` show when it starts), `label` (VARCHAR), `rest`
    (BOOLEAN), `cost_usd` (DECIMAL), `calls`, `unknown`, `unpriced` (BIGINT). Only what there is: a step without calls
    has no row.

    The ten dearest values of `by` over the window have rows of their own; all others together are the rest, so that
    a step's rows always add up to its cost.
    """
    steps = buckets(window, step, zone)

    def written(groups: str) -> str:
        return (
            f"WITH stepwise AS ({groups}),"  # noqa: S608
            " ranked AS (SELECT key_1, row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, key_1) AS place"
            " FROM stepwise GROUP BY key_1)"
            " SELECT bucket, CASE WHEN place <= $most THEN ranked.key_1 END AS label, place > $most AS rest,"
            " sum(cost_usd)::DECIMAL(38, 12) AS cost_usd, sum(cost_usd_calls)::BIGINT AS calls,"
            " sum(cost_usd_unknown)::BIGINT AS unknown, sum(cost_usd_unpriced)::BIGINT AS unpriced"
            " FROM stepwise JOIN ranked ON stepwise.key_1 IS NOT DISTINCT FROM ranked.key_1"
            f" JOIN {steps.every} AS every ON every.number = stepwise.key_0"
            " GROUP BY ALL ORDER BY bucket, rest, label NULLS LAST"
        )

    keys = [bucket_key(steps), label_key(by)]
    return ask_grouped(reader, ["cost_usd"], window, segment, keys, written, {**steps.parameters, "most": _MOST_KEYS})


def cost_per_day(
    reader: Reader, window: Window, segment: Segment, by: str = "model", *, zone: str = UTC_NAME
) -> pa.Table:
    """What each day of `zone` cost, as `cost_over_time` gives it, but that the days are under `day` (DATE) and the
    labels under the name of `by`."""
    found = cost_over_time(reader, window, segment, timedelta(days=1), by, zone=zone)
    days = found.column("bucket").cast(pa.date32())
    # A name from outside never stands in SQL.
    return found.set_column(0, "day", days).rename_columns(["day", by, *found.column_names[2:]])


def unit_costs(reader: Reader, window: Window, segment: Segment) -> tuple[UnitCost, ...]:
    """What one user, one session and one tenant cost in `window`, by the calls that name one."""
    where, parameters = calls_in(window, segment)
    told = ", ".join(
        f"sum(cost_usd) FILTER (WHERE {column} IS NOT NULL) AS {unit}_usd,"
        f" approx_count_distinct({column}) FILTER (WHERE cost_usd IS NOT NULL) AS {unit}_units,"
        f" count({column}) AS {unit}_calls,"
        f" count({column}) FILTER (WHERE cost_usd IS NULL AND billed IS DISTINCT FROM FALSE) AS {unit}_unpriced,"
        f" count(*) - count({column}) AS {unit}_unnamed"
        for unit, column in _UNITS.items()
    )
    row = reader.ask(f"SELECT {told}, count(*) AS calls FROM calls WHERE {where}", parameters).to_pylist()[0]  # noqa: S608
    is_exact = row["calls"] <= _MOST_COUNTED
    if is_exact:
        counted = ", ".join(
            f"count(DISTINCT {column}) FILTER (WHERE cost_usd IS NOT NULL) AS {unit}_units"
            for unit, column in _UNITS.items()
        )
        row |= reader.ask(f"SELECT {counted} FROM calls WHERE {where}", parameters).to_pylist()[0]  # noqa: S608
    return tuple(
        UnitCost(
            unit=unit,
            usd=row[f"{unit}_usd"] / row[f"{unit}_units"] if row[f"{unit}_units"] else None,
            units=row[f"{unit}_units"],
            is_exact=is_exact,
            calls=row[f"{unit}_calls"],
            unpriced=row[f"{unit}_unpriced"],
            unnamed=row[f"{unit}_unnamed"],
        )
        for unit in _UNITS
    )


def cost_by_service(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """By how the calls were served: `way` (`batch` or `live`), `speed`, `service_tier` (VARCHAR, NULL where the answer
    did not say), `calls` (BIGINT), `cost_usd`, `net_cost_usd` with their counts. The dearest first."""
    names = ["cost_usd", "net_cost_usd"]
    where, parameters = calls_in(window, segment)
    sql = (
        "SELECT CASE WHEN custom_id IS NOT NULL OR service_tier = 'batch' THEN 'batch' ELSE 'live' END AS way, speed,"  # noqa: S608
        f" service_tier, count(*) AS calls, {values_sql(names)}, {counts_sql(names)}"
        f" FROM calls WHERE {where} GROUP BY ALL"
        " ORDER BY cost_usd DESC NULLS LAST, calls DESC, way, speed, service_tier"
    )
    return reader.ask(sql, parameters)
