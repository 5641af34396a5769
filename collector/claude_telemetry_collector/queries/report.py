"""A report: what a period came to, beside the period before, and what it was made of.

It is the pages' numbers at one moment, for a terminal, a pull request or a mail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from claude_telemetry_collector.queries.breakdown import breakdown
from claude_telemetry_collector.queries.metrics import Reading, readings
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

HEADLINES: tuple[str, ...] = (
    "requests",
    "cost_usd",
    "net_cost_usd",
    "error_ratio",
    "duration_p50_ms",
    "duration_p95_ms",
    "duration_p99_ms",
    "ttft_p95_ms",
    "cache_hit_ratio",
    "total_tokens",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
)
"""The metrics of a report, in its order."""

GROUPED: tuple[str, ...] = ("cost_usd", "requests", "error_ratio", "duration_p95_ms", "total_tokens")
"""The metrics of each of its groups. The dearest group comes first."""

MOST_GROUPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What there is to report."""

    window: Window
    before: Window
    """The period that it is compared with: as long, and right before."""
    segment: Segment
    now: Mapping[str, Reading]
    """By metric, those of `HEADLINES`."""
    earlier: Mapping[str, Reading]
    """The same of the period before."""
    groups: Mapping[str, pa.Table]
    """By what calls are told apart by: at most ten groups with `GROUPED`, as `queries.breakdown` gives them."""
    errors: pa.Table
    """The failed calls by `error_type`: at most ten, most frequent first, with `requests`."""


def report(reader: Reader, window: Window, segment: Segment, by: Sequence[str] = ("model", "feature")) -> Report:
    """The report of `window` and `segment`, broken down by each name of `by`, as `queries.breakdown` takes them."""
    return Report(
        window=window,
        before=window.before(),
        segment=segment,
        now=readings(reader, HEADLINES, window, segment),
        earlier=readings(reader, HEADLINES, window.before(), segment),
        groups={name: breakdown(reader, GROUPED, window, segment, name, limit=MOST_GROUPS) for name in by},
        errors=_errors(reader, window, segment),
    )


def _errors(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    failed = replace(segment, status="error")
    if segment.status not in (None, "error"):
        return breakdown(reader, ("requests",), Window(window.start, window.start), failed, "error_type")
    return breakdown(reader, ("requests",), window, failed, "error_type", limit=MOST_GROUPS)
