"""What the supervisor hands to a child, and what a child says back: over the child's stdin and stdout.

The first line of stdin is the *orders*, as JSON. Stdin then stays open for as long as the child is wanted: its end
means "stop", and comes by itself when the supervisor is killed. A child says one line, as JSON: that it is ready, or
why it cannot be. Secrets are not handed over: a child reads them from its environment.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from claude_telemetry.errors import ClaudeTelemetryError
from claude_telemetry.settings import SETTINGS, settle

log = logging.getLogger(__name__)

PART = "collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a child says once."""

    failed: str | None = None
    """Why it cannot do what it was started for. `None` when it is ready."""

    def line(self) -> str:
        return json.dumps({"failed": self.failed}) + "\n"

    @classmethod
    def of_line(cls, line: str) -> Report | None:
        """`None` for a line that is no report."""
        try:
            said: object = json.loads(line)
        except ValueError:
            return None
        if not isinstance(said, dict) or "failed" not in said:
            return None
        failed = cast("dict[str, object]", said)["failed"]
        return cls(failed=None if failed is None else str(failed))


class Orders:
    """A child's side: its settings, when to stop, and where to say that it is ready."""

    def __init__(self) -> None:
        """Reads the orders, and listens for the wish to stop from then on. For the main thread."""
        handed = json.loads(_first_line())
        # Without the file: it may have changed since, and a child that is started again goes on as the others do.
        self.settings: dict[str, Any] = settle(PART, _parsed(handed["settings"]), use_file=False)
        self.descriptor: int | None = handed["descriptor"]
        """An open socket, for the child that was given one."""
        self._stopping = threading.Event()
        self._on_stop: Callable[[], None] = lambda: None
        signalled, signals = os.pipe()
        os.set_blocking(signals, False)
        signal.set_wakeup_fd(signals, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, _noted)
        threading.Thread(target=self._wait_for_the_end, args=(signalled,), name="orders", daemon=True).start()

    @property
    def stopping(self) -> threading.Event:
        """Set once the child is not wanted any more."""
        return self._stopping

    def ready(self, stop: Callable[[], None] | None = None) -> None:
        """Says that the child does its work. `stop` is called, in another thread, when it should end."""
        if stop is not None:
            self._on_stop = stop
        if self._stopping.is_set():
            self._on_stop()
        _say(Report())

    def _wait_for_the_end(self, signalled: int) -> None:
        # Not through `sys.stdin`: a thread that holds its lock at the end of the process makes Python abort.
        while not self._stopping.is_set():
            for readable in select.select([0, signalled], [], [])[0]:
                if readable == signalled or not os.read(0, 4096):
                    self._stopping.set()
        self._on_stop()


def hand_over(settings: Mapping[str, Any], descriptor: int | None) -> bytes:
    """The orders for a child, as its first line."""
    handed = {
        setting.name: str(settings[setting.name])
        for setting in SETTINGS
        if PART in setting.parts and not setting.secret and settings.get(setting.name) is not None
    }
    return json.dumps({"settings": handed, "descriptor": descriptor}).encode() + b"\n"


def carry_out(name: str, work: Callable[[Orders], None]) -> int:
    """The `main` of a child process: its exit code, once `work` is done.

    A `ClaudeTelemetryError` of `work` is told to the supervisor as it is; anything else is a fault, and logged.
    """
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s %(levelname)s {name}: %(message)s")
    logging.getLogger("claude_telemetry_collector").setLevel(logging.INFO)
    try:
        work(Orders())
    except ClaudeTelemetryError as error:
        _say(Report(failed=str(error)))
        return 1
    except Exception:
        log.exception("the %s process cannot go on", name)
        return 1
    return 0


def _say(report: Report) -> None:
    # Not through `sys.stdout`, which would try again at the end of the process what failed here.
    with contextlib.suppress(BrokenPipeError):  # the supervisor is gone, and stdin tells the same
        os.write(1, report.line().encode())


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise ClaudeTelemetryError("this process is started by `claude-telemetry collect`, which went away")
        line += byte
    return line


def _parsed(handed: Mapping[str, str]) -> dict[str, Any]:
    return {setting.name: setting.kind(handed[setting.name]) for setting in SETTINGS if setting.name in handed}


def _noted(_signum: int, _frame: object) -> None:
    """The signal arrives through the wake-up descriptor: a handler that took a lock could meet whoever holds it."""
