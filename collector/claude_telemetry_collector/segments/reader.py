"""Reads segments while they are written, and steps over what is damaged.

Where reading meets bytes that are no frame, one of three things is true. In a segment that may still grow, a frame is
being written: reading comes back later. In a segment with a successor, a frame without an end is the *torn tail* that
a killed writer leaves: it was never acknowledged. Everything else is damage: reading goes on at the next whole frame,
and the bytes between are kept in `quarantine/`, since they may hold what somebody was told is safe.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from claude_telemetry_collector.segments import landed
from claude_telemetry_collector.segments.frame import (
    CRC_BYTES,
    HEAD_BYTES,
    HEADER_BYTES,
    MARK_BYTES,
    Frame,
    HeaderError,
    Position,
    decoded_head,
    frame_crc,
    mark_of,
    segment_numbers,
    segment_path,
)

log = logging.getLogger(__name__)

_WINDOW_BYTES = 256 * 1024
_SCAN_BYTES = 1024 * 1024


class SegmentReader:
    """The one reader of a folder. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends: dict[int, int] = {}
        self._newest: Position | None = None
        self._told: set[tuple[int, int]] = set()
        self.torn = 0
        """Torn tails met."""
        self.damaged = 0
        """Damaged stretches met."""

    def frames(self, after: Position | None, max_bytes: int) -> list[Frame]:
        """The whole frames from `after` on, or from the oldest segment, until their bodies come to `max_bytes` or more.

        In the order of writing. Empty when nothing more is there yet. Raises `OSError` when a segment cannot be read.
        """
        found: list[Frame] = []
        found_bytes = 0
        numbers = segment_numbers(self._folder)
        self._newest = Position(numbers[-1], HEADER_BYTES) if numbers else None
        for number in numbers:
            if after is not None and number < after.segment:
                continue
            offset = after.offset if after is not None and number == after.segment else HEADER_BYTES
            # Known before anything is read: what a segment with a successor lacks now, it lacks for good.
            finished = number != numbers[-1]
            for frame in self._frames_in(number, offset, finished):
                found.append(frame)
                found_bytes += len(frame.body)
                if found_bytes >= max_bytes:
                    return found
        return found

    def nothing_before(self) -> Position | None:
        """When `frames` has just found none: nothing more will come before this. `None` when there is no segment."""
        return self._newest

    def noted(self) -> Position:
        """The position that `trim` was last called with; it may be lost with the power."""
        return landed.noted(self._folder)

    def finished(self, after: Position) -> list[tuple[Position, Position, int]]:
        """The segments from `after` on that will not grow any more: where what is left of each begins, where the next
        segment does, and how many bytes that is."""
        numbers = [number for number in segment_numbers(self._folder) if number >= after.segment]
        found: list[tuple[Position, Position, int]] = []
        for number, following in pairwise(numbers):
            start = max(after.offset, HEADER_BYTES) if number == after.segment else HEADER_BYTES
            left = segment_path(self._folder, number).stat().st_size - start
            found.append((Position(number, start), Position(following, HEADER_BYTES), max(0, left)))
        return found

    def trim(self, before: Position) -> None:
        """Deletes whole segments before `before`, and tells the writer how far landing has come.

        To be called once `before` is durable in the database. Raises `OSError`.
        """
        for number in segment_numbers(self._folder):
            if number < before.segment:
                segment_path(self._folder, number).unlink(missing_ok=True)
                self._ends.pop(number, None)
        landed.note(self._folder, before)

    def _frames_in(self, number: int, offset: int, finished: bool) -> Iterator[Frame]:
        if self._ends.get(number) == offset:
            return
        try:
            pages = _Pages(segment_path(self._folder, number))
        except FileNotFoundError:  # trimmed
            return
        with pages:
            try:
                mark = mark_of(pages.at(0, HEADER_BYTES))
            except HeaderError as error:
                self._set_aside(number, error, finished)
                return
            while True:
                frame = _frame_at(pages, number, offset, mark)
                if frame is not None:
                    yield frame
                    offset = frame.next_position.offset
                    continue
                resumed = self._resume(pages, number, offset, mark, finished)
                if resumed is None:
                    return
                offset = resumed

    def _resume(self, pages: _Pages, number: int, offset: int, mark: bytes, finished: bool) -> int | None:
        """Where the next whole frame is, or `None` when there is none, or none yet."""
        if not finished and not any(pages.at(offset, HEAD_BYTES)):
            return None
        found = _next_frame(pages, number, offset, mark, finished)
        if found is None:
            if finished:
                self._end(pages, number, offset, mark)
            return None
        pages.forget()
        if _frame_at(pages, number, offset, mark) is not None:  # it was being written as we looked
            return offset
        self._quarantine(pages, number, offset, found)
        return found

    def _end(self, pages: _Pages, number: int, offset: int, mark: bytes) -> None:
        """Decides what stands after the last whole frame of a segment that will not change again."""
        if number in self._ends:
            return
        self._ends[number] = offset
        end = pages.end_of_data(offset)
        if end == offset:
            return
        if _is_torn(pages, offset, end, mark):
            self.torn += 1
            log.info("segment %d ends in a frame that its writer did not complete; nobody was told it is safe", number)
        else:
            self._quarantine(pages, number, offset, end)

    def _quarantine(self, pages: _Pages, number: int, start: int, end: int) -> None:
        if (number, start) in self._told:
            return
        self._told.add((number, start))
        self.damaged += 1
        log.warning("segment %d is damaged: %d bytes at %d are set aside in quarantine", number, end - start, start)
        try:
            with (self._quarantine_folder() / f"{number:016d}-{start}.damaged").open("wb") as copy:
                for at in range(start, end, _SCAN_BYTES):
                    copy.write(pages.at(at, min(_SCAN_BYTES, end - at)))
        except OSError as error:
            log.warning("segment %d: the damaged bytes cannot be kept: %s", number, error.strerror)

    def _set_aside(self, number: int, error: HeaderError, finished: bool) -> None:
        """Moves a segment that cannot be read at all, once no writer has it open."""
        if (number, 0) not in self._told:
            self._told.add((number, 0))
            self.damaged += 1
            log.warning("segment %d cannot be read: %s; it goes to quarantine", number, error)
        if finished:
            path = segment_path(self._folder, number)
            path.rename(self._quarantine_folder() / path.name)

    def _quarantine_folder(self) -> Path:
        folder = self._folder / "quarantine"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


