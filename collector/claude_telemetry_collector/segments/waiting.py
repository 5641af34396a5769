"""What waits to be landed, for whoever wants to know and is neither the writer nor the reader.

Only heads are read, and nothing is changed: what is torn or damaged is the reader's to deal with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from claude_telemetry_collector.segments import landed
from claude_telemetry_collector.segments.frame import (
    FRAME_OVERHEAD_BYTES,
    HEAD_BYTES,
    HEADER_BYTES,
    HeaderError,
    decoded_head,
    mark_of,
    segment_numbers,
    segment_path,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What was received, is durable, and is not landed as far as is known."""

    size_bytes: int
    oldest_at: datetime | None
    """When the oldest of it was received, UTC. `None` when there is nothing."""


def backlog(folder: Path) -> Backlog:
    """That of a folder of segments; of none, when there is none. Raises `OSError` when it cannot be read."""
    position = landed.noted(folder)
    size_bytes, oldest_at = 0, None
    for number in segment_numbers(folder):
        if number < position.segment:
            continue
        start = position.offset if number == position.segment else HEADER_BYTES
        for received_at, frame_bytes in _heads(segment_path(folder, number), start):
            size_bytes += frame_bytes
            oldest_at = min(oldest_at or received_at, received_at)
    return Backlog(size_bytes=size_bytes, oldest_at=oldest_at)


def _heads(path: Path, offset: int) -> Iterator[tuple[datetime, int]]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # landed and trimmed as we looked
        return
    try:
        mark = mark_of(os.pread(descriptor, HEADER_BYTES, 0))
        while (head := decoded_head(os.pread(descriptor, HEAD_BYTES, offset), mark)) is not None:
            frame_bytes = head.body_bytes + FRAME_OVERHEAD_BYTES
            yield head.received_at, frame_bytes
            offset += frame_bytes
    except HeaderError:
        return
    finally:
        os.close(descriptor)
