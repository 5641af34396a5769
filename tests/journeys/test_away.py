"""The collector is away for a while: the application notices nothing, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from claude_telemetry import probe
from claude_telemetry.fake import FakeClaude
from claude_telemetry.settings import Address
from claude_telemetry_collector.queries import connect
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until

PROGRAM = """
import sys, time
import anthropic, claude_telemetry
if sys.argv[2]:
    claude_telemetry.instrument(endpoint=sys.argv[2])
with anthropic.Anthropic(api_key="k", base_url=sys.argv[1]) as client:
    for _ in range(20):
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])
print("asked", flush=True)
sys.stdin.readline()
print(claude_telemetry.flush(30), flush=True)
"""


def test_calls_made_while_the_collector_is_away_arrive_when_it_is_back(tmp_path: Path) -> None:
    port = probe.bound(Address("127.0.0.1", 0)).port
    with FakeClaude() as claude:
        app = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, claude.url, f"http://127.0.0.1:{port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with app:
            assert app.stdin is not None
            assert app.stdout is not None
            assert app.stdout.readline() == "asked\n"
            time.sleep(2)  # a delivery or two fails meanwhile
            with Collecting(tmp_path / "data", port) as collector:
                app.stdin.write("\n")
                app.stdin.flush()
                assert app.stdout.readline() == "True\n"
                reader = connect(tmp_path / "data")
                counting = "SELECT count(*) AS calls, count(DISTINCT message_id) AS answers FROM calls"
                wait_until(
                    lambda: reader.ask(counting).to_pylist() == [{"calls": 20, "answers": 20}], "all calls are landed"
                )
                assert collector.stop() == 0
        assert app.returncode == 0
