"""Which facts of a call stand together on its page, by the names of their columns."""

from __future__ import annotations

from claude_telemetry.record import Call, columns_of

TIMES = ("started_at", "duration_ms", "ttft_ms", "first_event_ms", "attempts")
OUTCOME = ("status", "error_type", "http_status", "stop_reason", "refusal_category", "stream_end", "billed")
MODEL = ("model", "request_model", "operation", "provider", "platform", "service_tier", "speed", "inference_geo")
ASKED = (
    "max_tokens",
    "temperature",
    "effort",
    "thinking",
    "thinking_budget_tokens",
    "stream",
    "message_count",
    "tool_count",
    "requested_service_tier",
)
TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "thinking_tokens",
    "web_search_requests",
    "web_fetch_requests",
    "code_execution_requests",
    "usage_partial",
)
"""Uncached input, cache reads, cache writes and output do not overlap; the others are parts of the one above them."""
PRICE = ("cost_usd", "net_cost_usd", "cost_status", "price_version", "cost_flags")
LABELS = ("service", "environment", "feature", "user_id", "session_id", "tenant", "api_key_alias")
PROMPT = (
    "prompt_name",
    "prompt_version",
    "prompt_fingerprint",
    "system_fingerprint",
    "tools_fingerprint",
    "cache_fingerprints",
)
FRAMEWORK = ("framework", "run_name", "run_id", "reask")
IDS = (
    "request_id",
    "message_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "organization_id",
    "workspace_id",
    "batch_id",
    "custom_id",
)

DRAWN = ("cost_breakdown", "usage", "hops", "tags")
"""What is more than one fact, and drawn as such."""
MORE = tuple(
    column.name
    for column in columns_of(Call)
    if column.name
    not in {*TIMES, *OUTCOME, *MODEL, *ASKED, *TOKENS, *PRICE, *LABELS, *PROMPT, *FRAMEWORK, *IDS, *DRAWN}
)
"""What the record has and no card names: a new fact is shown from the day that it is recorded."""
