"""`claude-telemetry dashboard` as a user runs it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

PATIENCE_S = 60


class Dashboard:
    """A dashboard of the collector that keeps its data in `data`, started in `folder`. A context manager."""

    def __init__(self, data: Path, *flags: str, folder: Path | None = None) -> None:
        command = ["dashboard", f"--data={data}", "--dashboard=127.0.0.1:0", *flags]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "claude_telemetry", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
        )
        assert self._process.stdout is not None
        self.first_line = self._process.stdout.readline()
        """What it said when it was ready."""

    @property
    def port(self) -> int:
        found = re.fullmatch(r"dashboard: http://127\.0\.0\.1:(\d+)\n", self.first_line)
        assert found, self.first_line
        return int(found[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Asks it to stop; its exit code, and what it said after its first line."""
        self._process.send_signal(signum)
        said, _ = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, said

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
