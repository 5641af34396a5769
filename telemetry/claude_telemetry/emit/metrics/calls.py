"""The application's calls tell of themselves here; whoever collects metrics does the work.

Recording a point takes OpenTelemetry's SDK some microseconds, and its locks. So an ended call is only put aside here,
and recorded when a reader of the application collects. That costs the call next to nothing, and a stream that ends in
the garbage collector never waits for a lock that its own thread holds.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from opentelemetry.context import Context, get_current
from opentelemetry.metrics import MeterProvider, NoOpMeter, get_meter_provider

from claude_telemetry.emit.metrics import catalogue
from claude_telemetry.emit.metrics.bounded import OTHER, Labels
from claude_telemetry.emit.metrics.editions import Edition, Latest, Ours, Released, wants_latest
from claude_telemetry.emit.metrics.gauges import Headroom, InFlight, observe
from claude_telemetry.guard import guarded
from claude_telemetry.record import Call
from claude_telemetry.record.attributes import SCOPE
from claude_telemetry.record.rate_limit import RateLimits

ROOM = 256
"""Ended calls that may wait for a collection. Beyond it each call that begins records some of them itself."""

AT_ONCE = 4
"""How many: more than one, so that there is room again, and few, so that no call pays for all."""

_API = "opentelemetry.metrics"
"""Where the providers are defined that stand in until an application sets one."""


class _Waiting(NamedTuple):
    call: Callable[[], Call]
    chunk_gaps_s: Sequence[float]
    context: Context
    """Where the call ended: what the SDK takes the trace of an exemplar from."""
    editions: tuple[Edition, ...]
    """In the provider that was there when the call ended."""


class CallMetrics:
    """Metrics of the calls of this process. Nothing here raises or waits. Thread-safe. The child of a fork begins with
    nothing: what was before is its parent's to tell."""

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        version: str,
    ) -> None:
        """By default metrics go to the global provider, from when the application sets one. One for each provider at
        a time: `stop` the former first."""
        self._given = meter_provider
        self._latest = wants_latest(os.environ if environ is None else environ)
        self._version = version
        self._labels = Labels()
        self._provider: MeterProvider | None = None
        self._editions: tuple[Edition, ...] = ()
        self._stopped = False
        self.begin()
        _live.add(self)

    def begin(self) -> None:
        """Starts from nothing: when made, and in the child of a fork."""
        self._preparing = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self.in_flight = InFlight()
        self.headroom = Headroom()

    def active(self) -> bool:
        """Whether anybody is there to collect. Cheap: to be asked at each call."""
        with guarded("look for a meter provider"):
            return bool(self._prepared())
        return False

    def began(self, operation: str, model: str | None, provider: str) -> None:
        """A call has begun. `ended` undoes it, for a record with the same three."""
        with guarded("count a call in flight"):
            if self._prepared():
                self.in_flight.began(operation, provider, model)
                if len(self._waiting) > ROOM:
                    self._record_waiting(AT_ONCE)

    def ended(self, call: Call, chunk_gaps_s: Sequence[float] = (), *, began: bool = True) -> None:
        """A call has ended. `chunk_gaps_s` are the seconds from each piece of its stream to the next; the caller does
        not change them any more. `began` is false for what was never in flight here, such as a result of a batch."""
        with guarded("hand a call to the metrics"):
            if began:
                self.in_flight.ended(call.operation, call.provider, call.request_model)
            if self._editions:
                self._waiting.append(_Waiting(lambda: call, chunk_gaps_s, get_current(), self._editions))

    def ended_untold(
        self,
        call: Callable[[], Call],
        operation: str,
        model: str | None,
        provider: str,
        chunk_gaps_s: Sequence[float] = (),
    ) -> None:
        """As `ended`, for a call whose record is not made yet: it is asked for when it is recorded, on whatever thread
        collects. The next three are those that `began` was told."""
        with guarded("hand a call to the metrics"):
            self.in_flight.ended(operation, provider, model)
            if self._editions:
                self._waiting.append(_Waiting(call, chunk_gaps_s, get_current(), self._editions))

    def rate_limits(self, limits: RateLimits, *, organization_id: str | None, model: str | None) -> None:
        """An answer told of rate limits."""
        with guarded("keep rate limits"):
            if self._prepared():
                self.headroom.saw(limits, organization_id, model)

    def stop(self) -> None:
        """Records what waits, and nothing from then on."""
        with guarded("stop metrics"):
            self._stopped = True
            self._editions = ()
            self._record_waiting()

    def collected(self, provider: MeterProvider) -> bool:
        """Whether these metrics go to `provider`, which is collecting: what has ended is recorded, so that it is
        part of what is collected."""
        if self._stopped or self._provider is not provider:
            return False
        self._record_waiting()
        return True

    def _prepared(self) -> tuple[Edition, ...]:
        """The instruments in the provider of now, made when it is new. Empty when nobody collects.

        Not for where a call ends: to make them takes the SDK's locks.
        """
        if self._stopped:
            return ()
        provider = self._given if self._given is not None else get_meter_provider()
        if provider is not self._provider:
            # Another thread that prepares is not waited for: this call goes without.
            if not self._preparing.acquire(blocking=False):
                return ()
            try:
                self._editions = ()
                self._provider = provider  # first: what cannot be made is not tried again
                self._editions = self._made_in(provider)
            finally:
                self._preparing.release()
        return self._editions

    def _made_in(self, provider: MeterProvider) -> tuple[Edition, ...]:
        if type(provider).__module__.startswith(_API):
            return ()
        meter = provider.get_meter(SCOPE, self._version)
        if isinstance(meter, NoOpMeter):  # what a provider gives with OTEL_SDK_DISABLED
            return ()
        editions = Latest(meter) if self._latest else Released(meter), Ours(meter)
        observe(meter, provider, live)
        return editions

    def _record_waiting(self, most: int | None = None) -> None:
        """Records what waits, the oldest first: at most as many as wait now, so that it ends while others come."""
        for _ in range(len(self._waiting) if most is None else most):
            try:
                waiting = self._waiting.popleft()
            except IndexError:
                return
            with guarded("record the metrics of a call"):
                self._record(waiting)

    def _record(self, waiting: _Waiting) -> None:
        call = waiting.call()
        labels = self._labels.of(
            {
                catalogue.OPERATION: call.operation,
                catalogue.PROVIDER: call.provider,
                catalogue.REQUEST_MODEL: call.request_model,
                catalogue.RESPONSE_MODEL: call.model,
                catalogue.FEATURE: call.feature,
            }
        )
        failed = call.status == "error"
        error = self._labels.of({catalogue.ERROR_TYPE: (call.error_type or OTHER) if failed else None})
        for edition in waiting.editions:
            edition.record(call, waiting.chunk_gaps_s, labels, error, waiting.context)


_live: weakref.WeakSet[CallMetrics] = weakref.WeakSet()


def live() -> list[CallMetrics]:
    """All that there are, stopped ones included."""
    return list(_live)


def _after_fork() -> None:
    for metrics in live():
        metrics.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
