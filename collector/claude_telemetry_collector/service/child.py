"""A child process as the supervisor sees it: started, listened to, told to stop."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from claude_telemetry_collector.service.orders import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one child is."""

    name: str
    module: str
    orders: bytes
    descriptors: Sequence[int]
    """What it inherits besides stdin, stdout and stderr."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    without: Sequence[str] = ()
    """Variables that are none of its business."""
    patience_s: float
    """How long it may take to stop."""


@dataclass(frozen=True, slots=True)
class Said:
    """The child has reported."""

    child: Child
    report: Report


@dataclass(frozen=True, slots=True)
class Ended:
    """The child's process is over."""

    child: Child
    exit_code: int
    """Negative: the signal that killed it."""


class Child:
    """One run of a part. `tell` is called from another thread with a `Said`, perhaps, and in the end an `Ended`."""

    def __init__(self, part: Part, tell: Callable[[Said | Ended], None]) -> None:
        self.part = part
        self._tell = tell
        environment = {name: value for name, value in os.environ.items() if name not in part.without}
        # -P: a file that happens to lie in the current folder must not pass for one of our imports.
        # A session of its own: Ctrl-C reaches the supervisor only, which stops its children in order.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
            [sys.executable, "-P", "-m", part.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**part.environment, **environment},
            pass_fds=part.descriptors,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, name=part.name, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Asks it to stop, and returns at once."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()

    def _listen(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it is over already, which is told below
            process.stdin.write(self.part.orders)
            process.stdin.flush()
        for line in process.stdout:
            report = Report.of_line(line.decode("utf-8", "replace"))
            if report is not None:
                self._tell(Said(self, report))
        exit_code = process.wait()
        process.stdout.close()
        self.stop()
        self._tell(Ended(self, exit_code))
