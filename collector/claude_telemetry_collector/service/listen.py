"""The socket that the receiver listens on, opened where a mistake can still be told to the person who made it."""

from __future__ import annotations

import errno
import socket

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import SETTINGS, Address

_BACKLOG = 2048


def listen(address: Address) -> socket.socket:
    """A listening socket. Port 0 takes a free one: ask the socket which.

    Raises `SettingsError` when the address is not on this machine's loopback, or cannot be had.
    """
    host = loopback_host("otlp_http", address)
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
        raise SettingsError(f"{_named('otlp_http', address)}: {why}") from None
    listener.setblocking(False)
    return listener


def loopback_host(setting: str, address: Address) -> str:
    """The host of `address` as a number. Raises a `SettingsError` that names `setting` when it is not loopback."""
    if address.is_loopback:
        return "127.0.0.1" if address.host == "localhost" else address.host
    raise SettingsError(
        f"{_named(setting, address)}: the collector listens on this machine's loopback only, such as 127.0.0.1, "
        "since tokens that say who may send are not available yet"
    )


def _named(setting: str, address: Address) -> str:
    row = next(row for row in SETTINGS if row.name == setting)
    return f"{row.flag} ({row.variable}) is {address}"
