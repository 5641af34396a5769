"""What a collector that runs says about itself, in `running.json` in its data folder: for `status` and `doctor`.

The supervisor writes it once all is ready, and takes it back when it stops. What was killed leaves it behind, so the
file alone does not mean that somebody runs.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from claude_telemetry.errors import CollectorError

RUNNING_FILE = "running.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A collector."""

    pid: int
    """Of the supervisor."""
    version: str
    started_at: str
    """When it was ready. UTC, ISO 8601, to the second."""
    otlp_http: str
    """Where it listens, as a URL."""
    nearby_url: str
    """The same as it is asked on this machine: an address that stands for all of a machine's cannot be asked."""
    otlp_grpc: str | None
    token_required: bool
    price_version: str

    def is_alive(self) -> bool:
        """Whether there is a process of that number on this machine."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's
            return True
        return True


def announce(data: Path, running: Running) -> None:
    """Says it in `data`. Readable by its owner only, and never there half-written. Raises `OSError`."""
    half_written = data / f".{RUNNING_FILE}.{os.getpid()}"
    descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(running), file)
    half_written.replace(data / RUNNING_FILE)


def take_back(data: Path) -> None:
    """For the one process that has announced itself in `data`: nobody else does as long as it holds the lock."""
    (data / RUNNING_FILE).unlink(missing_ok=True)


def announced(data: Path) -> Running | None:
    """What was said in `data` last; `None` when nothing was, or it was taken back.

    Raises `CollectorError` when it cannot be read.
    """
    path = data / RUNNING_FILE
    try:
        return Running(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CollectorError(f"{path} cannot be read: {error}") from None
