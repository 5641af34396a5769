"""What lands together: some bodies, and what is in them.

Behind a portion that is full, more is waiting, and it is read and decoded while the portion lands: meanwhile the
database leaves the interpreter to others.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from claude_telemetry.guard import slipped
from claude_telemetry_collector.decode import Decoded, decode
from claude_telemetry_collector.decode.columnar import Columns, columns_in
from claude_telemetry_collector.segments import Frame, Position, SegmentReader

FULL_BYTES = 8 * 1024 * 1024
"""A backlog is landed in portions of this: what a transaction costs is then little beside what is in it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in some bodies."""

    columns: Columns | None = None
    """Calls of our own delivery, as far as they are as usual."""
    decoded: Sequence[Decoded] = ()
    """Everything else."""
    unreadable: Sequence[tuple[Frame, str]] = ()
    """Bodies that cannot be read at all, and why."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Bodies that land together."""

    frames: Sequence[Frame]
    contents: Contents
    """Of the bodies of `fresh`."""
    fresh: dict[bytes, Frame] = field(repr=False)
    """By hash: each body once."""

    @property
    def size_bytes(self) -> int:
        return sum(len(frame.body) for frame in self.frames)

    def without(self, known: Collection[bytes]) -> Portion:
        """The same, and nothing of the bodies that are `known` by their hash."""
        if not known:
            return self
        fresh = {value: frame for value, frame in self.fresh.items() if value not in known}
        return Portion(self.frames, contents_of(list(fresh.values())), fresh)

    def plain(self) -> Portion:
        """The same, decoded by the reference."""
        return Portion(self.frames, plain_contents_of(list(self.fresh.values())), self.fresh)

    def halves(self) -> tuple[Portion, Portion]:
        middle = len(self.frames) // 2
        return portion_of(self.frames[:middle]), portion_of(self.frames[middle:])


class Portions:
    """Reads what waits in `folder`, portion by portion. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._reader = SegmentReader(folder)
        self._reading = threading.Lock()
        """Held around the reader, which is for one thread at a time."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoding")
        self._ahead: tuple[Position, Future[Portion]] | None = None

    def next(self, after: Position | None) -> Portion:
        """What comes `after`; without frames when nothing does. Raises `OSError`."""
        ahead, self._ahead = self._ahead, None
        portion = ahead[1].result() if ahead is not None and ahead[0] == after else self._read(after)
        if portion.size_bytes >= FULL_BYTES:
            until = portion.frames[-1].next_position
            self._ahead = (until, self._thread.submit(self._read, until))
        return portion

    def nothing_before(self) -> Position | None:
        """When `next` has just found nothing: nothing more will come before this."""
        return self._reader.nothing_before()

    def let_go(self, before: Position) -> None:
        """Of the segments `before`. To be called once that is durable in the database. Raises `OSError`."""
        with self._reading:
            self._reader.trim(before)

    def close(self) -> None:
        self._thread.shutdown()

    def _read(self, after: Position | None) -> Portion:
        with self._reading:
            frames = self._reader.frames(after, FULL_BYTES)
        return portion_of(frames)


def portion_of(frames: Sequence[Frame]) -> Portion:
    """The portion of these frames. A body that is there twice is read once."""
    fresh: dict[bytes, Frame] = {}
    for frame in frames:
        fresh.setdefault(hash_of(frame), frame)
    return Portion(frames, contents_of(list(fresh.values())), fresh)


def contents_of(frames: Sequence[Frame]) -> Contents:
    """What is in `frames`: as columns what can be, and the rest as the reference decodes it."""
    traces = [frame for frame in frames if _may_be_columns(frame)]
    try:
        columns, others = columns_in([(frame.body, frame.received_at) for frame in traces])
    except Exception as error:  # noqa: BLE001 - whatever went wrong there, the reference reads all that there is
        slipped("read spans as columns", error)
        return plain_contents_of(frames)
    decoded = [decode("traces", "protobuf", *body) for body in others]
    if any(part.error is not None for part in decoded):
        # Which body it was part of is told by the reference.
        return plain_contents_of(frames)
    rest = plain_contents_of([frame for frame in frames if not _may_be_columns(frame)])
    return Contents(columns, [*decoded, *rest.decoded], rest.unreadable)


def plain_contents_of(frames: Sequence[Frame]) -> Contents:
    """The same by the reference alone."""
    decoded = [(frame, decode(frame.signal, frame.encoding, frame.body, frame.received_at)) for frame in frames]
    unreadable = [(frame, part.error) for frame, part in decoded if part.error is not None]
    return Contents(None, [part for _, part in decoded], unreadable)


def hash_of(frame: Frame) -> bytes:
    """Of the body and how to read it."""
    return blake2b(frame.body, digest_size=16, person=f"{frame.signal} {frame.encoding}"[:16].encode()).digest()


def _may_be_columns(frame: Frame) -> bool:
    return frame.signal == "traces" and frame.encoding == "protobuf"
