"""Tools that the application runs itself: each run is a span, linked to the call that asked for it."""

from claude_telemetry.tools.decorator import tool
from claude_telemetry.tools.run import tool_run

__all__ = ["tool", "tool_run"]
