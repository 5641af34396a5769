"""What calls come to, all together."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the calls come to that had ended when it was asked for. `str()` of it is one line to print or to log.

    A call is what it is on the pages: retries are part of it, and what asks no model (counting tokens, creating a
    batch) is none.
    """

    calls: int = 0
    """Calls that have ended, however: answered, failed, or left by the application."""
    running: int = 0
    """Calls that have begun and not ended. They are in no other number here."""
    errors: int = 0
    """Calls that ended with an error."""
    unpriced_calls: int = 0
    """Calls whose cost is not known, such as those of a model without a price. They add nothing to the cost."""
    partial_calls: int = 0
    """Calls whose cost is known in part only, such as those of a stream that was left early. They add that part."""
    uncounted_calls: int = 0
    """Calls that used more tokens than they said, or may have. They add those that they said."""
    cost_usd: Decimal = _NOTHING
    """At list price, in USD, exact."""
    net_cost_usd: Decimal = _NOTHING
    """With the discounts that you have stated, in USD, exact; the same as at list price where you have stated none."""
    input_tokens: int = 0
    """Uncached input: neither read from nor written to a cache."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """All output, thinking included."""
    recording: bool = False
    """Whether calls are recorded now. Those made while they are not, before `instrument()` say, are in no number."""

    @property
    def at_least(self) -> bool:
        """Whether the cost is a lower bound: some calls are unpriced, or priced in part."""
        return bool(self.unpriced_calls or self.partial_calls)

    @property
    def total_tokens(self) -> int:
        """Input, cached or not, and output."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens + self.output_tokens

    def __str__(self) -> str:
        """Such as `at least $0.0123 in 12 calls, 1 unpriced`."""
        if not (self.recording or self.calls or self.running):
            return "nothing is recorded: claude_telemetry.instrument() was not called, or could not work"
        net = f" ({_dollars(self.net_cost_usd)} net)" if self.net_cost_usd != self.cost_usd else ""
        cost = f"{'at least ' if self.at_least else ''}{_dollars(self.cost_usd)}{net}"
        parts = [f"{cost} in {self.calls:,} {'call' if self.calls == 1 else 'calls'}"]
        of_them = {
            "failed": self.errors,
            "unpriced": self.unpriced_calls,
            "priced in part": self.partial_calls,
            "running": self.running,
        }
        parts += [f"{number:,} {what}" for what, number in of_them.items() if number]
        return ", ".join(parts) + ("" if self.recording else "; not recording any more")


def _dollars(amount: Decimal) -> str:
    """With every digit that is there, and at least cents."""
    whole, _, decimals = f"{amount:,f}".partition(".")
    return f"${whole}.{decimals.rstrip('0').ljust(2, '0')}"
