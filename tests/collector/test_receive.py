"""What is acknowledged is valid and on disk; everything else gets a status and a sentence, and costs nobody else."""

from __future__ import annotations

import errno
import gzip
import http.client
import json
import logging
import os
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # its stubs come without py.typed
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

from claude_telemetry_collector.receive import Limits
from claude_telemetry_collector.segments import SegmentReader
from tests.support.receiving import (
    JSON,
    PROTOBUF,
    SEVERAL_S,
    Answer,
    Receiving,
    ask,
    ask_on,
    export_of,
    raw,
    receiving,
)
from tests.support.waiting import wait_until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
LIMITS = Limits(max_body_bytes=2 * MIB, idle_s=5, whole_s=10)
TRACES_JSON = (
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "chat", '
    b'"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "B7AD6B7169203331"}]}]}]}'
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    with receiving(tmp_path_factory.mktemp("segments"), LIMITS) as started:
        yield started


@pytest.fixture
def receiver(running: Receiving) -> Receiving:
    """The receiver that these tests share. `kept` tells what it has kept since this test began."""
    return running.from_now_on()


def sentence_of(answer: Answer) -> str:
    """What an error answer says, from the encoding that it says it is in."""
    if answer.headers["content-type"] == "application/x-protobuf":
        message: str = Status.FromString(answer.body).message
        return message
    told: dict[str, str] = json.loads(answer.body)
    return told["message"]


def test_a_protobuf_request_is_kept_and_answered_in_protobuf(receiver: Receiving) -> None:
    answer = receiver.post("/v1/traces", export_of(1), PROTOBUF)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(answer.body) == ExportTraceServiceResponse()
    (frame,) = receiver.kept()
    assert (frame.signal, frame.encoding, frame.body) == ("traces", "protobuf", export_of(1))


def test_a_json_request_is_kept_and_answered_in_json(receiver: Receiving) -> None:
    answer = receiver.post("/v1/traces", TRACES_JSON, {"content-type": "application/json; charset=utf-8"})

    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", b"{}")
    (frame,) = receiver.kept()
    assert (frame.signal, frame.encoding, frame.body) == ("traces", "json", TRACES_JSON)


def test_logs_and_metrics_are_received_too(receiver: Receiving) -> None:
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs()]).SerializeToString()
    metrics = ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics()]).SerializeToString()

    assert receiver.post("/v1/logs", logs, PROTOBUF).status == 200
    assert receiver.post("/v1/metrics", metrics, PROTOBUF).status == 200
    assert receiver.post("/v1/logs", b'{"resourceLogs": []}', JSON).status == 200
    assert [frame.signal for frame in receiver.kept()] == ["logs", "metrics", "logs"]


@pytest.mark.parametrize(
    "path", ["/api/public/otel/v1/traces", "/v1/traces/", "/some/prefix/v1/traces", "//v1/traces", "/v1/v1/traces?x=1"]
)
def test_the_paths_of_other_exporters_are_understood(receiver: Receiving, path: str) -> None:
    langfuse = {**PROTOBUF, "authorization": "Basic cGstbGYtMTpzay1sZi0x", "x-langfuse-ingestion-version": "4"}
    assert receiver.post(path, export_of(1), langfuse).status == 200
    assert [frame.signal for frame in receiver.kept()] == ["traces"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (export_of(1) + export_of(0), PROTOBUF),
        (TRACES_JSON.replace(b'[{"name"', b'[{"spanId": ""}, {"name"'), JSON),
    ],
    ids=["protobuf", "json"],
)
def test_what_is_not_kept_of_a_good_body_is_told(receiver: Receiving, body: bytes, headers: dict[str, str]) -> None:
    answer = receiver.post("/v1/traces", body, headers)

    assert answer.status == 200
    if headers == JSON:
        told = ParseDict(json.loads(answer.body), ExportTraceServiceResponse())
    else:
        told = ExportTraceServiceResponse.FromString(answer.body)
    assert told.partial_success.rejected_spans == 1
    assert told.partial_success.error_message == (
        "of 2 spans 1 were not kept: 1 without a trace id and a span id that can be used"
    )
    (frame,) = receiver.kept()
    assert len(frame.body) < len(body)


