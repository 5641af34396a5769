"""Waiting for what comes about in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 40.0
"""Generous: a busy machine must not make a test fail."""


def wait_until(holds: Callable[[], bool], what: str = "it comes about") -> None:
    """Returns as soon as `holds()` does; fails with `what` when that takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} within {PATIENCE_S:g} s"
        time.sleep(0.01)
