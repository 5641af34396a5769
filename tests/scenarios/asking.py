"""What the scenarios ask, what is answered, and what that costs, worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

OPUS, HAIKU, HAIKU_55, FABLE = "claude-opus-5-5", "claude-haiku-4-5", "claude-haiku-5-5", "claude-fable-5-2"

ASK: dict[str, Any] = {
    "model": OPUS,
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How much is it?"}],
}
COUNT = {name: ASK[name] for name in ("model", "messages")}

USAGE: dict[str, Any] = {
    "input_tokens": 120,
    "cache_read_input_tokens": 3000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
    "output_tokens": 45,
    "output_tokens_details": {"thinking_tokens": 12},
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    "service_tier": "standard",
    "inference_geo": "global",
    "speed": "standard",
}
# Opus 5.5: 4 / 20 / 5 / 8 / 0.20 USD per million tokens of input / output / 5-minute write / 1-hour write / read.
# 120 * 4 + 200 * 5 + 300 * 8 + 3000 * 0.2 + 45 * 20 = 480 + 1000 + 2400 + 600 + 900 = 5380 millionths; a search 0.01.
COST = Decimal("0.01538")
INPUT_COST = Decimal("0.00448")
"""Of the same without its output (900) and the search, which a stream tells at its end."""

PLAIN: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 10, "inference_geo": "global"}
"""On a cloud platform, where no search is priced."""
# 1000 * 4 + 10 * 20 = 4200 millionths.
PLAIN_COST = Decimal("0.0042")
PLAIN_INPUT_COST = Decimal("0.004")

AT_ONCE = {"retry-after-ms": "1"}
"""The header that makes the SDK try again without a pause."""
