"""What commands read from and write to a terminal: days, aligned columns, and money without a digit too few."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> Iterator[str]:
    """The lines of a table. The first `left` columns are texts, the others numbers and to the right."""
    widths = [max(map(len, cells)) for cells in zip(head, *rows, strict=True)]
    for cells in (head, ["─" * width for width in widths], *rows):
        aligned = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield "  ".join(aligned).rstrip()


def dollars(amount: Decimal, *, signed: bool = False) -> str:
    """`amount` in USD, exact, with two decimals at least: `$1.20`, `-$0.000035`; `signed`: with a plus as well."""
    whole, _, decimals = f"{abs(amount):,f}".partition(".")
    sign = "-" if amount < 0 else "+" if signed and amount else ""
    return f"{sign}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def counted_calls(count: int) -> str:
    """`1 call`, `1,200 calls`."""
    return f"{count:,} call" if count == 1 else f"{count:,} calls"


def day_given(text: str) -> date:
    """A UTC day, as an argument. Raises `argparse.ArgumentTypeError` that says what to give."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a day, such as 2026-11-20") from None
