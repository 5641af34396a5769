"""What applications could not deliver before they ended is picked up from their spool, once."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from claude_telemetry.settings import Address
from claude_telemetry.spool import Outgoing, Signal, Spool, spooled, target_of
from claude_telemetry_collector.receive import Limits, PickUp
from tests.support.receiving import Receiving, export_of, receiving
from tests.support.waiting import wait_until


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiving]:
    with receiving(tmp_path / "segments", Limits(max_body_bytes=100_000)) as receiver:
        yield receiver


def leave(folder: Path, url: str, *bodies: bytes, signal: Signal = "traces") -> None:
    """What a process that ended has left in the spool."""
    spool = Spool(folder, most_bytes=1 << 30)
    for number, body in enumerate(bodies, 1):
        kept = Outgoing(signal=signal, calls=1, number=number, target=target_of(url), body=gzip.compress(body))
        spool.keep(kept)
    spool.close()


def picking_up(folder: Path, receiver: Receiving) -> PickUp:
    return PickUp(folder, Address("127.0.0.1", receiver.port), receiver.intake)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_was_left_for_this_collector_is_received_once_and_in_order(
    tmp_path: Path, receiver: Receiving, host: str
) -> None:
    leave(tmp_path / "spool", f"http://{host}:{receiver.port}/v1/traces", export_of(1), export_of(2))
    leave(tmp_path / "spool", f"http://{host}:{receiver.port}/v1/traces", export_of(3))
    pick_up = picking_up(tmp_path / "spool", receiver)
    assert pick_up.pick_up() == 3
    assert b"".join(frame.body for frame in receiver.kept()) == export_of(1) + export_of(2) + export_of(3)
    assert pick_up.pick_up() == 0
    assert list((tmp_path / "spool").iterdir()) == []


def test_usage_records_are_picked_up_as_logs(tmp_path: Path, receiver: Receiving) -> None:
    scope_logs = [ScopeLogs(log_records=[LogRecord(time_unix_nano=1)])]
    body = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=scope_logs)]).SerializeToString()
    leave(tmp_path / "spool", f"http://127.0.0.1:{receiver.port}/v1/logs", body, signal="logs")
    assert picking_up(tmp_path / "spool", receiver).pick_up() == 1
    assert [(frame.signal, frame.body) for frame in receiver.kept()] == [("logs", body)]


def test_what_was_to_go_elsewhere_is_left_alone(tmp_path: Path, receiver: Receiving) -> None:
    leave(tmp_path / "spool", f"http://127.0.0.1:{receiver.port + 1}/v1/traces", export_of(1))
    leave(tmp_path / "spool", f"https://127.0.0.1:{receiver.port}/v1/traces", export_of(2))
    leave(tmp_path / "spool", f"http://vendor.example:{receiver.port}/v1/traces", export_of(3))
    assert picking_up(tmp_path / "spool", receiver).pick_up() == 0
    assert receiver.kept() == []
    assert spooled(tmp_path / "spool").calls == 3


def test_what_the_receiver_puts_off_stays_in_the_spool(tmp_path: Path) -> None:
    with receiving(tmp_path / "segments", Limits(max_body_bytes=100_000), backlog_bytes=-1) as full:
        leave(tmp_path / "spool", f"http://127.0.0.1:{full.port}/v1/traces", export_of(1))
        assert picking_up(tmp_path / "spool", full).pick_up() == 0
        assert full.kept() == []
        assert spooled(tmp_path / "spool").calls == 1


def test_one_body_that_cannot_be_received_goes_counted_and_does_not_cost_the_others(
    tmp_path: Path, receiver: Receiving
) -> None:
    leave(tmp_path / "spool", f"http://127.0.0.1:{receiver.port}/v1/traces", export_of(1), b"garbage", export_of(2))
    assert picking_up(tmp_path / "spool", receiver).pick_up() == 2
    assert [frame.body for frame in receiver.kept()] == [export_of(1), export_of(2)]
    assert (spooled(tmp_path / "spool").calls, spooled(tmp_path / "spool").dropped) == (0, 1)


def test_a_thread_of_its_own_looks_until_it_is_stopped(tmp_path: Path, receiver: Receiving) -> None:
    leave(tmp_path / "spool", f"http://127.0.0.1:{receiver.port}/v1/traces", export_of(1))
    pick_up = picking_up(tmp_path / "spool", receiver)
    pick_up.start()
    wait_until(lambda: len(receiver.kept()) == 1, "it is picked up")
    pick_up.stop()
    assert spooled(tmp_path / "spool").calls == 0
