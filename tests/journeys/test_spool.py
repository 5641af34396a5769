"""Calls on disk: an application ends or dies while no collector runs, and nothing of what it did is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from claude_telemetry import probe
from claude_telemetry.fake import FakeClaude
from claude_telemetry.settings import Address
from claude_telemetry.spool import spooled
from claude_telemetry_collector.queries import connect
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until

ASKING = """
import os, sys, time
import anthropic, claude_telemetry
claude_telemetry.instrument(endpoint=sys.argv[2], flush_interval=0.05)
def new_client():
    return anthropic.Anthropic(api_key="k", base_url=sys.argv[1])
client = new_client()
def ask(n):
    client.messages.create(model="claude-haiku-4-5", max_tokens=n, messages=[{"role": "user", "content": "Hello"}])
"""
ENDS = ASKING + "for n in range(1, 21): ask(n)\n"
WAITS = (
    ASKING
    + """
for n in range(1, 21):
    ask(n)
print("asked", flush=True)
sys.stdin.readline()
print(claude_telemetry.flush(30), flush=True)
"""
)
GOES_ON = ASKING + "for n in range(1, 101): ask(n); time.sleep(0.02)\nprint(claude_telemetry.flush(30), flush=True)\n"
FORKS = (
    ASKING
    + """
ask(1)
children = []
for worker in range(3):
    pid = os.fork()
    if pid == 0:
        client = new_client()  # two processes on one connection would talk at once
        for n in range(5): ask(2 + 5 * worker + n)
        sys.exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
"""
)
COUNTING = "SELECT count(*) AS calls, count(DISTINCT message_id) AS answers FROM calls"


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spool"
    monkeypatch.setenv("CLAUDE_TELEMETRY_SPOOL", str(folder))
    return folder


def app(program: str, claude: FakeClaude, port: int, **environment: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        program,
        claude.url,
        f"http://127.0.0.1:{port}",
    ]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def free_port() -> int:
    return probe.bound(Address("127.0.0.1", 0)).port


def all_arrive(data: Path, calls: int) -> None:
    reader = connect(data)
    wait_until(lambda: reader.ask(COUNTING).to_pylist() == [{"calls": calls, "answers": calls}], "all calls are landed")


def asked(data: Path) -> Sequence[int]:
    """What the calls asked for, in the order in which they landed."""
    reader = connect(data)
    return [
        row["max_tokens"]
        for row in reader.ask("SELECT max_tokens FROM calls ORDER BY received_at, started_at").to_pylist()
    ]


def test_an_application_that_ran_before_there_was_a_collector_is_not_lost(
    tmp_path: Path, spool: Path, claude: FakeClaude
) -> None:
    port = free_port()
    with app(ENDS, claude, port) as process:
        assert process.wait(30) == 0
    assert spooled(spool).calls == 20
    with Collecting(tmp_path / "data", port) as collector:
        all_arrive(tmp_path / "data", 20)
        assert asked(tmp_path / "data") == list(range(1, 21))
        wait_until(lambda: list(spool.iterdir()) == [], "the spool is empty again")
        assert collector.stop() == 0


def test_an_application_that_is_killed_while_the_collector_is_away_is_not_lost(
    tmp_path: Path, spool: Path, claude: FakeClaude
) -> None:
    port = free_port()
    with app(WAITS, claude, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        wait_until(lambda: spooled(spool).calls == 20, "all is on disk")
        process.kill()
    with Collecting(tmp_path / "data", port) as collector:
        all_arrive(tmp_path / "data", 20)
        assert collector.stop() == 0


def test_an_application_that_lives_delivers_itself_when_the_collector_comes(
    tmp_path: Path, spool: Path, claude: FakeClaude
) -> None:
    port = free_port()
    with app(WAITS, claude, port) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "asked\n"
        wait_until(lambda: spooled(spool).calls == 20, "all is on disk")
        with Collecting(tmp_path / "data", port) as collector:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "True\n"
            all_arrive(tmp_path / "data", 20)
            assert process.wait(30) == 0
            assert list(spool.iterdir()) == []
            assert collector.stop() == 0


def test_a_collector_that_restarts_in_the_middle_of_traffic_has_every_call_once(
    tmp_path: Path, spool: Path, claude: FakeClaude
) -> None:
    with Collecting(tmp_path / "data", free_port()) as collector:
        with app(GOES_ON, claude, collector.port) as process:
            assert process.stdout is not None
            time.sleep(1)
            assert collector.stop() == 0
            collector.__exit__()
            time.sleep(0.5)
            collector.start()
            assert process.stdout.readline() == "True\n"
        all_arrive(tmp_path / "data", 100)
        assert asked(tmp_path / "data") == list(range(1, 101))
        assert collector.stop() == 0


def test_workers_that_were_forked_each_leave_what_they_did(spool: Path, claude: FakeClaude) -> None:
    with app(FORKS, claude, free_port()) as process:
        assert process.wait(60) == 0
    assert spooled(spool).calls == 16


def test_what_went_because_the_spool_was_full_is_counted(spool: Path, claude: FakeClaude) -> None:
    with app(ENDS, claude, free_port(), CLAUDE_TELEMETRY_SPOOL_BYTES="2000") as process:
        assert process.wait(30) == 0
    left = spooled(spool)
    assert 0 < left.calls < 20
    assert left.calls + left.dropped == 20


def test_nothing_is_on_disk_when_that_is_not_wanted(spool: Path, claude: FakeClaude) -> None:
    with app(WAITS, claude, free_port(), CLAUDE_TELEMETRY_SPOOL_BYTES="0") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        process.kill()
    assert not spool.exists()
