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
        written = _count(usage, "cache_creation_input_tokens")
        split = usage.get("cache_creation")
        five, hour = _count(split, "ephemeral_5m_input_tokens"), _count(split, "ephemeral_1h_input_tokens")
        if written is None and five is not None and hour is not None:
            written = five + hour
        if (five or 0) + (hour or 0) != written:
            five = hour = None
        return cls(
            input_tokens=_count(usage, "input_tokens"),
            cache_read_tokens=_count(usage, "cache_read_input_tokens"),
            cache_write_tokens=written,
            cache_write_5m_tokens=five,
            cache_write_1h_tokens=hour,
            output_tokens=_count(usage, "output_tokens"),
            thinking_tokens=_count(usage.get("output_tokens_details"), "thinking_tokens"),
            web_search_requests=_count(usage.get("server_tool_use"), "web_search_requests"),
            web_fetch_requests=_count(usage.get("server_tool_use"), "web_fetch_requests"),
            code_execution_requests=_count(usage.get("server_tool_use"), "code_execution_requests"),
        )


def _count(counts: Any, name: str) -> int | None:
    value: object = cast("Mapping[str, object]", counts).get(name) if isinstance(counts, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _TOO_MANY else None
