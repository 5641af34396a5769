"""Tools: what answers ask for, what was run, and agents that go round in circles."""

from claude_telemetry_collector.queries.tools.audit import tool_runs
from claude_telemetry_collector.queries.tools.by_tool import (
    ToolTotals,
    runs_course,
    runs_over_time,
    tool_totals,
    tools,
    uses_over_time,
)
from claude_telemetry_collector.queries.tools.loops import MINUTES, TIMES, loops

__all__ = [
    "MINUTES",
    "TIMES",
    "ToolTotals",
    "loops",
    "runs_course",
    "runs_over_time",
    "tool_runs",
    "tool_totals",
    "tools",
    "uses_over_time",
]
