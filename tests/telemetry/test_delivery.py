"""Ended calls are delivered in the background: bounded, patient, and never at the application's cost."""

from __future__ import annotations

import gzip
import logging
import multiprocessing
import os
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from claude_telemetry.emit.body import Body, Item
from claude_telemetry.emit.content import without_content
from claude_telemetry.emit.delivery import Delivery
from claude_telemetry.emit.encode import bodies_of
from claude_telemetry.emit.halves import halves
from claude_telemetry.emit.otlp import Compression, Endpoint
from claude_telemetry.emit.outbox import Counts
from claude_telemetry.emit.post import Answer, Post
from claude_telemetry.errors import SettingsError
from claude_telemetry.spool import Signal, Spool, spooled, target_of
from tests.support.otlp import OtlpReceiver, eventually


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


def spans(*names: str, **attributes: str) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for name in names:
        provider.get_tracer("claude_telemetry").start_span(name, attributes=attributes).end()
    return list(exporter.get_finished_spans())


def delivery_to(url: str, capacity: int = 100) -> Delivery:
    return Delivery(lambda: Endpoint(url=url + "/v1/traces"), capacity=capacity, interval_s=0.02)


def gathering(url: str) -> Delivery:
    """One that has just delivered a call, and lets what comes now gather until it is flushed."""
    delivery = Delivery(lambda: Endpoint(url=url + "/v1/traces"), capacity=100, interval_s=60)
    delivery.add(spans("first")[0])
    delivery.flush(5)
    return delivery


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_what_is_added_is_delivered_without_anybody_waiting(receiver: OtlpReceiver) -> None:
    delivery = delivery_to(receiver.url)
    for span in spans("a", "b", "c"):
        delivery.add(span)
    eventually(lambda: receiver.spans == ["a", "b", "c"])
    assert delivery.flush(5)
    assert (delivery.counts().delivered, delivery.counts().waiting) == (3, 0)
    assert delivery.stop(5)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_receiver_that_is_busy_gets_it_later_and_once(receiver: OtlpReceiver, status: int) -> None:
    receiver.fail(status, times=3, retry_after="0")
    delivery = delivery_to(receiver.url)
    for span in spans("a", "b"):
        delivery.add(span)
    eventually(lambda: receiver.spans == ["a", "b"])
    assert delivery.stop(5)


def test_calls_made_while_the_collector_is_away_arrive_when_it_is_back() -> None:
    port = free_port()
    delivery = delivery_to(f"http://127.0.0.1:{port}")
    names = [f"call {n}" for n in range(20)]
    for span in spans(*names):
        delivery.add(span)
    assert not delivery.flush(0.1)
    with OtlpReceiver(port) as receiver:
        eventually(lambda: receiver.spans == names)
        assert delivery.stop(5)
    assert delivery.counts().dropped == 0


def test_beyond_its_bound_the_oldest_go_and_are_counted() -> None:
    port = free_port()
    delivery = delivery_to(f"http://127.0.0.1:{port}", capacity=5)
    for span in spans(*(f"call {n}" for n in range(12))):
        delivery.add(span)
    with OtlpReceiver(port) as receiver:
        eventually(lambda: delivery.counts().waiting == 0)
        assert len(receiver.spans) == 5
        # One that was under way just then is kept, and goes first.
        assert receiver.spans[1:] == [f"call {n}" for n in range(8, 12)]
        assert delivery.counts().dropped == 7
        assert not delivery.stop(5)  # since seven are lost