def test_a_body_of_which_nothing_is_kept_leaves_nothing_on_disk(receiver: Receiving) -> None:
    answer = receiver.post("/v1/traces", export_of(0), PROTOBUF)
    assert ExportTraceServiceResponse.FromString(answer.body).partial_success.rejected_spans == 1
    assert receiver.kept() == []


def test_the_receiver_tells_about_itself(tmp_path: Path) -> None:
    with receiving(tmp_path, LIMITS, backlog_bytes=123_456_789) as receiver:
        body = export_of(1, 2, 0)
        assert receiver.post("/v1/traces", gzip.compress(body), GZIP).status == 200
        assert receiver.post("/v1/traces", b"??", PROTOBUF).status == 400
        assert receiver.post("/v1/spans", b"", PROTOBUF).status == 404
        wait_until(lambda: receiver.intake.measures.in_flight == 0)
        answer = ask(receiver.port, "GET", "/metrics")
        kept = len(receiver.kept()[0].body)

    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    lines = answer.body.decode().splitlines()
    assert lines[-1] == "# EOF"
    samples = dict(line.removeprefix("claude_telemetry_receiver_").rsplit(" ", 1) for line in lines if line[0] != "#")
    assert {name: samples[name] for name in samples if not name.startswith(("commit_seconds", "disk_free"))} == {
        'accepted_requests_total{signal="traces",source="",transport="http"}': "1",
        'refused_requests_total{reason="invalid",transport="http"}': "1",
        'refused_requests_total{reason="path",transport="http"}': "1",
        'accepted_items_total{signal="traces"}': "2",
        'rejected_items_total{reason="without a trace id and a span id that can be used",signal="traces"}': "1",
        "received_bytes_total": str(len(gzip.compress(body)) + 2),
        "committed_bytes_total": str(kept),
        "in_flight_requests": "1",
        "backlog_bytes": str(kept + 32),
        "backlog_limit_bytes": "123456789",
        "landing_lag_seconds": samples["landing_lag_seconds"],
        "syncs_total": "1",
        "writing": "1",
        "connections": samples["connections"],
        "connections_limit": samples["connections_limit"],
        "connections_slow_total": "0",
        "connections_displaced_total": "0",
        "connections_refused_total": "0",
    }
    assert 0 < float(samples["landing_lag_seconds"]) < SEVERAL_S
    buckets = [int(samples[name]) for name in samples if name.startswith("commit_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert (buckets[-1], samples["commit_seconds_count"]) == (1, "1")
    assert 0 < float(samples["commit_seconds_sum"]) < SEVERAL_S
    described = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert all(any(name in described for name in _family_names(line)) for line in lines if line[0] != "#")


def _family_names(sample: str) -> list[str]:
    name = sample.partition(" ")[0].partition("{")[0]
    return [name, *(name.removesuffix(suffix) for suffix in ("_total", "_bucket", "_count", "_sum"))]


def _in_two_frames(body: bytes) -> bytes:
    return zstd.compress(body[:9]) + zstd.compress(body[9:])


def _in_two_members(body: bytes) -> bytes:
    return gzip.compress(body[:9]) + gzip.compress(body[9:])


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("gzip", _in_two_members),
        ("zstd", zstd.compress),
        ("zstd", _in_two_frames),
    ],
    ids=["gzip", "upper-case", "deflate", "identity", "gzip in two members", "zstd", "zstd in two frames"],
)
def test_a_compressed_body_is_kept_inflated(
    receiver: Receiving, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    body = export_of(*range(1, 2000))

    assert receiver.post("/v1/traces", compress(body), {**PROTOBUF, "content-encoding": coding}).status == 200
    assert [frame.body for frame in receiver.kept()] == [body]


def test_a_chunked_body_is_kept_whole(receiver: Receiving) -> None:
    body = export_of(*range(1, 100))
    pieces = (body[at : at + 100] for at in range(0, len(body), 100))
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=SEVERAL_S)
    connection.request("POST", "/v1/traces", body=pieces, headers=PROTOBUF, encode_chunked=True)

    assert connection.getresponse().status == 200
    assert [frame.body for frame in receiver.kept()] == [body]
    connection.close()


GZIP = {**PROTOBUF, "content-encoding": "gzip"}
DEFLATE = {**PROTOBUF, "content-encoding": "deflate"}


