"""A request's body, read within limits of size and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import Receive

from claude_telemetry_collector.receive.inflate import Inflating
from claude_telemetry_collector.receive.refusal import Refusal, put_off, too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and all of them together, may cost."""

    max_body_bytes: int
    """Before and after inflating."""
    idle_s: float = 10
    """How long the next piece of a body may take."""
    whole_s: float = 60
    """How long a whole body may take."""
    discard_bytes: int = 256 * 1024 * 1024
    """How much of a refused body is read on, for the sender to get to its answer."""
    bodies_at_once: int = 4
    """How many bodies of the largest size may be in memory, as received and inflated, at the same time."""
    head_s: float = 15
    """How long a request's head may take, from its first byte or the connection's beginning."""
    head_bytes: int = 32 * 1024
    """How large a head may be."""
    connections: int = 16_384
    """How many there may be at once, as far as the system allows; beyond it, the one that is idle the longest goes."""


class Room:
    """Memory for the bodies that are being read. One event loop's own."""

    def __init__(self, limits: Limits) -> None:
        self.free_bytes = 2 * limits.bodies_at_once * limits.max_body_bytes

    def take(self, size: int) -> None:
        """Raises a `Refusal` when there is not enough."""
        if size > self.free_bytes:
            raise put_off("too much is being received at the moment", "memory")
        self.free_bytes -= size

    def give_back(self, size: int) -> None:
        self.free_bytes += size


class Gone(Exception):  # noqa: N818 - nobody's error
    """The sender left before its body was complete."""


class Body:
    """The body of one request, and the room that it takes until it is given back."""

    def __init__(self, receive: Receive, limits: Limits, room: Room) -> None:
        self._receive = receive
        self._limits = limits
        self._room = room
        self._taken_bytes = 0
        self._received_bytes = 0
        self._ended = False

    async def read(self, coding: str, most_bytes: int) -> bytes:
        """All of it, inflated as `coding` says, and not larger than `most_bytes`, neither before nor after.

        Raises a `Refusal` when it is too large, too slow or broken, and `Gone`.
        """
        inflating = Inflating(coding, most_bytes)
        loop = asyncio.get_running_loop()
        last = loop.time() + self._limits.whole_s
        try:
            async with asyncio.timeout(self._limits.idle_s) as patience:
                while not self._ended:
                    piece = await self._next()
                    if not self._ended:  # most bodies come in one piece, and timers cost
                        patience.reschedule(min(loop.time() + self._limits.idle_s, last))
                    if self._received_bytes > most_bytes:
                        raise too_large(most_bytes)
                    self._take(len(piece))
                    self._take(inflating.feed(piece))
        except TimeoutError:
            raise Refusal(
                408, "the body did not arrive in time; nothing of it was kept", reason="timeout", close=True
            ) from None
        return inflating.whole()

    async def discard(self) -> bool:
        """Reads what is left and drops it, within limits. Whether the end was reached.

        Without this, closing the connection would throw away the answer together with what is still under way, and
        keeping it would let a sender go on forever.
        """
        self.give_back()
        try:
            async with asyncio.timeout(self._limits.idle_s):
                while not self._ended and self._received_bytes <= self._limits.discard_bytes:
                    await self._next()
        except (TimeoutError, Gone):
            return False
        return self._ended

    @property
    def received_bytes(self) -> int:
        """So far, as they came."""
        return self._received_bytes

    def give_back(self) -> None:
        """The body is needed no more."""
        self._room.give_back(self._taken_bytes)
        self._taken_bytes = 0

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece: bytes = message.get("body", b"")
        self._received_bytes += len(piece)
        self._ended = not message.get("more_body", False)
        return piece

    def _take(self, size: int) -> None:
        self._room.take(size)
        self._taken_bytes += size
