"""Ctrl-C, SIGTERM and a closed terminal as one thing: a wish to stop, which a command looks at between two steps."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any, Self

_LOOK_EVERY_S = 0.1


class StopWish:
    """Takes these signals while its block runs, and gives them back after it. For the main thread."""

    def __init__(self) -> None:
        # A plain flag: a handler that took a lock could meet the very code that holds it.
        self.made = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever started us with `nohup` wants us to outlive the terminal.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                self._before[signum] = signal.signal(signum, self._make)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def wait(self, seconds: float = _LOOK_EVERY_S) -> bool:
        """Whether the wish was made, at the latest after so many seconds."""
        until = time.monotonic() + seconds
        while not self.made and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_EVERY_S))
        return self.made

    def _make(self, _signum: int, _frame: FrameType | None) -> None:
        self.made = True