def _needing_128_mib(body: bytes) -> bytes:
    compress = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return compress.compress(body) + compress.flush()


ZSTD = {**PROTOBUF, "content-encoding": "zstd"}
BROTLI = {**PROTOBUF, "content-encoding": "br"}
TWICE = {**PROTOBUF, "content-encoding": "gzip, gzip"}
SPANS = "/v1/traces"
TOO_LARGE = "larger than 2,097,152 bytes"
NO_TRACES = "not a protobuf OTLP export request with traces"
NO_JSON = "not JSON in UTF-8"
BAD: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "empty body": (SPANS, b"", PROTOBUF, 400, "the body is empty"),
    "empty body once inflated": (SPANS, gzip.compress(b""), GZIP, 400, "the body is empty"),
    "not protobuf": (SPANS, b"hello, is this the collector?", PROTOBUF, 400, NO_TRACES),
    "JSON that says it is protobuf": (SPANS, TRACES_JSON, PROTOBUF, 400, NO_TRACES),
    "truncated protobuf": (SPANS, export_of(1, 2)[:-3], PROTOBUF, 400, NO_TRACES),
    "protobuf of something else": (SPANS, b"\x12\x02hi", PROTOBUF, 400, "holds no traces"),
    "not JSON": (SPANS, b"<html>", JSON, 400, NO_JSON),
    "JSON that is not UTF-8": (SPANS, '{"resourceSpans": []}'.encode("utf-16"), JSON, 400, NO_JSON),
    "JSON with NaN": (SPANS, b'{"resourceSpans": [], "x": NaN}', JSON, 400, NO_JSON),
    "JSON without bottom": (SPANS, b"[" * 200_000, JSON, 400, NO_JSON),
    "a JSON list": (SPANS, b"[]", JSON, 400, 'not an object with "resourceSpans"'),
    "JSON of another signal": (SPANS, b'{"resourceLogs": []}', JSON, 400, 'not an object with "resourceSpans"'),
    "JSON of another shape": (
        SPANS,
        b'{"resourceSpans": [{"scopeSpans": [7]}]}',
        JSON,
        400,
        '"scopeSpans" is not a list',
    ),
    "truncated gzip": (SPANS, gzip.compress(export_of(1))[:-9], GZIP, 400, "stops before its end"),
    "not gzip": (SPANS, export_of(1), GZIP, 400, "the body is not gzip"),
    "rubbish after gzip": (SPANS, gzip.compress(export_of(1)) + b"??", GZIP, 400, "the body is not gzip"),
    "a thousand gzip files": (SPANS, gzip.compress(b"") * 1000, GZIP, 400, "goes on after the end"),
    "rubbish after deflate": (SPANS, zlib.compress(export_of(1)) * 2, DEFLATE, 400, "goes on after the end"),
    "not zstd": (SPANS, export_of(1), ZSTD, 400, "the body is not zstd"),
    "truncated zstd": (SPANS, zstd.compress(export_of(1))[:-3], ZSTD, 400, "stops before its end"),
    "zstd that needs much memory": (SPANS, _needing_128_mib(export_of(1)), ZSTD, 400, "the body is not zstd"),
    "zstd bomb": (SPANS, zstd.compress(bytes(64 * MIB)), ZSTD, 413, TOO_LARGE),
    "gzip bomb": (SPANS, gzip.compress(bytes(64 * MIB)), GZIP, 413, TOO_LARGE),
    "64 MB body": (SPANS, bytes(64 * MIB), PROTOBUF, 413, TOO_LARGE),
    "a body that is a little too large": (SPANS, bytes(2 * MIB + 1), PROTOBUF, 413, "send smaller batches"),
    "wrong content type": (SPANS, export_of(1), {"content-type": "text/plain"}, 415, "application/x-protobuf"),
    "no content type": (SPANS, export_of(1), {}, 415, "application/json"),
    "unknown encoding": (SPANS, export_of(1), BROTLI, 415, "gzip, zstd, deflate or none"),
    "two encodings": (SPANS, export_of(1), TWICE, 415, "gzip, zstd, deflate or none"),
    "unknown path": ("/v1/spans", export_of(1), PROTOBUF, 404, "/v1/traces"),
    "path of no signal": ("/v1/traces/more", export_of(1), PROTOBUF, 404, "/v1/traces"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_sentence_and_the_connection_goes_on(receiver: Receiving, case: str) -> None:
    path, body, headers, status, part = BAD[case]
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=SEVERAL_S)

    answer = ask_on(connection, "POST", path, body, headers)
    assert (answer.status, part in sentence_of(answer)) == (status, True), sentence_of(answer)
    assert ask_on(connection, "POST", "/v1/traces", export_of(7), PROTOBUF).status == 200

    connection.close()
    assert [frame.body for frame in receiver.kept()] == [export_of(7)]


