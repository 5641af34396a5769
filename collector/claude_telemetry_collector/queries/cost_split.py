"""What of the money went for which kind of token: the lines of each cost, added up, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from claude_telemetry_collector.queries.metrics import Reading, readings
from claude_telemetry_collector.queries.metrics.cost_lines import LINES, metric_of
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A sum of list costs, by line."""

    lines: Mapping[str, Decimal]
    """USD, by the names of `LINES`; those of which there is something."""
    cost: Reading
    """All of it. The lines and the rest add up to it, exactly."""
    not_split_usd: Decimal
    """What calls cost of which nobody told the lines."""
    not_split_calls: int


def cost_split(reader: Reader, window: Window, segment: Segment) -> Split:
    """The cost of the calls in `window` and `segment`, by line."""
    found = readings(reader, ["cost_usd", *map(metric_of, LINES)], window, segment)
    cost = found["cost_usd"]
    lines = {line: Decimal(value) for line in LINES if (value := found[metric_of(line)].value)}
    return Split(
        lines=lines,
        cost=cost,
        not_split_usd=Decimal(cost.value or 0) - sum(lines.values()),
        # The lines are not known of more calls than the cost is: of those that have one without lines.
        not_split_calls=found[metric_of("input")].unknown - cost.unknown,
    )