class _Pages:
    """A segment's bytes, read in windows. Bytes beyond the end are missing, not an error."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._start = 0
        self._window = b""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`."""
        start = offset - self._start
        if start < 0 or start + size > len(self._window):
            self._start, start = offset, 0
            self._window = _read(self._descriptor, max(size, _WINDOW_BYTES), offset)
        return self._window[start : start + size]

    def forget(self) -> None:
        """What was read may have changed since."""
        self._window = b""

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def end_of_data(self, offset: int) -> int:
        """Just after the last byte from `offset` on that is not zero; `offset` when there is none."""
        end, size = offset, self.size()
        for at in range(offset, size, _SCAN_BYTES):
            data = _read(self._descriptor, min(_SCAN_BYTES, size - at), at).rstrip(b"\0")
            if data:
                end = at + len(data)
        return end


def _read(descriptor: int, size: int, offset: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        size, offset = size - len(part), offset + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _frame_at(pages: _Pages, number: int, offset: int, mark: bytes) -> Frame | None:
    head_data = pages.at(offset, HEAD_BYTES)
    head = decoded_head(head_data, mark)
    if head is None:
        return None
    end = offset + HEAD_BYTES + head.body_bytes + CRC_BYTES
    if end > pages.size():
        return None
    rest = pages.at(offset + HEAD_BYTES, head.body_bytes + CRC_BYTES)
    body = rest[:-CRC_BYTES]
    if rest[-CRC_BYTES:] != frame_crc(head_data, body):
        return None
    return Frame(
        position=Position(number, offset),
        next_position=Position(number, end),
        signal=head.signal,
        encoding=head.encoding,
        received_at=head.received_at,
        body=body,
    )


def _next_frame(pages: _Pages, number: int, offset: int, mark: bytes, finished: bool) -> int | None:
    """Where the first whole frame after `offset` begins. In a growing segment, the search ends where nothing is yet."""
    at = offset + 1
    while True:
        data = pages.at(at, _SCAN_BYTES)
        if len(data) < MARK_BYTES or (not finished and not any(data)):
            return None
        found = data.find(mark)
        if found < 0:
            at += len(data) - MARK_BYTES + 1
        elif _frame_at(pages, number, at + found, mark) is not None:
            return at + found
        else:
            at += found + 1


def _is_torn(pages: _Pages, offset: int, end: int, mark: bytes) -> bool:
    """Whether a frame begins at `offset` and stops before its crc, as when its writer was killed."""
    head_data = pages.at(offset, HEAD_BYTES)
    head = decoded_head(head_data, mark)
    if head is None:
        begun = head_data[: end - offset]
        return len(begun) < HEAD_BYTES and begun.startswith(mark[: len(begun)])
    crc_at = offset + HEAD_BYTES + head.body_bytes
    return end <= crc_at or pages.size() < crc_at + CRC_BYTES
