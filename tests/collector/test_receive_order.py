"""The order of system calls: what the kernel is asked for, as strace sees it, and what it says no to."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

from tests.support.collecting import Collecting, needs_proc
from tests.support.following import followed, needs_strace
from tests.support.receiving import PROTOBUF, SEVERAL_S, ask_on, export_of
from tests.support.waiting import wait_until

pytestmark = [
    needs_proc,
    needs_strace,
]


def test_an_answer_follows_the_sync_and_a_failed_sync_is_no_acknowledgement(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with Collecting(tmp_path / "data") as collector:
        receiver = collector.child("receiver")
        assert receiver is not None
        sender = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=SEVERAL_S)

        def send(number: int) -> int:
            return ask_on(sender, "POST", "/v1/traces", export_of(number), PROTOBUF).status

        assert send(1) == 200  # which begins a segment
        with followed(receiver, trace, "-e", "trace=pwrite64,fdatasync,sendto"):
            assert send(2) == 200
            wait_until(lambda: "HTTP/1.1 200" in trace.read_text())
        calls = re.findall(r"(pwrite64|fdatasync)\(|(HTTP/1\.1 \d+)", trace.read_text())
        assert [name or answer for name, answer in calls] == ["pwrite64", "fdatasync", "HTTP/1.1 200"]

        for call, error in (("fdatasync", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EROFS")):
            with followed(receiver, trace, "-e", f"trace={call}", "-e", f"inject={call}:error={error}"):
                assert (call, send(3)) == (call, 503)
            wait_until(lambda: send(4) == 200)
        sender.close()
        assert collector.stop() == 0
