"""Whether a port is free, and whether somebody answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from claude_telemetry.settings import Address

_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What somebody answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """By their names in lower case."""
    body: str = ""

    @property
    def sentence(self) -> str:
        """What was said: the first line of a text, the `message` of JSON."""
        try:
            said = str(json.loads(self.body)["message"])
        except (ValueError, LookupError, TypeError):
            said = self.body
        return next((line for line in said.splitlines() if line.strip()), f"status {self.status}")[:300]


def answers(url: str) -> bool:
    """Whether somebody answers there with a success within two seconds."""
    answered = asked(url)
    return answered is not None and 200 <= answered.status < 300


def asked(
    url: str, *, headers: Mapping[str, str] | None = None, trusting: ssl.SSLContext | None = None
) -> Answered | None:
    """What somebody answers there within two seconds, whatever it is; `None` when nobody does.

    Asked without the proxies that the environment may name, since what is asked here runs nearby; redirects are not
    followed. Without `trusting`, over TLS anybody may answer: what is secret is not for `headers` then.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - the schemes are ours
        with contextlib.closing(_opener(trusting).open(request, timeout=2.0)) as response:
            return _answered(response)
    except urllib.error.HTTPError as error:
        with error:
            return _answered(error)
    except (OSError, ValueError, http.client.HTTPException):
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Who answers elsewhere is somebody else."""
        return


def _opener(trusting: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    context = trusting
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), _NoRedirect(), urllib.request.HTTPSHandler(context=context)
    )


def _answered(response: http.client.HTTPResponse | urllib.error.HTTPError) -> Answered:
    return Answered(
        status=int(response.status or 0),
        headers={name.lower(): value for name, value in response.headers.items()},
        body=response.read(_ANSWER_BYTES).decode("utf-8", "replace"),
    )


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
