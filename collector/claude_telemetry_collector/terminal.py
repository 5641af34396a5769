"""What commands read from and write to a terminal: days, aligned columns, money without a digit too few, and text from
elsewhere, which must not move the cursor, colour what follows or hide what came before."""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from claude_telemetry.errors import ClaudeTelemetryError, QuestionRefusedError


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> Iterator[str]:
    """The lines of a table. The first `left` columns are texts, the others numbers and to the right."""
    widths = [max(map(cells_wide, cells)) for cells in zip(head, *rows, strict=True)]
    for cells in (head, ["─" * width for width in widths], *rows):
        filled = ((cell, " " * (width - cells_wide(cell))) for cell, width in zip(cells, widths, strict=True))
        aligned = (cell + room if place < left else room + cell for place, (cell, room) in enumerate(filled))
        yield "  ".join(aligned).rstrip()


def printable(text: str) -> str:
    """`text` in one line, of which a terminal shows every character: what would steer it, or is not seen, is written
    out, as in `\\x1b`, and so are marks that turn the direction of reading."""
    return "".join(character if _is_seen(character) else _written_out(character) for character in text)


def _is_seen(character: str) -> bool:
    # Cc steers, Cf is not seen or turns, Cs, Co and Cn are no characters, Zl and Zp break lines.
    return character == " " or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _written_out(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or (
        f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{{{ord(character):x}}}"
    )


def cells_wide(text: str) -> int:
    """How many cells of a terminal `text` takes: two for each East Asian wide character, none for marks on another."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def cut(text: str, most: int) -> str:
    """`text`, or its beginning and `…` where it takes more than `most` cells."""
    if cells_wide(text) <= most:
        return text
    kept, width = "", 0
    for character in text:
        width += cells_wide(character)
        if width >= most:
            break
        kept += character
    return kept + "…"


def dollars(amount: Decimal, *, signed: bool = False) -> str:
    """`amount` in USD, exact, with two decimals at least: `$1.20`, `-$0.000035`; `signed`: with a plus as well."""
    whole, _, decimals = f"{abs(amount):,f}".partition(".")
    sign = "-" if amount < 0 else "+" if signed and amount else ""
    return f"{sign}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def counted_calls(count: int) -> str:
    """`1 call`, `1,200 calls`."""
    return f"{count:,} call" if count == 1 else f"{count:,} calls"


def failed(command: str, error: ClaudeTelemetryError) -> int:
    """Says on standard error what kept `command` from asking. The exit code: 2 when the question was not understood,
    1 when nobody could be asked."""
    print(f"claude-telemetry {command}: {error}", file=sys.stderr)
    return 2 if isinstance(error, QuestionRefusedError) else 1


def day_given(text: str) -> date:
    """A UTC day, as an argument. Raises `argparse.ArgumentTypeError` that says what to give."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a day, such as 2026-11-20") from None
