"""A receiver on loopback, and requests to it as a careless client sends them."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from claude_telemetry.settings import Address
from claude_telemetry_collector.receive import (
    GroupCommit,
    Intake,
    Limits,
    Receiver,
    ReceiverServer,
    RpcServer,
    Sources,
    Tls,
)
from claude_telemetry_collector.receive.body import Room
from claude_telemetry_collector.segments import Frame, Position, SegmentReader
from claude_telemetry_collector.service.listen import listen
from tests.support.waiting import wait_until

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
SEVERAL_S = 20


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Receiving:
    """A receiver that runs in this process."""

    port: int
    segments: Path
    commit: GroupCommit
    intake: Intake
    room: Room
    server: ReceiverServer
    rpc_port: int
    since: Position | None = None

    def kept(self) -> list[Frame]:
        return SegmentReader(self.segments).frames(self.since, 1 << 30)

    def from_now_on(self) -> Receiving:
        """The same receiver, without what it has kept so far."""
        kept = self.kept()
        return replace(self, since=kept[-1].next_position) if kept else self

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return ask(self.port, "POST", path, body, headers)


def ask(port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SEVERAL_S)
    try:
        return ask_on(connection, method, path, body, headers)
    finally:
        connection.close()


def ask_on(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    content = response.read()
    return Answer(
        status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, body=content
    )


@contextmanager
def receiving(
    segments: Path,
    limits: Limits,
    *,
    backlog_bytes: int = 1 << 30,
    min_free_bytes: int = 0,
    tokens: Path | None = None,
    required: bool = True,
    grpc: bool = False,
    tls: Tls | None = None,
) -> Generator[Receiving]:
    """`tokens`: the file of those that may send; `required`: whether nobody else may."""
    commit = GroupCommit(segments, backlog_bytes=backlog_bytes, min_free_bytes=min_free_bytes)
    sources = Sources(tokens or segments / "no-tokens.json", required=required and tokens is not None)
    intake = Intake(commit, limits, sources)
    receiver = Receiver(intake)
    rpc = RpcServer(Address("127.0.0.1", 0), intake, receiver.room) if grpc else None
    server = ReceiverServer(receiver, tls=tls, beside=rpc)
    listener = listen(Address("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    commit.start()
    thread = threading.Thread(target=server.serve_on, args=(listener,))
    thread.start()
    wait_until(lambda: rpc is None or rpc.port > 0, "gRPC is served")
    try:
        yield Receiving(
            port=port,
            segments=segments,
            commit=commit,
            intake=intake,
            room=receiver.room,
            server=server,
            rpc_port=rpc.port if rpc is not None else 0,
        )
    finally:
        server.stop()
        thread.join(SEVERAL_S)
        commit.stop()


def export_of(*span_ids: int) -> bytes:
    """An export request with a span for each id, which is above zero."""
    spans = [
        Span(trace_id=bytes(15) + b"\x01", span_id=number.to_bytes(8, "big"), name="chat", kind=Span.SPAN_KIND_CLIENT)
        for number in span_ids
    ]
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
    ).SerializeToString()


def raw(port: int) -> socket.socket:
    """A connection to send anything over, byte by byte."""
    return socket.create_connection(("127.0.0.1", port), timeout=SEVERAL_S)
