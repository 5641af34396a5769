"""Who is told, and how it ends when they could not be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from claude_telemetry_collector.store.incidents import Notice


class NotToldError(Exception):
    """A notice was not taken. It is worth trying again."""

    def __init__(self, why: str, *, retry_after: timedelta | None = None, only_this: bool = False) -> None:
        """`why` goes into logs and the outbox: never an address. `only_this`: other notices may well be taken."""
        super().__init__(why)
        self.why = why
        self.retry_after = retry_after
        self.only_this = only_this


class Notifier(Protocol):
    """A channel on which people are told."""

    @property
    def name(self) -> str:
        """The channel's name in the outbox: the same after a restart."""
        ...

    def tell(self, notice: Notice) -> None:
        """Tells it, within seconds. Raises `NotToldError` when nobody has it."""
        ...


__all__ = ["NotToldError", "Notifier"]
