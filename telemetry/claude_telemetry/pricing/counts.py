"""The token counts of a usage object, read strictly: a count that is no whole number makes the price unknown.

The API leaves out what does not apply or sends `null`; for the parts of the cache that is zero. Input and output are
always there, so a usage without them is not zero but unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from claude_telemetry.pricing.endpoint import UnpricedError

MOST_TOKENS = 10**12
"""A count beyond this is no count: it is a million times the largest context."""


class Counts(NamedTuple):
    """Tokens, in the order of `Rates`."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int

    @property
    def prompt(self) -> int:
        """What a limit on the length of a prompt is compared with."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read


def counts_of(usage: Mapping[str, Any], flags: list[str], *, output_known: bool = True) -> Counts:
    """The tokens of `usage`, a usage object or one of its iterations; no output when it is not known.

    Raises `UnpricedError` for counts that cannot be.
    """
    written_5m, written_1h = _writes(usage, flags)
    return Counts(
        _required(usage, "input_tokens"),
        _required(usage, "output_tokens") if output_known else 0,
        written_5m,
        written_1h,
        count(usage, "cache_read_input_tokens"),
    )


def count(usage: Mapping[str, Any], name: str) -> int:
    """A count that may be missing, which is zero. Raises `UnpricedError` for what is no count."""
    value = usage.get(name)
    if value is None:
        return 0
    # Not `isinstance`: `True` is an int.
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    raise UnpricedError("tokens_unknown")


def mapping_in(usage: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """An object within `usage`, or `None` for none. Raises `UnpricedError` for what is no object."""
    value = usage.get(name)
    if value is None or isinstance(value, Mapping):
        return cast("Mapping[str, Any] | None", value)
    raise UnpricedError("tokens_unknown")


def _required(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    raise UnpricedError("tokens_unknown")


def _writes(usage: Mapping[str, Any], flags: list[str]) -> tuple[int, int]:
    """Cache writes that live 5 minutes, and 1 hour.

    A stream says at its start how the writes split, and its total can grow after that (server tools): the rest goes to
    the only lifetime seen, else to 5 minutes, which is the API's default.
    """
    total = count(usage, "cache_creation_input_tokens")
    split = mapping_in(usage, "cache_creation")
    five = hour = 0
    if split is not None:
        five, hour = count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")
    rest = total - five - hour
    if rest > 0:
        flags.append("ttl_assumed")
        if hour and not five:
            return five, hour + rest
        return five + rest, hour
    return five, hour
