"""Which calls a question is about: a *window* of time, and a *segment* of calls that share label values.

Both become SQL conditions whose values are bound parameters. What is text in a condition is written here and nowhere
else: a label is data, whatever it looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from claude_telemetry.record import BOOKKEEPING
from claude_telemetry_collector.queries.dimensions import (
    DIMENSIONS,
    MODEL,
    PRICE_ID,
    TAG,
    Condition,
    dimension,
    tag,
    told_apart,
)
from claude_telemetry_collector.queries.zones import local_day, midnight

__all__ = [
    "BUCKET_ORIGIN",
    "COUNTED",
    "DIMENSIONS",
    "ENDED_AT",
    "MODEL",
    "PRICE_ID",
    "Clock",
    "Condition",
    "Segment",
    "Window",
    "calls_in",
    "dimension",
    "microseconds",
    "told_apart",
]

Clock = Literal["started", "ended"]
"""What places a call in a window: when the application asked, or when it held the answer.

Pages count calls by their start. Rules that look at the last minutes count them by their end: a call of ten minutes is
only known once it is over, and by then its start lies outside of a short window.
"""

_LONGEST_CALL = timedelta(days=1)
# Bounded, since an absurd duration in one span would be out of the range of times, and fail every rule.
_DURATION_MS = f"greatest(least(coalesce(duration_ms, 0), {_LONGEST_CALL // timedelta(milliseconds=1)}), 0)"
ENDED_AT = f"(started_at + to_milliseconds({_DURATION_MS}))"

_BOOKKEEPING = ", ".join(repr(name) for name in sorted(BOOKKEEPING))
# What nearly all calls are comes first, so that they are held against no list: a quarter of the time of a short sum.
COUNTED = f"(operation = 'chat' OR coalesce(operation, '') NOT IN ({_BOOKKEEPING}))"
"""What asks no model and costs nothing, such as counting tokens, is landed, and part of no number."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """A time range in UTC. Half-open: the start belongs to it, the end does not.

    Raises `ValueError` for a time without a zone, and for an end before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment.tzinfo is None:
                raise ValueError(f"the {name} of a window is {moment}: give a time with a zone, such as UTC")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.end < self.start:
            raise ValueError(f"a window from {self.start} to {self.end} ends before it starts")

    @classmethod
    def last(cls, length: timedelta, now: datetime | None = None) -> Window:
        """The `length` of time before `now`."""
        now = now or datetime.now(UTC)
        return cls(now - length, now)

    @classmethod
    def day_so_far(cls, now: datetime, zone: str = "UTC") -> Window:
        """From the start of the day of `now` in `zone` until `now`."""
        return cls(midnight(local_day(now, zone), zone), now)

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def before(self) -> Window:
        """The window of the same length that ends where this one starts."""
        return Window(self.start - self.length, self.start)

    def where(self, clock: Clock = "started") -> Condition:
        """The calls that started in it, or that ended in it."""
        parameters: dict[str, object] = {"window_start": microseconds(self.start), "window_end": microseconds(self.end)}
        if clock == "started":
            return (
                "started_at >= make_timestamp($window_start) AND started_at < make_timestamp($window_end)",
                parameters,
            )
        # The bounds on the start change nothing but the speed: they let DuckDB skip what is older than any call lasts.
        parameters["window_reach"] = microseconds(self.start - _LONGEST_CALL)
        sql = (
            f"{ENDED_AT} >= make_timestamp($window_start) AND {ENDED_AT} < make_timestamp($window_end)"
            " AND started_at >= make_timestamp($window_reach) AND started_at < make_timestamp($window_end)"
        )
        return sql, parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The calls that share these label values and tags. `None` stands for all of them."""

    model: str | None = None
    price_id: str | None = None
    feature: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    tenant: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_fingerprint: str | None = None
    service: str | None = None
    environment: str | None = None
    status: str | None = None
    error_type: str | None = None
    stop_reason: str | None = None
    refusal_category: str | None = None
    platform: str | None = None
    provider: str | None = None
    region: str | None = None
    organization_id: str | None = None
    workspace_id: str | None = None
    api_key_alias: str | None = None
    framework: str | None = None
    run_name: str | None = None
    operation: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    effort: str | None = None
    thinking: str | None = None
    stream_end: str | None = None
    batch_id: str | None = None
    source: str | None = None
    stream: str | None = None
    http_status: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    """The application's own labels: pairs of name and value. All of them have to be there."""

    def where(self) -> Condition:
        """The calls that belong to it. `model` matches the model asked for where none answered."""
        conditions: list[str] = []
        parameters: dict[str, object] = {}
        for name, value in self.labels().items():
            conditions.append(f"{DIMENSIONS[name]} = $segment_{name}")
            parameters[f"segment_{name}"] = value
        for place, (name, value) in enumerate(self.tags):
            sql, path = tag(name, f"segment_tag_{place}")
            conditions.append(f"{sql} = $segment_tag_{place}_value")
            parameters |= {**path, f"segment_tag_{place}_value": value}
        return " AND ".join(conditions) or "TRUE", parameters

    def labels(self) -> dict[str, str]:
        """The labels that it asks for, by name, its tags aside."""
        values = {name: getattr(self, name) for name in DIMENSIONS}
        return {name: value for name, value in values.items() if value is not None}

    def chosen(self) -> dict[str, str]:
        """All that it asks for, a tag as `tag:<name>`. Empty when it is all calls."""
        return self.labels() | {TAG + name: value for name, value in self.tags}


def calls_in(window: Window, segment: Segment, clock: Clock = "started") -> Condition:
    """The calls that numbers are made of."""
    window_sql, window_parameters = window.where(clock)
    segment_sql, segment_parameters = segment.where()
    return f"{COUNTED} AND {window_sql} AND {segment_sql}", {**window_parameters, **segment_parameters}


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC: a number that no session's time zone can move on its way into SQL."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


BUCKET_ORIGIN = microseconds(_MONDAY)
"""Buckets are counted from a Monday at midnight UTC, so that those of a day or a week start where people expect it."""
