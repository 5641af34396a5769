"""A cost as columns of `calls`: the same whoever worked it out, the application's process or the collector."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from claude_telemetry.pricing.cost import Cost


def cost_columns(cost: Cost, more_flags: Iterable[str] = ()) -> dict[str, Any]:
    """The columns of `Call` that tell of `cost`; `more_flags` are what the caller had to assume besides."""
    lines = {line: format(usd, "f") for line, usd in cost.breakdown.items()}
    return {
        "cost_usd": cost.usd,
        "cost_status": cost.status,
        "cost_breakdown": json.dumps(lines) if lines else None,
        "cost_flags": ",".join(dict.fromkeys((*cost.flags, *more_flags))),
        "price_version": cost.price_version,
    }
