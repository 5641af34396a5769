"""How far landing has come, told by the store to the receiver, which puts data off when too much is waiting.

A hint only: what counts as landed is decided by the position in the database. A missing or torn note means "nothing
landed", and a receiver that believes it refuses too early, never too late.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from zlib import crc32

from claude_telemetry_collector.segments.frame import Position

_NOTE = struct.Struct("<qq")
_CRC = struct.Struct("<I")


def note(folder: Path, position: Position) -> None:
    """Tells that everything before `position` is landed. Not synced: a lost hint costs nothing."""
    facts = _NOTE.pack(*position)
    descriptor = os.open(folder / "landed", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, facts + _CRC.pack(crc32(facts)), 0)
    finally:
        os.close(descriptor)


def noted(folder: Path) -> Position:
    """How far landing has come as far as is known."""
    try:
        data = (folder / "landed").read_bytes()
    except FileNotFoundError:
        return Position(0, 0)
    facts = data[: _NOTE.size]
    if len(facts) != _NOTE.size or data[_NOTE.size :] != _CRC.pack(crc32(facts)):
        return Position(0, 0)
    return Position(*_NOTE.unpack(facts))
