"""OTLP over gRPC: another way to the same intake, for exporters that are set up for it.

It needs the package grpcio, which the extra `grpc` brings. A request costs several times what it costs over HTTP.
Source: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc, read 2026-11-20.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import (  # type: ignore[import-untyped]  # its stubs come without py.typed
    error_details_pb2,  # pyright: ignore[reportMissingTypeStubs]
    status_pb2,  # pyright: ignore[reportMissingTypeStubs]
)

from claude_telemetry.errors import CollectorError
from claude_telemetry.settings import Address
from claude_telemetry_collector.receive import otlp
from claude_telemetry_collector.receive.body import Room
from claude_telemetry_collector.receive.connections import files_allowed
from claude_telemetry_collector.receive.inflate import Inflating
from claude_telemetry_collector.receive.intake import Intake
from claude_telemetry_collector.receive.refusal import Refusal, put_off, too_large
from claude_telemetry_collector.segments import Signal

_SERVICES: dict[str, Signal] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
_CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 408: "DEADLINE_EXCEEDED", 413: "RESOURCE_EXHAUSTED"}
_GZIP = b"\x1f\x8b"
"""What gzip begins with, and no protobuf message does."""
_MOST_STREAMS = 256
_MOST_READ = 64
"""How many messages are read at the same time. How large one is, gRPC tells when it has it; the others wait."""
_METADATA_BYTES = 16 * 1024
_IDLE_MS = 300_000
_HANDSHAKE_MS = 10_000
_MOST_CONNECTIONS = 4096


class RpcServer:
    """Serves on `address` between `start` and `stop`, in the event loop of both."""

    def __init__(self, address: Address, intake: Intake, room: Room, tls: tuple[bytes, bytes] | None = None) -> None:
        """`tls`: the key and the certificate, in PEM. Raises `ModuleNotFoundError` when grpcio is not installed."""
        self._grpc: Any = importlib.import_module("grpc")
        self._aio: Any = importlib.import_module("grpc.aio")
        self._address = address
        self._intake = intake
        self._room = room
        self._tls = tls
        self._server: Any = None
        self._reading = asyncio.Semaphore(_MOST_READ)
        self.port = address.port
        self.connections = min(_MOST_CONNECTIONS, files_allowed() // 4)
        """How many there may be at once. Each takes 14 KiB."""

    async def start(self) -> None:
        """Raises `CollectorError` when the address cannot be had."""
        self._server = self._aio.server(options=self._options())
        self._server.add_generic_rpc_handlers(
            tuple(
                self._grpc.method_handlers_generic_handler(service, {"Export": self._handler(signal)})
                for service, signal in _SERVICES.items()
            )
        )
        try:
            if self._tls is None:
                self.port = self._server.add_insecure_port(str(self._address))
            else:
                credentials = self._grpc.ssl_server_credentials([self._tls])
                self.port = self._server.add_secure_port(str(self._address), credentials)
        except RuntimeError as error:
            raise CollectorError(f"--otlp-grpc (CLAUDE_TELEMETRY_OTLP_GRPC) is {self._address}: {error}") from None
        await self._server.start()

    async def stop(self, patience_s: float) -> None:
        """Answers what is under way."""
        await self._server.stop(patience_s)

    def _options(self) -> list[tuple[str, int]]:
        return [
            # gRPC would inflate a bomb in full before it looks at the limit: we inflate.
            ("grpc.per_message_decompression", 0),
            ("grpc.max_receive_message_length", self._intake.limits.max_body_bytes),
            ("grpc.max_metadata_size", _METADATA_BYTES),
            ("grpc.max_concurrent_streams", _MOST_STREAMS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.max_allowed_incoming_connections", self.connections),
            # Else a second process that listens on the same port would take half of what is sent here.
            ("grpc.so_reuseport", 0),
        ]

    def _handler(self, signal: Signal) -> Any:
        async def export(messages: AsyncIterator[bytes], context: Any) -> bytes:
            counts = self._intake.measures
            counts.in_flight += 1
            try:
                return await self._received(signal, messages, context)
            except Refusal as refusal:
                self._intake.refused(refusal, "grpc")
                code, details = self._status_of(refusal)
                await context.abort(code, refusal.sentence, (("grpc-status-details-bin", details),))
                raise  # which `abort` has done
            finally:
                counts.in_flight -= 1

        # As a stream of one message, so that nothing of it is read before its sender is admitted.
        return self._grpc.stream_unary_rpc_method_handler(export)

    async def _received(self, signal: Signal, messages: AsyncIterator[bytes], context: Any) -> bytes:
        intake = self._intake
        metadata: dict[str, str] = dict(context.invocation_metadata())
        source = intake.admit(metadata.get("authorization"))
        most_bytes = intake.most_bytes(source)
        try:
            async with asyncio.timeout(intake.limits.whole_s), self._reading:
                message = await anext(messages, b"")
        except TimeoutError:
            raise Refusal(408, "the message did not arrive in time", reason="timeout") from None
        intake.measures.received_bytes += len(message)
        taken = 0
        try:
            if message.startswith(_GZIP):
                taken = min(most_bytes, 100 * len(message))
                self._room.take(taken)
                inflating = Inflating("gzip", most_bytes)
                inflating.feed(message)
                message = inflating.whole()
            if len(message) > most_bytes:
                raise too_large(most_bytes)
            checked = await intake.keep(signal, "protobuf", message, source, "grpc")
        except asyncio.CancelledError:  # a stop has waited long enough, or the sender has
            raise put_off("the collector is stopping", "stopping") from None
        finally:
            self._room.give_back(taken)
        return otlp.accepted(signal, "protobuf", checked)

    def _status_of(self, refusal: Refusal) -> tuple[Any, bytes]:
        """The code, and what clients read when to come back from."""
        later = refusal.headers.get("retry-after")
        if refusal.status == 503 and refusal.reason in ("disk", "stopping"):
            name = "UNAVAILABLE"
        else:
            name = "RESOURCE_EXHAUSTED" if later is not None else _CODES.get(refusal.status, "INTERNAL")
        code = getattr(self._grpc.StatusCode, name)
        status = status_pb2.Status(code=code.value[0], message=refusal.sentence)
        if later is not None:
            packed = AnyMessage()
            packed.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=int(later))))
            status.details.append(packed)
        details: bytes = status.SerializeToString()
        return code, details
