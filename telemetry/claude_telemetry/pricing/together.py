"""The charge of a call that had several answers: a middleware asked another model when the first one declined."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from claude_telemetry.pricing.charge import Charge
from claude_telemetry.record.call import CostStatus


def together(charges: Sequence[Charge]) -> Charge:
    """The sum of what several answers cost. What is not known of one makes the sum a lower bound."""
    known = [charge.picodollars for charge in charges if charge.picodollars is not None]
    net = [charge.net_picodollars for charge in charges if charge.net_picodollars is not None]
    statuses = {charge.status for charge in charges}
    status: CostStatus = "priced"
    if not known:
        status = "unknown"
    elif statuses & {"unknown", "partial"}:
        status = "partial"
    elif "contract" in statuses:
        status = "contract"
    return Charge(
        picodollars=sum(known) if known else None,
        status=status,
        flags=tuple(dict.fromkeys(flag for charge in charges for flag in charge.flags)),
        price_version=charges[-1].price_version,
        amounts=[sum(line) for line in zip_longest(*(charge.amounts for charge in charges), fillvalue=0)],
        parts=[part for charge in charges for part in charge.parts],
        output_known=charges[-1].output_known,
        net_picodollars=sum(net) if net else None,
    )
