"""A child process: started on a leash, listened to, stopped for good."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from claude_telemetry.errors import ClaudeTelemetryError

_LINES_KEPT = 12
_STOP_WITHIN_S = 10.0


class ChildFailed(ClaudeTelemetryError):  # noqa: N818 - reads as what happened
    """A child process ended by itself, or was not ready in time. The message holds its last words."""


class Child:
    """One running `python -m MODULE ARGUMENT ...`.

    It has a process group of its own, so that Ctrl-C reaches only us and the order of stopping is ours.
    What it says is kept back. While `aloud` is set, its standard error is passed on to ours, line by line.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.aloud = False
        self._last_words: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
            [sys.executable, "-m", "claude_telemetry.up.leash", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._leash = self._process.stdin
        self._listeners = [
            threading.Thread(target=self._listen, args=(pipe, pipe is self._process.stderr), daemon=True)
            for pipe in (self._process.stdout, self._process.stderr)
        ]
        for listener in self._listeners:
            listener.start()

    @property
    def exit_code(self) -> int | None:
        """`None` while it runs."""
        return self._process.poll()

    @property
    def last_words(self) -> tuple[str, ...]:
        """The last lines that it said, aloud or not."""
        return tuple(self._last_words)

    def wait_until(self, ready: Callable[[], bool], *, within_s: float, stop: Callable[[float], bool]) -> bool:
        """Whether it became ready; `False` when `stop` was asked for first.

        Raises `ChildFailed` when it ends, or is not ready in time.
        """
        until = time.monotonic() + within_s
        while not ready():
            if self.exit_code is not None:
                raise self.failure()
            if time.monotonic() > until:
                raise ChildFailed(f"{self.name} was not ready within {within_s:.0f} seconds{self._said()}")
            if stop(0.1):
                return False
        return True

    def failure(self) -> ChildFailed:
        """That it ended, with its last words."""
        self._listened()
        # A command of ours that knows what is wrong says that in one line, and nothing needs to be said about it.
        head = f"claude-telemetry {self.name}: "
        if self.exit_code == 1 and len(self._last_words) == 1 and self._last_words[0].startswith(head):
            return ChildFailed(self._last_words[0].removeprefix(head))
        return ChildFailed(f"{self.name} {_how(self.exit_code)}{self._said()}")

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, or `None` when it still runs after so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.exit_code

    def ask_to_stop(self) -> None:
        """Asks, and returns at once. Idempotent."""
        self.aloud = False
        with contextlib.suppress(OSError):
            self._leash.close()

    def stop(self) -> None:
        """Asks it to stop and waits; after ten seconds its whole process group is killed. Idempotent."""
        self.ask_to_stop()
        if self.wait(_STOP_WITHIN_S) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._listened()

    def _listen(self, said: IO[str], is_error: bool) -> None:
        with said:
            for line in said:
                self._last_words.append(line.rstrip())
                if self.aloud and is_error:
                    # A terminal may be closed while we go on. The child must not notice that nobody listens.
                    with contextlib.suppress(OSError):
                        print(f"{self.name}: {line.rstrip()}", file=sys.stderr, flush=True)

    def _listened(self) -> None:
        for listener in self._listeners:
            listener.join(1.0)

    def _said(self) -> str:
        words = [line for line in self.last_words if line]
        return "; it said:\n" + "\n".join(f"  {line}" for line in words) if words else " and said nothing"


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
