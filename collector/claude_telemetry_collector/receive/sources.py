"""Whose requests they are: who holds a token, or anybody on this machine, where none is required."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.receive.refusal import Refusal
from claude_telemetry_collector.tokens import Token, read_tokens

log = logging.getLogger(__name__)

_LOOK_S = 1.0
"""How soon a changed file is noticed."""


class Source:
    """Who sent a request, and what is asked of it."""

    def __init__(self, token: Token | None = None) -> None:
        """Without a token: anybody on this machine."""
        self.token = token
        self.name = token.name if token is not None else ""
        self.max_body_bytes = token.max_body_bytes if token is not None else None
        self._rate = token.requests_per_second if token is not None else None
        self._left = max(1.0, self._rate or 0)
        self._at = time.monotonic()

    def count_request(self) -> None:
        """Raises a `Refusal` when there were too many."""
        if self._rate is None:
            return
        now = time.monotonic()
        self._left = min(max(1.0, self._rate), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            wait_s = max(1, -int(-(1 - self._left) / self._rate // 1))
            raise Refusal(
                429,
                f"this token may send {self._rate:g} requests per second: send larger batches, or send it again later",
                reason="rate",
                retry_after=str(wait_s),
            )
        self._left -= 1


class Sources:
    """The tokens of a file as they are now, for one event loop and its threads."""

    def __init__(self, path: Path, *, required: bool) -> None:
        """`required`: whether nobody may send without one. Raises `SettingsError`."""
        self._path = path
        self._required = required
        self._anybody = Source()
        self._known: tuple[tuple[bytes, Source], ...] = ()
        self._seen: object = self._stamp()
        self._look_at = time.monotonic() + _LOOK_S
        self._take(read_tokens(path))

    def admit(self, authorization: str | None) -> Source:
        """Whose request it is, by its `Authorization`. Raises a `Refusal` when a token is required and this is none.

        Where none is required, any other credentials count as none: senders are often set up with some.
        """
        if time.monotonic() >= self._look_at:
            self._look()
        source = self._source_of(authorization) if authorization and self._known else None
        if source is None:
            if self._required:
                raise Refusal(
                    401,
                    "a token is needed here, as `Authorization: Bearer TOKEN`: make one with "
                    "`claude-telemetry token add NAME` where the collector runs",
                    reason="unauthorized",
                    www_authenticate='Bearer realm="claude-telemetry", Basic realm="claude-telemetry"',
                )
            source = self._anybody
        return source

    def _source_of(self, authorization: str) -> Source | None:
        given = hashlib.sha256(_secret_in(authorization)).digest()
        found: Source | None = None
        for sha256, source in self._known:  # all of them, so that the time it takes says nothing
            if hmac.compare_digest(sha256, given):
                found = source
        return found

    def _look(self) -> None:
        self._look_at = time.monotonic() + _LOOK_S
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            self._take(read_tokens(self._path))
        except SettingsError as error:
            log.warning("the tokens from before are used on: %s", error)
        else:
            log.info("tokens are read again: there are %d", len(self._known))
        self._seen = stamp

    def _take(self, tokens: Iterable[Token]) -> None:
        before: Mapping[Token | None, Source] = {source.token: source for _, source in self._known}
        self._known = tuple((bytes.fromhex(token.sha256), before.get(token) or Source(token)) for token in tokens)

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _secret_in(authorization: str) -> bytes:
    """The token in an `Authorization` header: a bearer's, or the password of basic authentication."""
    scheme, _, credentials = authorization.strip().partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return credentials.encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
