"""Commands that run other commands: as child processes that never outlive them."""

from claude_telemetry.up.child import Child, ChildFailed
from claude_telemetry.up.stack import Stack, flags_of

__all__ = ["Child", "ChildFailed", "Stack", "flags_of"]
