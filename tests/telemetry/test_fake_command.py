"""`claude-telemetry fake-claude`: the stand-in as a server of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import anthropic

COMMAND = (sys.executable, "-m", "claude_telemetry", "fake-claude")


def test_it_answers_the_sdk_until_it_is_told_to_stop() -> None:
    with subprocess.Popen(
        [*COMMAND, "--fake-claude", "127.0.0.1:0", "--seed", "3", "--pace", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        words = server.stdout.readline().split()
        assert words[:4] == ["fake", "claude", "answers", "at"]
        assert words[5:] == ["(seed", "3)"]
        with anthropic.Anthropic(base_url=words[4], api_key="any") as client:
            message = client.messages.create(
                model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Hi"}]
            )
            # A client that keeps its connection open does not hold up the stop.
            server.send_signal(signal.SIGTERM)
            _, err = server.communicate(timeout=30)
    assert message.usage.output_tokens > 0
    assert (server.returncode, err) == (0, "")


def test_a_taken_port_is_one_clear_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = subprocess.run([*COMMAND, "--fake-claude", place], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"claude-telemetry fake-claude: cannot listen on {place}: ")
    assert ran.stderr.count("\n") == 1


def test_it_does_not_listen_to_the_network() -> None:
    ran = subprocess.run([*COMMAND, "--fake-claude", "0.0.0.0:0"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(
        "claude-telemetry fake-claude: --fake-claude (CLAUDE_TELEMETRY_FAKE_CLAUDE) is 0.0.0.0:0"
    )
    assert ran.stderr.count("\n") == 1
