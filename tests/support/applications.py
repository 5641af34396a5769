"""Applications as processes of their own, each a program in a string."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.support.waiting import PATIENCE_S


def started(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """`program`, running with `arguments` as `sys.argv[1:]`, and with `environment` beside that of the tests."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def finished(applications: Sequence[subprocess.Popen[str]]) -> list[str]:
    """What each has printed, once all have ended. Fails when one has failed."""
    printed: list[str] = []
    for application in applications:
        with application:
            output, errors = application.communicate(timeout=PATIENCE_S)
        assert application.returncode == 0, output + errors
        printed.append(output.strip())
    return printed
