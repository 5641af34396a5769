"""The metrics by model, feature, user or whatever else calls can be told apart by."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from claude_telemetry_collector.queries.metrics import Reading, counts_sql, reading_in, values_sql
from claude_telemetry_collector.queries.window import Clock, Segment, Window, calls_in, dimension
from claude_telemetry_collector.store import Reader

_MOST_KEYS_A_DAY = 10
_MOST_CHOICES = 200


def breakdown(
    reader: Reader, names: Sequence[str], window: Window, segment: Segment, by: str, limit: int = 20
) -> pa.Table:
    """One row per value of `by`, the largest of the first metric first, at most `limit`.

    Columns: `by` under its own name (VARCHAR, NULL for calls without the label), `calls` (BIGINT), each metric's value
    with `<name>_calls`, `<name>_unknown` and of money
    `<name>_unpriced`, and `groups` (BIGINT): how many values there are in all, shown or not.
    """
    where, parameters = calls_in(window, segment)
    parameters["most"] = limit
    sql = (
        f"SELECT {dimension(by)} AS {by}, count(*) AS calls, {values_sql(names)}, {counts_sql(names)},"  # noqa: S608
        " count(*) OVER () AS groups"
        f" FROM calls WHERE {where} GROUP BY {dimension(by)}"
        f" ORDER BY {names[0]} DESC NULLS LAST, calls DESC, {dimension(by)} NULLS LAST LIMIT $most"
    )
    return reader.ask(sql, parameters)


def readings_by(
    reader: Reader,
    name: str,
    window: Window,
    segment: Segment,
    by: str,
    *,
    always: Sequence[str] = (),
    limit: int = 20,
    clock: Clock = "started",
) -> dict[str, Reading]:
    """What a metric comes to for each value of `by`, as `readings` gives it: those of `always` that there are, then
    the largest, at most `limit` besides. Calls without the label are left out."""
    where, parameters = calls_in(window, segment, clock)
    parameters |= {"always": list(always), "most": limit + len(always)}
    sql = (
        f"SELECT {dimension(by)} AS label, {values_sql([name])}, {counts_sql([name])} FROM calls"  # noqa: S608
        f" WHERE {where} AND {dimension(by)} IS NOT NULL GROUP BY label"
        f" ORDER BY list_contains($always, label) DESC, {name} DESC NULLS LAST, label LIMIT $most"
    )
    return {row["label"]: reading_in(row, name) for row in reader.ask(sql, parameters).to_pylist()}


def cost_per_day(reader: Reader, window: Window, segment: Segment, by: str = "model") -> pa.Table:
    """What each UTC day cost: `day` (DATE), `by` under its own name (VARCHAR), `rest` (BOOLEAN), `cost_usd` (DECIMAL),
    `calls`, `unknown`, `unpriced` (BIGINT). Only what there is: a day without calls has no row.

    The ten dearest values of `by` over the window have rows of their own; all others together are the rest, so that
    a day's rows always add up to the day's cost.
    """
    where, parameters = calls_in(window, segment)
    parameters["most"] = _MOST_KEYS_A_DAY
    sql = (
        f"WITH daily AS (SELECT started_at::DATE AS day, {dimension(by)} AS label, {values_sql(['cost_usd'])},"  # noqa: S608
        f" {counts_sql(['cost_usd'])} FROM calls WHERE {where} GROUP BY ALL),"
        " ranked AS (SELECT label, row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, label) AS place"
        " FROM daily GROUP BY label)"
        f" SELECT day, CASE WHEN place <= $most THEN ranked.label END AS {by}, place > $most AS rest,"
        " sum(cost_usd)::DECIMAL(38, 12) AS cost_usd, sum(cost_usd_calls)::BIGINT AS calls,"
        " sum(cost_usd_unknown)::BIGINT AS unknown, sum(cost_usd_unpriced)::BIGINT AS unpriced"
        " FROM daily JOIN ranked ON daily.label IS NOT DISTINCT FROM ranked.label"
        f" GROUP BY ALL ORDER BY day, rest, {by} NULLS LAST"
    )
    return reader.ask(sql, parameters)


def choices(reader: Reader, window: Window, column: str) -> list[str]:
    """The values of a label among the calls of `window`, in order; the 200 most frequent ones when there are more."""
    where, parameters = calls_in(window, Segment())
    parameters["most"] = _MOST_CHOICES
    sql = (
        f"SELECT {dimension(column)} AS choice FROM calls"  # noqa: S608
        f" WHERE {where} AND {dimension(column)} IS NOT NULL"
        " GROUP BY choice ORDER BY count(*) DESC, choice LIMIT $most"
    )
    return sorted(str(row["choice"]) for row in reader.ask(sql, parameters).to_pylist())
