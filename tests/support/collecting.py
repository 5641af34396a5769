"""`claude-telemetry collect` as a user runs it, and a client that remembers what it was promised."""

from __future__ import annotations

import http.client
import itertools
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.queries import connect
from tests.support.calls import a_call
from tests.support.receiving import PROTOBUF, ask
from tests.support.spans import a_body, as_protobuf, native_span, our_span
from tests.support.waiting import PATIENCE_S, wait_until

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds child processes through /proc")


def is_running(process: int) -> bool:
    """Whether it runs; one that has ended and was not asked for its exit code does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def export_of_calls(span_ids: Sequence[str]) -> bytes:
    """An export request with a call for each span id, as protobuf."""
    spans = [our_span(a_call(span_id=span_id).record) for span_id in span_ids]
    return as_protobuf(a_body(spans))


class Collecting:
    """A collector on `data`, started and ended as often as a test likes."""

    def __init__(self, data: Path, port: int = 0, **environment: str) -> None:
        self.data = data
        self.port = port
        self.log = data.with_name(f"{data.name}.log")
        self.environment = {**os.environ, **environment}

    def __enter__(self) -> Collecting:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def start(self, *flags: str) -> None:
        """Starts it and waits until it is ready. The port stays the same from then on."""
        flags = (f"--data={self.data}", f"--otlp-http=127.0.0.1:{self.port}", *flags)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "claude_telemetry", "collect", *flags],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(
            rf"collecting on https?://127\.0\.0\.1:(\d+), keeping calls in {self.data}/calls.duckdb\n", line
        )
        assert found, line + self.said()
        self.port = int(found[1])

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    def child(self, name: str) -> int | None:
        """The process id of the `store` or the `receiver`, if there is one now."""
        for folder in Path("/proc").iterdir():
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.process.pid and f"{name}_process" in (folder / "cmdline").read_text():
                    return int(folder.name)
            except (OSError, ValueError, IndexError):
                continue
        return None

    def kill(self, name: str) -> None:
        """`kill -9` of the `supervisor`, `store` or `receiver`. A dead supervisor is started again."""
        if name == "supervisor":
            self.process.kill()
            self.__exit__()
            self.start()
            return
        wait_until(lambda: self.child(name) is not None, f"there is a {name}")
        victim = self.child(name)
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: self.child(name) not in (None, victim), f"there is another {name}")

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to stop; its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE_S)

    def landed(self) -> dict[str, int]:
        """How often each span id is there, as a dashboard would ask for it."""
        rows = connect(self.data).ask("SELECT span_id, count(*) AS times FROM calls GROUP BY span_id").to_pylist()
        return {row["span_id"]: row["times"] for row in rows}

    def land_all(self) -> None:
        """Waits until all that it has acknowledged is landed. Bodies land in order, so an event is sent as the last."""
        span_id = secrets.token_hex(8)
        event = native_span({"claude.event.name": "all_is_sent"}, spanId=span_id)
        assert ask(self.port, "POST", "/v1/traces", as_protobuf(a_body([event])), PROTOBUF).status == 200
        landed, which = "SELECT name FROM events WHERE span_id = $span", {"span": span_id}
        wait_until(lambda: connect(self.data).ask(landed, which).num_rows == 1, "all that was sent is landed")

    def has_landed(self, count: int) -> bool:
        try:
            return len(self.landed()) >= count
        except CollectorError:
            return False


class Client:
    """Sends calls until it is told to stop, each body again until it is acknowledged."""

    def __init__(self, port: int, name: int) -> None:
        self.acknowledged: list[str] = []
        self._port = port
        self._numbers = (f"{name:04x}{number:012x}" for number in itertools.count(1))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Returns once the last body is acknowledged."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            span_ids = list(itertools.islice(self._numbers, 3))
            body = export_of_calls(span_ids)
            while not self._sent(body):
                time.sleep(0.02)
            self.acknowledged += span_ids
            time.sleep(0.01)

    def _sent(self, body: bytes) -> bool:
        try:
            return ask(self._port, "POST", "/v1/traces", body, PROTOBUF).status == 200
        except (OSError, http.client.HTTPException):
            return False
