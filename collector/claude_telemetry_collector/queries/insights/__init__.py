"""What could be done otherwise, and what that saves: one module a rule, one function a finding.

Each function takes a window and a segment like any other question. A page asks them one by one, so that a slow one
holds up nobody, and ranks the findings with `ranked`. What each rule looks at, and why its thresholds are what they
are, is in `docs/insights.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from claude_telemetry_collector.queries.insights.batchable import batchable
from claude_telemetry_collector.queries.insights.cache_writes import cache_writes
from claude_telemetry_collector.queries.insights.fast_mode import fast_mode
from claude_telemetry_collector.queries.insights.finding import MONTH, Bound, Finding, Kind, Link, per_month
from claude_telemetry_collector.queries.insights.models import cheaper_models
from claude_telemetry_collector.queries.insights.output_limits import output_limits
from claude_telemetry_collector.queries.insights.repeats import repeats
from claude_telemetry_collector.queries.insights.retries import paid_for_nothing, retry_policy
from claude_telemetry_collector.queries.insights.streaming import streaming
from claude_telemetry_collector.queries.insights.uncached_prompts import uncached_prompts
from claude_telemetry_collector.queries.insights.unpriced import unpriced
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

RULES: Sequence[Callable[[Reader, Window, Segment], Finding | tuple[Finding, ...]]] = (
    uncached_prompts,
    cache_writes,
    batchable,
    fast_mode,
    paid_for_nothing,
    output_limits,
    repeats,
    cheaper_models,
    retry_policy,
    streaming,
    unpriced,
)
"""Every rule there is. Two that rest on the same rows are asked as one."""


def all_of(answers: Iterable[Finding | tuple[Finding, ...]]) -> list[Finding]:
    """The findings in the answers to `RULES`."""
    return [each for answer in answers for each in (answer if isinstance(answer, tuple) else (answer,))]


def ranked(findings: Sequence[Finding], window: Window, now: datetime) -> list[Finding]:
    """Those with something to do about, most dollars per month first; then those of which the dollars are not known;
    then those that found nothing."""

    def place(finding: Finding) -> tuple[bool, bool, Decimal]:
        saved = per_month(finding.saved_usd, window, now)
        return not finding.found, saved is None, -(saved or Decimal(0))

    return sorted(findings, key=place)


__all__ = ["MONTH", "RULES", "Bound", "Finding", "Kind", "Link", "all_of", "per_month", "ranked"]
