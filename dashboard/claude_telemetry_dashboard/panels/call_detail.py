"""Everything that is known about one call. All of it is shown as text: it was written by others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from claude_telemetry.record import Attempt, Call, Column, ToolUse, columns_of
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.queries import CallDetail, Hop
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import tables

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


def show(detail: CallDetail) -> None:
    """One call, from when and how it went to the attributes as they came."""
    values = {column.name: getattr(detail.call, column.name) for column in columns_of(Call)}
    with st.grid(3, min_column_width=330, gap="medium", key="call-detail"):
        _facts("When", values, TIMES)
        _facts("Outcome", values, OUTCOME)
        _facts("Model", values, MODEL)
        _facts("Asked for", values, ASKED)
        _facts(
            "Tokens", values, TOKENS, "Input comes in three kinds that do not overlap; the others are parts of them."
        )
        _cost(values, detail.cost_breakdown)
        _labels(values, detail.tags)
        _facts_if_any(
            "Prompt", values, PROMPT, "What has the same fingerprint is the same text. It cannot be read back."
        )
        _facts_if_any("Framework", values, FRAMEWORK)
        _facts_if_any("More", values, MORE)
    if detail.hops:
        _hops(detail.hops)
    _rows("Attempts", Attempt, detail.attempts, "Each time the question went over the wire.", _why_no_attempts(detail))
    if detail.tool_uses:
        _rows("Tools asked for", ToolUse, detail.tool_uses, "The tools that the answer asks for.", "")
    with st.grid(2, min_column_width=420, gap="medium", key="call-raw"):
        with _card():
            _heading("Ids", "Who gave what name to this call.")
            tables.facts(values, IDS)
            st.text(f"Recorded by {formats.text(detail.source)}, came in at {formats.moment(detail.received_at)} UTC.")
        with st.container(border=True, height="stretch"):
            _heading("As received", "The API's usage object, and the attributes that are not shown above.")
            _json("usage", detail.usage)
            _json("attributes", detail.attributes)


def _facts(title: str, values: Mapping[str, Any], names: tuple[str, ...], meaning: str | None = None) -> None:
    with _card():
        _heading(title, meaning)
        tables.facts(values, names)


def _facts_if_any(title: str, values: Mapping[str, Any], names: tuple[str, ...], meaning: str | None = None) -> None:
    if any(values[name] is not None for name in names):
        _facts(title, values, names, meaning)


def _labels(values: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
    with _card():
        _heading("Labels", "What the application said about the call.")
        tables.facts(values, LABELS)
        if tags:
            st.caption("and its own")
            tables.lines({name: formats.text(value) for name, value in tags.items()})


def _hops(hops: Sequence[Hop]) -> None:
    with st.container(border=True):
        _heading("Answers", "Another model was asked after the first had declined. Each answer is billed by itself.")
        tables.table([_hop(hop) for hop in hops])


def _hop(hop: Hop) -> dict[str, str]:
    return {
        "Model": formats.text(hop.model),
        "Stop reason": formats.text(hop.stop_reason),
        "Uncached input": formats.count(hop.input_tokens),
        "Output": formats.count(hop.output_tokens),
        "Cost": formats.usd_exact(hop.cost_usd),
        "Message ID": formats.text(hop.message_id),
    }


def _why_no_attempts(detail: CallDetail) -> str:
    call = detail.call
    if call.attempts == 0:
        return "None: a middleware had the answer, or the arguments could not be sent."
    if call.custom_id is not None:
        return "None of its own: the results of its batch tell of it."
    if call.operation == AGENT_MODEL_REQUEST:
        return "None of its own: the events of its session tell of it."
    return "Whoever recorded this call does not tell of them."


def _cost(values: Mapping[str, Any], breakdown: Mapping[str, Any]) -> None:
    with _card():
        _heading(
            "Cost",
            "At list price, which the lines add up to; the net cost is after the discounts that you have stated.",
        )
        tables.facts(values, PRICE)
        if breakdown:
            st.caption("of which")
            tables.lines({line: formats.usd_exact(usd) for line, usd in breakdown.items()})


def _rows(title: str, record: type, parts: tuple[Any, ...], meaning: str, nothing: str) -> None:
    columns = columns_of(record)
    with st.container(border=True):
        _heading(title, meaning)
        if parts:
            tables.table([_row(part, columns) for part in parts])
        else:
            st.caption(nothing)


def _row(part: object, columns: tuple[Column, ...]) -> dict[str, str]:
    return {tables.titled(column.name): formats.cell(getattr(part, column.name), column) for column in columns}


def _json(title: str, content: Mapping[str, Any]) -> None:
    st.caption(title if content else f"{title}: none")
    if content:
        st.code(json.dumps(content, indent=2, ensure_ascii=False, default=str), language="json", wrap_lines=True)


def _card() -> AbstractContextManager[object]:
    return st.container(border=True, height="stretch", gap="xsmall")


def _heading(title: str, meaning: str | None = None) -> None:
    st.markdown(f"**{title}**", help=meaning)
