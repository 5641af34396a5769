"""A wish to stop, whichever way it comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from claude_telemetry.signals import StopWish


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_is_closed_stops_us_as_ctrl_c_does(signum: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests themselves were started with
    with StopWish() as wish:
        assert not wish.made
        os.kill(os.getpid(), signum)
        assert wish.wait(30.0)


def test_what_was_started_with_nohup_outlives_the_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopWish() as wish:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not wish.wait(0.05)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
