"""The process that receives."""

from __future__ import annotations

import gc
import logging
import socket
import sys

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.receive import GroupCommit, Limits, PickUp, Receiver, ReceiverServer
from claude_telemetry_collector.service.orders import Orders, carry_out
from claude_telemetry_collector.settings import segments_folder


def receive(orders: Orders) -> None:
    """Receives on the socket of its orders until it is told to stop; then answers what is under way."""
    settings = orders.settings
    folder = segments_folder(settings["data"])
    try:
        commit = GroupCommit(folder, backlog_bytes=settings["backlog_bytes"])
    except OSError as error:
        raise CollectorError(f"{folder} cannot be written: {error.strerror}") from error
    server = ReceiverServer(Receiver(commit, Limits(max_body_bytes=settings["max_body_bytes"])))
    listener = socket.socket(fileno=orders.descriptor)
    pick_up = PickUp(settings["spool"], settings["otlp_http"])
    commit.start()
    try:
        orders.ready(stop=server.stop)
        pick_up.start()
        server.serve_on(listener)
    finally:
        pick_up.stop()
        commit.stop()


if __name__ == "__main__":
    # A large JSON body is a million objects without one cycle among them: looking for cycles as often as Python does
    # takes three times as long as reading it, and everybody else waits for that.
    gc.set_threshold(200_000)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    sys.exit(carry_out("receiver", receive))
