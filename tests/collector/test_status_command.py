"""`claude-telemetry status`."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.cli import main
from claude_telemetry.spool import Outgoing, Spool, target_of
from claude_telemetry_collector.commands.status import as_json, lines
from claude_telemetry_collector.queries.status import Status
from claude_telemetry_collector.running import Running, announce, announced
from claude_telemetry_collector.segments import Arrival, Position, SegmentReader, SegmentWriter, backlog, landed
from tests.support.calls import NOON, a_call
from tests.support.collecting import Collecting, needs_proc
from tests.support.receiving import PROTOBUF, ask
from tests.support.spans import a_body, as_protobuf, our_span
from tests.support.waiting import wait_until

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with Collecting(tmp_path_factory.mktemp("status") / "data") as running:
        now = datetime.now(UTC)
        calls = [a_call(started_at=now), a_call(started_at=now, cost_usd=None, cost_status="unpriced")]
        body = as_protobuf(a_body([our_span(call.record) for call in calls]))
        assert ask(running.port, "POST", "/v1/traces", body, PROTOBUF).status == 200
        wait_until(lambda: running.has_landed(2), "the calls land")
        yield running


def told(capsys: Capture, data: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    code = main(["status", f"--data={data}", "--json", *flags])
    return code, json.loads(capsys.readouterr().out)


def test_a_collector_that_is_well_is_told_with_what_it_has(collector: Collecting, capsys: Capture) -> None:
    code, status = told(capsys, collector.data)
    assert code == 0
    assert (status["running"], status["healthy"], status["problems"]) == (True, True, [])
    assert status["pid"] == collector.process.pid
    assert status["otlp_http"] == f"http://127.0.0.1:{collector.port}"
    assert datetime.fromisoformat(status["started_at"]) <= datetime.now(UTC)
    assert (status["calls_today"], status["unpriced_today"]) == (2, 1)
    # 1000 tokens in at 2 USD and 400 out at 10 USD per million; what the other one cost is not known.
    assert Decimal(status["cost_today_usd"]) == Decimal("0.006")
    assert status["cost_today_is_lower_bound"] is True
    assert (status["backlog_bytes"], status["landing_lag_s"]) == (0, 0)
    assert (status["schema"], status["incidents_open"], status["spool_calls"]) == (3, [], 0)
    assert status["price_version"].startswith("2026-")
    assert status["disk_used_bytes"] > 4096
    assert status["disk_free_bytes"] > 0

    assert main(["status", f"--data={collector.data}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"✓ a collector runs on {collector.data}\n")
    assert "today (UTC)   2 calls, at least $0.006, 1 unpriced\n" in said
    assert f"listens on    http://127.0.0.1:{collector.port}\n" in said


@needs_proc
def test_a_part_that_does_not_answer_is_told_and_the_exit_code_says_so(collector: Collecting, capsys: Capture) -> None:
    receiver = collector.child("receiver")
    assert receiver is not None
    os.kill(receiver, signal.SIGSTOP)
    try:
        code, status = told(capsys, collector.data)
    finally:
        os.kill(receiver, signal.SIGCONT)
    assert code == 3
    assert status["problems"] == [f"the receiver does not answer at http://127.0.0.1:{collector.port}"]
    assert (status["running"], status["calls_today"]) == (True, 2)


def test_what_waits_on_disk_for_a_collector_is_counted(collector: Collecting, tmp_path: Path, capsys: Capture) -> None:
    spool = Spool(tmp_path, most_bytes=1 << 20)
    body, target = gzip.compress(b"a request"), target_of("http://127.0.0.1:9/v1/traces")
    spool.keep(Outgoing(signal="traces", calls=12, number=1, target=target, body=body))
    spool.close()
    assert told(capsys, collector.data, f"--spool={tmp_path}")[1]["spool_calls"] == 12


def test_a_folder_without_a_collector_is_told(tmp_path: Path, capsys: Capture) -> None:
    code, status = told(capsys, tmp_path / "nowhere")
    assert (code, status["running"], status["healthy"], status["pid"], status["calls_today"]) == (
        1,
        False,
        False,
        None,
        None,
    )
    assert main(["status", f"--data={tmp_path}/nowhere"]) == 1
    assert capsys.readouterr().out.startswith(
        f"✗ no collector runs on {tmp_path}/nowhere\n    → start one with `claude-telemetry up`"
    )


def test_what_a_stopped_and_what_a_killed_collector_leave_is_nobody_who_runs(tmp_path: Path, capsys: Capture) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    running = Running(
        pid=gone.pid,
        version="0.1.0",
        started_at="2026-11-20T12:00:00+00:00",
        otlp_http="http://127.0.0.1:9",
        nearby_url="http://127.0.0.1:9",
        otlp_grpc=None,
        token_required=False,
        price_version="2026-11-20",
    )
    announce(tmp_path, running)
    assert announced(tmp_path) == running
    assert told(capsys, tmp_path)[0] == 1
    (tmp_path / "running.json").write_text("{")
    code, status = told(capsys, tmp_path)
    assert code == 1
    assert status["problems"][0].startswith(f"{tmp_path}/running.json cannot be read: ")


def test_a_collector_takes_back_what_it_said_when_it_stops(tmp_path: Path, capsys: Capture) -> None:
    with Collecting(tmp_path / "data") as running:
        assert announced(running.data) is not None
        assert running.stop() == 0
        assert announced(running.data) is None
        assert told(capsys, running.data)[0] == 1


def test_who_is_there_and_answers_nothing_is_not_well(tmp_path: Path, capsys: Capture) -> None:
    announce(
        tmp_path,
        Running(
            pid=os.getpid(),
            version="0.1.0",
            started_at="2026-11-20T12:00:00+00:00",
            otlp_http="http://127.0.0.1:9",
            nearby_url="http://127.0.0.1:9",
            otlp_grpc=None,
            token_required=False,
            price_version="2026-11-20",
        ),
    )
    writer = SegmentWriter(tmp_path / "segments", segment_bytes=65536)
    writer.append([arrival(1000, datetime.now(UTC) - timedelta(minutes=5))])
    writer.sync()
    code, status = told(capsys, tmp_path)
    writer.close()
    assert code == 3
    assert [problem.split(": ")[0] for problem in status["problems"]] == [
        "cannot ask the store",
        "the receiver does not answer at http://127.0.0.1:9",
        "landing is 5 min behind",
    ]
    assert (status["calls_today"], status["backlog_bytes"]) == (None, 1032)


def arrival(size: int, received_at: datetime) -> Arrival:
    return Arrival(signal="traces", encoding="protobuf", received_at=received_at, body=b"x" * size)


def test_the_backlog_is_what_was_written_behind_what_is_landed(tmp_path: Path) -> None:
    assert backlog(tmp_path / "nowhere").size_bytes == 0
    writer = SegmentWriter(tmp_path, segment_bytes=65536)
    writer.append([arrival(1000, NOON), arrival(2000, NOON + timedelta(seconds=1))])
    writer.sync()
    first, second = SegmentReader(tmp_path).frames(None, 10_000)
    # A frame is its body, a head of 28 bytes and four behind it.
    assert (backlog(tmp_path).size_bytes, backlog(tmp_path).oldest_at) == (3064, NOON)

    landed.note(tmp_path, first.next_position)
    assert (backlog(tmp_path).size_bytes, backlog(tmp_path).oldest_at) == (2032, NOON + timedelta(seconds=1))
    landed.note(tmp_path, Position(*second.next_position))
    assert (backlog(tmp_path).size_bytes, backlog(tmp_path).oldest_at) == (0, None)
    writer.close()


def test_a_person_reads_times_and_sizes_and_what_is_wrong() -> None:
    status = Status(
        data="/data",
        running=True,
        problems=("the receiver takes nothing new: the disk is nearly full",),
        pid=7,
        version="0.1.0",
        started_at="2026-11-18T09:30:00+00:00",
        otlp_http="https://0.0.0.0:4318",
        otlp_grpc="0.0.0.0:4317",
        token_required=True,
        price_version="2026-11-20.aa",
        backlog_bytes=2_500_000,
        landing_lag_s=125.0,
        last_call_received_at="2026-11-20T11:59:30+00:00",
        calls_today=1200,
        cost_today_usd=Decimal("12.5"),
        cost_today_is_lower_bound=False,
        unpriced_today=0,
        incidents_open=("Cost of the day",),
        schema=3,
        disk_used_bytes=3_000_000_000,
        disk_free_bytes=999,
        spool_calls=3,
    )
    assert "\n".join(lines(status, NOON)) == (
        "✗ a collector runs on /data\n"
        "✗ the receiver takes nothing new: the disk is nearly full\n"
        "  since         2026-11-18 09:30:00 UTC (2 d 2 h ago), process 7, version 0.1.0\n"
        "  listens on    https://0.0.0.0:4318, gRPC on 0.0.0.0:4317, with a token\n"
        "  last call     2026-11-20 11:59:30 UTC (30 s ago)\n"
        "  today (UTC)   1,200 calls, $12.50\n"
        "  incidents     Cost of the day\n"
        "  price book    2026-11-20.aa\n"
        "  schema        3\n"
        "  waits to land 2.5 MB, the oldest for 2 min\n"
        "  disk          3.0 GB used, 999 bytes free\n"
        "  in the spool  3 calls"
    )
    assert json.loads(as_json(status))["cost_today_usd"] == "12.5"
