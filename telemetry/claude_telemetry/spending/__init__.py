"""What this process has spent so far, added up in memory as its calls end: no collector is asked.

    claude_telemetry.totals().cost_usd

A *block* (`tracking`) is a part of the application whose calls are added up apart from the others.
"""

from claude_telemetry.spending.adding import By, facts_of
from claude_telemetry.spending.amounts import Totals
from claude_telemetry.spending.block import tracking
from claude_telemetry.spending.process import began, count_waiting, ended, say_recording, told, totals

__all__ = ["By", "Totals", "began", "count_waiting", "ended", "facts_of", "say_recording", "told", "totals", "tracking"]