def test_a_refusal_is_in_the_encoding_of_its_request(receiver: Receiving) -> None:
    protobuf, as_json = receiver.post("/v1/traces", b"??", PROTOBUF), receiver.post("/v1/traces", b"??", JSON)

    assert protobuf.headers["content-type"] == "application/x-protobuf"
    status = Status.FromString(protobuf.body)
    assert (status.code, status.message) == (3, "the body is not a protobuf OTLP export request with traces")
    assert as_json.headers["content-type"] == "application/json"
    assert json.loads(as_json.body) == {"code": 3, "message": "the body is not JSON in UTF-8"}


def test_a_body_that_grows_many_times_its_size_is_refused(tmp_path: Path) -> None:
    with receiving(tmp_path, Limits(max_body_bytes=64 * MIB)) as receiver:
        bomb, dense = gzip.compress(bytes(16 * MIB)), gzip.compress(bytes(3 * MIB))
        assert len(bomb) * 500 < 16 * MIB
        answer = receiver.post("/v1/traces", bomb, GZIP)
        assert (answer.status, "more than 500 times its size" in sentence_of(answer)) == (413, True)
        assert NO_TRACES in sentence_of(receiver.post("/v1/traces", dense, GZIP))


def test_a_body_that_grows_beyond_the_limit_without_having_said_so_is_refused(receiver: Receiving) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=SEVERAL_S)
    connection.request("POST", "/v1/traces", (bytes(MIB) for _ in range(4)), PROTOBUF, encode_chunked=True)
    response = connection.getresponse()
    response.read()

    assert response.status == 413
    assert ask_on(connection, "POST", "/v1/traces", export_of(7), PROTOBUF).status == 200
    connection.close()


def test_a_sender_that_goes_on_forever_is_cut_off(tmp_path: Path) -> None:
    limits = Limits(max_body_bytes=MIB, discard_bytes=4 * MIB)
    with receiving(tmp_path, limits) as receiver, raw(receiver.port) as connection:
        connection.sendall(b"POST /v1/spans HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
        with pytest.raises(ConnectionError):
            connection.sendall(chunk * 64)

        assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200


def test_who_asks_before_sending_too_much_is_told_without_sending_it(receiver: Receiving) -> None:
    with raw(receiver.port) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


def test_who_asks_before_sending_is_told_to_go_on(receiver: Receiving) -> None:
    body = export_of(1)
    with raw(receiver.port) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(body)
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    assert [frame.body for frame in receiver.kept()] == [body]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/v1/traces", "POST"), ("PUT", "/v1/logs", "POST"), ("POST", "/healthz", "GET, HEAD")],
)
def test_a_wrong_method_is_told_the_right_one(receiver: Receiving, method: str, path: str, allow: str) -> None:
    answer = ask(receiver.port, method, path)

    assert (answer.status, answer.headers["allow"]) == (405, allow)


def test_whether_it_lives_and_is_ready_can_be_asked(receiver: Receiving) -> None:
    assert (ask(receiver.port, "GET", "/healthz").status, ask(receiver.port, "HEAD", "/readyz").status) == (200, 200)


def test_answers_do_not_say_what_serves_them(receiver: Receiving) -> None:
    assert "server" not in receiver.post("/v1/traces", export_of(1), PROTOBUF).headers


def test_what_is_not_http_is_answered_and_harms_nobody(receiver: Receiving, caplog: pytest.LogCaptureFixture) -> None:
    for rubbish in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET \xff\xfe HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n"):
        with raw(receiver.port) as connection:
            connection.sendall(rubbish)
            assert connection.recv(65536).startswith(b"HTTP/1.1 4")

    assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200