def test_what_is_refused_for_good_is_not_sent_again_and_told_once(
    receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.fail(400, times=2)
    delivery = delivery_to(receiver.url)
    with caplog.at_level(logging.WARNING, "claude_telemetry"):
        for name in ("a", "b", "c"):
            delivery.add(spans(name)[0])
            assert delivery.flush(5) == (name == "c")
    assert receiver.spans == ["c"]
    assert (delivery.counts().refused, delivery.counts().delivered) == (2, 1)
    assert [record.message for record in caplog.records] == [
        "the receiver refused 1 calls for good: is the endpoint an OTLP receiver?"
    ]
    assert delivery.stop(5)


def test_a_redirect_is_not_followed(receiver: OtlpReceiver) -> None:
    with OtlpReceiver() as elsewhere:
        receiver.fail(307, location=elsewhere.url + "/v1/traces")
        delivery = delivery_to(receiver.url)
        delivery.add(spans("a")[0])
        assert not delivery.flush(5)
        assert elsewhere.headers == []
        assert delivery.counts().refused == 1
        assert delivery.stop(5)


def test_what_is_too_much_at_once_is_sent_in_parts(receiver: OtlpReceiver) -> None:
    delivery = gathering(receiver.url)
    receiver.fail(413, times=2)
    names = [f"call {n}" for n in range(6)]
    for span in spans(*names):
        delivery.add(span)
    assert delivery.stop(5)
    assert receiver.spans == ["first", *names]
    assert delivery.counts() == Counts(delivered=7)


def test_a_span_that_cannot_be_sent_does_not_take_others_with_it(receiver: OtlpReceiver) -> None:
    delivery = delivery_to(receiver.url)
    half_a_pair = spans("\ud800")
    for span in [*spans("a", "b"), *half_a_pair, *spans("c")]:
        delivery.add(span)
    assert not delivery.flush(5)
    assert receiver.spans == ["a", "b", "c"]
    assert (delivery.counts().delivered, delivery.counts().refused) == (3, 1)
    assert delivery.stop(5)


def test_an_answer_that_is_no_http_is_no_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        delivery = delivery_to(f"http://127.0.0.1:{port}")
        delivery.add(spans("a")[0])
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"garbage\r\n\r\n")
    with OtlpReceiver(port) as receiver:
        eventually(lambda: receiver.spans == ["a"])
        assert delivery.stop(5)


@pytest.mark.parametrize("asked", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "\u00b2", "soon"])
def test_a_time_to_wait_that_cannot_be_read_is_our_own(receiver: OtlpReceiver, asked: str) -> None:
    receiver.fail(429, retry_after=asked)
    delivery = delivery_to(receiver.url)
    delivery.add(spans("a")[0])
    assert delivery.flush(5)
    assert receiver.spans == ["a"]
    assert delivery.stop(5)


def test_calls_that_are_dropped_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    delivery = delivery_to(f"http://127.0.0.1:{free_port()}", capacity=2)
    with caplog.at_level(logging.DEBUG, "claude_telemetry"):
        for span in spans(*(f"call {n}" for n in range(6))):
            delivery.add(span)
        delivery.stop(0.1)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        (
            "WARNING",
            "more Claude calls wait to be delivered than may, and the oldest are dropped: does the collector run?",
        )
    ]


