"""What waits to be sent, in order: first what is on disk, then what is in memory.

A body is in memory until it is delivered, or until that fails or takes too long: then everything goes to disk, and what
comes later follows it there until the disk is empty again. Where there is no disk to be had, bodies wait in memory, up
to a number of calls.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from claude_telemetry.spool import Batch, Outgoing, Place, Signal, Spool

log = logging.getLogger("claude_telemetry")


_STEP = 1024
"""Between the numbers of two bodies: more than one has calls, so that the parts of one have numbers too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What has become of the calls of this process so far."""

    delivered: int = 0
    waiting: int = 0
    """In memory."""
    spooled: int = 0
    """On disk: they survive the process, and are delivered by whoever can."""
    dropped: int = 0
    """Went because there was no room."""
    refused: int = 0
    """The receiver will never take them, or they cannot be encoded."""


@dataclass(slots=True, eq=False)
class Parcel:
    """A body on its way."""

    signal: Signal
    calls: int
    body: bytes
    """Protobuf, gzipped."""
    number: int
    """Grows with each body of this process."""
    own: bool = True
    """Whether its calls are of this process."""
    put_at: float = 0.0
    """By the monotonic clock."""
    batch: Batch | None = None
    """When it was read back from disk."""
    place: Place | None = None
    """Where it was put while it was under way."""


class Outbox:
    """Thread-safe. Only what says so waits for the disk."""

    def __init__(self, *, capacity: int, spool: Spool | None) -> None:
        """`capacity` is how many calls may be in memory."""
        self.capacity = capacity
        self.changed = threading.Condition()
        """Notified whenever something comes or goes."""
        self._spool = spool
        # Held while bodies move between memory, disk and sender; never by an application's thread.
        self._order = threading.Lock()
        self._memory: deque[Parcel] = deque()
        self._under_way: Parcel | None = None
        self._newest = 0
        self._finished = 0
        self._calls_in_memory = self._calls_on_disk = 0
        self._delivered = self._dropped = self._refused = 0
        self._told_of_drops = self._told_of_refusals = self._told_of_disk = False
        self._closed = False

    @property
    def newest(self) -> int:
        """The number of the last body that was put in."""
        return self._newest

    def finished(self, number: int) -> bool:
        """Whether that body, and all before it, wait no more."""
        return self._finished >= number

    @property
    def lost(self) -> int:
        """Calls that will never be delivered."""
        return self._dropped + self._refused

    @property
    def in_memory(self) -> bool:
        """Whether there is something that could be put on disk."""
        return bool(self._memory) and self._spool is not None

    @property
    def is_kept(self) -> bool:
        """Whether nothing would be lost if the process ended now."""
        return not self._memory

    def has_waited(self, seconds: float) -> bool:
        """Whether something has been in memory for that long."""
        with self.changed:
            return bool(self._memory) and time.monotonic() - self._memory[0].put_at >= seconds

    def counts(self, *, in_hand: int = 0) -> Counts:
        """`in_hand` are calls that are in no body yet."""
        with self.changed:
            return Counts(
                delivered=self._delivered,
                waiting=self._calls_in_memory + in_hand,
                spooled=self._calls_on_disk,
                dropped=self._dropped,
                refused=self._refused,
            )

    def put(self, signal: Signal, calls: int, body: bytes) -> None:
        """Takes a body to be sent after all others."""
        with self.changed:
            self._newest += _STEP
            self._memory.append(
                Parcel(signal=signal, calls=calls, body=body, number=self._newest, put_at=time.monotonic())
            )
            self._calls_in_memory += calls
            while self._calls_in_memory > self.capacity and len(self._memory) > (2 if self._under_way else 1):
                self._drop_oldest()
            self.changed.notify_all()
        self._tell_of_losses()

    def lose(self, *, dropped: int = 0, refused: int = 0) -> None:
        """Counts calls that never became a body."""
        if dropped or refused:
            with self.changed:
                self._dropped += dropped
                self._refused += refused
            self._tell_of_losses()

    def next(self) -> Parcel | None:
        """What is to be sent now; it stays until it is settled. May wait for the disk."""
        with self._order:
            if self._spool is not None and not self._closed and (batch := self._spool.oldest()) is not None:
                return Parcel(
                    signal=batch.signal,
                    calls=batch.calls,
                    body=batch.body,
                    number=batch.number if batch.own else 0,
                    own=batch.own,
                    batch=batch,
                )
            with self.changed:
                self._find_disk_empty()
                self._under_way = self._memory[0] if self._memory else None
                return self._under_way

    def settle(self, parcel: Parcel, *, refused: int) -> None:
        """A parcel has been sent, and that many of its calls were refused for good. May wait for the disk."""
        with self._order:
            if self._spool is not None and not self._closed:
                if parcel.batch is not None:
                    self._spool.done(parcel.batch.places, refused=refused)
                elif parcel.place is not None:
                    self._spool.done([parcel.place])
            with self.changed:
                self._under_way = None
                if parcel.own and parcel.number > self._finished:
                    self._finished = parcel.number
                    self._delivered += parcel.calls - refused
                    self._refused += refused
                    if parcel.batch is not None or parcel.place is not None:
                        self._calls_on_disk -= parcel.calls
                    else:
                        self._memory.remove(parcel)
                        self._calls_in_memory -= parcel.calls
                self.changed.notify_all()
        self._tell_of_losses()

    def not_now(self) -> None:
        """What was given last could not be sent."""
        with self.changed:
            self._under_way = None

    def one_by_one(self, parcel: Parcel) -> bool:
        """Whether `parcel` is several bodies read back as one, which will come singly from now on."""
        if self._spool is None or parcel.batch is None or len(parcel.batch.places) == 1:
            return False
        with self._order:
            self._spool.one_by_one()
        return True

    def to_disk(self, target_of: Callable[[Signal], str]) -> None:
        """Puts what is in memory on disk, where there is one to be had. Waits for the disk.

        `target_of` names where a signal goes, as the spool does.
        """
        error: OSError | None = None
        if self._spool is not None:
            with self._order:
                error = self._move_to(self._spool, target_of)
        if error is not None:
            self._tell_of_disk(error)
        self._tell_of_losses()

    def take_over(self, targets: list[str]) -> int:
        """Takes over what dead processes left on disk for `targets`; the calls that these are. Waits for the disk."""
        with self._order:
            return self._spool.take_over(targets) if self._spool is not None and not self._closed else 0

    def close(self) -> None:
        """Lets go of the disk. Waits for it."""
        with self._order:
            self._closed = True
            if self._spool is not None:
                self._spool.close()

    def forget(self) -> None:
        """In the child of a fork: leaves everything to the parent."""
        if self._spool is not None:
            self._spool.forget()

    def _tell_of_losses(self) -> None:
        """Once. Not where a lock is held: what the application does with a log record may end a call."""
        if self._dropped and not self._told_of_drops:
            self._told_of_drops = True
            log.warning(
                "more Claude calls wait to be delivered than may, and the oldest are dropped: does the collector run?"
            )
        if self._refused and not self._told_of_refusals:
            self._told_of_refusals = True
            log.warning("the receiver refused %d calls for good: is the endpoint an OTLP receiver?", self._refused)

    def _drop_oldest(self) -> None:
        """Save for one that is under way: nobody could tell whether that was lost."""
        under_way = self._memory.popleft() if self._memory[0] is self._under_way else None
        oldest = self._memory.popleft()
        self._calls_in_memory -= oldest.calls
        self._dropped += oldest.calls
        if under_way is not None:
            self._memory.appendleft(under_way)
        else:
            self._finished = oldest.number

    def _move_to(self, spool: Spool, target_of: Callable[[Signal], str]) -> OSError | None:
        """What kept some of it from being moved."""
        while not self._closed:
            with self.changed:
                parcel = self._memory[0] if self._memory else None
            if parcel is None:
                break
            if len(parcel.body) > spool.body_bytes and self._halve(parcel):
                continue
            try:
                self._keep(spool, parcel, target_of(parcel.signal))
            except OSError as error:
                return error
        return None

    def _halve(self, parcel: Parcel) -> bool:
        """Whether there are two in place of `parcel` now. One that is under way stays whole."""
        from claude_telemetry.emit.halves import halves  # late, as all that needs protobuf

        parts = halves(parcel.signal, parcel.body) if parcel is not self._under_way else []
        with self.changed:
            if not parts or not self._memory or self._memory[0] is not parcel:
                return False
            self._memory.popleft()
            (first, first_calls), (second, second_calls) = parts
            # What was whole is done when the second is.
            self._memory.appendleft(replace(parcel, body=second, calls=second_calls))
            self._memory.appendleft(replace(parcel, body=first, calls=first_calls, number=parcel.number - second_calls))
        return True

    def _keep(self, spool: Spool, parcel: Parcel, target: str) -> None:
        place, loss = spool.keep(
            Outgoing(
                signal=parcel.signal,
                calls=parcel.calls,
                number=parcel.number,
                target=target,
                body=parcel.body,
            )
        )
        with self.changed:
            self._calls_on_disk -= loss.calls
            self._dropped += loss.calls
            self._finished = max(self._finished, loss.number)
            if self._memory and self._memory[0] is parcel:
                parcel.place = place
                self._memory.popleft()
                self._calls_in_memory -= parcel.calls
                self._calls_on_disk += parcel.calls
                self.changed.notify_all()
                return
        spool.done([place])  # dropped from memory meanwhile

    def _find_disk_empty(self) -> None:
        """What should be on disk and is not was taken away, by somebody who needed the room."""
        if self._calls_on_disk and not self._closed:
            self._dropped += self._calls_on_disk
            self._calls_on_disk = 0
            self._finished = max(self._finished, (self._memory[0].number if self._memory else self._newest + 1) - 1)
            self.changed.notify_all()

    def _tell_of_disk(self, error: OSError) -> None:
        if not self._told_of_disk and self._spool is not None:
            self._told_of_disk = True
            log.warning(
                "Claude calls cannot wait on disk in %s (%s): they wait in memory, and are lost if the process ends",
                self._spool.folder,
                error.strerror or error,
            )
