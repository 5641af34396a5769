"""A *finding*: something that could be done otherwise, what that saves, and what says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from claude_telemetry_collector.queries.window import Window

MONTH = timedelta(days=30)

Bound = Literal["exact", "at_most", "at_least"]
"""Whether a saving is known to the cent, or only from one side: exact as far as the assumptions hold."""

Kind = Literal["saving", "what_if", "hint"]
"""A *saving* buys the same for less. A *what_if* buys something else for less, and whether that will do is for people
to say. A *hint* has no dollars of its own."""

MOST_ROWS = 20

TEXT: pa.DataType = pa.string()
COUNT: pa.DataType = pa.int64()
NUMBER: pa.DataType = pa.float64()
USD: pa.DataType = pa.decimal128(38, 12)
YES_NO: pa.DataType = pa.bool_()
"""What columns of evidence hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page that shows more: its name in the URL, and what it is to be narrowed to. The values are foreign."""

    page: str
    words: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found in a window. All words are ours; what comes from calls is in `evidence` alone."""

    name: str
    title: str
    said: str
    """What was found, in a sentence."""
    kind: Kind = "saving"
    found: bool
    """Whether there is anything to do about."""
    saved_usd: Decimal | None = None
    """What would have been saved in the window, at list price. `None`: not known, and `why_unknown` says why."""
    bound: Bound = "exact"
    why_unknown: str = ""
    evidence: pa.Table
    """The rows that say so, those with most to save first, at most 20."""
    assumptions: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    """What to do, first things first."""
    left_out: int = 0
    """Calls that the rule is about, and of which it could not tell."""
    why_left_out: str = ""
    links: tuple[Link, ...] = ()


def per_month(usd: Decimal | None, window: Window, now: datetime) -> Decimal | None:
    """What an amount over `window` comes to in 30 days that are like it, or like the part of it that has passed `now`.
    `None` for an amount that is not known, and for a window that has not begun."""
    second = timedelta(seconds=1)
    passed = (min(window.end, now) - window.start) // second
    return None if usd is None or passed <= 0 else usd * Decimal(MONTH // second) / Decimal(passed)


def counted(number: int, one: str, more: str) -> str:
    """A number with its word: `1 prompt`, `12 prompts`."""
    return f"{number:,} {one if number == 1 else more}"


def columns(**kinds: pa.DataType) -> pa.Schema:
    """The columns of a table of evidence, in order."""
    return pa.schema(kinds)


def rows_as_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """The first of `rows`, as evidence."""
    return pa.Table.from_pylist(list(rows[:MOST_ROWS]), schema)
