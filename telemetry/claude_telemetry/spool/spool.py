"""The spool as one process sees it: its own lot, and those that it has taken over."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from claude_telemetry.spool.counting import count_dropped
from claude_telemetry.spool.frame import Frame, Signal, encoded, mark_done, waiting_frames
from claude_telemetry.spool.lot import Lot
from claude_telemetry.spool.room import Room

FILE_BYTES = 1024 * 1024
"""A file is not appended to beyond this. The oldest go by the file."""
BATCH_CALLS = 512
BATCH_BYTES = 1024 * 1024
"""The most that is read back as one request, gzipped."""

Place = tuple[Path, int]
"""Of a frame: its file and offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request to keep."""

    signal: Signal
    calls: int
    number: int
    target: str
    body: bytes
    """Protobuf, gzipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Requests to deliver as one, the oldest of all."""

    signal: Signal
    calls: int
    number: int
    """Of the last of them."""
    own: bool
    """Whether this process kept it."""
    body: bytes
    """Protobuf, gzipped."""
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What this process had kept, and was dropped."""

    calls: int = 0
    number: int = 0
    """Of the newest that was dropped."""


class Spool:
    """Nothing is on disk before something is kept or taken over. Not thread-safe."""

    def __init__(self, folder: Path, *, most_bytes: int = 0, longest_s: float = math.inf) -> None:
        """`most_bytes` is the room for all processes together; `longest_s` is how long anything is kept."""
        with contextlib.suppress(RuntimeError):  # no home: `Lot.make` says so when it matters
            folder = folder.expanduser().absolute()
        self.folder = folder
        self._room = Room(folder, most_bytes=most_bytes, longest_s=longest_s)
        # A small spool in several files, of which the oldest can go.
        self._file_bytes = min(FILE_BYTES, most_bytes // 8)
        self.body_bytes = self._file_bytes
        """Bodies that are larger take more of the spool than they should."""
        self._own: Lot | None = None
        self._taken: list[Lot] = []
        self._growing: tuple[Path, int] | None = None
        self._last_file = 0
        self._head: list[Frame] = []
        self._targets: frozenset[str] = frozenset()
        self._passed: set[Path] = set()
        """Files and lots that hold what is to go elsewhere, or cannot be read."""
        self._largest = BATCH_CALLS

    def keep(self, request: Outgoing) -> tuple[Place, Loss]:
        """Where `request` is now, where it survives the process; and what had to go for it.

        Raises `OSError`, and it is not kept.
        """
        frame = encoded(
            signal=request.signal,
            calls=request.calls,
            number=request.number,
            target=request.target,
            body=request.body,
        )
        loss = self._drop(self._room.make(len(frame), self._own, self._taken))
        path, descriptor = self._file_for(len(frame))
        start = os.fstat(descriptor).st_size
        try:
            # Not synced: what is written outlives the process. A sync can take seconds on a busy disk, which a process
            # that is leaving does not have.
            _write_all(descriptor, frame, start)
        except OSError:
            # Half a frame would hide what comes behind it.
            self._seal()
            _cut(path, start)
            raise
        return (path, start), loss

    def oldest(self) -> Batch | None:
        """What is to be delivered next, or `None` when there is nothing. Stays until it is done or dropped."""
        while not self._head:
            path = next((file for file in self._files() if file not in self._passed), None)
            if path is None:
                self._let_go()
                return None
            if self._growing is not None and path == self._growing[0]:
                self._seal()
            self._open(path)
        frames = _together(self._head, self._largest)
        return Batch(
            signal=frames[0].signal,
            calls=sum(frame.calls for frame in frames),
            number=frames[-1].number,
            own=self._is_own(frames[0].path),
            body=_joined(frames),
            places=tuple((frame.path, frame.offset) for frame in frames),
        )

    def one_by_one(self) -> None:
        """Gives the rest of the file as it was kept: one of its requests is the reason why several are not taken."""
        self._largest = 0

    def done(self, places: Collection[Place], *, refused: int = 0) -> None:
        """What is there is delivered, save for calls that were refused for good, which are counted.

        Where that cannot be noted, whoever takes over delivers it once more.
        """
        if refused:
            count_dropped(self.folder, refused)
        gone = set(places)
        self._head = [frame for frame in self._head if (frame.path, frame.offset) not in gone]
        for path, offset in places:
            try:
                mark_done(path, offset)
            except OSError:
                self._passed.add(path)

    def take_over(self, targets: Collection[str]) -> int:
        """Takes over what dead processes left for `targets`, as `target_of` names them; the calls that these are."""
        if self._targets != frozenset(targets):
            self._targets = frozenset(targets)
            self._passed.clear()
        held = {lot.folder for lot in self._lots()}
        calls = 0
        try:
            folders = sorted(
                path for path in self.folder.iterdir() if path.is_dir() and path not in held | self._passed
            )
        except OSError:  # there is none, or it is somebody else's
            return 0
        for folder in folders:
            lot = Lot.take_over(folder)
            if lot is None:
                continue
            try:
                wanted = self._wanted_in(lot)
            except OSError:
                wanted = 0
            calls += wanted
            if wanted:
                self._taken.append(lot)
            else:
                self._passed.add(folder)
                lot.release()
        return calls

    def close(self) -> None:
        """Lets go of everything. What waits is for the next who can deliver it."""
        self._seal()
        for lot in self._lots():
            for file in lot.files():
                if file not in self._passed and not waiting_frames(file):
                    file.unlink(missing_ok=True)
            lot.release()
        self._begin_again()

    def forget(self) -> None:
        """Closes what a forked child has got from its parent, and touches nothing on disk."""
        if self._growing is not None:
            os.close(self._growing[1])
            self._growing = None
        for lot in self._lots():
            lot.forget()
        self._begin_again()

    def _wanted_in(self, lot: Lot) -> int:
        """How many calls in it are to go to our targets. Removes files in which nothing waits: what is there was
        delivered, or nobody ended writing it."""
        wanted = 0
        for file in lot.files():
            frames = waiting_frames(file)
            wanted += sum(frame.calls for frame in frames if frame.target in self._targets)
            if not frames:
                file.unlink(missing_ok=True)
        return wanted

    def _let_go(self) -> None:
        """Of what was taken over, once nothing in it is left for us."""
        for lot in self._taken:
            lot.release()
            self._passed.add(lot.folder)
        self._taken = []

    def _begin_again(self) -> None:
        self._own, self._taken, self._head = None, [], []
        self._passed.clear()

    def _lots(self) -> list[Lot]:
        return [*self._taken, *([self._own] if self._own is not None else [])]

    def _files(self) -> list[Path]:
        return sorted((file for lot in self._lots() for file in lot.files()), key=lambda file: file.name)

    def _is_own(self, path: Path) -> bool:
        return self._own is not None and path.parent == self._own.folder

    def _open(self, path: Path) -> None:
        """Makes what waits in the file the next to be delivered. A file without anything that waits is removed."""
        self._largest = BATCH_CALLS
        try:
            found = waiting_frames(path)
        except OSError:
            self._passed.add(path)
            return
        own = self._is_own(path)
        self._head = [frame for frame in found if own or frame.target in self._targets]
        if self._head:
            return
        if found:
            self._passed.add(path)
        else:
            path.unlink(missing_ok=True)

    def _file_for(self, size: int) -> tuple[Path, int]:
        growing = self._growing
        if growing is not None:
            facts = os.fstat(growing[1])
            if facts.st_nlink and (facts.st_size == 0 or facts.st_size + size <= self._file_bytes):
                return growing
            self._seal()
        if self._own is not None and not self._own.folder.is_dir():  # somebody cleaned up
            self._own.forget()
            self._own = None
        if self._own is None:
            self._own = Lot.make(self.folder)
        self._last_file = max(self._last_file + 1, time.time_ns())
        self._growing = self._own.new_file(self._last_file)
        return self._growing

    def _seal(self) -> None:
        growing, self._growing = self._growing, None
        if growing is not None:
            os.close(growing[1])

    def _drop(self, files: Sequence[Path]) -> Loss:
        """Removes files, and counts what waits in them."""
        calls = number = 0
        for path in files:
            if self._growing is not None and path == self._growing[0]:
                self._seal()
            frames = waiting_frames(path)
            path.unlink(missing_ok=True)
            self._head = [frame for frame in self._head if frame.path != path]
            count_dropped(self.folder, sum(frame.calls for frame in frames))
            if self._is_own(path):
                calls += sum(frame.calls for frame in frames)
                number = max(number, *(frame.number for frame in frames), 0)
        return Loss(calls=calls, number=number)


def opening(folder: Path, *, most_bytes: int, longest_days: int) -> Callable[[], Spool] | None:
    """How to open the spool that the settings name. `None` when they say to keep nothing on disk."""
    return partial(Spool, folder, most_bytes=most_bytes, longest_s=86_400.0 * longest_days) if most_bytes else None


def _together(frames: Sequence[Frame], most_calls: int) -> list[Frame]:
    """The first, and what can go with it in one request."""
    first, *others = frames
    calls, size = first.calls, len(first.body)
    together = [first]
    for frame in others:
        calls, size = calls + frame.calls, size + len(frame.body)
        same = (frame.signal, frame.target) == (first.signal, first.target)
        if not same or calls > most_calls or size > BATCH_BYTES:
            break
        together.append(frame)
    return together


def _joined(frames: Sequence[Frame]) -> bytes:
    """Their bodies as one. Protobuf messages of a kind, one behind the other, are one message with all their parts."""
    if len(frames) == 1:
        return frames[0].body
    return gzip.compress(b"".join(gzip.decompress(frame.body) for frame in frames), compresslevel=1)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _cut(path: Path, size: int) -> None:
    with contextlib.suppress(OSError):
        if size:
            os.truncate(path, size)
        else:
            path.unlink()
