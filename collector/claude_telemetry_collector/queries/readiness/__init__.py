"""Is this application ready for production: what the data says to it, and what only people can say.

Five dimensions, each with items. An item that data tells about is *met*, *partly* met or *open*, by a share of calls or
by what the collector is set to; it is *unknown* where the calls do not tell. An item *by hand* is ticked off by people
(`store.ticks`), and never guessed. The items are those of production guides for the Claude API; the thresholds, which
are our own, stand with them.
"""

from claude_telemetry_collector.queries.readiness.items import BY_HAND, DIMENSIONS, Dimension, Item, State, Ticked
from claude_telemetry_collector.queries.readiness.scorecard import scorecard
from claude_telemetry_collector.queries.readiness.seen import observed, ticked, told_at

__all__ = [
    "BY_HAND",
    "DIMENSIONS",
    "Dimension",
    "Item",
    "State",
    "Ticked",
    "observed",
    "scorecard",
    "ticked",
    "told_at",
]
