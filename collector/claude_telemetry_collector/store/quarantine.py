"""Bodies that cannot be landed are set aside, so that those behind them can be.

They were acknowledged, so they are not simply dropped: a later version may read them. They are kept as they came, in
the segments' own `quarantine/`, which only the owner of the data can read, and only so many of them.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from claude_telemetry_collector.segments import Frame

log = logging.getLogger(__name__)

KEPT_BYTES = 256 * 1024 * 1024
"""When this much lies there, further bodies are only told of: a sender that stays broken must not fill the disk."""


def set_aside(segments_folder: Path, frame: Frame, reason: str) -> None:
    """Keeps the body of `frame`, and logs why it could not be landed. Never raises `OSError`."""
    name = f"{frame.position.segment:016d}-{frame.position.offset}.{frame.signal}.{frame.encoding}"
    log.warning("a body of %d bytes cannot be landed (%s); it is set aside as %s", len(frame.body), reason, name)
    folder = segments_folder / "quarantine"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(path.stat().st_size for path in folder.iterdir()) + len(frame.body) > KEPT_BYTES:
            log.warning("quarantine is full, so %s is not kept", name)
            return
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(frame.body)
    except OSError as error:
        log.warning("%s cannot be kept: %s", name, error.strerror)
