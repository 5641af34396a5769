"""What somebody wrote as a number, a flag or a name, whatever type they gave it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from claude_telemetry_collector.decode.door import MAX_WHOLE
from claude_telemetry_collector.decode.facts import MAX_USD
from claude_telemetry_collector.decode.paths import parsed

_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{0,19})?(?:[eE][-+]?[0-9]{1,3})?")
_FLAG_TEXTS = {"true": True, "false": False}


def count_of(value: object) -> int | None:
    """The whole number that `value` is, or is the text of; `None` for one that is negative or beyond 64 bits."""
    number = number_of(value)
    if number is None or not 0 <= number <= MAX_WHOLE or number != int(number):
        return None
    return int(number)


def number_of(value: object) -> int | float | None:
    """The number that `value` is, or is the text of."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        return int(text) if text.isdecimal() else float(text)
    return None


def flag_of(value: object) -> bool | None:
    """`value`, or what its text says."""
    if isinstance(value, bool):
        return value
    return _FLAG_TEXTS.get(value.lower()) if isinstance(value, str) else None


def text_of(value: object) -> str | None:
    """`value` as a text; of a list, also one in JSON, the first."""
    if isinstance(value, str) and value.startswith("["):
        items = parsed(value)
        return text_of(cast("list[object]", items)) if isinstance(items, list) else value
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return text_of(items[0]) if items else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    return value or None if isinstance(value, str) else None


def usd(value: object) -> Decimal | None:
    """`value` in USD, to the picodollar, as far as that can be a cost."""
    number = number_of(value)
    if number is None or not 0 <= number < MAX_USD:
        return None
    return Decimal(repr(number)).quantize(Decimal("1e-12"))
