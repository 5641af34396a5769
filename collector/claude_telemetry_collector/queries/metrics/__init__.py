"""Each metric once: what it counts, how, and what becomes of calls for which the number is not known.

A *metric* is a number with a unit over a window and a segment. A *reading* is its value at one moment, with how many
calls it rests on and for how many of them it is unknown. Pages, breakdowns and alert rules all take their SQL from
here, so the number in Slack is the number on the page.

There is a module for each subject; a metric that is added to its tuple is known to pages, rules, the command line and
the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_telemetry_collector.queries.metrics.catalogue import METRICS, counts_sql, metrics_named, values_sql
from claude_telemetry_collector.queries.metrics.conditions import NO_PRICE_THOUGH_USED, TOTAL
from claude_telemetry_collector.queries.metrics.grouped import Key, ask_grouped, bucket_key, label_key
from claude_telemetry_collector.queries.metrics.metric import Metric, Reading, Value
from claude_telemetry_collector.queries.window import Clock, Segment, Window
from claude_telemetry_collector.store import Reader

CALL_MAXIMA: Mapping[str, str] = {"call_cost_max_usd": "cost_usd", "call_tokens_max": TOTAL}
"""The metrics that are about one single call, and what of it they compare."""


def reading_in(row: Mapping[str, Any], name: str) -> Reading:
    """The reading of a metric in a row of `values_sql` and `counts_sql`."""
    counts = (row[f"{name}_calls"], row[f"{name}_unknown"], row.get(f"{name}_unpriced", 0))
    return Reading(name, row[name], *counts)


def readings(
    reader: Reader, names: Sequence[str], window: Window, segment: Segment, *, clock: Clock = "started"
) -> dict[str, Reading]:
    """What each metric comes to, by name, in one question."""
    row = ask_grouped(reader, names, window, segment, (), lambda groups: groups, clock=clock).to_pylist()[0]
    return {name: reading_in(row, name) for name in names}


__all__ = [
    "CALL_MAXIMA",
    "METRICS",
    "NO_PRICE_THOUGH_USED",
    "Key",
    "Metric",
    "Reading",
    "Value",
    "ask_grouped",
    "bucket_key",
    "counts_sql",
    "label_key",
    "metrics_named",
    "reading_in",
    "readings",
    "values_sql",
]
