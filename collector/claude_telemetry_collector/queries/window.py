"""Which calls a question is about: a *window* of time, and a *segment* of calls that share label values.

Both become SQL conditions whose values are bound parameters. What is text in a condition is written here and nowhere
else: a label is data, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Literal

from claude_telemetry.record import BOOKKEEPING

Clock = Literal["started", "ended"]
"""What places a call in a window: when the application asked, or when it held the answer.

Pages count calls by their start. Rules that look at the last minutes count them by their end: a call of ten minutes is
only known once it is over, and by then its start lies outside of a short window.
"""

Condition = tuple[str, dict[str, object]]
"""A piece of SQL after `WHERE`, and the parameters that it names."""

MODEL = "coalesce(model, request_model)"
"""The model that answered; for a call without an answer, the one that was asked for."""

PRICE_ID = (
    "CASE WHEN platform IN ('bedrock', 'vertex') THEN coalesce(request_model, model)"
    " ELSE coalesce(model, request_model) END"
)
"""The id that the price book was asked for: as `pricing.model_to_price` has it, but that it names the model that
answered where none was asked for."""

DIMENSIONS: Mapping[str, str] = {
    "model": MODEL,
    "price_id": PRICE_ID,
    "feature": "feature",
    "user_id": "user_id",
    "prompt_version": "prompt_version",
    "service": "service",
    "environment": "environment",
    "error_type": "error_type",
    "status": "status",
    "stop_reason": "stop_reason",
    "prompt_name": "prompt_name",
    "session_id": "session_id",
    "tenant": "tenant",
    "platform": "platform",
}
"""What calls can be told apart by, as SQL. No other name gets into a question."""

_LONGEST_CALL = timedelta(days=1)
# Bounded, since an absurd duration in one span would be out of the range of times, and fail every rule.
_DURATION_MS = f"greatest(least(coalesce(duration_ms, 0), {_LONGEST_CALL // timedelta(milliseconds=1)}), 0)"
ENDED_AT = f"(started_at + to_milliseconds({_DURATION_MS}))"

COUNTED = f"coalesce(operation, '') NOT IN ({', '.join(repr(name) for name in sorted(BOOKKEEPING))})"
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
    def day_so_far(cls, now: datetime) -> Window:
        """From the start of the UTC day of `now` until `now`."""
        now = now.astimezone(UTC)
        return cls(now.replace(hour=0, minute=0, second=0, microsecond=0), now)

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


@dataclass(frozen=True, slots=True)
class Segment:
    """The calls that share these label values. `None` stands for all of them."""

    model: str | None = None
    feature: str | None = None
    user_id: str | None = None
    prompt_version: str | None = None
    service: str | None = None
    environment: str | None = None
    price_id: str | None = None

    def where(self) -> Condition:
        """The calls that belong to it. `model` matches the model asked for where none answered."""
        chosen = self.chosen()
        if not chosen:
            return "TRUE", {}
        sql = " AND ".join(f"{DIMENSIONS[name]} = $segment_{name}" for name in chosen)
        return sql, {f"segment_{name}": value for name, value in chosen.items()}

    def chosen(self) -> dict[str, str]:
        """The labels that it asks for, by name. Empty when it is all calls."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def calls_in(window: Window, segment: Segment, clock: Clock = "started") -> Condition:
    """The calls that numbers are made of."""
    window_sql, window_parameters = window.where(clock)
    segment_sql, segment_parameters = segment.where()
    return f"{COUNTED} AND {window_sql} AND {segment_sql}", {**window_parameters, **segment_parameters}


def dimension(name: str) -> str:
    """The SQL of what calls are told apart by. Raises `ValueError` for a name that is none."""
    if name not in DIMENSIONS:
        raise ValueError(f"calls cannot be told apart by {name!r}: give one of {', '.join(DIMENSIONS)}")
    return DIMENSIONS[name]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC: a number that no session's time zone can move on its way into SQL."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


BUCKET_ORIGIN = microseconds(_MONDAY)
"""Buckets are counted from a Monday at midnight UTC, so that those of a day or a week start where people expect it."""
