"""OTLP over gRPC: the same intake, told in gRPC's words."""

from __future__ import annotations

import errno
import gzip
import importlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # its stubs come without py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics

from claude_telemetry_collector.receive import Limits
from claude_telemetry_collector.tokens import add_token, tokens_path
from tests.support.receiving import SEVERAL_S, Receiving, ask, export_of, receiving

pytest.importorskip("grpc", reason="the extra `grpc` is not installed")
grpc: Any = importlib.import_module("grpc")

MIB = 1024 * 1024
LIMITS = Limits(max_body_bytes=2 * MIB)
TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    with receiving(tmp_path_factory.mktemp("segments"), LIMITS, grpc=True) as started:
        yield started


@pytest.fixture
def receiver(running: Receiving) -> Receiving:
    return running.from_now_on()


def export(
    receiver: Receiving,
    body: bytes,
    *,
    service: str = TRACES,
    metadata: Sequence[tuple[str, str]] = (),
    compression: Any = None,
) -> bytes:
    """What is answered. Raises `grpc.RpcError`."""
    with grpc.insecure_channel(f"127.0.0.1:{receiver.rpc_port}") as channel:
        answer: bytes = channel.unary_unary(f"/{service}/Export")(
            body, metadata=metadata, compression=compression, timeout=SEVERAL_S
        )
        return answer


def refusal_of(receiver: Receiving, body: bytes, **more: Any) -> tuple[str, str, int | None]:
    """Code, sentence, and the seconds after which to come back."""
    with pytest.raises(grpc.RpcError) as refused:
        export(receiver, body, **more)
    error: Any = refused.value
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    status = Status.FromString(details)
    assert not details or (status.code, status.message) == (error.code().value[0], error.details())
    retry = RetryInfo()
    after = retry.retry_delay.seconds if status.details and status.details[0].Unpack(retry) else None
    return error.code().name, error.details(), after


def test_all_signals_are_kept(receiver: Receiving) -> None:
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord()])])])
    metrics = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[Metric(name="m")])])]
    )
    sent = {
        "trace.v1.TraceService": export_of(1),
        "logs.v1.LogsService": logs.SerializeToString(),
        "metrics.v1.MetricsService": metrics.SerializeToString(),
    }
    for service, body in sent.items():
        assert export(receiver, body, service=f"opentelemetry.proto.collector.{service}") == b""

    kept = [(frame.signal, frame.encoding, frame.body) for frame in receiver.kept()]
    assert kept == [
        (signal, "protobuf", body) for signal, body in zip(("traces", "logs", "metrics"), sent.values(), strict=True)
    ]


def test_a_compressed_message_is_kept_inflated(receiver: Receiving) -> None:
    export(receiver, export_of(*range(1, 500)), compression=grpc.Compression.Gzip)
    assert [frame.body for frame in receiver.kept()] == [export_of(*range(1, 500))]


def test_what_is_not_kept_of_a_good_message_is_told(receiver: Receiving) -> None:
    told = ExportTraceServiceResponse.FromString(export(receiver, export_of(1) + export_of(0))).partial_success
    assert (told.rejected_spans, told.error_message[:29]) == (1, "of 2 spans 1 were not kept: 1")
    (frame,) = receiver.kept()
    assert frame.body == export_of(1) + b"\x0a\x02\x12\x00"  # of the other span, its resource and scope are left


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        (b"", "INVALID_ARGUMENT", "the body is empty"),
        (b"hello, is this the collector?", "INVALID_ARGUMENT", "not a protobuf OTLP export request"),
        (b"\x1f\x8b what is this", "INVALID_ARGUMENT", "not gzip"),
        (gzip.compress(bytes(64 * MIB)), "RESOURCE_EXHAUSTED", "larger than 2,097,152 bytes"),
        (bytes(3 * MIB), "RESOURCE_EXHAUSTED", "larger than max"),
    ],
    ids=["empty", "not protobuf", "not gzip", "gzip bomb", "too large"],
)
def test_bad_input_gets_a_code_and_a_sentence_and_is_not_to_come_back(
    receiver: Receiving, body: bytes, code: str, part: str
) -> None:
    found, sentence, after = refusal_of(receiver, body)
    assert (found, part in sentence, after) == (code, True, None), sentence
    assert export(receiver, export_of(1)) == b""
    assert len(receiver.kept()) == 1


def test_a_service_that_there_is_not_is_unimplemented(receiver: Receiving) -> None:
    assert refusal_of(receiver, export_of(1), service="some.Other")[0] == "UNIMPLEMENTED"


def test_a_token_is_needed_where_it_is_over_http(tmp_path: Path) -> None:
    text = add_token(tokens_path(tmp_path), "ci", requests_per_second=0.01)
    with receiving(tmp_path / "segments", LIMITS, tokens=tokens_path(tmp_path), grpc=True) as guarded:
        assert refusal_of(guarded, export_of(1))[0] == "UNAUTHENTICATED"
        token = [("authorization", f"Bearer {text}")]
        assert export(guarded, export_of(1), metadata=token) == b""
        code, sentence, after = refusal_of(guarded, export_of(1), metadata=token)
        assert (code, "0.01 requests per second" in sentence) == ("RESOURCE_EXHAUSTED", True)
        assert after is not None
        assert 90 <= after <= 100
        told = ask(guarded.port, "GET", "/metrics", headers={"authorization": f"Bearer {text}"}).body.decode()
    assert 'accepted_requests_total{signal="traces",source="ci",transport="grpc"} 1\n' in told
    assert 'refused_requests_total{reason="unauthorized",transport="grpc"} 1\n' in told


def test_a_backlog_says_when_to_come_back(tmp_path: Path) -> None:
    with receiving(tmp_path, LIMITS, backlog_bytes=-1, grpc=True) as full:
        assert refusal_of(full, export_of(1)) == (
            "RESOURCE_EXHAUSTED",
            "the collector is behind with landing what it has received; send it again later",
            5,
        )


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_fails_says_when_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with receiving(tmp_path, LIMITS, grpc=True) as receiver:
        with monkeypatch.context() as disk:
            disk.setattr(os, call, fails)
            code, sentence, after = refusal_of(receiver, export_of(1))
        assert (code, sentence, after) == (
            "UNAVAILABLE",
            "the collector cannot write to its disk; send it again later",
            5,
        )
        assert export(receiver, export_of(2)) == b""


def test_an_answer_waits_until_the_disk_has_the_message_and_so_does_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fdatasync = os.fdatasync
    syncing, go_on = threading.Event(), threading.Event()

    def slow_disk(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(SEVERAL_S)
        fdatasync(descriptor)

    answers: list[bytes] = []
    with receiving(tmp_path, LIMITS, grpc=True) as receiver:
        monkeypatch.setattr(os, "fdatasync", slow_disk)
        thread = threading.Thread(target=lambda: answers.append(export(receiver, export_of(1))))
        thread.start()
        assert syncing.wait(SEVERAL_S)
        assert answers == []
        receiver.server.stop()
        go_on.set()
        thread.join(SEVERAL_S)
    assert answers == [b""]
