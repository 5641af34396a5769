"""What pricing again changes, by day and model: calls, and what they cost before and after.

The sums are over all calls of that day and model, also those that stay as they are: `before` is what the dashboard
shows now, `after` what it will show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from claude_telemetry.record.attributes import picodollars, usd
from claude_telemetry_collector.queries.kept_usage import NotKept
from claude_telemetry_collector.reprice.again import Again

_AMOUNTS = ("list_before", "list_after", "net_before", "net_after")


@dataclass(slots=True)
class Group:
    """The calls of one model on one UTC day. Amounts in picodollars, over those calls that have a price."""

    calls: int = 0
    changed: int = 0
    newly_priced: int = 0
    newly_unknown: int = 0
    only_version: int = 0
    unknown_before: int = 0
    """Of the calls, those that may cost something, and of which it is not known what."""
    unknown_after: int = 0
    list_before: int = 0
    list_after: int = 0
    net_before: int = 0
    net_after: int = 0

    def told(self) -> dict[str, Any]:
        """As JSON: dollars are exact decimals as text."""
        counts = {"calls": self.calls, "changed": self.changed}
        counts |= {"newly_priced": self.newly_priced, "newly_unknown": self.newly_unknown}
        counts["only_version"] = self.only_version
        counts |= {"unknown_before": self.unknown_before, "unknown_after": self.unknown_after}
        return counts | {f"{name}_usd": format(usd(getattr(self, name)), "f") for name in _AMOUNTS}


@dataclass(slots=True)
class Difference:
    """What becomes of the calls of some days."""

    price_version: str
    groups: dict[tuple[str, str | None], Group] = field(default_factory=dict[tuple[str, "str | None"], Group])
    """By UTC day and model."""
    left: Counter[str] = field(default_factory=Counter[str])
    """Calls that may cost something and cannot be priced again, by reason."""

    def add(self, row: Mapping[str, Any], again: Again | NotKept) -> None:
        """Counts one call: what its row says, and what it comes to now."""
        key = (row["started_at"].date().isoformat(), row["shown_model"])
        group = self.groups.setdefault(key, Group())
        group.calls += 1
        before, net_before = row["cost_usd"], row["net_cost_usd"]
        may_cost = may_cost_now = row["billed"] is not False
        if isinstance(again, NotKept):
            after, net_after = before, net_before
            if again.why != "free":
                self.left[again.why] += 1
        else:
            after, net_after = again.columns["cost_usd"], again.columns["net_cost_usd"]
            may_cost_now = again.columns["billed"] is not False
            group.changed += again.changed
            group.newly_priced += before is None and after is not None
            group.newly_unknown += before is not None and after is None
            group.only_version += not again.changed and again.columns["price_version"] != row["price_version"]
        group.unknown_before += before is None and may_cost
        group.unknown_after += after is None and may_cost_now
        group.list_before += _amount(before)
        group.list_after += _amount(after)
        group.net_before += _amount(before if net_before is None else net_before)
        group.net_after += _amount(after if net_after is None else net_after)

    @property
    def changed(self) -> int:
        return sum(group.changed for group in self.groups.values())

    def told(self) -> dict[str, Any]:
        """As JSON: a row for each day and model."""
        ordered = sorted(self.groups.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        return {
            "price_version": self.price_version,
            "groups": [{"day": day, "model": model, **group.told()} for (day, model), group in ordered],
            "left": dict(sorted(self.left.items())),
        }


def _amount(cost: Decimal | None) -> int:
    return 0 if cost is None else picodollars(cost)