def _work(url: str) -> None:
    delivery = Delivery(lambda: Endpoint(url=url + "/v1/traces"), capacity=10, interval_s=60)
    delivery.add(spans("worker")[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_worker_process_delivers_what_it_has_before_it_leaves(receiver: OtlpReceiver) -> None:
    worker = multiprocessing.get_context("fork").Process(target=_work, args=(receiver.url,))
    worker.start()
    worker.join()
    assert receiver.spans == ["worker"]


def test_a_worker_of_celery_delivers_what_it_has_before_it_leaves(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping: list[Callable[..., None]] = []

    class Shutdown:
        def connect(self, handler: Callable[..., None], *, weak: bool) -> None:
            assert not weak  # else it would be gone at once
            stopping.append(handler)

    signals = ModuleType("celery.signals")
    monkeypatch.setattr(signals, "worker_process_shutdown", Shutdown(), raising=False)
    monkeypatch.setitem(sys.modules, "celery.signals", signals)
    delivery = gathering(receiver.url)
    delivery.add(spans("last")[0])
    (stop,) = stopping
    stop(sender=None, pid=1, exitcode=0)
    assert receiver.spans == ["first", "last"]


def test_large_calls_go_in_bodies_of_a_bounded_size(receiver: OtlpReceiver) -> None:
    delivery = gathering(receiver.url)
    for span in spans("a", "b", "c", filling="x" * 1_500_000):
        delivery.add(span)
    assert delivery.stop(15)
    assert receiver.spans == ["first", "a", "b", "c"]
    assert len(receiver.headers) == 3


def test_prompts_and_answers_are_taken_off(receiver: OtlpReceiver) -> None:
    delivery = delivery_to(receiver.url)
    attributes = {"gen_ai.input.messages": "a secret", "gen_ai.output.messages": "another", "claude.feature": "chat"}
    delivery.add(spans("a", **attributes)[0])
    assert delivery.stop(5)
    assert list(receiver.attributes[0]) == ["claude.feature"]


def test_what_a_failure_says_of_itself_is_taken_off() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.raises(ValueError, match="secret"), provider.get_tracer("app").start_as_current_span("a"):
        raise ValueError("a secret")
    (span,) = exporter.get_finished_spans()
    assert "secret" in span.to_json()
    sent = without_content(span)
    assert "secret" not in sent.to_json()
    assert sent.status.status_code is span.status.status_code


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_delivers_its_own_and_the_parent_its_own(receiver: OtlpReceiver) -> None:
    delivery = delivery_to(receiver.url)
    first, child_span, parent_span = spans("before", "child", "parent")
    delivery.add(first)
    assert delivery.flush(5)
    pid = os.fork()
    if pid == 0:
        delivery.add(child_span)
        os._exit(0 if delivery.flush(5) else 1)
    delivery.add(parent_span)
    assert os.waitpid(pid, 0)[1] == 0
    assert delivery.stop(5)
    assert sorted(receiver.spans) == ["before", "child", "parent"]


def test_many_threads_may_add(receiver: OtlpReceiver) -> None:
    delivery = delivery_to(receiver.url, capacity=10_000)
    made = spans(*(f"{n}" for n in range(800)))

    def add(part: list[ReadableSpan]) -> None:
        for span in part:
            delivery.add(span)

    threads = [threading.Thread(target=add, args=(made[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivery.stop(15)
    assert sorted(receiver.spans) == sorted(f"{n}" for n in range(800))


def spooling(url: str, folder: Path, interval_s: float = 0.02, most_bytes: int = 1 << 30) -> Delivery:
    return Delivery(
        lambda: Endpoint(url=url + "/v1/traces"),
        capacity=100,
        interval_s=interval_s,
        spool=lambda: Spool(folder, most_bytes=most_bytes),
    )


def test_at_the_first_failed_try_calls_go_to_disk_and_are_delivered_from_there_in_order(tmp_path: Path) -> None:
    port = free_port()
    delivery = spooling(f"http://127.0.0.1:{port}", tmp_path / "spool")
    names = [f"call {n}" for n in range(10)]
    for span in spans(*names[:5]):
        delivery.add(span)
    eventually(lambda: spooled(tmp_path / "spool").calls == 5)
    for span in spans(*names[5:]):
        delivery.add(span)
    assert not delivery.flush(0.1)  # on disk is not delivered
    eventually(lambda: delivery.counts() == Counts(spooled=10))
    with OtlpReceiver(port) as receiver:
        assert delivery.flush(15)
        assert receiver.spans == names
        assert delivery.counts() == Counts(delivered=10)
        assert delivery.stop(5)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_receiver_that_answers_nothing_keeps_no_call_off_the_disk(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        delivery = spooling(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path / "spool")
        delivery.add(spans("a")[0])
        eventually(lambda: spooled(tmp_path / "spool").calls == 1)
        delivery.add(spans("b")[0])
        eventually(lambda: spooled(tmp_path / "spool").calls == 2)
        assert not delivery.stop(0.1)
    assert spooled(tmp_path / "spool").calls == 2


def test_what_was_on_its_way_when_it_went_to_disk_does_not_come_twice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        delivery = spooling(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path / "spool")
        delivery.add(spans("a")[0])
        connection, _ = listener.accept()
        eventually(lambda: spooled(tmp_path / "spool").calls == 1)
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        assert delivery.flush(5)
    assert delivery.counts() == Counts(delivered=1)
    assert delivery.stop(5)
    assert spooled(tmp_path / "spool").calls == 0


def test_leaving_does_not_wait_for_a_collector_that_is_away_once_everything_is_on_disk(tmp_path: Path) -> None:
    delivery = spooling(f"http://127.0.0.1:{free_port()}", tmp_path / "spool", interval_s=60)
    for span in spans("a", "b"):
        delivery.add(span)
    assert not delivery.stop(3600)
    assert spooled(tmp_path / "spool").calls == 2


def test_the_next_process_delivers_what_the_one_before_could_not(tmp_path: Path, receiver: OtlpReceiver) -> None:
    receiver.fail(503)
    before = spooling(receiver.url, tmp_path / "spool", interval_s=60)
    before.add(spans("old")[0])
    assert not before.stop(3600)
    after = spooling(receiver.url, tmp_path / "spool", interval_s=60)
    after.add(spans("new")[0])
    assert after.stop(15)
    assert sorted(receiver.spans) == ["new", "old"]
    assert after.counts() == Counts(delivered=1)  # its own
    assert list((tmp_path / "spool").iterdir()) == []


def test_who_is_refused_takes_nothing_over(tmp_path: Path, receiver: OtlpReceiver) -> None:
    receiver.fail(503)
    before = spooling(receiver.url, tmp_path / "spool", interval_s=60)
    before.add(spans("old")[0])
    assert not before.stop(3600)
    receiver.fail(401)
    after = spooling(receiver.url, tmp_path / "spool", interval_s=60)
    after.add(spans("new")[0])
    assert not after.flush(15)
    assert after.counts() == Counts(refused=1)
    assert after.stop(5)
    assert spooled(tmp_path / "spool").calls == 1


def test_one_body_of_several_that_is_refused_does_not_cost_the_others(tmp_path: Path, receiver: OtlpReceiver) -> None:
    port = free_port()
    delivery = spooling(f"http://127.0.0.1:{port}", tmp_path / "spool", interval_s=60)
    for name in ("a", "b", "c"):
        delivery.add(spans(name)[0])
        assert not delivery.flush(0.01)
        eventually(lambda: delivery.counts().waiting == 0)
    with OtlpReceiver(port) as receiver:
        receiver.fail(400, times=2)  # all of them together, and then the first
        assert not delivery.flush(15)
        assert receiver.spans == ["b", "c"]
        assert delivery.counts() == Counts(delivered=2, refused=1)
        assert delivery.stop(5)
    assert spooled(tmp_path / "spool").dropped == 1


def test_what_goes_from_a_full_spool_is_counted_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    delivery = spooling(f"http://127.0.0.1:{free_port()}", tmp_path / "spool", most_bytes=8000)
    with caplog.at_level(logging.WARNING, "claude_telemetry"):
        for span in spans(*(f"call {n}" for n in range(60)), filling=os.urandom(200).hex()):
            delivery.add(span)
        assert not delivery.stop(5)
    counts = delivery.counts()
    assert counts.dropped > 0
    assert counts.spooled > 0
    assert counts == Counts(spooled=60 - counts.dropped, dropped=counts.dropped)
    assert (spooled(tmp_path / "spool").calls, spooled(tmp_path / "spool").dropped) == (counts.spooled, counts.dropped)
    assert [record.message for record in caplog.records] == [
        "more Claude calls wait to be delivered than may, and the oldest are dropped: does the collector run?"
    ]


def test_where_nothing_can_be_written_calls_wait_in_memory_and_that_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").write_text("a file is in the way")
    port = free_port()
    delivery = spooling(f"http://127.0.0.1:{port}", tmp_path / "spool")
    with caplog.at_level(logging.WARNING, "claude_telemetry"):
        for span in spans("a", "b"):
            delivery.add(span)
            assert not delivery.flush(0.05)
    eventually(lambda: delivery.counts() == Counts(waiting=2))
    (record,) = caplog.records
    assert record.message.startswith(f"Claude calls cannot wait on disk in {tmp_path / 'spool'} (File exists): ")
    with OtlpReceiver(port) as receiver:
        assert delivery.flush(15)
        assert receiver.spans == ["a", "b"]
        assert delivery.stop(5)


def test_calls_that_end_after_the_end_are_counted_as_dropped(receiver: OtlpReceiver) -> None:
    delivery = delivery_to(receiver.url)
    delivery.add(spans("a")[0])
    assert delivery.stop(5)
    delivery.add(spans("b")[0])
    assert delivery.counts() == Counts(delivered=1, dropped=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_while_the_parent_encodes_can_encode(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, encoding = threading.Lock(), threading.Event()

    def encode(items: Sequence[Item]) -> list[Body]:
        with lock:  # such as that of the prices
            encoding.set()
            time.sleep(0.2)
            return bodies_of(items)

    monkeypatch.setattr("claude_telemetry.emit.encode.bodies_of", encode)
    delivery = delivery_to(receiver.url)
    parent_span, child_span = spans("parent", "child")
    delivery.add(parent_span)
    assert encoding.wait(15)
    pid = os.fork()
    if pid == 0:
        delivery.add(child_span)
        os._exit(0 if delivery.flush(5) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert delivery.stop(5)
    assert sorted(receiver.spans) == ["child", "parent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_hold_what_its_parent_left(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    parent = spooling(url, tmp_path / "spool")
    parent.add(spans("parent")[0])
    eventually(lambda: spooled(tmp_path / "spool").calls == 1)
    resting, waking = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(waking)
        os.read(resting, 1)
        os._exit(0)
    try:
        assert not parent.stop(5)
        heir = Spool(tmp_path / "spool")
        eventually(lambda: heir.take_over([target_of(url + "/v1/traces")]) == 1)
        heir.close()
    finally:
        os.close(waking)
        os.close(resting)
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("compression", "plain"),
    [("gzip", gzip.decompress), ("deflate", zlib.decompress), ("none", bytes)],
)
def test_bodies_are_compressed_as_is_asked_for(compression: Compression, plain: Callable[[bytes], bytes]) -> None:
    with Listening() as listening:
        endpoint = Endpoint(url=listening.url + "/v1/traces", headers={"key": "x"}, compression=compression)
        assert Post().deliver(endpoint, "traces", gzip.compress(b"a body")) == Answer(outcome="delivered")
    assert plain(listening.body) == b"a body"
    assert listening.headers.get("content-encoding", "none") == compression
    assert (listening.headers["key"], listening.headers["content-type"]) == ("x", "application/x-protobuf")


@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_each_signal_goes_to_its_own_place_and_calls_that_were_not_taken_are_told(signal: Signal) -> None:
    answers: dict[Signal, Message] = {
        "traces": ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=2)),
        "logs": ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=2)),
    }
    with Listening(answers[signal].SerializeToString()) as listening:
        endpoint = Endpoint(url=listening.url + "/v1/traces")
        answer = Post().deliver(endpoint.of(signal), signal, gzip.compress(b""))
    assert answer == Answer(outcome="delivered", rejected=2)
    assert listening.path == f"/v1/{signal}"


def test_calls_that_the_receiver_says_it_did_not_take_are_no_delivered_ones() -> None:
    said = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=2))
    with Listening(said.SerializeToString()) as listening:
        delivery = gathering(listening.url)
        for span in spans("a", "b", "c"):
            delivery.add(span)
        assert not delivery.flush(5)
        # Of the first, which went alone, no more than one can have been refused.
        assert delivery.counts() == Counts(delivered=1, refused=3)
        assert delivery.stop(5)


def test_an_answer_that_is_no_otlp_says_nothing() -> None:
    with Listening(b"<html>thank you</html>") as listening:
        endpoint = Endpoint(url=listening.url + "/v1/traces")
        assert Post().deliver(endpoint, "traces", gzip.compress(b"")) == Answer(outcome="delivered")


class Listening:
    """Answers every request with 200 and `answer`, and keeps what the last one was."""

    def __init__(self, answer: bytes = b"") -> None:
        listening = self
        self.path = ""
        self.headers: dict[str, str] = {}
        self.body = b""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listening.path = self.path
                listening.headers = {name.lower(): value for name, value in self.headers.items()}
                listening.body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def test_a_setting_that_keeps_calls_from_being_sent_costs_none(receiver: OtlpReceiver) -> None:
    url = receiver.url.replace("http:", "https:") + "/v1/traces"
    delivery = Delivery(lambda: Endpoint(url=url, certificate="/nowhere.pem"), capacity=100, interval_s=0.02)
    delivery.add(spans("a")[0])
    assert not delivery.flush(0.1)
    eventually(lambda: delivery.counts() == Counts(waiting=1))
    delivery.settle(lambda: Endpoint(url=receiver.url + "/v1/traces"), capacity=100, interval_s=0.02)
    assert delivery.flush(15)
    assert receiver.spans == ["a"]
    assert delivery.stop(5)


def test_a_request_is_halved_with_what_its_calls_belong_to() -> None:
    body = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(schema_url="one", scope_spans=[ScopeSpans(spans=[Span(name="a"), Span(name="b")])]),
            ResourceSpans(schema_url="two", scope_spans=[ScopeSpans(spans=[Span(name="c")])]),
        ]
    )
    parts = halves("traces", gzip.compress(body.SerializeToString()))
    assert [calls for _, calls in parts] == [1, 2]
    found = [
        (resource.schema_url, span.name)
        for part, _ in parts
        for resource in ExportTraceServiceRequest.FromString(gzip.decompress(part)).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert found == [("one", "a"), ("one", "b"), ("two", "c")]
    logs = [ScopeLogs(log_records=[LogRecord(time_unix_nano=n) for n in range(5)])]
    record_body = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=logs)]).SerializeToString()
    assert [calls for _, calls in halves("logs", gzip.compress(record_body))] == [2, 3]
    assert halves("traces", parts[0][0]) == []


def test_the_setting_beats_opentelemetrys_variables_and_takes_none_of_their_headers() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret"}
    endpoint = Endpoint.resolve("http://127.0.0.1:9999", environ, use_otel_variables=True)
    assert (endpoint.url, dict(endpoint.headers)) == ("http://127.0.0.1:9999/v1/traces", {})


def test_our_token_and_certificate_go_to_our_collector_and_to_nobody_else() -> None:
    own: dict[str, Any] = {"token": "ct_x", "certificate": Path("/ca.pem")}
    bearer = {"authorization": "Bearer ct_x"}
    given = Endpoint.resolve("https://collector:4318", {}, use_otel_variables=True, **own)
    assert given == Endpoint(url="https://collector:4318/v1/traces", headers=bearer, certificate="/ca.pem")
    assert given.of("logs") == Endpoint(url="https://collector:4318/v1/logs", headers=bearer, certificate="/ca.pem")
    for use_otel_variables in (True, False):
        assert Endpoint.resolve(None, {}, use_otel_variables=use_otel_variables, **own).headers == bearer

    vendor = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example"}
    assert Endpoint.resolve(None, vendor, use_otel_variables=True, **own) == Endpoint(
        url="https://vendor.example/v1/traces"
    )
    spans_only = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://vendor.example/spans-only"}
    apart = Endpoint.resolve(None, spans_only, use_otel_variables=True, **own)
    assert (dict(apart.headers), apart.of("logs").headers) == ({}, bearer)  # the records go to us


def test_opentelemetrys_variables_keep_their_meaning() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example/otlp/",
        "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%20b, x=y",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
    }
    assert Endpoint.resolve(None, environ, use_otel_variables=True) == Endpoint(
        url="https://vendor.example/otlp/v1/traces",
        headers={"api-key": "a b", "x": "y"},
        timeout_s=3.0,
        certificate="/ca.pem",
    )
    environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "https://traces.example/in"
    endpoint = Endpoint.resolve(None, environ, use_otel_variables=True)
    assert endpoint.url == "https://traces.example/in"
    assert endpoint.of("logs").url == "https://vendor.example/otlp/v1/logs"


