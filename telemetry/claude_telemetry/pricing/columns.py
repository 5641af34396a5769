"""What a call costs, as columns of `calls`: the same whoever worked it out, the application or the collector."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from claude_telemetry.pricing.charge import Charge
from claude_telemetry.pricing.cost import dollars, lines_of


def cost_columns(charge: Charge, more_flags: Iterable[str] = ()) -> dict[str, Any]:
    """The columns of `Call` that tell of `charge`; `more_flags` are what the caller had to assume besides."""
    return {**cost_in_short(charge, more_flags), "cost_breakdown": cost_lines(charge)}


def cost_in_short(charge: Charge, more_flags: Iterable[str] = ()) -> dict[str, Any]:
    """The same without the lines, which take longer to write than all the rest."""
    flags = (*charge.flags, *more_flags)
    cost_usd = None if charge.picodollars is None else dollars(charge.picodollars)
    net = charge.net_picodollars
    return {
        "cost_usd": cost_usd,
        "net_cost_usd": cost_usd if net is None or net == charge.picodollars else dollars(net),
        "cost_status": charge.status,
        "cost_flags": ",".join(dict.fromkeys(flags)) if flags else "",
        "price_version": charge.price_version,
    }


def cost_lines(charge: Charge) -> str | None:
    """The lines of `charge` as JSON: line to decimal dollars. `None` where there are none."""
    lines = {line: format(amount, "f") for line, amount in lines_of(charge).items()}
    return json.dumps(lines) if lines else None
