"""One collector for one data folder, however the one before it ended.

Both locks are held by the kernel and go with the processes that hold them; the files mean nothing by themselves.
The supervisor alone holds `collector.lock`. `children.lock` is held by its children as well: they outlive a supervisor
that is killed, for as long as they need to finish, and until then the next one has to wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Generator
from pathlib import Path

from claude_telemetry.errors import CollectorError, SettingsError
from claude_telemetry_collector.settings import segments_folder

log = logging.getLogger(__name__)

_PATIENCE_S = 20.0
"""Longer than a child takes to finish."""


@contextlib.contextmanager
def sole_collector(data: Path) -> Generator[int]:
    """Makes `data` if needed and keeps other collectors away from it. The descriptor that children are to inherit.

    Raises `CollectorError` when there is another collector, `SettingsError` when `data` cannot be used.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        segments_folder(data).mkdir(mode=0o700, exist_ok=True)
        own = _opened(data / "collector.lock")
        children = _opened(data / "children.lock")
    except OSError as error:
        raise SettingsError(
            f"--data (CLAUDE_TELEMETRY_DATA) is {data}, which cannot be written ({error.strerror}): give another folder"
        ) from None
    try:
        if not _taken(own):
            raise CollectorError(
                f"another collector (process {_holder(own)}) keeps its data in {data}: "
                "stop it, or give another folder with --data (CLAUDE_TELEMETRY_DATA)"
            )
        os.ftruncate(own, 0)
        os.pwrite(own, str(os.getpid()).encode(), 0)
        _wait_for(children, data)
        yield children
    finally:
        os.close(children)
        os.close(own)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for(children: int, data: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    told = False
    while not _taken(children):
        if not told:
            log.warning("waiting for the processes of a collector that was killed to end")
            told = True
        if time.monotonic() > deadline:
            raise CollectorError(f"processes of a collector that was killed still use {data}: end them, and try again")
        time.sleep(0.05)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
