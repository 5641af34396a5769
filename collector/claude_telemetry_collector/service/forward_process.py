"""The process that forwards."""

from __future__ import annotations

import sys

from claude_telemetry_collector.forward import Forwarder, destination_of
from claude_telemetry_collector.service.orders import Orders, carry_out
from claude_telemetry_collector.settings import forward_folder


def forward(orders: Orders) -> None:
    """Forwards until it is told to stop."""
    settings = orders.settings
    destination = destination_of(settings["forward_endpoint"], settings["forward_headers"])
    forwarder = Forwarder(forward_folder(settings["data"]), destination, most_bytes=settings["forward_bytes"])
    orders.ready()
    forwarder.run(orders.stopping)


if __name__ == "__main__":
    sys.exit(carry_out("forwarder", forward))
