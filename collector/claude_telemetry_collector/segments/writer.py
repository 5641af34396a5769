"""Appends bodies to segments, and makes them durable in groups."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from claude_telemetry_collector.segments import landed
from claude_telemetry_collector.segments.frame import (
    FRAME_OVERHEAD_BYTES,
    HEADER_BYTES,
    MARK_BYTES,
    Arrival,
    Position,
    encoded,
    header,
    segment_numbers,
    segment_path,
)

SEGMENT_BYTES = 64 * 1024 * 1024


class SegmentWriter:
    """The one writer of a folder. Not thread-safe: one thread appends and syncs.

    The first append of every writer begins a new segment, so a segment with a successor never changes again. Segments
    are preallocated: syncing then writes data and no file size, which takes a tenth of the time at the 99th percentile.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, also_in: Path | None = None) -> None:
        """Makes the folders if needed. Raises `OSError` when that cannot be done.

        Each segment is in `also_in` too, as the same file under another name: a second reader has it there for as
        long as it likes, whatever the first one deletes. It must be on the same disk.
        """
        for made in (folder, also_in):
            if made is not None:
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half_made in folder.glob("*.new"):
            half_made.unlink()
        self._folder = folder
        self._also_in = also_in
        self._segment_bytes = segment_bytes
        self._segment: _Segment | None = None

    def append(self, arrivals: Iterable[Arrival]) -> None:
        """Writes frames, which are durable after the next `sync` and not before.

        Raises `OSError`, for example when the disk is full. None of the frames since the last `sync` may then be
        acknowledged; some may be read all the same. The next append begins a new segment.
        """
        try:
            for arrival in arrivals:
                segment = self._room_for(arrival)
                segment.add(encoded(arrival, segment.mark))
            if self._segment is not None:
                self._segment.write()
        except OSError:
            self._abandon()
            raise

    def sync(self) -> None:
        """Returns when everything appended is on disk. Raises `OSError`, after which the same holds as for `append`.

        A failed sync is not tried again on the same file: the kernel may have dropped what it could not write.
        """
        if self._segment is None:
            return
        try:
            self._segment.sync()
        except OSError:
            self._abandon()
            raise

    def ready(self) -> None:
        """Begins a segment if there is none. Raises the `OSError` that an append would meet."""
        if self._segment is None:
            self._begin(0)

    def position(self) -> Position | None:
        """Just after the last frame appended, or `None` while there is no segment."""
        segment = self._segment
        return Position(segment.number, segment.offset) if segment is not None else None

    def landed(self) -> Position:
        """How far landing has come, as far as is known. Thread-safe."""
        return landed.noted(self._folder)

    def backlog_bytes(self) -> int:
        """What waits to be landed, preallocated but unused room of dead writers' segments included. Thread-safe."""
        position = landed.noted(self._folder)
        waiting = 0
        for number in segment_numbers(self._folder):
            if number < position.segment:
                continue
            done = position.offset if number == position.segment else HEADER_BYTES
            waiting += max(0, self._size(number) - done)
        return waiting

    def close(self) -> None:
        """Syncs, and gives unused room back. The writer may not be used again."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.seal()

    def _size(self, number: int) -> int:
        segment = self._segment
        if segment is not None and number == segment.number:
            return segment.offset
        try:
            return segment_path(self._folder, number).stat().st_size
        except FileNotFoundError:  # landed and trimmed as we looked
            return 0

    def _room_for(self, arrival: Arrival) -> _Segment:
        frame_bytes = len(arrival.body) + FRAME_OVERHEAD_BYTES
        segment = self._segment
        if segment is not None and segment.offset + frame_bytes > segment.size and segment.offset > HEADER_BYTES:
            self._segment = None
            segment.seal()
        return self._segment or self._begin(frame_bytes)

    def _begin(self, frame_bytes: int) -> _Segment:
        # Numbers come from the clock (microseconds), so that they grow even when the folder was emptied while the
        # database kept its position; and from the newest segment, so that they grow when the clock was set back.
        newest = max(segment_numbers(self._folder), default=0)
        number = max(newest + 1, time.time_ns() // 1_000)
        size = max(self._segment_bytes, HEADER_BYTES + frame_bytes)
        self._segment = _Segment(self._folder, self._also_in, number, size)
        return self._segment

    def _abandon(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()


class _Segment:
    """One file being written."""

    def __init__(self, folder: Path, also_in: Path | None, number: int, size: int) -> None:
        """Preallocated and durable under its names, or not there at all and `OSError`."""
        self.number = number
        self.size = size
        self.mark = secrets.token_bytes(MARK_BYTES)
        self.offset = HEADER_BYTES
        """Where the next frame begins."""
        self._added: list[bytes] = []
        path = segment_path(folder, number)
        half_made = path.with_suffix(".new")
        self._descriptor = os.open(half_made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _preallocate(self._descriptor, size)
            _write_all(self._descriptor, header(self.mark), 0)
            os.fsync(self._descriptor)
            if also_in is not None:
                segment_path(also_in, number).hardlink_to(half_made)
                _sync_folder(also_in)
            half_made.rename(path)
            _sync_folder(folder)
        except OSError:
            self.close()
            for made in (half_made, *([segment_path(also_in, number)] if also_in is not None else [])):
                made.unlink(missing_ok=True)
            raise

    def add(self, frame: bytes) -> None:
        """It is written with the next `write`."""
        self._added.append(frame)
        self.offset += len(frame)

    def write(self) -> None:
        """What was added, in one call: each gives other threads their turn, and has to wait for its own."""
        added, self._added = self._added, []
        data = added[0] if len(added) == 1 else b"".join(added)
        _write_all(self._descriptor, data, self.offset - len(data))

    def sync(self) -> None:
        _sync_data(self._descriptor)

    def seal(self) -> None:
        try:
            self.write()
            self.sync()
            os.ftruncate(self._descriptor, self.offset)
        finally:
            self.close()

    def close(self) -> None:
        os.close(self._descriptor)


def _preallocate(descriptor: int, size: int) -> None:
    if sys.platform != "darwin":
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        else:
            return
    os.ftruncate(descriptor, size)  # slower to sync, equally right


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _sync_data(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync there stops at the drive's cache
    else:
        os.fdatasync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
