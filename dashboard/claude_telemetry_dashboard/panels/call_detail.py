"""Everything that is known about one call. All of it is shown as text: it was written by others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from claude_telemetry.record import Attempt, Call, Column, ToolUse, columns_of
from claude_telemetry_collector.queries import CallDetail
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import tables

OUTCOME = (
    "status",
    "error_type",
    "http_status",
    "stop_reason",
    "refusal_category",
    "stream",
    "stream_end",
    "billed",
)
TIMES = ("started_at", "duration_ms", "ttft_ms", "attempts")
MODEL = (
    "model",
    "request_model",
    "operation",
    "provider",
    "platform",
    "max_tokens",
    "service_tier",
    "speed",
    "inference_geo",
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
)
"""Uncached input, cache reads, cache writes and output do not overlap; the others are parts of the one above them."""
PRICE = ("cost_usd", "cost_status", "price_version", "cost_flags")
LABELS = (
    "service",
    "environment",
    "feature",
    "user_id",
    "session_id",
    "tenant",
    "prompt_name",
    "prompt_version",
    "prompt_fingerprint",
)
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

MORE = tuple(
    column.name
    for column in columns_of(Call)
    if column.name not in {*OUTCOME, *TIMES, *MODEL, *TOKENS, *PRICE, *LABELS, *IDS, "cost_breakdown", "usage"}
)
"""What the record has and no card names: a new fact is shown from the day that it is recorded."""


def show(detail: CallDetail) -> None:
    """One call, from when and how it went to the attributes as they came."""
    values = {column.name: getattr(detail.call, column.name) for column in columns_of(Call)}
    with st.grid(3, min_column_width=330, gap="medium", key="call-detail"):
        _facts("When", values, TIMES)
        _facts("Outcome", values, OUTCOME)
        _facts("Model", values, MODEL)
        _facts(
            "Tokens", values, TOKENS, "Input comes in three kinds that do not overlap; the others are parts of them."
        )
        _cost(values, detail.cost_breakdown)
        _facts("Labels", values, LABELS)
        if MORE:
            _facts("More", values, MORE)
    _rows(
        "Attempts",
        Attempt,
        detail.attempts,
        "Each time the question went over the wire.",
        "No attempt was recorded: another telemetry wrote this call.",
    )
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


def _cost(values: Mapping[str, Any], breakdown: Mapping[str, Any]) -> None:
    with _card():
        _heading("Cost", "At list price. The lines add up to the cost.")
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
