"""`tracking`: what the calls of one part of the application come to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Generic, TypeVar, cast, overload

from claude_telemetry.spending.adding import By
from claude_telemetry.spending.amounts import Totals
from claude_telemetry.spending.process import here, totals_of

T = TypeVar("T")


class _Of(Generic[T]):
    """A fact of the totals, as they are when it is read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, block: tracking, owner: type) -> T:
        return cast("T", getattr(block.totals(), self._name))


class tracking:  # noqa: N801 - reads as a statement: `with tracking() as spent:`
    """Adds up the Claude calls that begin inside a `with` block, apart from all others.

        with claude_telemetry.tracking() as spent:
            client.messages.create(...)
        print(spent.cost_usd, spent)

    It may be read inside and after: each fact is that of `totals()` at this moment. asyncio tasks that are started
    inside belong to it, also when they run on after it, and so do threads that got `carry(function)`, and tasks of our
    `ThreadPoolExecutor`. Blocks may be nested: a call belongs to all that it is in. Entered again, it goes on.
    """

    __slots__ = ("__weakref__",)

    calls = _Of[int]()
    running = _Of[int]()
    errors = _Of[int]()
    unpriced_calls = _Of[int]()
    partial_calls = _Of[int]()
    uncounted_calls = _Of[int]()
    cost_usd = _Of[Decimal]()
    net_cost_usd = _Of[Decimal]()
    input_tokens = _Of[int]()
    cache_read_tokens = _Of[int]()
    cache_write_tokens = _Of[int]()
    output_tokens = _Of[int]()
    recording = _Of[bool]()
    at_least = _Of[bool]()
    total_tokens = _Of[int]()

    @overload
    def totals(self) -> Totals: ...

    @overload
    def totals(self, *, by: By) -> Mapping[str | None, Totals]: ...

    def totals(self, *, by: By | None = None) -> Totals | Mapping[str | None, Totals]:
        """As `claude_telemetry.totals`, of the calls that began in this block. All facts are of one moment."""
        return totals_of(self, by)

    def __enter__(self) -> tracking:
        here.set((*here.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without a token: a generator may be closed in another context than the one it was entered in.
        blocks = here.get()
        for place in reversed(range(len(blocks))):
            if blocks[place] is self:
                here.set(blocks[:place] + blocks[place + 1 :])
                return

    def __str__(self) -> str:
        return str(self.totals())
