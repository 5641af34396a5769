"""What is in the spool, and what went from it undelivered."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from claude_telemetry.spool.frame import waiting_frames
from claude_telemetry.spool.lot import files_of, number_of

if sys.platform != "win32":
    import fcntl

_DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What `spooled` found."""

    calls: int = 0
    """Calls that wait to be delivered."""
    size_bytes: int = 0
    oldest_at: datetime | None = None
    """About when the oldest of them was put there, UTC. `None` when there are none."""
    targets: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many of the calls are to go where, by `target_of`."""
    dropped: int = 0
    """Calls that went undelivered since there is this folder: the oldest of a full spool, or too old, or refused."""


def spooled(folder: Path) -> Waiting:
    """What waits in the spool `folder`, of all processes. Nothing, when there is no such folder.

    Raises `OSError` when it cannot be read.
    """
    folder = folder.expanduser()
    calls = size_bytes = 0
    began: list[int] = []
    targets: Counter[str] = Counter()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        for file in files_of(path) if path.is_dir() else []:
            frames = waiting_frames(file)
            calls += sum(frame.calls for frame in frames)
            size_bytes += sum(len(frame.body) for frame in frames)
            began += [number_of(file)] if frames else []
            for frame in frames:
                targets[frame.target] += frame.calls
    oldest_at = datetime.fromtimestamp(min(began) / 1_000_000_000, UTC) if began else None
    dropped = _read(folder / _DROPPED)
    return Waiting(calls=calls, size_bytes=size_bytes, oldest_at=oldest_at, targets=targets, dropped=dropped)


def count_dropped(folder: Path, calls: int) -> None:
    """Adds to the number of dropped calls that the spool `folder` keeps. A disk that refuses loses the count."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / _DROPPED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # for as long as it takes to write a number
            os.pwrite(descriptor, b"%020d" % (_number(os.pread(descriptor, 20, 0)) + calls), 0)
        finally:
            os.close(descriptor)


def _read(path: Path) -> int:
    try:
        return _number(path.read_bytes()[:20])
    except FileNotFoundError:
        return 0


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
