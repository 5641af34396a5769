"""The process that receives."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claude_telemetry.errors import CollectorError
from claude_telemetry.settings import Address
from claude_telemetry_collector.forward import forwarding
from claude_telemetry_collector.receive import (
    GroupCommit,
    Intake,
    Limits,
    PickUp,
    Reading,
    Receiver,
    ReceiverServer,
    RpcServer,
    Sources,
    Tls,
    allow_many_files,
)
from claude_telemetry_collector.service.orders import Orders, carry_out
from claude_telemetry_collector.settings import forward_folder, segments_folder
from claude_telemetry_collector.tokens import tokens_path

log = logging.getLogger(__name__)


def receive(orders: Orders) -> None:
    """Receives on the socket of its orders until it is told to stop; then answers what is under way."""
    settings = orders.settings
    folder = segments_folder(settings["data"])
    also_in = forward_folder(settings["data"]) if settings["forward_endpoint"] is not None else None
    try:
        commit = GroupCommit(
            folder,
            backlog_bytes=settings["backlog_bytes"],
            min_free_bytes=settings["min_free_bytes"],
            also_in=also_in,
        )
    except OSError as error:
        raise CollectorError(f"{folder} cannot be written: {error.strerror}") from error
    limits = Limits(max_body_bytes=settings["max_body_bytes"])
    intake = Intake(commit, limits, Sources(tokens_path(settings["data"]), required=bool(settings["require_token"])))
    receiver = Receiver(intake)
    if also_in is not None:
        receiver.tells_also(lambda: _forwarding(also_in))
    elif any(forward_folder(settings["data"]).glob("*.segment")):
        log.warning(
            "what is in %s waits to be forwarded, and no endpoint is set: delete it, or give --forward-endpoint",
            forward_folder(settings["data"]),
        )
    tls = _tls(settings)
    allow_many_files()
    server = ReceiverServer(receiver, tls=tls, beside=_rpc(settings["otlp_grpc"], receiver, tls))
    listener = socket.socket(fileno=orders.descriptor)
    pick_up = PickUp(settings["spool"], settings["otlp_http"], intake, scheme="http" if tls is None else "https")
    commit.start()
    try:
        orders.ready(stop=server.stop)
        pick_up.start()
        server.serve_on(listener)
    finally:
        pick_up.stop()
        commit.stop()


def _tls(settings: Mapping[str, Any]) -> Tls | None:
    if settings["tls_cert"] is None:
        return None
    return Tls(certificate=settings["tls_cert"], key=settings["tls_key"])


def _forwarding(folder: Path) -> list[Reading]:
    """What the forwarder tells of itself."""
    told = forwarding(folder)
    if told is None:
        return []
    return [
        Reading("forwarded", "counter", "bodies that the forward endpoint has taken", told.forwarded),
        Reading("forwarded_bytes", "counter", "bytes of them", told.forwarded_bytes),
        Reading("forward_refused", "counter", "bodies that it has refused for good", told.refused),
        Reading("forward_dropped", "counter", "bodies dropped since more waited than may", told.dropped),
        Reading("forward_waiting_bytes", "gauge", "bytes of full segments that wait for it", told.waiting_bytes),
        Reading("forward_failing", "gauge", "1 when it takes nothing at the moment", int(told.failing)),
    ]


def _rpc(address: Address | None, receiver: Receiver, tls: Tls | None) -> RpcServer | None:
    if address is None:
        return None
    pem = (tls.key.read_bytes(), tls.certificate.read_bytes()) if tls is not None else None
    return RpcServer(address, receiver.intake, receiver.room, pem)


if __name__ == "__main__":
    # A large JSON body is a million objects without one cycle among them: looking for cycles as often as Python does
    # takes three times as long as reading it, and everybody else waits for that.
    gc.set_threshold(200_000)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # else each line of rubbish that is sent is one in the log
    sys.exit(carry_out("receiver", receive))
