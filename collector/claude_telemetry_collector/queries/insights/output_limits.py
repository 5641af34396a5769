"""Answers that were cut off at `max_tokens`, and limits so high that they limit nothing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    NUMBER,
    TEXT,
    USD,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.window import MODEL, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

ENOUGH_CALLS = 20
TOO_MANY_CUT = 0.01
"""One answer in a hundred: below it a longer limit is not worth anybody's time. A threshold of our own."""
TIMES_TOO_HIGH = 10
"""A limit ten times what 99 of 100 answers use stops nothing that goes wrong. A threshold of our own."""
HIGH_LIMIT = 4096
"""Below it, an answer that runs away to the limit costs little."""

_CUT_SCHEMA = columns(
    feature=TEXT,
    model=TEXT,
    calls=COUNT,
    truncated_ratio=NUMBER,
    max_tokens=COUNT,
    output_p50_tokens=NUMBER,
    truncated_usd=USD,
)
_HIGH_SCHEMA = columns(
    feature=TEXT,
    model=TEXT,
    calls=COUNT,
    max_tokens=COUNT,
    output_p99_tokens=NUMBER,
    times_what_is_used=NUMBER,
)


def output_limits(reader: Reader, window: Window, segment: Segment) -> tuple[Finding, Finding]:
    """Features with answers that are cut off, and features with limits that limit nothing."""
    rows = _by_feature(reader, window, segment)
    return _truncations(rows), _loose_limits(rows)


def _truncations(every: Sequence[dict[str, Any]]) -> Finding:
    """Features of which one answer in a hundred or more ended at `max_tokens`."""
    rows = [row for row in every if row["cut"] / row["calls"] >= TOO_MANY_CUT]
    rows.sort(key=lambda row: -(row["cut_usd"] or 0))
    paid = sum((row["cut_usd"] or Decimal(0) for row in rows), Decimal(0))
    evidence = [
        {
            **{name: row[name] for name in ("feature", "model", "calls", "max_tokens", "output_p50_tokens")},
            "truncated_ratio": row["cut"] / row["calls"],
            "truncated_usd": row["cut_usd"],
        }
        for row in rows
    ]
    return Finding(
        name="truncations",
        title="Answers that were cut off",
        said=(
            f"{counted(sum(row['cut'] for row in rows), 'answer', 'answers')} stopped at max_tokens and cost money."
            if rows
            else "Hardly an answer stopped at max_tokens."
        ),
        found=bool(rows),
        saved_usd=paid,
        bound="at_most",
        evidence=rows_as_table(evidence, _CUT_SCHEMA),
        assumptions=("An answer that was cut off was of no use: where it was, less is saved.",),
        steps=(
            "Raise max_tokens for these features, or ask for shorter answers.",
            "Handle stop_reason max_tokens: carry on with the answer so far, or ask anew with a higher limit.",
        ),
        left_out=sum(row["cut_unpriced"] for row in rows),
        why_left_out="were cut off and have no price",
        links=(Link(page="calls", words="Calls that were cut off", parameters={"stop_reason": "max_tokens"}),),
    )


def _loose_limits(every: Sequence[dict[str, Any]]) -> Finding:
    """Features whose `max_tokens` is ten times or more of what 99 of 100 answers use."""
    rows = [
        row
        for row in every
        if row["max_tokens"] is not None
        and row["max_tokens"] >= HIGH_LIMIT
        and row["output_p99_tokens"]
        and row["max_tokens"] >= TIMES_TOO_HIGH * row["output_p99_tokens"]
    ]
    for row in rows:
        row["times_what_is_used"] = row["max_tokens"] / row["output_p99_tokens"]
    rows.sort(key=lambda row: -row["times_what_is_used"])
    evidence = [{name: row[name] for name in _HIGH_SCHEMA.names} for row in rows]
    return Finding(
        name="loose_limits",
        title="max_tokens far above what is used",
        kind="hint",
        said=(
            f"{counted(len(rows), 'limit is', 'limits are')} {TIMES_TOO_HIGH} times what 99 of 100 answers use."
            if rows
            else "No limit is far above what answers use."
        ),
        found=bool(rows),
        why_unknown="Only what is used is billed. A high limit costs when an answer runs away, and nobody knows when.",
        evidence=rows_as_table(evidence, _HIGH_SCHEMA),
        steps=("Set max_tokens to about twice the P99 of the table.", "Watch for answers that are cut off after that."),
    )


def _by_feature(reader: Reader, window: Window, segment: Segment) -> list[dict[str, Any]]:
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT feature, {MODEL} AS model, count(*) AS calls, max(max_tokens) AS max_tokens,"  # noqa: S608
        " quantile_cont(output_tokens, 0.50) AS output_p50_tokens, quantile_cont(output_tokens, 0.99) AS"
        " output_p99_tokens, count(*) FILTER (WHERE stop_reason = 'max_tokens') AS cut,"
        " sum(cost_usd) FILTER (WHERE stop_reason = 'max_tokens') AS cut_usd,"
        " count(*) FILTER (WHERE stop_reason = 'max_tokens' AND cost_usd IS NULL) AS cut_unpriced"
        f" FROM calls WHERE {where} AND status = 'ok' GROUP BY ALL HAVING count(*) >= {ENOUGH_CALLS}"
        f" ORDER BY calls DESC, feature, {MODEL}"
    )
    return reader.ask(sql, parameters).to_pylist()
