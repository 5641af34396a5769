"""Makes bodies durable in groups: what arrives during one sync shares the next.

One thread owns the segment writer. Requests wait for it on futures of the event loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from claude_telemetry_collector.receive.measures import Reading
from claude_telemetry_collector.receive.refusal import Reason
from claude_telemetry_collector.segments import SEGMENT_BYTES, Arrival, Position, SegmentWriter

log = logging.getLogger(__name__)

_GROUP_BYTES = 8 * 1024 * 1024
_LOOK_AGAIN_S = 0.2
"""How often the disk and the backlog are looked at."""
_MOST_MARKS = 3600
"""How many times and places are remembered, to tell how far landing is behind."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    arrivals: Sequence[Arrival]
    """None at all asks whether the disk can be written again."""
    durable: asyncio.Future[None] | concurrent.futures.Future[None]


class GroupCommit:
    """Started and stopped once. `commit` and `ready` belong to one event loop."""

    def __init__(
        self, folder: Path, *, backlog_bytes: int, min_free_bytes: int = 0, also_in: Path | None = None
    ) -> None:
        """`min_free_bytes`: how much of the disk is left to others. `also_in`: as for `SegmentWriter`. Raises `OSError`
        when a folder cannot be made or read."""
        # A quarter, so that a backlog at its limit is several segments, of which the landed ones can go.
        segment_bytes = min(SEGMENT_BYTES, max(65536, backlog_bytes // 4))
        self._folder = folder
        self._writer = SegmentWriter(folder, segment_bytes=segment_bytes, also_in=also_in)
        self._most_bytes = backlog_bytes
        self._min_free_bytes = min_free_bytes
        self._backlog_bytes = 0
        self._disk_is_full = False
        self._looked_at = 0.0
        self._look()
        self._marks: deque[tuple[Position, float]] = deque()
        self._marked_at = 0.0
        self._syncs = 0
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="commit")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commits what is waiting, and closes the segment. Blocks until then."""
        self._waiting.put(None)
        self._thread.join()

    @property
    def full(self) -> Reason | None:
        """Why nothing new should be accepted at the moment, if so: too much waits to be landed, or the disk is nearly
        full."""
        if self._backlog_bytes > self._most_bytes:
            return "backlog"
        return "disk_space" if self._disk_is_full else None

    @property
    def waiting(self) -> int:
        """How many requests wait for the next sync."""
        return self._waiting.qsize()

    async def commit(self, arrival: Arrival) -> None:
        """Returns when `arrival` is on disk. Raises `OSError` when it may not be; it may be landed all the same."""
        await self._submit((arrival,))

    def commit_now(self, arrival: Arrival) -> None:
        """The same for a thread, which waits."""
        durable: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._waiting.put(_Waiting((arrival,), durable))
        durable.result()

    async def ready(self) -> None:
        """Returns when bodies can be written. Raises the `OSError` that they would meet."""
        if self._failure is not None:
            await self._submit(())

    def readings(self) -> list[Reading]:
        """What `/metrics` is to tell of it. Raises `OSError`."""
        landed = self._writer.landed()
        while self._marks and self._marks[0][0] <= landed:
            self._marks.popleft()
        lag_s = time.monotonic() - self._marks[0][1] if self._marks else 0.0
        free = shutil.disk_usage(self._folder).free
        return [
            Reading("backlog_bytes", "gauge", "bytes on disk that wait to be landed", self._writer.backlog_bytes()),
            Reading("backlog_limit_bytes", "gauge", "backlog above which new data is put off", self._most_bytes),
            Reading("landing_lag_seconds", "gauge", "age of the oldest of them received since the start", lag_s),
            Reading("disk_free_bytes", "gauge", "bytes free on the disk of the segments", free),
            Reading("syncs", "counter", "syncs that made requests durable", self._syncs),
            Reading("writing", "gauge", "1 when segments can be written, 0 when not", int(self._failure is None)),
        ]

    async def _submit(self, arrivals: Sequence[Arrival]) -> None:
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(arrivals, durable))
        await durable

    def _run(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._group()
            if group:
                self._commit(group)
            if time.monotonic() - self._looked_at >= _LOOK_AGAIN_S:
                self._look()
        try:
            self._writer.close()
        except OSError as error:
            log.warning("cannot close the last segment: %s", error.strerror)

    def _look(self) -> None:
        """At what landing has done, and what is left of the disk."""
        self._looked_at = time.monotonic()
        try:
            self._backlog_bytes = self._writer.backlog_bytes()
            is_full = shutil.disk_usage(self._folder).free < self._min_free_bytes
        except OSError as error:
            log.warning("cannot tell how much waits to be landed: %s", error.strerror)
            return
        if is_full != self._disk_is_full:
            log.warning(
                "less than %d bytes are free on the disk; requests are put off"
                if is_full
                else "at least %d bytes are free on the disk again",
                self._min_free_bytes,
            )
        self._disk_is_full = is_full

    def _group(self) -> tuple[list[_Waiting], bool]:
        """The next requests to commit together, and whether there will be more."""
        group: list[_Waiting] = []
        group_bytes = 0
        try:
            waiting = self._waiting.get(timeout=_LOOK_AGAIN_S if self.full is not None else None)
            while waiting is not None:
                group.append(waiting)
                group_bytes += sum(len(arrival.body) for arrival in waiting.arrivals)
                if group_bytes >= _GROUP_BYTES:
                    return group, True
                waiting = self._waiting.get_nowait()
        except queue.Empty:
            return group, True
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        arrivals = [arrival for waiting in group for arrival in waiting.arrivals]
        failure: Exception | None = None
        try:
            if arrivals:
                self._writer.append(arrivals)
            else:
                self._writer.ready()
            self._writer.sync()
        except OSError as error:
            failure = error
        except Exception as error:
            log.exception("committing %d requests failed", len(group))
            failure = error
        else:
            self._note(arrivals)
        self._tell(failure)
        _answer(group, failure)

    def _note(self, arrivals: Sequence[Arrival]) -> None:
        """Keeps count until the next look."""
        self._syncs += 1
        self._backlog_bytes += sum(len(arrival.body) for arrival in arrivals)
        position, now = self._writer.position(), time.monotonic()
        if position is not None and now - self._marked_at >= _LOOK_AGAIN_S and len(self._marks) < _MOST_MARKS:
            self._marks.append((position, now))
            self._marked_at = now

    def _tell(self, failure: Exception | None) -> None:
        """Logs when writing begins to fail and when it works again, not every time."""
        if failure is not None and self._failure is None:
            log.warning("cannot write segments: %s; requests are put off", failure)
        elif failure is None and self._failure is not None:
            log.warning("segments can be written again")
        self._failure = failure


def _answer(group: list[_Waiting], failure: Exception | None) -> None:
    in_loop: list[asyncio.Future[None]] = []
    for waiting in group:
        if isinstance(waiting.durable, asyncio.Future):
            in_loop.append(waiting.durable)
        elif failure is None:
            waiting.durable.set_result(None)
        else:
            waiting.durable.set_exception(failure)
    if in_loop:
        try:
            in_loop[0].get_loop().call_soon_threadsafe(_settle, in_loop, failure)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.info("%d requests were committed after their senders were let go", len(in_loop))


def _settle(durables: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for durable in durables:
        if durable.done():
            continue
        if failure is None:
            durable.set_result(None)
        else:
            durable.set_exception(failure)
