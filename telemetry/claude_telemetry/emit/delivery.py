"""Spans wait in a bounded queue until a background thread has delivered them.

The application never waits: an ended span is appended to a queue in memory. While the collector is away the queue
grows to its bound, beyond which the oldest go and are counted. What a receiver refuses for good is counted too, and not
sent again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - the key has no public name
    attach,
    set_value,
)
from opentelemetry.sdk.trace import ReadableSpan

from claude_telemetry.emit.content import without_content
from claude_telemetry.emit.otlp import Endpoint, Outcome, deliver
from claude_telemetry.guard import guarded

log = logging.getLogger("claude_telemetry")

BATCH = 512
AT_EXIT_S = 3.0
"""The longest that leaving the process waits for calls to be delivered."""
LONGEST_WAIT_S = 10.0
"""Seconds between two tries while the collector is away: short enough that its return is noticed soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What has become of the spans of this process so far."""

    delivered: int = 0
    waiting: int = 0
    dropped: int = 0
    """Went because the queue was full."""
    refused: int = 0
    """The receiver will never take them."""


class Delivery:
    """Delivers ended spans to one endpoint. Thread-safe; survives a fork: the child begins with an empty queue."""

    def __init__(self, endpoint: Callable[[], Endpoint], *, capacity: int, interval_s: float) -> None:
        self.settle(endpoint, capacity=capacity, interval_s=interval_s)
        self.begin()
        _live.add(self)

    def settle(self, endpoint: Callable[[], Endpoint], *, capacity: int, interval_s: float) -> None:
        """Goes on with other settings. What waits is delivered by these."""
        self._endpoint = endpoint
        self._capacity = max(capacity, 1)
        self._interval_s = interval_s

    def begin(self) -> None:
        """Starts from nothing: when made, and in the child of a fork."""
        self._queue: deque[ReadableSpan] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._hurrying = 0
        self._in_flight = 0
        self._largest = BATCH
        self._tries = 0
        self._retry_s = 0.0
        self._delivered = self._dropped = self._refused = self._lost = 0
        self._told_of_drops = self._told_of_refusals = False

    def add(self, span: ReadableSpan) -> None:
        """Takes an ended span. Never blocks on the network."""
        with self._changed:
            if self._stopping:
                return
            self._queue.append(span)
            if len(self._queue) > self._capacity:
                self._queue.popleft()
                self._dropped += 1
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="claude-telemetry-delivery", daemon=True)
                thread.start()
                self._thread = thread
                _stop_with_the_process(self)
            if len(self._queue) in (1, BATCH):
                self._changed.notify_all()
        self._tell_of_losses()

    def flush(self, timeout_s: float) -> bool:
        """Waits until all that was added is delivered. `False` when that takes longer than `timeout_s`, or when
        something was lost since the last time: refused for good, or too much for the queue."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._hurrying += 1
            self._changed.notify_all()
            try:
                while self._queue or self._in_flight:
                    remaining = deadline - time.monotonic()
                    if remaining <= 0 or self._thread is None:
                        return False
                    self._changed.wait(remaining)
                lost_before, self._lost = self._lost, self._dropped + self._refused
                return self._lost == lost_before
            finally:
                self._hurrying -= 1

    def stop(self, timeout_s: float = AT_EXIT_S) -> bool:
        """Flushes, and takes no more. `False` when something was left undelivered."""
        delivered = self.flush(timeout_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(min(timeout_s, 1.0))
        return delivered

    def counts(self) -> Counts:
        with self._changed:
            return Counts(
                delivered=self._delivered,
                waiting=len(self._queue) + self._in_flight,
                dropped=self._dropped,
                refused=self._refused,
            )

    def _run(self) -> None:
        # Other instrumentations in the process are not to trace our own requests.
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while True:
            with self._changed:
                while not self._queue and not self._stopping:
                    self._changed.wait()
                self._gather()
                if self._stopping:
                    return
                batch = self._take()
            self._try(batch)

    def _gather(self) -> None:
        """Lets a batch come together, or a receiver recover. A flush cuts the first short, and most of the second."""
        started = time.monotonic()
        while not self._stopping:
            if self._hurrying:
                wait_s = min(0.25 * self._tries, self._retry_s)
            elif self._tries:
                wait_s = self._retry_s
            else:
                wait_s = 0.0 if len(self._queue) >= BATCH else self._interval_s
            left = started + wait_s - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _take(self) -> list[ReadableSpan]:
        batch = [self._queue.popleft() for _ in range(min(self._largest, len(self._queue)))]
        self._in_flight = len(batch)
        return batch

    def _try(self, batch: list[ReadableSpan]) -> None:
        """Delivers `batch`, or puts it back."""
        outcome: Outcome
        outcome, asked_s = "too_much", None  # one span that cannot be encoded is not to cost the others
        with guarded("deliver spans"):
            outcome, asked_s = deliver(self._endpoint(), [without_content(span) for span in batch])
        if outcome == "too_much" and len(batch) == 1:
            outcome = "refused"
        with self._changed:
            self._in_flight = 0
            if outcome == "too_much":
                self._put_back(batch)
                self._largest = len(batch) // 2
            elif outcome == "later":
                self._put_back(batch)
                self._tries += 1
                backoff_s = self._interval_s * 2 ** min(self._tries, 10)
                self._retry_s = min(max(asked_s or 0.0, backoff_s), LONGEST_WAIT_S)
            else:
                self._tries = 0
                self._largest = min(2 * self._largest, BATCH)
                self._delivered += len(batch) if outcome == "delivered" else 0
                self._refused += len(batch) if outcome == "refused" else 0
            self._changed.notify_all()
        self._tell_of_losses()

    def _put_back(self, batch: list[ReadableSpan]) -> None:
        """The oldest go first when it no longer fits."""
        room = self._capacity - len(self._queue)
        lost = max(len(batch) - room, 0)
        self._dropped += lost
        self._queue.extendleft(reversed(batch[lost:]))

    def _tell_of_losses(self) -> None:
        """Once. Not where the lock is held: what the application does with a log record may end a call."""
        if self._dropped and not self._told_of_drops:
            self._told_of_drops = True
            log.warning(
                "more than %d calls wait to be delivered, and the oldest are dropped: does the collector run?",
                self._capacity,
            )
        if self._refused and not self._told_of_refusals:
            self._told_of_refusals = True
            log.warning("the receiver refused %d spans for good: is the endpoint an OTLP receiver?", self._refused)


def _stop_with_the_process(delivery: Delivery) -> None:
    """A child that `multiprocessing` forked leaves without `atexit`, and so without a last delivery."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and multiprocessing.parent_process() is not None:
        util.Finalize(None, delivery.stop, exitpriority=0)


_live: weakref.WeakSet[Delivery] = weakref.WeakSet()


def _after_fork() -> None:
    # Threads do not survive a fork, locks may be held by threads that are gone, and the parent delivers what it has.
    for delivery in list(_live):
        delivery.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
