"""The loop that tails the segments and lands what is in them.

What comes within 200 ms is landed together, since a transaction costs the same for one call as for a hundred; a call
that comes alone is landed at once. Trouble with the disk or the database is waited out. Trouble with a body is not:
the body is found, set aside, and the rest goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from claude_telemetry_collector.store.arrow import warm_up
from claude_telemetry_collector.store.likeness import REACH
from claude_telemetry_collector.store.portions import FULL_BYTES, Portion, Portions
from claude_telemetry_collector.store.quarantine import set_aside
from claude_telemetry_collector.store.writer import Writer

log = logging.getLogger(__name__)

FLUSH_S = 0.2
LOOK_S = 0.05
"""How soon to look again when nothing was there."""
LONGEST_WAIT_S = 5.0
BODIES_REMEMBERED = timedelta(hours=1)
"""Senders give up on a body within minutes. One that comes later than this is told by its spans."""

_TROUBLE = (
    OSError,
    MemoryError,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.ConnectionException,
    duckdb.InterruptException,
)
"""Nothing that a body can be blamed for: it passes, or somebody has to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingStats:
    """What landing has done since it began."""

    landed: int = 0
    duplicates: int = 0
    """Calls that were there already."""
    repeated_bodies: int = 0
    ignored: int = 0
    """Spans that are nothing that is kept."""
    refused: int = 0
    """Spans that are calls, runs of tools or events, without an identity or a time that can be used."""
    quarantined: int = 0
    """Bodies that could not be landed."""
    troubles: int = 0
    """How often landing had to wait for the disk or the database."""
    lag_ms: int | None = None
    """From receiving the oldest body of the last portion to its calls being there."""


class Landing:
    """Lands what is in `segments_folder` through `connection`. For one thread, save for `stats`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, segments_folder: Path) -> None:
        self._folder = segments_folder
        self._portions = Portions(segments_folder)
        self._writer = Writer(connection)
        self._position = self._writer.position()
        self._stats = LandingStats()
        self._forgot_at: datetime | None = None

    def stats(self) -> LandingStats:
        """Thread-safe."""
        return self._stats

    def run(self, stop: threading.Event) -> None:
        """Lands until `stop` is set. Raises only `duckdb.FatalException`: the database has to be opened anew."""
        warm_up()
        wait_s = LOOK_S
        while not stop.is_set():
            began = time.monotonic()
            try:
                landed_bytes = self.land_waiting()
            except _TROUBLE as error:
                self._count(troubles=1)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                log.warning("landing waits %.1f s: %s", wait_s, error)
                stop.wait(wait_s)
                continue
            wait_s = LOOK_S
            if landed_bytes < FULL_BYTES:
                stop.wait(max(0.0, (FLUSH_S if landed_bytes else LOOK_S) - (time.monotonic() - began)))
        self._portions.close()
        self._writer.close()

    def land_waiting(self) -> int:
        """Lands the next portion; the bytes that it came to. Raises what is wrong with the disk or the database."""
        portion = self._portions.next(self._position)
        if not portion.frames:
            self._leave_behind()
            return 0
        self._land(portion)
        self._position = portion.frames[-1].next_position
        self._portions.let_go(self._position)
        self._forget_bodies()
        lag = datetime.now(UTC) - portion.frames[0].received_at
        self._stats = replace(self._stats, lag_ms=max(0, lag // timedelta(milliseconds=1)))
        return portion.size_bytes

    def _leave_behind(self) -> None:
        """Lets go of segments that hold nothing more. Writers that were killed or had no disk leave them, and they
        count as backlog: once that is full, nothing would ever come that moves the position past them."""
        nothing_before = self._portions.nothing_before()
        if nothing_before is None or (self._position is not None and nothing_before <= self._position):
            return
        self._writer.land((), position=nothing_before)
        self._position = nothing_before
        self._portions.let_go(nothing_before)

    def _land(self, portion: Portion) -> None:
        """Lands `portion` in one transaction, or, when that cannot be, in halves, until the culprit is alone. It gets
        another chance as the reference reads it."""
        try:
            self._land_together(portion)
        except (*_TROUBLE, duckdb.FatalException):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one body, the others have to land
            if len(portion.frames) > 1:
                for half in portion.halves():
                    self._land(half)
            elif portion.contents.columns is not None:
                self._land(portion.plain())
            else:
                (frame,) = portion.frames
                set_aside(self._folder, frame, type(error).__name__)
                self._writer.land((), position=frame.next_position, body_hashes=portion.fresh.keys())
                self._count(quarantined=1)

    def _land_together(self, portion: Portion) -> None:
        portion = portion.without(self._writer.seen(portion.fresh.keys()))
        contents = portion.contents
        for frame, reason in contents.unreadable:
            set_aside(self._folder, frame, reason)
        decoded = contents.decoded
        landed = self._writer.land(
            [call for part in decoded for call in part.calls],
            parts=[one for part in decoded for one in part.parts],
            links=[link for part in decoded for link in part.links],
            tool_runs=[run for part in decoded for run in part.tool_runs],
            events=[event for part in decoded for event in part.events],
            position=portion.frames[-1].next_position,
            body_hashes=portion.fresh.keys(),
            columns=contents.columns,
        )
        self._count(
            landed=landed.calls,
            duplicates=landed.duplicates,
            repeated_bodies=len(portion.frames) - len(portion.fresh),
            ignored=sum(part.ignored for part in decoded),
            refused=sum(part.refused for part in decoded),
            quarantined=len(contents.unreadable),
        )

    def _forget_bodies(self) -> None:
        now = datetime.now(UTC)
        if self._forgot_at is None or now - self._forgot_at > BODIES_REMEMBERED / 6:
            self._writer.forget_bodies(now - BODIES_REMEMBERED)
            self._writer.forget_links(now - REACH)
            self._forgot_at = now

    def _count(self, **more: int) -> None:
        self._stats = replace(self._stats, **{name: getattr(self._stats, name) + count for name, count in more.items()})
