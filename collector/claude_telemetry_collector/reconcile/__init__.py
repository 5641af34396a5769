"""Held against the bill: what Anthropic says was used and what it charged, pulled and kept beside the calls.

A *pull* fetches one *family* of Anthropic's reports (see `store.billed`) in the process that has the Admin key. What it
has fetched is handed over to the store, which puts it in the place of what was there for the same days.
"""

from claude_telemetry_collector.reconcile.handing_over import BilledJob, store_pulled
from claude_telemetry_collector.reconcile.key import admin_key
from claude_telemetry_collector.reconcile.pull import pull
from claude_telemetry_collector.store.billed import BilledCost, BilledUsage, Family, Pulled

__all__ = ["BilledCost", "BilledJob", "BilledUsage", "Family", "Pulled", "admin_key", "pull", "store_pulled"]