def test_a_sender_that_dribbles_is_let_go_and_holds_up_nobody(tmp_path: Path) -> None:
    limits = Limits(max_body_bytes=MIB, idle_s=0.5, whole_s=1.0)
    with receiving(tmp_path, limits) as receiver, raw(receiver.port) as stalled, raw(receiver.port) as slow:
        head = (
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"
        )
        stalled.sendall(head + b"{")
        slow.sendall(head)
        answers: list[bytes] = []

        def dribble() -> None:
            slow.settimeout(0.1)
            while not answers:
                slow.sendall(b" ")
                try:
                    answers.append(slow.recv(65536))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=dribble)
        thread.start()
        assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200
        answers_of_stalled = stalled.recv(65536)
        thread.join(SEVERAL_S)

        assert answers_of_stalled.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in answers_of_stalled
        assert answers[0].startswith(b"HTTP/1.1 408")


def test_a_sender_that_leaves_in_the_middle_leaves_nothing_behind(receiver: Receiving) -> None:
    with raw(receiver.port) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: 500\r\n\r\n" + export_of(1)
        )

    assert receiver.post("/v1/traces", export_of(2), PROTOBUF).status == 200
    assert [frame.body for frame in receiver.kept()] == [export_of(2)]


def test_more_than_fits_into_memory_is_put_off(tmp_path: Path) -> None:
    limits = Limits(max_body_bytes=MIB, idle_s=SEVERAL_S, bodies_at_once=1)
    head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
    with receiving(tmp_path, limits) as receiver, raw(receiver.port) as holder:

        def another() -> Answer:
            return receiver.post("/v1/traces", bytes(900_000), JSON)

        assert another().status == 400
        holder.sendall(head + bytes(900_000))  # of 2 MiB of room it takes 1.8 MB, as received and as inflated
        wait_until(lambda: receiver.room.free_bytes < MIB)
        assert another().status == 503
        assert "too much is being received" in sentence_of(another())
        holder.sendall(bytes(100_000))
        assert holder.recv(65536).startswith(b"HTTP/1.1 400")
        assert another().status == 400


def test_an_answer_waits_until_the_disk_has_the_body(receiver: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    fdatasync = os.fdatasync
    syncing, go_on = threading.Event(), threading.Event()

    def slow_disk(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(SEVERAL_S)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow_disk)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(receiver.post("/v1/traces", export_of(1), PROTOBUF).status))
    thread.start()
    assert syncing.wait(SEVERAL_S)
    assert ask(receiver.port, "GET", "/healthz").status == 200  # the loop goes on meanwhile
    assert answers == []
    go_on.set()
    thread.join(SEVERAL_S)

    assert answers == [200]


def test_requests_that_arrive_during_a_sync_share_the_next(
    receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    fdatasync = os.fdatasync
    syncs: list[int] = []
    first_begun, go_on = threading.Event(), threading.Event()

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        first_begun.set()
        assert go_on.wait(SEVERAL_S)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    answers: list[int] = []

    def send(number: int) -> None:
        answers.append(receiver.post("/v1/traces", export_of(number + 1), PROTOBUF).status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(9)]
    threads[0].start()
    assert first_begun.wait(SEVERAL_S)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: receiver.commit.waiting == 8)
    go_on.set()
    for thread in threads:
        thread.join(SEVERAL_S)

    assert answers == [200] * 9
    assert len(syncs) == 2


def test_a_full_disk_puts_requests_off_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with receiving(tmp_path, LIMITS) as receiver, caplog.at_level(logging.WARNING):
        with monkeypatch.context() as disk:
            disk.setattr(os, "posix_fallocate", full)
            refused = [receiver.post("/v1/traces", export_of(1), PROTOBUF) for _ in range(3)]
            not_ready = ask(receiver.port, "GET", "/readyz")
            alive = ask(receiver.port, "GET", "/healthz")

        assert [answer.status for answer in refused] == [503] * 3
        assert refused[0].headers["retry-after"] == "5"
        assert sentence_of(refused[0]) == "the collector cannot write to its disk; send it again later"
        assert (not_ready.status, alive.status) == (503, 200)
        assert "No space left on device" in sentence_of(not_ready)
        assert len([message for message in caplog.messages if "cannot write segments" in message]) == 1

        assert ask(receiver.port, "GET", "/readyz").status == 200
        assert receiver.post("/v1/traces", export_of(2), PROTOBUF).status == 200
        assert [frame.body for frame in receiver.kept()] == [export_of(2)]


