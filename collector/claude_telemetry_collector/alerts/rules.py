"""The alert rules: a metric, a segment, a window and a threshold each.

A *rule* is broken while its reading lies beyond its threshold. The default rules follow from the settings; 0 turns a
rule off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.queries import CALL_MAXIMA, METRICS, Clock, Segment, Window
from claude_telemetry_collector.store.incidents import Direction

RECENT = timedelta(minutes=5)
ENOUGH_CALLS = 20
"""A ratio or a percentile over fewer calls than this is chance: one failed call of three is no error rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is watched, and what is too much. Raises `ValueError` for a metric that is none."""

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

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(
                f"rule {self.name!r}: there is no metric {self.metric!r}: give one of {', '.join(METRICS)}"
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

    def is_beyond(self, value: Decimal) -> bool:
        """Whether `value` breaks it."""
        return value > self.threshold if self.direction == "above" else value < self.threshold


def default_rules(settings: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules that the settings of `collect` ask for, without those that are turned off.

    Raises `SettingsError` that names the variable, its value and what to give.
    """
    rules = (
        Rule(
            name="daily_cost",
            title="Cost of the day",
            metric="cost_usd",
            threshold=_amount(settings, "alert_daily_cost_usd"),
            window=None,
        ),
        Rule(
            name="error_ratio",
            title="Error rate",
            metric="error_ratio",
            threshold=_share(settings, "alert_error_ratio"),
            window=RECENT,
            min_calls=ENOUGH_CALLS,
        ),
        Rule(
            name="p95_latency",
            title="P95 latency",
            metric="duration_p95_ms",
            threshold=_amount(settings, "alert_p95_ms"),
            window=RECENT,
            min_calls=ENOUGH_CALLS,
        ),
        Rule(
            name="call_cost",
            title="Cost of one call",
            metric="call_cost_max_usd",
            threshold=_amount(settings, "alert_call_cost_usd"),
            window=RECENT,
        ),
        Rule(
            name="call_tokens",
            title="Tokens of one call",
            metric="call_tokens_max",
            threshold=_amount(settings, "alert_call_tokens"),
            window=RECENT,
        ),
    )
    silent_minutes = _amount(settings, "alert_no_data_minutes")
    no_data = Rule(
        name="no_data",
        title="No calls",
        metric="requests",
        threshold=Decimal(1),
        window=timedelta(minutes=float(silent_minutes)),
        direction="below",
        silence=True,
    )
    on = tuple(rule for rule in rules if rule.threshold > 0)
    return (*on, no_data) if silent_minutes > 0 else on


def _amount(settings: Mapping[str, object], name: str) -> Decimal:
    given = settings.get(name)
    text = "" if given is None else str(given).strip()
    try:
        amount = Decimal(text or 0)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount > _MOST:
        raise _unusable(name, text, "give a number such as 12.50, or 0 to turn the rule off")
    return amount


def _share(settings: Mapping[str, object], name: str) -> Decimal:
    share = _amount(settings, name)
    if share >= 1:
        raise _unusable(
            name, str(settings.get(name)), "give a share below 1, such as 0.05 for 5 %, or 0 to turn it off"
        )
    return share


def _unusable(name: str, text: str, advice: str) -> SettingsError:
    return SettingsError(f"CLAUDE_TELEMETRY_{name.upper()} is {text!r}: {advice}")


_MOST = Decimal(10**15)
"""No threshold needs more, and the store holds no more."""
