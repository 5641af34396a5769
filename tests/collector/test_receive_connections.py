"""Connections that are slow, many or greedy harm nobody."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from claude_telemetry_collector.receive import Limits, connections
from tests.support.certificates import certificate_in
from tests.support.receiving import PROTOBUF, SEVERAL_S, Receiving, ask, ask_on, export_of, raw, receiving
from tests.support.waiting import wait_until

KIB = 1024
HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_SWEEP_S", 0.05)


def limits(**given: float) -> Limits:
    return Limits(max_body_bytes=KIB * KIB, **given)  # type: ignore[arg-type]  # whole numbers for whole numbers


def reading(receiver: Receiving, name: str) -> int:
    """A number of `/metrics`."""
    lines = ask(receiver.port, "GET", "/metrics").body.decode().splitlines()
    prefix = f"claude_telemetry_receiver_{name} "
    return int(next(line.removeprefix(prefix) for line in lines if line.startswith(prefix)))


def all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def nothing(connection: socket.socket) -> None:
    return None


def half_a_head(connection: socket.socket) -> None:
    connection.sendall(HEAD)


def a_request_and_half_a_head(connection: socket.socket) -> None:
    is_alive(connection)
    connection.sendall(HEAD)


def is_alive(connection: socket.socket) -> None:
    """Asks for it, and reads the whole answer."""
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"alive\n"):
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begin", [nothing, half_a_head, a_request_and_half_a_head])
def test_a_head_that_does_not_come_ends_the_connection(tmp_path: Path, begin: Callable[[socket.socket], None]) -> None:
    with receiving(tmp_path, limits(head_s=0.2)) as receiver, raw(receiver.port) as slow:
        begin(slow)
        assert all_of(slow).startswith(b"HTTP/1.1 408 ")
        assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200
        assert reading(receiver, "connections_slow_total") == 1


def test_a_head_that_dribbles_gets_no_more_time(tmp_path: Path) -> None:
    with receiving(tmp_path, limits(head_s=0.3)) as receiver, raw(receiver.port) as slow:
        slow.sendall(HEAD)
        slow.settimeout(0.02)
        ended = b""
        deadline = time.monotonic() + SEVERAL_S
        while not ended and time.monotonic() < deadline:
            with contextlib.suppress(ConnectionError):
                slow.sendall(b"x-a: b\r\n")
            with contextlib.suppress(TimeoutError):
                ended = slow.recv(65536)
        assert ended.startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_has_served_may_rest(tmp_path: Path) -> None:
    with receiving(tmp_path, limits(head_s=0.1)) as receiver, raw(receiver.port) as resting:
        for _ in range(2):
            is_alive(resting)
            time.sleep(0.3)
        assert reading(receiver, "connections_slow_total") == 0


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"x-large: " + b"a" * 40 * KIB + b"\r\n\r\n",
        HEAD + b"x-many: a\r\n" * 201 + b"\r\n",
        b"POST /" + b"a" * 40 * KIB + b" HTTP/1.1\r\n\r\n",
        HEAD + b"x-endless: " + b"a" * 400 * KIB,
    ],
    ids=["a large header", "many headers", "a long path", "a header without an end"],
)
def test_an_oversized_head_is_refused(tmp_path: Path, head: bytes) -> None:
    with receiving(tmp_path, limits()) as receiver, raw(receiver.port) as greedy:
        with contextlib.suppress(ConnectionError):
            greedy.sendall(head)
            answer = all_of(greedy)
            assert answer.startswith(b"HTTP/1.1 431 ")
            assert b"larger than 32,768 bytes or has more than 200 headers" in answer
        assert receiver.post("/v1/traces", export_of(1), PROTOBUF).status == 200


def test_when_there_are_too_many_the_one_that_is_idle_the_longest_goes(tmp_path: Path) -> None:
    with receiving(tmp_path, limits(connections=8, head_s=SEVERAL_S)) as receiver, contextlib.ExitStack() as stack:
        working = stack.enter_context(raw(receiver.port))
        working.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(export_of(1)))
        wait_until(lambda: receiver.intake.measures.in_flight == 1)
        idle = [stack.enter_context(raw(receiver.port)) for _ in range(7)]
        with raw(receiver.port) as another:
            another.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert all_of(another).startswith(b"HTTP/1.1 200")
        assert idle[0].recv(1) == b""
        working.sendall(export_of(1))
        assert working.recv(65536).startswith(b"HTTP/1.1 200")
        assert reading(receiver, "connections_displaced_total") == 1


def test_one_whose_next_request_has_come_already_is_not_idle(tmp_path: Path) -> None:
    with receiving(tmp_path, limits(connections=1)) as receiver, raw(receiver.port) as eager:
        eager.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + HEAD + b"content-length: 99\r\n\r\n")
        assert eager.recv(65536).startswith(b"HTTP/1.1 200")
        wait_until(lambda: receiver.intake.measures.in_flight == 1)
        with raw(receiver.port) as another, contextlib.suppress(ConnectionError):
            assert another.recv(1) == b""
        assert receiver.intake.measures.in_flight == 1


def test_when_all_are_at_work_another_one_is_turned_away(tmp_path: Path) -> None:
    with receiving(tmp_path, limits(connections=2)) as receiver, raw(receiver.port) as one, raw(receiver.port) as two:
        for connection in (one, two):
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(export_of(1)))
        wait_until(lambda: receiver.intake.measures.in_flight == 2)
        with raw(receiver.port) as third, contextlib.suppress(ConnectionError):
            assert third.recv(1) == b""
        for connection in (one, two):
            connection.sendall(export_of(1))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_several_requests_sent_at_once_are_answered_in_order(tmp_path: Path) -> None:
    body = export_of(1)
    one = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    with receiving(tmp_path, limits()) as receiver, raw(receiver.port) as eager:
        eager.sendall(one * 3 + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answers = all_of(eager)
        assert answers.count(b"HTTP/1.1 200") == 4
        assert answers.endswith(b"alive\n")
        assert len(receiver.kept()) == 3


def test_tls_is_spoken_where_there_is_a_certificate(tmp_path: Path) -> None:
    tls = certificate_in(tmp_path)
    with receiving(tmp_path / "segments", limits(), tls=tls) as receiver:
        context = ssl.create_default_context(cafile=tls.certificate)
        connection = HTTPSConnection("127.0.0.1", receiver.port, timeout=SEVERAL_S, context=context)
        assert ask_on(connection, "POST", "/v1/traces", export_of(1), PROTOBUF).status == 200
        connection.close()
        assert len(receiver.kept()) == 1
        with raw(receiver.port) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in all_of(plain)
