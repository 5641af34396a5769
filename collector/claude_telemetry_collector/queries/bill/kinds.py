"""The words of both sides: kinds of token as the bill, a cost and people call them."""

from __future__ import annotations

from collections.abc import Mapping

SEARCHES = "web_search_requests"

KINDS: Mapping[str, tuple[str, str]] = {
    "uncached_input_tokens": ("input", "uncached input"),
    "output_tokens": ("output", "output"),
    "cache_read_input_tokens": ("cache_read", "cache reads"),
    "cache_creation.ephemeral_5m_input_tokens": ("cache_write_5m", "5-minute cache writes"),
    "cache_creation.ephemeral_1h_input_tokens": ("cache_write_1h", "1-hour cache writes"),
    SEARCHES: ("web_search", "web searches"),
}
"""Anthropic's word for each kind of token, the line of a cost that it stands on, and how people call it."""

BY_LINE: Mapping[str, str] = {line: kind for kind, (line, _) in KINDS.items()}

NO_PLACE = "not_available"
"""The API's word for a model that knows no choice of place. The bill leaves it out there."""
