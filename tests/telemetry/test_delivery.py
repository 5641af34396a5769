"""Ended calls are delivered in the background: bounded, patient, and never at the application's cost."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from claude_telemetry.emit.content import without_content
from claude_telemetry.emit.delivery import Delivery
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.errors import SettingsError
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
        assert receiver.spans == [f"call {n}" for n in range(7, 12)]
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
        "the receiver refused 1 spans for good: is the endpoint an OTLP receiver?"
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
    receiver.fail(413, times=2)
    delivery = delivery_to(receiver.url)
    names = [f"call {n}" for n in range(8)]
    for span in spans(*names):
        delivery.add(span)
    assert delivery.stop(5)
    assert receiver.spans == names
    assert delivery.counts().delivered == 8


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
        ("WARNING", "more than 2 calls wait to be delivered, and the oldest are dropped: does the collector run?")
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


def test_the_setting_beats_opentelemetrys_variables_and_takes_none_of_their_headers() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret"}
    endpoint = Endpoint.resolve("http://127.0.0.1:9999", environ, use_otel_variables=True)
    assert (endpoint.url, dict(endpoint.headers)) == ("http://127.0.0.1:9999/v1/traces", {})


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
    assert Endpoint.resolve(None, environ, use_otel_variables=True).url == "https://traces.example/in"


def test_variables_that_are_meant_for_somebody_elses_exporter_do_not_count() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example"}
    assert Endpoint.resolve(None, environ, use_otel_variables=False).url == "http://127.0.0.1:4318/v1/traces"


@pytest.mark.parametrize("given", ["localhost:4318", "ftp://127.0.0.1", "http://", "file:///etc/passwd"])
def test_an_endpoint_that_is_no_address_is_told(given: str) -> None:
    with pytest.raises(SettingsError, match="give one such as"):
        Endpoint.resolve(given, {}, use_otel_variables=False)