@pytest.mark.parametrize("errno_", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "fsync", "open", "posix_fallocate"])
def test_whatever_fails_on_the_disk_nothing_is_acknowledged_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, errno_: int
) -> None:
    real = getattr(os, call)
    failing = True

    def sometimes(*args: object, **kwargs: object) -> object:
        if failing and threading.current_thread().name == "commit":
            raise OSError(errno_, os.strerror(errno_))
        return real(*args, **kwargs)

    with receiving(tmp_path, LIMITS) as receiver:
        monkeypatch.setattr(os, call, sometimes)
        refused = [receiver.post("/v1/traces", export_of(number), PROTOBUF).status for number in (1, 2)]
        failing = False
        accepted = [receiver.post("/v1/traces", export_of(number), PROTOBUF).status for number in (3, 4)]
        kept = [frame.body for frame in receiver.kept()]

    assert (refused, accepted) == ([503, 503], [200, 200])
    assert kept[-2:] == [export_of(3), export_of(4)]
    assert set(kept[:-2]) <= {export_of(1), export_of(2)}  # what was written and not synced may be there all the same


def test_a_write_that_is_cut_short_goes_on_where_it_stopped(
    receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite

    def seven_bytes(descriptor: int, data: memoryview, offset: int) -> int:
        return pwrite(descriptor, data[:7], offset)

    monkeypatch.setattr(os, "pwrite", seven_bytes)
    assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200
    assert [frame.body for frame in receiver.kept()] == [export_of(1)]


def test_a_backlog_puts_requests_off_until_it_is_landed(tmp_path: Path) -> None:
    with receiving(tmp_path, LIMITS, backlog_bytes=300_000) as receiver:
        body = export_of(*range(1, 3000))
        answers = [receiver.post("/v1/traces", body, PROTOBUF) for _ in range(10)]
        accepted = sum(answer.status == 200 for answer in answers)
        answer = answers[-1]
        assert 300_000 < accepted * len(body) < 300_000 + 2 * len(body)
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        assert ask(receiver.port, "GET", "/readyz").status == 503

        reader = SegmentReader(tmp_path)
        frames = reader.frames(None, 1 << 30)
        reader.trim(frames[-1].next_position)

        wait_until(lambda: ask(receiver.port, "GET", "/readyz").status == 200)
        assert receiver.post("/v1/traces", body, PROTOBUF).status == 200
        assert len(frames) == accepted


def test_a_disk_that_is_nearly_full_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(tmp_path, LIMITS, min_free_bytes=1000) as receiver, caplog.at_level(logging.WARNING):
        usage = shutil.disk_usage(tmp_path)
        with monkeypatch.context() as disk:
            nearly_full = usage._replace(free=999)

            def usage_now(_: Path) -> object:
                return nearly_full

            disk.setattr(shutil, "disk_usage", usage_now)
            wait_until(lambda: receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 503)
            answer = receiver.post("/v1/traces", export_of(1), PROTOBUF)
            assert sentence_of(answer) == "the collector's disk is nearly full; send it again later"
            assert (answer.headers["retry-after"], ask(receiver.port, "GET", "/readyz").status) == ("5", 503)
        wait_until(lambda: receiver.post("/v1/traces", export_of(2), PROTOBUF).status == 200)
    assert caplog.messages == [
        "less than 1000 bytes are free on the disk; requests are put off",
        "at least 1000 bytes are free on the disk again",
    ]


def test_a_stop_answers_what_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fdatasync = os.fdatasync
    syncing, go_on = threading.Event(), threading.Event()

    def slow_disk(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(SEVERAL_S)
        fdatasync(descriptor)

    answers: list[int] = []
    with receiving(tmp_path, LIMITS) as receiver:
        monkeypatch.setattr(os, "fdatasync", slow_disk)
        thread = threading.Thread(
            target=lambda: answers.append(receiver.post("/v1/traces", export_of(1), PROTOBUF).status)
        )
        thread.start()
        assert syncing.wait(SEVERAL_S)
        receiver.server.stop()
        time.sleep(0.3)  # the server looks every 0.1 s whether it should stop
        go_on.set()
        thread.join(SEVERAL_S)

    assert answers == [200]
