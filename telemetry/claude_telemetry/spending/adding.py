"""Adding up calls: in whole numbers, all of them, and by what they were labelled.

A label may be anything, such as an id for each request. So of each label a bounded number of values is told apart,
first come; the calls of all others are one entry. A value that is told apart has all of its calls, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from operator import add, sub
from typing import Any, Final, Literal, NamedTuple, get_args

from claude_telemetry.errors import LabelError
from claude_telemetry.labels.labelling import COLUMNS
from claude_telemetry.record import Call
from claude_telemetry.record.attributes import picodollars, usd
from claude_telemetry.spending.amounts import Totals

By = Literal[
    "model",
    "user",
    "session",
    "feature",
    "prompt",
    "prompt_version",
    "tenant",
    "environment",
    "api_key_alias",
]
"""What totals can be told by."""

MOST: Final = 10_000
"""Values of one label that are told apart."""
OTHER: Final = "_other"
"""Any further value, as in the metrics."""

BY: Final[tuple[By, ...]] = get_args(By)
_LABELS = tuple((by, COLUMNS[by]) for by in BY if by in COLUMNS)
_COLUMNS = (
    "status",
    "billed",
    "cost_usd",
    "net_cost_usd",
    "cost_status",
    "usage_partial",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "model",
    "request_model",
    *(column for _, column in _LABELS),
)
_ZERO = Decimal(0)  # rather than the `0E-12` that zero picodollars would print as


class Part(NamedTuple):
    """What some calls add: whole numbers, and so exact."""

    calls: int = 0
    errors: int = 0
    unpriced_calls: int = 0
    partial_calls: int = 0
    uncounted_calls: int = 0
    cost: int = 0
    """In picodollars, as the next."""
    net_cost: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    def and_also(self, other: Part) -> Part:
        return Part._make(map(add, self, other))

    def without(self, others: Collection[Part]) -> Part:
        return Part._make(map(sub, self, map(sum, zip(*others, strict=True)))) if others else self

    def totals(self, *, running: int, recording: bool) -> Totals:
        """These calls as they are told, beside those that run."""
        return Totals(
            calls=self.calls,
            running=running,
            errors=self.errors,
            unpriced_calls=self.unpriced_calls,
            partial_calls=self.partial_calls,
            uncounted_calls=self.uncounted_calls,
            cost_usd=usd(self.cost) if self.cost else _ZERO,
            net_cost_usd=usd(self.net_cost) if self.net_cost else _ZERO,
            input_tokens=self.input_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens,
            output_tokens=self.output_tokens,
            recording=recording,
        )


NOT_WORKED_OUT = Part(calls=1, unpriced_calls=1, uncounted_calls=1)
"""A call of which no more could be found out than that it was."""


def part_of(facts: Mapping[str, Any]) -> Part:
    """What one call adds, from the columns that are known of it. Raises `ValueError` for a cost that is no whole number
    of picodollars."""
    known = facts.get
    cost_usd, net_cost_usd, unbilled = known("cost_usd"), known("net_cost_usd"), known("billed") is False
    cost = 0 if cost_usd is None else picodollars(cost_usd)
    return Part(
        calls=1,
        errors=int(known("status") == "error"),
        unpriced_calls=int(cost_usd is None and not unbilled),
        partial_calls=int(cost_usd is not None and known("cost_status") == "partial"),
        uncounted_calls=int(bool(known("usage_partial")) or (known("input_tokens") is None and not unbilled)),
        cost=cost,
        net_cost=cost if net_cost_usd is None else picodollars(net_cost_usd),
        input_tokens=known("input_tokens") or 0,
        cache_read_tokens=known("cache_read_tokens") or 0,
        cache_write_tokens=known("cache_write_tokens") or 0,
        output_tokens=known("output_tokens") or 0,
    )


def values_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a call is told by, from the columns that are known of it. The model is the one that answered, else the one
    that was asked for."""
    values: dict[str, str] = {by: facts[column] for by, column in _LABELS if facts.get(column) is not None}
    model = facts.get("model") or facts.get("request_model")
    if model is not None:
        values["model"] = model
    return values


def facts_of(call: Call) -> dict[str, Any]:
    """The columns of `call` that count here."""
    return {column: getattr(call, column) for column in _COLUMNS}


class Sums:
    """Calls that are added up. Not thread-safe."""

    __slots__ = ("_all", "_by")

    def __init__(self) -> None:
        self._all = Part()
        self._by: dict[str, dict[str, Part]] = {by: {} for by in BY}
        """Without those that have no such label: they are what is left of all."""

    def add(self, part: Part, values: Mapping[str, str]) -> None:
        self._all = self._all.and_also(part)
        for by, value in values.items():
            parts = self._by[by]
            value = _told_apart(value, parts)
            former = parts.get(value)
            parts[value] = part if former is None else former.and_also(part)

    def totals(self, *, running: int, recording: bool) -> Totals:
        return self._all.totals(running=running, recording=recording)

    def totals_by(self, by: str, *, running: Sequence[Mapping[str, str]], recording: bool) -> dict[str | None, Totals]:
        """By each value that there was, and `None` for calls without one. `running` are the values of calls that run.
        Raises `LabelError` for a `by` that there is not."""
        if by not in self._by:
            raise LabelError(f"totals are not told by {by!r}: give {', '.join(BY)}")
        parts = self._by[by]
        run = Counter(value and _told_apart(value, parts) for value in (values.get(by) for values in running))
        told: dict[str | None, Part] = dict(parts.items())
        rest = self._all.without(parts.values())
        if rest.calls:
            told[None] = rest
        return {
            value: told.get(value, Part()).totals(running=run[value], recording=recording)
            for value in dict.fromkeys((*told, *run))
        }


def _told_apart(value: str, known: Mapping[str, object]) -> str:
    return value if value in known or len(known) < MOST else OTHER
