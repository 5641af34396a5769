"""Beside another instrumentation in the same process: nothing breaks, and the collector counts each call once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from claude_telemetry_collector.queries import connect
from tests.frameworks.environments import ran_in
from tests.peers.beside import PEERS
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until

WORKERS = 2
CALLS = 24
"""That the application makes: 12 with the SDK's own tracing, and 12 without."""

each_peer = pytest.mark.parametrize("peer", PEERS)
whoever_is_first = pytest.mark.parametrize("first", ["peer", "us"])


class Runs:
    """The application beside each peer, in both orders, two at a time."""

    def __init__(self, collecting: Collecting) -> None:
        self.collecting = collecting
        self._pool = ThreadPoolExecutor(WORKERS)
        self._futures: dict[tuple[str, str], Future[dict[str, Any]]] = {}

    def of(self, peer: str, first: str) -> dict[str, Any]:
        """What it printed."""
        for one in ("peer", "us"):
            if (peer, one) not in self._futures:
                self._futures[peer, one] = self._pool.submit(self._run, peer, one)
        return self._futures[peer, first].result()

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _run(self, peer: str, first: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.collecting.port}"
        ran = ran_in(
            "peers", "-m", "tests.peers.beside", peer, first, BESIDE_COLLECTOR=url, OTEL_SERVICE_NAME=f"{peer}-{first}"
        )
        assert ran.returncode == 0, ran.stderr
        said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return said


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with Collecting(tmp_path_factory.mktemp("collector") / "data") as collecting:
        runs = Runs(collecting)
        yield runs
        runs.stop()


@pytest.mark.matrix
@each_peer
@whoever_is_first
def test_the_application_gets_what_it_gets_with_the_peer_alone(peer: str, first: str, runs: Runs) -> None:
    said = runs.of(peer, first)
    assert said["beside"] == runs.of(peer, "peer")["alone"]
    assert said["afterwards"] == said["beside"]
    assert said["told"] == []


@pytest.mark.matrix
@each_peer
@whoever_is_first
def test_the_collector_counts_each_call_once_and_right(peer: str, first: str, runs: Runs) -> None:
    said = runs.of(peer, first)
    assert said["delivered"]

    def landed() -> list[dict[str, Any]]:
        ask = connect(runs.collecting.data).ask
        return ask(f"SELECT * FROM calls WHERE service = '{peer}-{first}' ORDER BY started_at").to_pylist()

    def ours() -> list[dict[str, Any]]:
        return [call for call in landed() if call["source"] == "claude_telemetry"]

    wait_until(lambda: len(ours()) >= CALLS, "the calls have landed")
    columns = ("message_id", "input_tokens", "output_tokens", "status", "attempts")
    assert [[call[column] for column in columns] for call in ours()] == said["calls"]
    assert all(call["cost_usd"] for call in ours() if call["status"] == "ok")
    # What the peer tells of the calls that it saw alone, before and after, is all that is known of them.
    recorded = ours()
    begin: datetime = min(call["started_at"] for call in recorded)
    end: datetime = max(call["started_at"] + timedelta(milliseconds=call["duration_ms"]) for call in recorded)
    counted_twice = [
        (call["message_id"], call["input_tokens"], call["output_tokens"])
        for call in landed()
        if call["source"] != "claude_telemetry" and begin <= call["started_at"] <= end
    ]
    assert counted_twice == _NOT_TOLD_APART.get(peer, [])


_NOT_TOLD_APART = {
    # Of a stream that is closed early it records the counts of its beginning, without any id: nothing ties that to the
    # call. Once with the SDK's tracing, once without.
    "logfire": [(None, 2, 1), (None, 2, 1)]
}
