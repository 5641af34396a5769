"""What is recorded about a Claude call: the only definition.

Span attributes, DuckDB columns, column formats and the reference page are all derived from the dataclasses here.
"""

from claude_telemetry.record.attempt import Attempt
from claude_telemetry.record.call import BOOKKEEPING, Call, CallRecord
from claude_telemetry.record.field import Column, Fact, columns_of
from claude_telemetry.record.tool_use import ToolUse
from claude_telemetry.record.usage import Usage

__all__ = ["BOOKKEEPING", "Attempt", "Call", "CallRecord", "Column", "Fact", "ToolUse", "Usage", "columns_of"]
