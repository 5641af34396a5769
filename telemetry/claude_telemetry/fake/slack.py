"""A stand-in for a Slack incoming webhook.

Source of the answers: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (read 2026-11-20):
`200 ok`, `429` with `retry-after` in seconds, plain text errors such as `400 invalid_payload`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any, Self, cast

from claude_telemetry.fake.loopback import Exchange, Loopback

_PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


class FakeSlack:
    """A webhook that keeps what is posted to it. A context manager; thread-safe."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, echo: bool = False) -> None:
        """With `echo`, each message is printed as it comes. Port 0 takes a free one."""
        self._lock = threading.Lock()
        self._messages: list[dict[str, Any]] = []
        self._refusals: list[int] = []
        self._failures: deque[tuple[int, str | None]] = deque()
        self._echo = echo
        self._server = Loopback(self._answer, host, port)

    @property
    def url(self) -> str:
        """The webhook's URL."""
        return self._server.url + _PATH

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was accepted, in order."""
        with self._lock:
            return list(self._messages)

    @property
    def refusals(self) -> list[int]:
        """The statuses of what was not accepted, in order."""
        with self._lock:
            return list(self._refusals)

    def fail(self, status: int, times: int = 1, retry_after: int | None = None) -> None:
        """The next `times` messages are refused with `status`."""
        with self._lock:
            self._failures.extend([(status, None if retry_after is None else str(retry_after))] * times)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, exchange: Exchange) -> None:
        if exchange.path != _PATH or exchange.command != "POST":
            return self._refuse(exchange, 404, "no_service")
        with self._lock:
            failure = self._failures.popleft() if self._failures else None
        if failure is not None:
            return self._refuse(exchange, failure[0], "rate_limited" if failure[0] == 429 else "error", failure[1])
        message = _message(exchange.body)
        if message is None:
            return self._refuse(exchange, 400, "invalid_payload")
        if not message.get("text") and not message.get("blocks"):
            return self._refuse(exchange, 400, "no_text")
        with self._lock:
            self._messages.append(message)
            if self._echo:
                print(_as_people_read_it(message), flush=True)
        return exchange.send(200, {"content-type": "text/html"}, b"ok")

    def _refuse(self, exchange: Exchange, status: int, why: str, retry_after: str | None = None) -> None:
        with self._lock:
            self._refusals.append(status)
        headers = {"content-type": "text/html"} | ({} if retry_after is None else {"retry-after": retry_after})
        exchange.send(status, headers, why.encode())


def _message(body: bytes) -> dict[str, Any] | None:
    try:
        parsed: object = json.loads(body)
    except ValueError:
        return None
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else None


def _as_people_read_it(message: dict[str, Any]) -> str:
    lines = str(message.get("text") or "(a message of blocks only)").splitlines()
    return "\n".join(f"[slack] {line}" for line in lines)
