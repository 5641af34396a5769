"""The socket that the receiver listens on, opened where a mistake can still be told to the person who made it."""

from __future__ import annotations

import errno
import socket

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import Address
from claude_telemetry_collector.service.guarding import named

_BACKLOG = 2048


def listen(address: Address, setting: str = "otlp_http") -> socket.socket:
    """A listening socket. Port 0 takes a free one: ask the socket which.

    Raises `SettingsError` that names `setting` when the address cannot be had.
    """
    host = "127.0.0.1" if address.host == "localhost" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            why = "something else already listens there: stop it, or give another port"
        else:
            why = f"it cannot be listened on ({error.strerror})"
        raise SettingsError(f"{named(setting, address)}: {why}") from None
    listener.setblocking(False)
    return listener


def check_loopback(setting: str, address: Address) -> None:
    """Raises a `SettingsError` that names `setting` when `address` can be reached from other machines."""
    if not address.is_loopback:
        raise SettingsError(
            f"{named(setting, address)}: questions are answered on this machine's loopback only, such as 127.0.0.1"
        )
