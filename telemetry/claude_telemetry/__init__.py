"""Know what your application's Claude calls do and cost.

    import claude_telemetry
    claude_telemetry.instrument()

From there on each call of the `anthropic` SDK is recorded as one OpenTelemetry span, with what it cost, and sent to a
collector (`claude-telemetry up`).
"""

from typing import TYPE_CHECKING

from claude_telemetry.instrument import flush, instrument, uninstrument
from claude_telemetry.labels import Labels, Prompt, carry, clear_labels, label, prompt, set_labels

__all__ = [
    "CallRef",
    "Labels",
    "Prompt",
    "ThreadPoolExecutor",
    "Totals",
    "carry",
    "clear_labels",
    "event",
    "flush",
    "instrument",
    "label",
    "last_call",
    "prompt",
    "set_labels",
    "tool",
    "tool_run",
    "totals",
    "tracking",
    "uninstrument",
]

if TYPE_CHECKING:
    from claude_telemetry.asked import CallRef, last_call
    from claude_telemetry.events import event
    from claude_telemetry.labels.executor import ThreadPoolExecutor
    from claude_telemetry.spending import Totals, totals, tracking
    from claude_telemetry.tools import tool, tool_run
else:  # hidden from type checkers, which would take any name for an attribute
    # What takes longer to import than all the rest is imported for those who use it.
    _LATER = {
        "CallRef": "asked",
        "last_call": "asked",
        "event": "events",
        "ThreadPoolExecutor": "labels.executor",
        "tool": "tools",
        "tool_run": "tools",
        "Totals": "spending",
        "totals": "spending",
        "tracking": "spending",
    }

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"claude_telemetry.{_LATER[name]}"), name)
        globals()[name] = value
        return value
