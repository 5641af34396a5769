"""Everything that is known about one call. All of it is shown as text: it was written by others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from claude_telemetry.record import Attempt, Call, Column, ToolUse, columns_of
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.queries import UTC_NAME, CallDetail, Hop, zone_named
from claude_telemetry_collector.queries.one_call import Told
from claude_telemetry_collector.queries.trace import Trace
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import tables, to_calls, waterfall
from claude_telemetry_dashboard.panels.call_cards import (
    ASKED,
    FRAMEWORK,
    IDS,
    LABELS,
    MODEL,
    MORE,
    OUTCOME,
    PRICE,
    PROMPT,
    TIMES,
    TOKENS,
)


def show(detail: CallDetail, trace: Trace, open_call: Callable[[str, str], None], zone: str = UTC_NAME) -> None:
    """One call, from when and how it went to the attributes as they came. `trace` is what happened around it;
    `open_call` is called with the ids of another call of it when that is chosen. Times are UTC, that of the call also
    as clocks in `zone` show it."""
    values = {column.name: getattr(detail.call, column.name) for column in columns_of(Call)}
    with st.container(horizontal=True, vertical_alignment="center", key="call-said"):
        st.text(sentence(detail.call))
        if detail.call.session_id is not None:
            to_calls.link("Calls of its session", find=detail.call.session_id)
    # One call of one attempt is no picture: the cards say all of it.
    if len(trace.steps) > 2:
        with st.container(border=True):
            _heading("Trace", "The calls of the trace, their attempts, and the tools that were run for them, in time.")
            waterfall.show(trace, (detail.call.trace_id, detail.call.span_id), open_call)
    with st.grid(3, min_column_width=280, gap="medium", key="call-detail"):
        _when(values, detail, zone)
        _facts("Outcome", values, OUTCOME)
        _facts("Model", values, MODEL)
        _facts("Asked for", values, ASKED)
        _facts(
            "Tokens", values, TOKENS, "Input comes in three kinds that do not overlap; the others are parts of them."
        )
        _cost(values, detail)
        _labels(values, detail.tags)
        _facts_if_any(
            "Prompt", values, PROMPT, "What has the same fingerprint is the same text. It cannot be read back."
        )
        _facts_if_any("Framework", values, FRAMEWORK)
        _facts_if_any("More", values, MORE)
    if detail.hops:
        _hops(detail.hops)
    _rows("Attempts", Attempt, detail.attempts, "Each time the question went over the wire.", _why_no_attempts(detail))
    if detail.told:
        with st.container(border=True):
            _heading(
                "Who told of it",
                "Several have told of this call. It is counted once, with the numbers of those that are marked.",
            )
            tables.table([_told(one) for one in detail.told])
    if detail.tool_uses:
        _rows("Tools asked for", ToolUse, detail.tool_uses, "The tools that the answer asks for.", "")
    with st.grid(2, min_column_width=420, gap="medium", key="call-raw"):
        with _card():
            _heading("Ids", "Who gave what name to this call.")
            tables.facts(values, IDS)
            st.text(_recorded(detail))
        with st.container(border=True, height="stretch"):
            _heading("As received", "The API's usage object, and the attributes that are not shown above.")
            _json("usage", detail.usage)
            _json("attributes", detail.attributes)


def sentence(call: Call) -> str:
    """What became of a call, in words."""
    model = formats.text(call.model or call.request_model or call.operation)
    took = "" if call.duration_ms is None else f" after {formats.ms(call.duration_ms)}"
    tried = f" and {call.attempts} attempts" if call.attempts is not None and call.attempts > 1 and took else ""
    ended = {"ok": "answered", "cancelled": "was stopped by the application"}.get(call.status, "failed")
    why = "" if call.error_type is None else f": {call.error_type}"
    if call.cost_usd is None:
        cost = "It cost nothing." if call.billed is False else "What it cost is not known."
    else:
        cost = f"It cost {'at least ' if call.cost_status == 'partial' else ''}{formats.usd(call.cost_usd)}."
    return f"{model} {ended}{took}{tried}{why}. {cost}"


def _when(values: Mapping[str, Any], detail: CallDetail, zone: str) -> None:
    with _card():
        _heading("When", "Times are UTC.")
        tables.facts(values, TIMES)
        if zone != UTC_NAME:
            local = detail.call.started_at.astimezone(zone_named(zone))
            tables.lines({f"in {zone}": f"{local:%Y-%m-%d %H:%M:%S}"})
        if detail.server_ms is not None or detail.client_ms is not None:
            st.caption("of which")
            tables.lines({"at the API": formats.ms(detail.server_ms), "on the way": formats.ms(detail.client_ms)})


def _recorded(detail: CallDetail) -> str:
    process = "" if detail.instance is None else f", of the process {detail.instance}"
    counted = "" if detail.input_basis is None else f" It counts the input as {detail.input_basis.replace('_', ' ')}."
    return f"Recorded by {detail.source}{process}, came in at {formats.moment(detail.received_at)} UTC.{counted}"


def _told(one: Told) -> dict[str, str]:
    return {
        "Source": one.source,
        "Counts": "✓" if one.carries else "",
        "Tells": one.role,
        "Started": formats.moment(one.started_at),
        "Took": formats.ms(one.duration_ms),
        "Status": formats.text(one.status),
        "Input as told": formats.count(one.told_input_tokens),
        "Input in all": formats.count(one.total_input_tokens),
        "Cache read": formats.count(one.cache_read_tokens),
        "Cache write": formats.count(one.cache_write_tokens),
        "Output": formats.count(one.output_tokens),
        "Cost as told": formats.usd_exact(one.reported_cost_usd),
        "Request ID": formats.text(one.request_id),
        "Span": f"{one.trace_id}-{one.span_id}",
    }


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


def _cost(values: Mapping[str, Any], detail: CallDetail) -> None:
    with _card():
        _heading(
            "Cost",
            "At list price, which the lines add up to; the net cost is after the discounts that you have stated.",
        )
        tables.facts(values, PRICE)
        if detail.cost_breakdown:
            st.caption("of which")
            tables.lines({line: formats.usd_exact(usd) for line, usd in detail.cost_breakdown.items()})
        if detail.reported_cost_usd is not None:
            st.caption("not ours, and in no sum with it")
            tables.lines({"as others report it": formats.usd_exact(detail.reported_cost_usd)})


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
