"""What holds at this moment: calls in flight, and how much more the API will take.

Both are kept here, and read when a reader of the application collects. Nothing here waits for a lock: a call may end
where the garbage collector finds its stream, in the midst of whatever its thread was doing.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from opentelemetry.metrics import CallbackOptions, CallbackT, Meter, MeterProvider, Observation

from claude_telemetry.emit.metrics import catalogue
from claude_telemetry.emit.metrics.bounded import Bounded
from claude_telemetry.guard import guarded
from claude_telemetry.record.rate_limit import RateLimit, RateLimits

AT_LEAST_S = 60.0
"""How long a limit is shown at least: the period of the limits, and the default time between two exports. While there
is plenty, the API calls a limit reset at once, and nobody would ever see it."""

AT_MOST_S = 3600.0
"""How long it is shown at most, should the machine's clock be far from the API's."""

Values = tuple[str | None, ...]
"""Of an instrument's attributes, in their order."""


class InFlight:
    """Calls that have begun and not ended."""

    def __init__(self) -> None:
        self._models = Bounded()
        # A mark for each call, since `append`, `pop` and `len` of a deque are atomic, and adding to a number is not.
        self._marks: dict[Values, deque[None]] = {}

    def began(self, operation: str | None, provider: str | None, model: str | None) -> None:
        self._marks.setdefault((operation, provider, model and self._models.of(model)), deque()).append(None)

    def ended(self, operation: str | None, provider: str | None, model: str | None) -> None:
        """Undoes `began` for the same three. Does nothing for a call that began unseen."""
        marks = self._marks.get((operation, provider, model and self._models.of(model)))
        if marks is not None:
            with suppress(IndexError):
                marks.pop()

    def points(self) -> Iterator[tuple[Values, int]]:
        """How many of each sort: also 0, once there was one."""
        for values, marks in list(self._marks.items()):
            yield values, len(marks)


class Headroom:
    """What answers said last about rate limits, as long as it may still hold."""

    def __init__(self) -> None:
        self._organizations = Bounded()
        self._models = Bounded()
        self._last: dict[Values, tuple[float, RateLimit]] = {}

    def saw(self, limits: RateLimits, organization_id: str | None, model: str | None) -> None:
        now_s, clock_s = time.time(), time.monotonic()
        organization = organization_id and self._organizations.of(organization_id)
        asked = model and self._models.of(model)
        for limit in limits.limits:
            left_s = AT_LEAST_S if limit.reset_at is None else limit.reset_at.timestamp() - now_s
            until_s = clock_s + min(max(left_s, AT_LEAST_S), AT_MOST_S)
            self._last[organization, asked, limit.kind] = until_s, limit

    def points(self) -> Iterator[tuple[Values, RateLimit]]:
        clock_s = time.monotonic()
        for values, (until_s, limit) in list(self._last.items()):
            if clock_s < until_s:
                yield values, limit


class Collected(Protocol):
    """Whose state a provider's readers collect."""

    in_flight: InFlight
    headroom: Headroom

    def collected(self, provider: MeterProvider) -> bool: ...


def observe(meter: Meter, provider: MeterProvider, live: Callable[[], Iterable[Collected]]) -> None:
    """Makes the observed instruments in `provider`, for whoever of `live` reports there when it collects.

    Once for each provider: the SDK keeps the first instrument of a name, and ignores the callbacks of a second.
    """
    if id(provider) in _observed:
        return
    _observed[id(provider)] = provider
    collecting = weakref.ref(provider)

    def observing(instrument: catalogue.Instrument, points: Points) -> list[CallbackT]:
        def observed(_: CallbackOptions) -> list[Observation]:
            found: list[Observation] = []
            with guarded("show what holds to a metric reader"):
                now = collecting()
                for metrics in live():
                    if now is not None and metrics.collected(now):
                        found += [Observation(value, _attributes(instrument, of)) for of, value in points(metrics)]
            return found

        return [observed]

    for gauge, points in ((catalogue.LIMIT, _limit), (catalogue.REMAINING, _remaining)):
        meter.create_observable_gauge(gauge.name, observing(gauge, points), gauge.unit, gauge.meaning)
    counter = catalogue.IN_FLIGHT
    meter.create_observable_up_down_counter(counter.name, observing(counter, _in_flight), counter.unit, counter.meaning)


_observed: weakref.WeakValueDictionary[int, MeterProvider] = weakref.WeakValueDictionary()
"""By identity, since Logfire's provider cannot be hashed."""

Points = Callable[[Collected], Iterable[tuple[Values, int]]]


def _in_flight(metrics: Collected) -> Iterator[tuple[Values, int]]:
    return metrics.in_flight.points()


def _limit(metrics: Collected) -> Iterator[tuple[Values, int]]:
    return ((values, of.limit) for values, of in metrics.headroom.points() if of.limit is not None)


def _remaining(metrics: Collected) -> Iterator[tuple[Values, int]]:
    return ((values, of.remaining) for values, of in metrics.headroom.points() if of.remaining is not None)


def _attributes(instrument: catalogue.Instrument, values: Values) -> dict[str, str]:
    return {name: value for name, value in zip(instrument.attributes, values, strict=True) if value is not None}
