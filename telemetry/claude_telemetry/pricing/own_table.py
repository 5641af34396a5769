"""One table of a user's price file, read key by key: what is wrong is told with its place and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from claude_telemetry.errors import PriceBookError

_MOST_USD = 10**6
"""A rate beyond this, in USD per million tokens, is a slip of the hand: it is a dollar for a token."""
DECIMALS = 4
"""Of a rate: with more, a token in a batch at a place that costs more would not cost whole picodollars."""
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Table:
    """A table, and its place in the file as the file's own words have it, such as `[[prices]] 2`."""

    def __init__(self, at: str, values: Mapping[str, Any]) -> None:
        self.at = at
        self._values = values

    def error(self, key: str, found: str, give: str) -> PriceBookError:
        """The error to raise: what stands at `key`, and what to give instead."""
        where = f"{self.at}, {key}" if self.at else key
        return PriceBookError(f"{where}: {found}; {give}")

    def only(self, *keys: str) -> None:
        """Raises `PriceBookError` for a key that is none of `keys`."""
        for key in self._values:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1)
                hint = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(keys)}"
                raise self.error(key, "there is no such key", hint)

    def has(self, key: str) -> bool:
        return key in self._values

    def items(self) -> Iterable[tuple[str, object]]:
        return self._values.items()

    # Each of these is the value at a key, or `None` for none, and raises `PriceBookError` for one of another kind.

    def text(self, key: str) -> str | None:
        value = self._values.get(key)
        if value is None or (isinstance(value, str) and value.strip() == value and value):
            return value
        raise self.error(key, _shown(value), "give a text in quotes, without spaces around it")

    def texts(self, key: str) -> tuple[str, ...]:
        """Nothing for none."""
        value: object = self._values.get(key, [])
        texts = _list(value)
        if texts is None or not all(isinstance(text, str) and text.strip() == text and text for text in texts):
            raise self.error(key, _shown(value), 'give texts in brackets, such as ["a", "b"]')
        return tuple(map(str, texts))

    def switch(self, key: str) -> bool | None:
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.error(key, _shown(value), "give true or false")

    def tokens(self, key: str) -> int | None:
        value = self._values.get(key)
        if value is None or (type(value) is int and value > 0):
            return value
        raise self.error(key, _shown(value), "give a whole number of tokens, such as 200000")

    def number(self, key: str) -> Decimal | None:
        """A decimal, in quotes or without."""
        value = self._values.get(key)
        if value is None:
            return None
        number = _decimal(value)
        if number is None:
            raise self.error(key, _shown(value), "give a decimal number, such as 12.5")
        return number

    def day(self, key: str) -> date | None:
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            if isinstance(value, str):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise self.error(key, _shown(value), "give a UTC day, such as 2026-12-01")

    def table(self, key: str) -> Table | None:
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, _shown(value), f"give a table: [{key}]")
        return Table(f"{self.at}, {key}" if self.at else f"[{key}]", cast("dict[str, Any]", value))

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables below `key`, with their names."""
        holder = self.table(key)
        if holder is None:
            return
        for name, value in holder.items():
            at = f"[{key}.{_quoted(name)}]"
            if not isinstance(value, dict):
                raise PriceBookError(f"{at}: {_shown(value)}; give a table, as docs/pricing.md shows")
            if not name.strip() or name.strip() != name:
                raise PriceBookError(f"{at}: {name!r} is no name; give one without spaces around it")
            yield name, Table(at, cast("dict[str, Any]", value))

    def entries(self, key: str) -> Iterator[Table]:
        """The tables of a list, counted from 1."""
        value: object = self._values.get(key, [])
        entries = _list(value)
        for number, entry in enumerate([None] if entries is None else entries, start=1):
            if not isinstance(entry, dict):
                raise self.error(key, _shown(value), f"give each entry below a line [[{key}]]")
            yield Table(f"[[{key}]] {number}", cast("dict[str, Any]", entry))

    # What must be there

    def needed_text(self, key: str, what: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.error(key, "missing", f"give {what}")
        return value

    def needed_rate(self, key: str) -> Decimal:
        """USD per million tokens."""
        rate = self.number(key)
        if rate is None:
            raise self.error(key, "missing", "give USD per million tokens, such as 2.5")
        return self.fine(key, rate)

    def fine(self, key: str, rate: Decimal) -> Decimal:
        """`rate`, if it is one that tokens can be priced with exactly."""
        if not 0 <= rate <= _MOST_USD:
            raise self.error(key, str(rate), "give USD per million tokens, such as 2.5")
        if rate != round(rate, DECIMALS):
            raise self.error(
                key, str(rate), f"give {DECIMALS} decimals at most, so that each token costs an exact amount"
            )
        return rate


def _list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _decimal(value: object) -> Decimal | None:
    """What a decimal number stands for, exactly. `None` for what is none."""
    if isinstance(value, str):
        digits = value.removeprefix("-").replace(".", "", 1)
        # Not all that `Decimal` reads: no exponents, no spaces, no digits of other scripts.
        value = Decimal(value) if digits.isascii() and digits.isdigit() else None
    if type(value) is int:
        return Decimal(value)
    return value if isinstance(value, Decimal) and value.is_finite() else None


def _shown(value: object) -> str:
    if isinstance(value, Decimal | date):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoted(name: str) -> str:
    return name if name and set(name) <= _PLAIN else f'"{name}"'
