"""Makes bodies durable in groups: what arrives during one sync shares the next.

One thread owns the segment writer. Requests wait for it on futures of the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from claude_telemetry_collector.segments import SEGMENT_BYTES, Arrival, SegmentWriter

log = logging.getLogger(__name__)

_GROUP_BYTES = 8 * 1024 * 1024
_LOOK_AGAIN_S = 0.2
"""How often a backlog that is too large is looked at again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    arrivals: Sequence[Arrival]
    """None at all asks whether the disk can be written again."""
    durable: asyncio.Future[None]


class GroupCommit:
    """Started and stopped once. `commit` and `ready` belong to one event loop."""

    def __init__(self, folder: Path, *, backlog_bytes: int) -> None:
        """Raises `OSError` when `folder` cannot be made or read."""
        # A quarter, so that a backlog at its limit is several segments, of which the landed ones can go.
        segment_bytes = min(SEGMENT_BYTES, max(65536, backlog_bytes // 4))
        self._writer = SegmentWriter(folder, segment_bytes=segment_bytes)
        self._most_bytes = backlog_bytes
        self._backlog_bytes = self._writer.backlog_bytes()
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
    def full(self) -> bool:
        """Whether so much waits to be landed that nothing new should be accepted."""
        return self._backlog_bytes > self._most_bytes

    @property
    def waiting(self) -> int:
        """How many requests wait for the next sync."""
        return self._waiting.qsize()

    async def commit(self, arrival: Arrival) -> None:
        """Returns when `arrival` is on disk. Raises `OSError` when it may not be; it may be landed all the same."""
        await self._submit((arrival,))

    async def ready(self) -> None:
        """Returns when bodies can be written. Raises the `OSError` that they would meet."""
        if self._failure is not None:
            await self._submit(())

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
            try:
                self._backlog_bytes = self._writer.backlog_bytes()
            except OSError as error:
                log.warning("cannot tell how much waits to be landed: %s", error.strerror)
        try:
            self._writer.close()
        except OSError as error:
            log.warning("cannot close the last segment: %s", error.strerror)

    def _group(self) -> tuple[list[_Waiting], bool]:
        """The next requests to commit together, and whether there will be more."""
        group: list[_Waiting] = []
        group_bytes = 0
        try:
            waiting = self._waiting.get(timeout=_LOOK_AGAIN_S if self.full else None)
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
        self._tell(failure)
        loop = group[0].durable.get_loop()
        try:
            loop.call_soon_threadsafe(_settle, group, failure)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.info("%d requests were committed after their senders were let go", len(group))

    def _tell(self, failure: Exception | None) -> None:
        """Logs when writing begins to fail and when it works again, not every time."""
        if failure is not None and self._failure is None:
            log.warning("cannot write segments: %s; requests are put off", failure)
        elif failure is None and self._failure is not None:
            log.warning("segments can be written again")
        self._failure = failure


def _settle(group: list[_Waiting], failure: Exception | None) -> None:
    for waiting in group:
        if waiting.durable.done():
            continue
        if failure is None:
            waiting.durable.set_result(None)
        else:
            waiting.durable.set_exception(failure)
