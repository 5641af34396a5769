"""Ended calls leave the process, in the background.

The application never waits: `add` puts an item into a queue in memory, and that is all. One thread, the *packer*,
empties the queue every interval and makes bodies of what was in it, so that nothing is held as objects for long.
Another, the *sender*, sends them. What cannot be sent goes to disk at the first failed try, and so does what takes
longer than an interval: a crash of the application loses no more than what came in since the packer last looked.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from claude_telemetry import spending
from claude_telemetry.emit.body import Body, Item
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.emit.outbox import Counts, Outbox
from claude_telemetry.emit.sender import Sender
from claude_telemetry.guard import guarded
from claude_telemetry.spool import Spool

BATCH = 512
"""Calls in one body, at the most."""
BODY_BYTES = 4 * 1024 * 1024
"""A body that is larger is made anew as two. Before compression."""
AT_EXIT_S = 3.0
"""The longest that leaving the process waits for calls to be delivered."""
_STILL_S = 1.0
"""The longest that a fork waits for a body to be encoded."""
_DISK_S = 2.0
"""The longest that it then waits for the disk."""


class Delivery:
    """Delivers items to one endpoint. Thread-safe; survives a fork: the child begins with an empty queue."""

    def __init__(
        self,
        endpoint: Callable[[], Endpoint],
        *,
        capacity: int,
        interval_s: float,
        spool: Callable[[], Spool] | None = None,
    ) -> None:
        """`capacity` is how many calls may wait in memory. `spool` opens the spool; with `None`, nothing is on disk."""
        self._endpoint = endpoint
        self._capacity = max(capacity, 1)
        self._interval_s = interval_s
        self._open_spool = spool
        self._start_from_nothing()
        _live.add(self)

    def settle(self, endpoint: Callable[[], Endpoint], *, capacity: int, interval_s: float) -> None:
        """Goes on with other settings. What waits is delivered by these. The spool stays the one it was."""
        self._endpoint = endpoint
        self._capacity = max(capacity, 1)
        self._interval_s = interval_s
        self._outbox.capacity = self._capacity
        self._sender.settle(endpoint, interval_s)

    def hold_still(self) -> bool:
        """Before a fork: lets the packer finish what it encodes. Encoding takes locks elsewhere, such as that of the
        prices, and one that is held at a fork is held in the child forever. `False` when that takes too long."""
        return self._encoding.acquire(timeout=_STILL_S)

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._encoding.release()

    def begin(self) -> None:
        """In the child of a fork: threads do not survive it, locks may be held by threads that are gone, and the parent
        delivers what it has."""
        self._outbox.forget()
        self._start_from_nothing()

    def _start_from_nothing(self) -> None:
        # Its `put` is one step, and may be interrupted by itself: the garbage collector can end a call anywhere.
        self._items: queue.SimpleQueue[Item | _Mark] = queue.SimpleQueue()
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._encoding = threading.Lock()
        self._packer: threading.Thread | None = None
        self._hurried = self._stopping = False
        self._stopped_well: bool | None = None
        self._packed_at = float("-inf")
        self._in_hand = self._lost = 0
        self._outbox = Outbox(capacity=self._capacity, spool=self._open_spool() if self._open_spool else None)
        self._sender = Sender(self._outbox, self._endpoint, self._interval_s)

    def add(self, item: Item) -> None:
        """Takes what has ended. Never waits for the network or the disk."""
        self._items.put(item)
        if self._packer is None or self._items.qsize() > self._capacity >> 1:
            self._attend()

    def flush(self, timeout_s: float) -> bool:
        """Waits until all that was added is delivered. `False` when that takes longer than `timeout_s`, or when
        something was lost since the last time: refused for good, or too much to be kept. What waits on disk after a
        `False` is not lost: `counts` tells how much it is."""
        return self._flush(timeout_s, disk_will_do=False)

    def stop(self, timeout_s: float = AT_EXIT_S) -> bool:
        """Flushes, and takes no more. `False` when something was left undelivered: on disk, if there is one to be had.

        Waits no longer for a receiver that is away once everything is on disk. Within its time, it goes on with what
        other processes have left on disk: if all of them are short, nobody else would deliver that.
        """
        if self._stopped_well is None:
            deadline = time.monotonic() + timeout_s
            self._stopped_well = self._flush(timeout_s, disk_will_do=True)
            if self._stopped_well:
                self._sender.rest(deadline)
            self._sender.stop()
            with self._lock:
                self._stopping = True
                packer, self._packer = self._packer, None
            if packer is not None:
                self._wake(_Mark())
                packer.join(_DISK_S)
            else:
                self._finish()
            if packer is None or not packer.is_alive():
                self._drop_the_rest()
        return self._stopped_well

    def counts(self) -> Counts:
        return self._outbox.counts(in_hand=self._in_hand + self._items.qsize())

    def _flush(self, timeout_s: float, *, disk_will_do: bool) -> bool:
        deadline = time.monotonic() + timeout_s
        mark = _Mark()
        outbox = self._outbox
        if self._packer is not None:
            self._wake(mark)
            with self._sender.hurrying() as failed_before, outbox.changed:
                while mark.number is None or not outbox.finished(mark.number):
                    kept = mark.number is not None and outbox.is_kept and self._sender.failures > failed_before
                    remaining = deadline - time.monotonic()
                    if remaining <= 0 or (kept and disk_will_do):
                        return False
                    outbox.changed.wait(remaining)
        elif not self._items.empty():  # no thread could be started
            return False
        lost_before, self._lost = self._lost, outbox.lost
        return self._lost == lost_before

    def _attend(self) -> None:
        """What `add` does only when it has to."""
        if self._packer is None and not self._stopping:
            self._start()
        if self._stopping:
            self._drop_the_rest()
        elif self._items.qsize() > self._capacity:
            self._drop_oldest()
        elif not self._hurried and self._items.qsize() > self._capacity >> 1:
            self._hurried = True
            self._woken.put(None)

    def _start(self) -> None:
        # Nothing of the outbox in here: the garbage collector can end a call where the outbox's lock is held.
        with self._lock:
            if self._packer is not None or self._stopping:
                return
            self._packer = threading.Thread(target=self._pack, name="claude-telemetry-packer", daemon=True)
            try:
                self._packer.start()
            except BaseException:
                self._packer = None
                raise
            _stop_with_the_process(self)

    def _wake(self, mark: _Mark) -> None:
        self._items.put(mark)
        self._woken.put(None)

    def _drop_oldest(self) -> None:
        try:
            oldest = self._items.get_nowait()
        except queue.Empty:
            return
        if isinstance(oldest, _Mark):
            self._items.put(oldest)  # further back, it waits for more than it has to
        else:
            self._outbox.lose(dropped=1)

    def _drop_the_rest(self) -> None:
        self._outbox.lose(dropped=sum(not isinstance(item, _Mark) for item in self._taken()))

    def _pack(self) -> None:
        with guarded("start sending calls"):
            # Here and not above: protobuf takes longer to import than all of us, and nobody has to wait for it. A child
            # that is forked meanwhile would have half a module.
            with self._encoding:
                importlib.import_module("claude_telemetry.emit.encode")
            self._sender.start()
        while not self._stopping:
            with guarded("pack calls"):
                # In no variable of this loop: the calls would stay in memory until others come.
                self._make_bodies(self._next_items())
                if self._outbox.has_waited(self._interval_s) or self._sender.receiver_is_away:
                    self._outbox.to_disk(self._sender.target_of)
        self._finish()

    def _finish(self) -> None:
        """What is left goes to disk."""
        with guarded("keep calls at the end"):
            self._make_bodies(self._taken())
            self._outbox.to_disk(self._sender.target_of)
        with guarded("let go of the spool"):
            self._outbox.close()

    def _next_items(self) -> list[Item | _Mark]:
        """What came since the last time, an interval ago or longer, or until somebody was in a hurry. Nothing, when it
        is time to look at what is still in memory.

        So a call that comes alone goes at once: it is safe early, and many applications make few calls.
        """
        try:
            first = self._items.get(timeout=self._interval_s if self._outbox.in_memory else None)
        except queue.Empty:
            return []
        rest_s = self._packed_at + self._interval_s - time.monotonic()
        if rest_s > 0 and not isinstance(first, _Mark):
            self._in_hand = 1
            with contextlib.suppress(queue.Empty):
                self._woken.get(timeout=rest_s)
        # Before the items are taken: whoever woke us has put his mark among them already.
        for _ in range(self._woken.qsize()):
            self._woken.get()
        self._hurried = False
        self._packed_at = time.monotonic()
        return [first, *self._taken()]

    def _taken(self) -> list[Item | _Mark]:
        """All that is in the queue now."""
        taken: list[Item | _Mark] = []
        for _ in range(self._items.qsize()):
            try:
                taken.append(self._items.get_nowait())
            except queue.Empty:
                break
        return taken

    def _make_bodies(self, taken: Sequence[Item | _Mark]) -> None:
        items = [item for item in taken if not isinstance(item, _Mark)]
        self._in_hand = len(items)
        # Small enough that not too much goes at once when there is no room.
        most = max(min(BATCH, self._capacity // 16, self._sender.largest), 1)
        for start in range(0, len(items), most):
            part = items[start : start + most]
            for body in self._bodies(part):
                self._outbox.put(body.signal, body.calls, gzip.compress(body.data, compresslevel=1))
            self._in_hand -= len(part)
        with guarded("add up what calls cost"):
            spending.count_waiting()  # here, where what they come to has just been worked out
        with self._outbox.changed:
            for mark in taken:
                if isinstance(mark, _Mark):
                    mark.number = self._outbox.newest
            self._outbox.changed.notify_all()

    def _bodies(self, items: Sequence[Item]) -> list[Body]:
        """The bodies of `items`. One that cannot be encoded does not cost the others."""
        bodies: list[Body] = []
        with guarded("encode calls"), self._encoding:
            from claude_telemetry.emit.encode import bodies_of  # late: see `_pack`

            bodies = bodies_of(items)
        missing = len(items) - sum(body.calls for body in bodies)
        if len(items) > 1 and (missing or any(len(body.data) > BODY_BYTES for body in bodies)):
            middle = len(items) // 2
            return self._bodies(items[:middle]) + self._bodies(items[middle:])
        self._outbox.lose(refused=missing)
        return bodies


class _Mark:
    """Goes through the queue with the items. What was added before it is in bodies up to its number."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number: int | None = None


def _stop_with_the_process(delivery: Delivery) -> None:
    """For processes that leave without `atexit`: children of `multiprocessing`, and workers of Celery."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        import multiprocessing  # for those only that have it anyway: it takes 3 ms

        if multiprocessing.parent_process() is not None:
            util.Finalize(None, delivery.stop, exitpriority=0)
    celery: Any = sys.modules.get("celery.signals")
    if celery is not None:

        def stop(**_: object) -> None:
            delivery.stop()

        celery.worker_process_shutdown.connect(stop, weak=False)


_live: weakref.WeakSet[Delivery] = weakref.WeakSet()


_still: list[Delivery] = []


def _before_fork() -> None:
    _still.extend(delivery for delivery in list(_live) if delivery.hold_still())


def _after_fork_in_parent() -> None:
    while _still:
        _still.pop().go_on()


def _after_fork_in_child() -> None:
    _still.clear()
    for delivery in list(_live):
        with guarded("begin anew after a fork"):
            delivery.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
