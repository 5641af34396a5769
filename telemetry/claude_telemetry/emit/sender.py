"""The thread that sends what is in the outbox, one body after the other."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - the key has no public name
    attach,
    set_value,
)

from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.emit.outbox import Outbox, Parcel
from claude_telemetry.emit.post import Answer, Post
from claude_telemetry.guard import guarded
from claude_telemetry.spool import Signal, target_of

LONGEST_WAIT_S = 10.0
"""Seconds between two tries while the receiver is away: short enough that its return is noticed soon."""
_LOOK_S = 60.0
"""Seconds between two looks for what dead processes have left."""


class Sender:
    """Patient: what a receiver does not take now is tried again, later and later."""

    def __init__(self, outbox: Outbox, endpoint: Callable[[], Endpoint], interval_s: float) -> None:
        self.settle(endpoint, interval_s)
        self.failures = 0
        """How often a try has failed so far."""
        self.largest = 1 << 30
        """How many calls the receiver takes at once, as far as is known."""
        self._outbox = outbox
        self._post = Post()
        self._tries = 0
        self._retry_s = 0.0
        self._tried_at = 0.0
        self._hurrying = 0
        self._at_once = False
        self._ending = False
        self._idle = True
        self._looked_at = float("-inf")

    def settle(self, endpoint: Callable[[], Endpoint], interval_s: float) -> None:
        """Goes on with other settings."""
        self._endpoint = endpoint
        self._interval_s = interval_s

    def start(self) -> None:
        """Begins to send, in a thread of its own."""
        threading.Thread(target=self._run, name="claude-telemetry-delivery", daemon=True).start()

    def stop(self) -> None:
        """Begins nothing new. Does not wait for what is under way."""
        with self._outbox.changed:
            self._ending = True
            self._outbox.changed.notify_all()

    @property
    def receiver_is_away(self) -> bool:
        """Whether the last try failed."""
        return self._tries > 0

    def rest(self, deadline: float) -> None:
        """Returns when there is nothing left to send, or that fails, or at `deadline` by the monotonic clock."""
        with self._outbox.changed:
            failed_before = self.failures
            while not self._idle and self.failures == failed_before:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._outbox.changed.wait(left)

    @contextlib.contextmanager
    def hurrying(self) -> Generator[int]:
        """Somebody waits: the next try is made at once, and others come sooner. Gives the number of failures so far."""
        with self._outbox.changed:
            self._hurrying += 1
            self._at_once = True
            self._outbox.changed.notify_all()
            failed_before = self.failures
        try:
            yield failed_before
        finally:
            with self._outbox.changed:
                self._hurrying -= 1

    def target_of(self, signal: Signal) -> str:
        """Where a signal goes now, as the spool names it."""
        return target_of(self._endpoint().of(signal).url)

    def _run(self) -> None:
        # Other instrumentations in the process are not to trace our own requests.
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while not self._ending:
            self._idle = False
            newest = self._outbox.newest
            parcel: Parcel | None = None
            with guarded("read what waits on disk"):
                parcel = self._outbox.next()
            if parcel is not None:
                with guarded("send calls"):
                    self._send(parcel)
                self._wait_for_the_receiver()
                continue
            with self._outbox.changed:
                self._idle = True
                self._at_once = False
                self._outbox.changed.notify_all()
                while self._outbox.newest == newest and not self._ending:
                    self._outbox.changed.wait()

    def _wait_for_the_receiver(self) -> None:
        """Only after a failed try."""
        with self._outbox.changed:
            while self._tries and not self._ending and not self._at_once:
                wait_s = min(0.25 * self._tries, self._retry_s) if self._hurrying else self._retry_s
                left = self._tried_at + wait_s - time.monotonic()
                if left <= 0:
                    break
                self._outbox.changed.wait(left)
            self._at_once = False

    def _send(self, parcel: Parcel) -> None:
        answer = self._deliver(parcel.signal, parcel.body)
        if answer.outcome == "later":
            self._later(answer)
            return
        if answer.outcome == "delivered":
            self._settle(parcel, refused=min(answer.rejected, parcel.calls))
        elif not self._outbox.one_by_one(parcel):
            refused = self._in_parts(parcel) if answer.outcome == "too_much" else parcel.calls
            if refused is not None:
                self._settle(parcel, refused=refused)

    def _deliver(self, signal: Signal, body: bytes) -> Answer:
        # What cannot be sent because of a setting, such as a certificate that is not there, waits until it is mended.
        answer = Answer(outcome="later")
        with guarded("deliver calls"):
            answer = self._post.deliver(self._endpoint().of(signal), signal, body)
        self._tried_at = time.monotonic()
        return answer

    def _in_parts(self, parcel: Parcel) -> int | None:
        """Sends it in parts as small as need be; how many calls were refused.

        `None` when the receiver went away meanwhile: all of it is sent again then, and parts of it twice.
        """
        from claude_telemetry.emit.halves import halves  # late, as all that needs protobuf

        parts = deque(halves(parcel.signal, parcel.body))
        refused = 0 if parts else parcel.calls
        while parts:
            body, calls = parts.popleft()
            answer = self._deliver(parcel.signal, body)
            if answer.outcome == "later":
                self._later(answer)
                return None
            if answer.outcome == "too_much" and (smaller := halves(parcel.signal, body)):
                parts.extendleft(reversed(smaller))
            elif answer.outcome == "delivered":
                self.largest = min(self.largest, calls)
                refused += min(answer.rejected, calls)
            else:
                refused += calls
        return refused

    def _settle(self, parcel: Parcel, *, refused: int) -> None:
        self._tries = 0
        self._outbox.settle(parcel, refused=refused)
        if refused < parcel.calls and time.monotonic() - self._looked_at > _LOOK_S:
            # Only who is taken at his word is to take over from others: with a wrong key, their calls would be refused.
            self._looked_at = time.monotonic()
            self._outbox.take_over([self.target_of("traces"), self.target_of("logs")])

    def _later(self, answer: Answer) -> None:
        self._tries += 1
        backoff_s = self._interval_s * 2 ** min(self._tries, 10)
        self._retry_s = min(max(answer.wait_s or 0.0, backoff_s), LONGEST_WAIT_S)
        self._outbox.not_now()
        with guarded("keep calls on disk"):
            self._outbox.to_disk(self.target_of)
        with self._outbox.changed:
            self._at_once = False  # whoever was in a hurry meanwhile has had this try
            self.failures += 1
            self._outbox.changed.notify_all()