def test_what_opentelemetrys_variables_say_of_one_signal_holds_for_that_one() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://all.example",
        "OTEL_EXPORTER_OTLP_HEADERS": "key=all",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs.example/in",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "key=logs",
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/me.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/me.key",
    }
    logs = Endpoint(
        url="https://logs.example/in",
        headers={"key": "logs"},
        compression="none",
        client_certificate="/me.pem",
        client_key="/me.key",
    )
    endpoint = Endpoint.resolve(None, environ, use_otel_variables=True)
    assert endpoint.of("logs") == logs
    assert endpoint.of("traces") == Endpoint(
        url="https://all.example/v1/traces",
        headers={"key": "all"},
        client_certificate="/me.pem",
        client_key="/me.key",
        logs=logs,
    )


@pytest.mark.parametrize(
    ("traces", "logs"),
    [
        ("http://box:4318/v1/traces", "http://box:4318/v1/logs"),
        ("https://vendor.example/spans-only", "http://127.0.0.1:4318/v1/logs"),
    ],
)
def test_usage_records_go_beside_the_spans_where_that_is_a_place(traces: str, logs: str) -> None:
    environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": traces}
    assert Endpoint.resolve(None, environ, use_otel_variables=True).of("logs").url == logs


def test_a_protocol_that_is_not_spoken_is_told_once_with_the_way_out(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://box:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with caplog.at_level(logging.WARNING, "claude_telemetry"):
        for _ in range(3):
            Endpoint.resolve(None, environ, use_otel_variables=True)
    (record,) = caplog.records
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in record.message
    assert "CLAUDE_TELEMETRY_ENDPOINT" in record.message


def test_variables_that_are_meant_for_somebody_elses_exporter_do_not_count() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example"}
    assert Endpoint.resolve(None, environ, use_otel_variables=False).url == "http://127.0.0.1:4318/v1/traces"


@pytest.mark.parametrize("given", ["localhost:4318", "ftp://127.0.0.1", "http://", "file:///etc/passwd"])
def test_an_endpoint_that_is_no_address_is_told(given: str) -> None:
    with pytest.raises(SettingsError, match="give one such as"):
        Endpoint.resolve(given, {}, use_otel_variables=False)
