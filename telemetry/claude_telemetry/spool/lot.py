"""One process's folder in the spool, held by a lock.

The kernel keeps the lock and lets go of it when the process ends, however it ends; the lock's file means nothing by
itself. So a lot that can be locked belongs to nobody any more.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".spool"


class Lot:
    """A lot that this process holds."""

    def __init__(self, folder: Path, lock: int, *, own: bool) -> None:
        self.folder = folder
        self.own = own
        """Whether this process made it, and did not take it over."""
        self._lock = lock

    @classmethod
    def make(cls, spool: Path) -> Lot:
        """A new one in the folder `spool`, which is made too if needed. Raises `OSError` when that cannot be done."""
        if not spool.is_absolute():
            raise OSError("this user has no home folder")
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            folder = spool / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            lock = _held(folder)
            if lock is not None:
                return cls(folder, lock, own=True)
            # Somebody took it for what a dead process left, before the lock was there.

    @classmethod
    def take_over(cls, folder: Path) -> Lot | None:
        """The lot that a process left there. `None` when somebody holds it, or it is another user's."""
        if sys.platform == "win32":
            return None
        try:
            facts = folder.lstat()
            # Another user's calls are not ours to send, and a link could lead anywhere.
            if not folder.is_dir() or folder.is_symlink() or facts.st_uid != os.geteuid():
                return None
            lock = _held(folder)
        except OSError:
            return None
        return None if lock is None else cls(folder, lock, own=False)

    def files(self) -> list[Path]:
        """Oldest first."""
        return files_of(self.folder)

    def new_file(self, number: int) -> tuple[Path, int]:
        """A file to append to, named after `number`, and its descriptor. Raises `OSError`."""
        path = self.folder / f"{number:020d}{_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return path, os.open(path, flags, 0o600)

    def release(self) -> None:
        """Lets go of it. One without files is removed."""
        if not self.files():
            with contextlib.suppress(OSError):
                (self.folder / "lock").unlink(missing_ok=True)
                self.folder.rmdir()
        self.forget()

    def forget(self) -> None:
        """Closes what a forked child has got from its parent, who goes on holding the lot."""
        os.close(self._lock)


def files_of(folder: Path) -> list[Path]:
    """The files of frames in a lot, oldest first; none when it is gone."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return []


def number_of(path: Path) -> int:
    """When a file of frames was begun, in nanoseconds since the epoch; 0 when its name does not tell."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() else 0


def _held(folder: Path) -> int | None:
    """The descriptor of the lot's lock, or `None` when somebody else has it. Raises `OSError`."""
    if sys.platform == "win32":
        raise OSError("this system has no locks that go with their process")
    path = folder / "lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:  # removed by whoever found it empty
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:
            return lock
    except BlockingIOError:
        pass
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None
