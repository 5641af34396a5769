"""Rules are checked, incidents open and close, and people hear of each once."""

from claude_telemetry_collector.alerts.rules import Rule, default_rules
from claude_telemetry_collector.alerts.watch import Watch

__all__ = ["Rule", "Watch", "default_rules"]
