"""An acknowledgement follows the sync: seen in the system calls of the real receiver, and with a disk that fails."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from claude_telemetry_collector.segments.frame import FRAME_OVERHEAD_BYTES
from tests.support.collecting import Collecting, export_of_calls
from tests.support.following import followed, needs_strace
from tests.support.receiving import PROTOBUF, ask
from tests.support.waiting import wait_until

_CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_WROTE, _SYNCED, _ANSWERED = ("pwrite64",), ("fdatasync",), ("sendto", "write", "writev", "sendmsg")


@needs_strace
def test_no_answer_leaves_before_a_sync_that_began_after_its_body_was_written(tmp_path: Path) -> None:
    seen = tmp_path / "calls"
    with Collecting(tmp_path / "data", CLAUDE_TELEMETRY_SPOOL=str(tmp_path / "spool")) as collector:
        send(collector, 0)  # makes the segment
        receiver = collector.child("receiver")
        assert receiver is not None
        watched = f"-etrace={','.join((*_WROTE, *_SYNCED, *_ANSWERED))}"
        with followed(receiver, seen, watched), ThreadPoolExecutor(4) as clients:
            answers = [clients.submit(send, collector, number) for number in range(1, 41)]
            assert {answer.result() for answer in answers} == {200}
        collector.stop()

    (frame_bytes,) = {len(_body(number)) + FRAME_OVERHEAD_BYTES for number in range(1, 41)}
    written = durable = answered = 0
    syncing: dict[str, int] = {}
    for line in seen.read_text().splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        thread, name, rest = line.split()[0], found[1], found[2]
        if name in _SYNCED and "resumed>" not in line:
            syncing[thread] = written
        if name in _WROTE:  # several bodies at once, as they come
            written += int(rest.rpartition("= ")[2]) // frame_bytes if "= " in rest else 0
        if name in _SYNCED and rest.endswith("= 0"):
            durable = max(durable, syncing[thread])
        if name in _ANSWERED and '"HTTP/1.1 200 OK' in rest:
            answered += 1
            assert answered <= durable, f"answer {answered} left with {durable} of {written} bodies synced: {line}"
    assert (written, answered) == (40, 40)


@needs_strace
@pytest.mark.parametrize("failure", ["pwrite64:error=ENOSPC", "fdatasync:error=EIO"])
def test_what_the_disk_of_the_real_receiver_refuses_is_put_off_and_lands_once_when_it_is_sent_again(
    tmp_path: Path, failure: str
) -> None:
    call = failure.partition(":")[0]
    with Collecting(tmp_path / "data", CLAUDE_TELEMETRY_SPOOL=str(tmp_path / "spool")) as collector:
        assert send(collector, 0) == 200
        receiver = collector.child("receiver")
        assert receiver is not None
        with followed(receiver, tmp_path / "calls", f"-etrace={call}", f"-einject={failure}"):
            assert [send(collector, number) for number in (1, 2)] == [503, 503]
        assert [send(collector, number) for number in (1, 2, 3)] == [200, 200, 200]

        wait_until(lambda: collector.has_landed(4), "everything lands")
        assert collector.landed() == {f"{number:016x}": 1 for number in range(1, 5)}
        assert collector.stop() == 0


def send(collector: Collecting, number: int) -> int:
    return ask(collector.port, "POST", "/v1/traces", _body(number), PROTOBUF).status


@cache
def _body(number: int) -> bytes:
    """The same for the same number: who sends again sends what he has sent."""
    return export_of_calls([f"{number + 1:016x}"])
