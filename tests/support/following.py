"""System calls of a process, as strace sees them, or makes them fail."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="follows system calls with strace")


@contextmanager
def followed(process: int, into: Path, *options: str) -> Generator[None]:
    """The system calls of `process` and its threads are written to `into`, or made to fail as `options` say.

    Skips where that is not allowed.
    """
    assert STRACE is not None
    command = [STRACE, "-f", "-s", "64", "-o", str(into), *options, "-p", str(process)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            pytest.skip(f"strace may not attach here: {said.strip()}")
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
