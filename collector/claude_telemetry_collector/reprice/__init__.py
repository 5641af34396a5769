"""Past calls at the prices of another book: `claude-telemetry reprice`, done by the process that holds the store.

Each call is priced from the usage that was kept of it. Nothing else of it changes; what it cost before stays beside it.
"""

from claude_telemetry_collector.reprice.difference import Difference
from claude_telemetry_collector.reprice.job import Repricing
from claude_telemetry_collector.reprice.own_prices import OwnPrices, price_as

__all__ = ["Difference", "OwnPrices", "Repricing", "price_as"]
