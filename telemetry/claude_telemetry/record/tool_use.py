"""The tools that an answer asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from claude_telemetry.record.field import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One row of `tool_uses`. Never what the tool was asked with: that is content."""

    tool_use_id: Annotated[
        str | None, Fact("claude.tool_use.ids", None, "The id of the content block, `toolu_…` or `srvtoolu_…`.")
    ] = None
    name: Annotated[str | None, Fact("claude.tool_use.names", None, "The name of the tool.")] = None
    type: Annotated[
        str | None,
        Fact("claude.tool_use.types", None, "`tool_use`, `server_tool_use` or `mcp_tool_use`."),
    ] = None
