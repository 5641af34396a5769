"""The tokens of a call, and which sum to which.

The API reports `input_tokens` without the cached ones; OpenTelemetry's `gen_ai.usage.input_tokens` includes them.
Here the input is always kept as parts that do not overlap, so that no token is ever counted twice:

    input in all = uncached + cache read + cache write
    cache write  = 5-minute writes + 1-hour writes (where the response says how it splits)
    output       = thinking and everything else

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (usage fields), read 2026-08-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_TOO_MANY = 2**63
"""What no attribute and no column can hold is no count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one answer. `None` means not reported, never zero."""

    input_tokens: int | None = None
    """Uncached input only."""
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    """All output, thinking included."""
    thinking_tokens: int | None = None
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None
    code_execution_requests: int | None = None

    @classmethod
    def from_wire(cls, usage: Mapping[str, Any]) -> Usage:
        """The `usage` object of a Messages response, as the API sends it.

        A field of another type than a whole number counts as not reported. The split of cache writes by lifetime is
        kept only when it adds up to the total: a stream gives it at the start, and the total can grow after that.
        """
        return cls(**counts_in(usage))


def counts_in(usage: Mapping[str, Any]) -> dict[str, int]:
    """The counts that `Usage.from_wire` finds, by name, without those that are not reported."""
    counts: dict[str, int] = {}
    _count(usage, _AT_THE_TOP, counts)
    _count(usage.get("cache_creation"), _SPLIT, counts)
    _count(usage.get("output_tokens_details"), _OF_OUTPUT, counts)
    _count(usage.get("server_tool_use"), _TOOLS, counts)
    five, hour = counts.get("cache_write_5m_tokens"), counts.get("cache_write_1h_tokens")
    if five is not None or hour is not None:
        written = counts.get("cache_write_tokens")
        if written is None and five is not None and hour is not None:
            written = counts["cache_write_tokens"] = five + hour
        if (five or 0) + (hour or 0) != written:
            counts.pop("cache_write_5m_tokens", None)
            counts.pop("cache_write_1h_tokens", None)
    return counts


# Field of `Usage`, name on the wire.
_AT_THE_TOP = (
    ("input_tokens", "input_tokens"),
    ("cache_read_tokens", "cache_read_input_tokens"),
    ("cache_write_tokens", "cache_creation_input_tokens"),
    ("output_tokens", "output_tokens"),
)
_SPLIT = (
    ("cache_write_5m_tokens", "ephemeral_5m_input_tokens"),
    ("cache_write_1h_tokens", "ephemeral_1h_input_tokens"),
)
_OF_OUTPUT = (("thinking_tokens", "thinking_tokens"),)
_TOOLS = (
    ("web_search_requests", "web_search_requests"),
    ("web_fetch_requests", "web_fetch_requests"),
    ("code_execution_requests", "code_execution_requests"),
)


def _count(reported: object, names: tuple[tuple[str, str], ...], counts: dict[str, int]) -> None:
    if isinstance(reported, dict | Mapping):
        for field, name in names:
            value: object = cast("Mapping[str, object]", reported).get(name)
            # Not `isinstance`: `True` is an int.
            if type(value) is int and 0 <= value < _TOO_MANY:
                counts[field] = value
