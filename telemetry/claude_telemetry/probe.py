"""Whether a port is free, and whether somebody answers."""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

from claude_telemetry.settings import Address

# Asked without the proxies that the environment may name: what is asked here runs nearby.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    """Whether somebody answers there with a success within two seconds."""
    try:
        with _DIRECT.open(url, timeout=2.0) as response:
            return 200 <= int(response.status) < 300
    except (OSError, ValueError):
        return False


def listens(url: str) -> bool:
    """Whether somebody takes connections at that address within two seconds."""
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2.0):
            return True
    except (OSError, ValueError):
        return False


def bound(address: Address) -> Address:
    """`address` after it was taken and given back; port 0 has become a free one. Raises `OSError` when it is taken."""
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as taken:
        # As servers do: a connection of a former run that is still closing is no reason to refuse.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(tuple(address))
        return Address(address.host, int(taken.getsockname()[1]))


def is_free(address: Address) -> bool:
    """Whether one could listen there."""
    try:
        bound(address)
    except OSError:
        return False
    return True
