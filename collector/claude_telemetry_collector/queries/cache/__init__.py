"""Where the prompt cache fails, and how long it should live. What it saves is a metric."""

from claude_telemetry_collector.queries.cache.marked import LookedAt
from claude_telemetry_collector.queries.cache.misses import CAUSES, PARTIAL, Cause, Misses, cache_misses
from claude_telemetry_collector.queries.cache.prefixes import Prefix, Prefixes, prefixes

__all__ = [
    "CAUSES",
    "PARTIAL",
    "Cause",
    "LookedAt",
    "Misses",
    "Prefix",
    "Prefixes",
    "cache_misses",
    "prefixes",
]
