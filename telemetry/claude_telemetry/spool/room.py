"""How much room is left in the spool, and what has to go when it is not enough.

All processes share the room. A process that lives makes room from its own part, so none takes another's files away
while it delivers them: it may hold as much as there is divided by the number of lots. What nobody holds goes first.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from claude_telemetry.spool.counting import count_dropped
from claude_telemetry.spool.frame import waiting_frames
from claude_telemetry.spool.lot import Lot, files_of

_LOOK_AGAIN_S = 60.0
"""How long it is believed how large the whole spool is: others write there too."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size_bytes: int
    changed_at: float


class Room:
    """The room of one spool."""

    def __init__(self, folder: Path, *, most_bytes: int, longest_s: float) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._longest_s = longest_s
        self._free_bytes = 0
        self._looked_at = float("-inf")

    def make(self, size_bytes: int, own: Lot | None, taken: Sequence[Lot]) -> list[Path]:
        """The files of `own` and `taken` that have to go for `size_bytes` more: too old, or the oldest of too many.

        What nobody holds is dropped and counted here. Raises `OSError` when it would not fit into an empty spool.
        """
        if size_bytes > self._most_bytes:
            raise OSError(errno.EFBIG, "larger than the whole spool may be")
        now = time.monotonic()
        if size_bytes > self._free_bytes or now - self._looked_at > _LOOK_AGAIN_S:
            self._looked_at = now
            going = self._choose(size_bytes, own, taken)
        else:
            going = []
        self._free_bytes -= size_bytes
        return going

    def _choose(self, size_bytes: int, own: Lot | None, taken: Sequence[Lot]) -> list[Path]:
        files = self._files()
        own_folder = own.folder if own is not None else None
        held = {lot.folder for lot in taken} | {own_folder}
        own_bytes = sum(file.size_bytes for file in files if file.path.parent == own_folder) + size_bytes
        share = self._most_bytes // max(len({file.path.parent for file in files}), 1)
        too_old = time.time() - self._longest_s
        self._free_bytes = self._most_bytes - sum(file.size_bytes for file in files)
        going: list[Path] = []
        for file in files:
            old = file.changed_at < too_old
            if not old and self._free_bytes >= size_bytes:
                continue
            if file.path.parent not in held:
                self._free_bytes += file.size_bytes if self._drop_forsaken(file.path) else 0
            elif old or file.path.parent != own_folder or own_bytes > share:
                going.append(file.path)
                self._free_bytes += file.size_bytes
                own_bytes -= file.size_bytes if file.path.parent == own_folder else 0
        return going

    def _files(self) -> list[_File]:
        """All of the spool, oldest first."""
        files: list[_File] = []
        folders = list(self._folder.iterdir()) if self._folder.is_dir() else []
        for path in [file for folder in folders if folder.is_dir() for file in files_of(folder)]:
            try:
                facts = path.stat()
            except OSError:  # delivered as we looked
                continue
            files.append(_File(path, facts.st_size, facts.st_mtime))
        return sorted(files, key=lambda file: file.path.name)

    def _drop_forsaken(self, path: Path) -> bool:
        lot = Lot.take_over(path.parent)
        if lot is None:
            return False
        try:
            calls = sum(frame.calls for frame in waiting_frames(path))
            path.unlink(missing_ok=True)
            count_dropped(self._folder, calls)
        finally:
            lot.release()
        return True
