"""Whatever is sent to the receiver, it answers with something that is meant, and goes on.

`RECEIVE_FUZZ_EXAMPLES=20000` and more make a long run of it.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import importlib
import importlib.util
import os
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.receive import Limits
from tests.support.receiving import PROTOBUF, Receiving, export_of, raw, receiving
from tests.support.waiting import wait_until

EXAMPLES = int(os.environ.get("RECEIVE_FUZZ_EXAMPLES", "150"))
MEANT = {200, 400, 401, 404, 405, 408, 413, 415, 431}
"""The limits of this receiver are never reached for good, so that even a 503 would be a mistake."""
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.function_scoped_fixture),
)

JSON_BODY = (
    b'{"resourceSpans": [{"resource": {"attributes": [{"key": "a", "value": {"stringValue": "b"}}]}, "scopeSpans": '
    b'[{"scope": {"name": "s"}, "spans": [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"'
    b', "events": [{"name": "e"}]}]}]}]}'
)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    limits = Limits(max_body_bytes=256 * 1024, idle_s=0.2, whole_s=1, head_s=5)
    grpc = importlib.util.find_spec("grpc") is not None
    with receiving(tmp_path_factory.mktemp("segments"), limits, backlog_bytes=1 << 40, grpc=grpc) as started:
        yield started
        # The last request may still be at its end when its answer is there.
        wait_until(lambda: started.intake.measures.in_flight == 0, "no request is under way any more")
        assert started.room.free_bytes == 2 * limits.bodies_at_once * limits.max_body_bytes  # nothing leaked


@st.composite
def mutated(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body that is nearly right."""
    body = bytearray(draw(bodies))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=6))
    return bytes(body)


PLAIN = st.one_of(
    st.just(JSON_BODY),
    st.integers(1, 40).map(lambda count: export_of(*range(count))),
    st.binary(max_size=200),
    st.just(bytes(300_000)),
    st.recursive(st.none() | st.booleans() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)).map(
        lambda value: repr(value).replace("'", '"').encode()
    ),
)
BODIES = st.one_of(
    mutated(PLAIN), PLAIN.map(gzip.compress), mutated(PLAIN.map(gzip.compress)), PLAIN.map(zlib.compress)
)
PATHS = st.one_of(
    st.sampled_from(
        ["/v1/traces", "/v1/logs", "/v1/metrics", "/api/public/otel/v1/traces", "/healthz", "/readyz", "/metrics", "/"]
    ),
    st.text("/v1traces.%?#*aé\\ ", max_size=12),
)
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
HEADERS = st.lists(
    st.one_of(
        st.tuples(
            st.just("content-type"),
            st.sampled_from(
                ["application/x-protobuf", "application/json", "application/json;charset=x", "text/plain", ""]
            ),
        ),
        st.tuples(
            st.just("content-encoding"), st.sampled_from(["gzip", "deflate", "zstd", "identity", "br", "gzip,gzip"])
        ),
        st.tuples(
            st.just("authorization"),
            st.one_of(st.sampled_from(["Basic !", "Basic Og==", "Bearer x", "Basic"]), TOKENS),
        ),
        st.tuples(st.just("expect"), st.sampled_from(["100-continue", "x"])),
        st.tuples(st.just("connection"), st.sampled_from(["close", "keep-alive", "upgrade", "x"])),
        st.tuples(st.just("upgrade"), st.sampled_from(["h2c", "websocket"])),
        st.tuples(st.just("transfer-encoding"), st.sampled_from(["chunked", "gzip", "identity"])),
        st.tuples(st.just("content-length"), st.sampled_from(["0", "7", "-1", "99999999999999999999", "x"])),
        st.tuples(TOKENS, TOKENS),
    ),
    max_size=6,
)
METHODS = st.sampled_from(
    ["POST", "POST", "POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "X"]
)


def _answers_to(connection: socket.socket) -> list[int]:
    """The statuses of all answers until the other end closes or says nothing more."""
    connection.settimeout(0.6)
    data = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while piece := connection.recv(65536):
            data += piece
            if b"connection: close" not in data and b"\r\n\r\n" in data:
                connection.settimeout(0.02)
    heads = [part for part in data.split(b"HTTP/1.1 ")[1:] if not part.startswith(b"100")]
    return [int(head[:3]) for head in heads]


@FUZZ
@given(METHODS, PATHS, HEADERS, BODIES, st.booleans())
def test_a_request_of_any_kind_is_answered(
    receiver: Receiving, method: str, path: str, headers: list[tuple[str, str]], body: bytes, says_length: bool
) -> None:
    lines = [f"{method} {path} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in headers)]
    if says_length:
        lines.append(f"content-length: {len(body)}")
    request = "\r\n".join((*lines, "", "")).encode("utf-8") + body
    with raw(receiver.port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        statuses = _answers_to(connection)
    assert set(statuses) <= MEANT
    assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200


@FUZZ
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_harm_nobody(receiver: Receiving, data: bytes) -> None:
    with raw(receiver.port) as connection:
        connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        assert set(_answers_to(connection)) <= MEANT
    assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200


@FUZZ
@given(st.sampled_from(["/v1/traces", "/v1/logs", "/v1/metrics"]), BODIES, st.sampled_from(["x-protobuf", "json"]))
def test_a_body_of_any_kind_is_kept_or_refused(receiver: Receiving, path: str, body: bytes, kind: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    with contextlib.closing(connection):
        for coding in ("identity", "gzip"):
            connection.request("POST", path, body, {"content-type": f"application/{kind}", "content-encoding": coding})
            response = connection.getresponse()
            response.read()
            assert response.status in (200, 400, 408, 413)  # 408: this test was slow, on a machine with much to do


@pytest.mark.skipif(importlib.util.find_spec("grpc") is None, reason="the extra `grpc` is not installed")
@FUZZ
@given(
    st.lists(BODIES, min_size=1, max_size=5),
    st.sampled_from(["trace.v1.TraceService", "logs.v1.LogsService", "metrics.v1.MetricsService"]),
    st.lists(st.tuples(st.just("authorization"), TOKENS), max_size=1),
)
def test_a_grpc_message_of_any_kind_is_kept_or_refused(
    receiver: Receiving, bodies: list[bytes], service: str, metadata: list[tuple[str, str]]
) -> None:
    grpc: Any = importlib.import_module("grpc")
    with grpc.insecure_channel(f"127.0.0.1:{receiver.rpc_port}") as channel:
        export = channel.unary_unary(f"/opentelemetry.proto.collector.{service}/Export")
        for body in bodies:
            call = export.future(body, metadata=metadata, timeout=20)
            assert call.code().name in ("OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), call.details()
