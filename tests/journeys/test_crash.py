"""Whatever is killed in the middle of a run: what was acknowledged is there, once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.collecting import Client, Collecting, needs_proc
from tests.support.killing import Kind, rounds
from tests.support.waiting import wait_until

AIMED: tuple[Kind, ...] = (("both", "start"), ("store", "trim"), ("store", "checkpoint"), ("store", "migration"))
"""`python -m benchmarks.kill_rounds` plays hundreds."""


@needs_proc
@pytest.mark.parametrize("victim", ["supervisor", "store", "receiver"])
def test_every_acknowledged_call_is_there_once_after_kills(tmp_path: Path, victim: str) -> None:
    moments = random.Random(victim)
    with Collecting(tmp_path / "data") as collector:
        clients = [Client(collector.port, name) for name in range(3)]
        try:
            for _ in range(3):
                time.sleep(moments.uniform(0.2, 0.8))
                collector.kill(victim)
        finally:
            for client in clients:
                client.stop()
        acknowledged = [span_id for client in clients for span_id in client.acknowledged]

        wait_until(lambda: collector.has_landed(len(acknowledged)), "everything lands")
        assert collector.landed() == dict.fromkeys(acknowledged, 1)
        assert len(acknowledged) > 100
        assert not (tmp_path / "data" / "segments" / "quarantine").exists()
        assert collector.stop() == 0


@needs_proc
def test_kills_at_the_worst_moments_lose_nothing_and_invent_nothing(tmp_path: Path) -> None:
    account = rounds(tmp_path, AIMED, "aimed")

    assert account.is_clean, account
    assert account.rounds == dict.fromkeys(AIMED, 1)
    assert account.acknowledged > 100
