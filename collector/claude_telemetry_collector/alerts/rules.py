"""The alert rules: a metric, a segment, a window and a threshold each.

A *rule* is broken while its reading lies beyond its threshold. The default rules follow from the settings; 0 turns a
rule off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from claude_telemetry_collector.queries import CALL_MAXIMA, MEASURES, Clock, Segment, Window
from claude_telemetry_collector.store.incidents import Direction

RECENT = timedelta(minutes=5)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)
ENOUGH_CALLS = 20
"""A ratio or a percentile over fewer calls than this is chance: one failed call of three is no error rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is watched, and what is too much. Raises `ValueError` for a metric or a label that is none."""

    name: str
    """Its identity: an incident belongs to the rule of this name, also after a restart."""
    title: str
    metric: str
    threshold: Decimal
    """In the metric's unit. The threshold itself is still within."""
    window: timedelta | None
    """The time before now that it looks at; `None` for the UTC day so far."""
    segment: Segment = field(default_factory=Segment)
    direction: Direction = "above"
    min_calls: int = 0
    """An incident opens over at least so many calls. Once open, any reading keeps it or closes it."""
    silence: bool = False
    """It is about nothing coming in. It is broken only if something ever came, and only by the time in which somebody
    was there to take it."""
    by: str | None = None
    """A label that calls are told apart by: each value has a reading and an incident of its own."""
    unpriced_call_usd: Decimal = Decimal(0)
    """Of a rule about cost: what each unpriced call counts towards the threshold. Zero: it adds nothing."""

    def __post_init__(self) -> None:
        if self.metric not in MEASURES:
            raise ValueError(
                f"rule {self.name!r}: there is no metric {self.metric!r}: give one of {', '.join(MEASURES)}"
            )
        labels = [label.name for label in fields(Segment)]
        if self.by is not None and self.by not in labels:
            raise ValueError(
                f"rule {self.name!r}: calls cannot be told apart by {self.by!r}: give one of {', '.join(labels)}"
            )

    @property
    def clock(self) -> Clock:
        """A day counts the calls that started in it, as pages do; the last minutes count those that ended."""
        return "started" if self.window is None else "ended"

    @property
    def is_about_one_call(self) -> bool:
        """Whether its reading is that of the one worst call, which can be named."""
        return self.metric in CALL_MAXIMA

    def window_at(self, now: datetime) -> Window:
        """What it looks at when it is looked at `now`."""
        return Window.day_so_far(now) if self.window is None else Window.last(self.window, now)

    def about(self, value: str) -> Rule:
        """It, for the calls that have this value of its label."""
        if self.by is None:
            return self
        label: dict[str, Any] = {self.by: value}
        return replace(self, segment=replace(self.segment, **label))

    def is_beyond(self, value: Decimal) -> bool:
        """Whether `value` breaks it."""
        return value > self.threshold if self.direction == "above" else value < self.threshold


def default_rules(settings: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules that the settings of `collect` ask for, without those that are turned off."""
    rules = (
        Rule(
            name="daily_cost",
            title="Cost of the day",
            metric="cost_usd",
            threshold=settings["alert_daily_cost_usd"],
            window=None,
            unpriced_call_usd=settings["alert_unpriced_call_usd"],
        ),
        Rule(
            name="error_ratio",
            title="Error rate",
            metric="error_ratio",
            threshold=settings["alert_error_ratio"],
            window=RECENT,
            min_calls=ENOUGH_CALLS,
        ),
        Rule(
            name="p95_latency",
            title="P95 latency",
            metric="duration_p95_ms",
            threshold=Decimal(settings["alert_p95_ms"]),
            window=RECENT,
            min_calls=ENOUGH_CALLS,
        ),
        Rule(
            name="call_cost",
            title="Cost of one call",
            metric="call_cost_max_usd",
            threshold=settings["alert_call_cost_usd"],
            window=RECENT,
        ),
        Rule(
            name="call_tokens",
            title="Tokens of one call",
            metric="call_tokens_max",
            threshold=Decimal(settings["alert_call_tokens"]),
            window=RECENT,
        ),
    )
    silent_minutes: int = settings["alert_no_data_minutes"]
    no_data = Rule(
        name="no_data",
        title="No calls",
        metric="requests",
        threshold=Decimal(1),
        window=timedelta(minutes=silent_minutes),
        direction="below",
        silence=True,
    )
    unpriced_calls: int = settings["alert_unpriced_calls"]
    unpriced_model = Rule(
        name="unpriced_model",
        title="Model without a price",
        metric="no_price_calls",
        # So many calls are too many already: the first is news.
        threshold=Decimal(unpriced_calls - 1),
        window=MONTH,
        by="price_id",
    )
    on = [rule for rule in (*rules, *_about_the_bill(settings)) if rule.threshold > 0]
    on += [no_data] if silent_minutes > 0 else []
    on += [unpriced_model] if unpriced_calls > 0 else []
    return tuple(on)


def _about_the_bill(settings: Mapping[str, Any]) -> tuple[Rule, ...]:
    """They have nothing to read until `claude-telemetry reconcile` has pulled the bill."""
    return (
        Rule(
            name="bill_coverage",
            title="Share of the bill seen",
            metric="bill_coverage_ratio",
            threshold=settings["alert_coverage_ratio"],
            window=WEEK,
            direction="below",
        ),
        Rule(
            name="bill_prices",
            title="Price error against the bill",
            metric="bill_price_error_ratio",
            threshold=settings["alert_price_error_ratio"],
            window=WEEK,
        ),
    )
