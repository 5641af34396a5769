"""One finding: what it saves in words, and what is behind it when somebody opens it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries.insights import Finding
from claude_telemetry_dashboard import filters, formats
from claude_telemetry_dashboard.panels import export, tables
from claude_telemetry_dashboard.panels.numbers import plain

_TITLES: Mapping[str, str] = {
    "arrive": "Calls arrive",
    "asked_again_calls": "Asked again",
    "asked_again_usd": "Cost of asking again",
    "costs_usd": "Costs",
    "failed_calls": "Failed",
    "failed_usd": "Cost of the failed",
    "gaps_longer": "Later",
    "gaps_within_1_hour": "Within 1 hour",
    "gaps_within_5_minutes": "Within 5 minutes",
    "in_batch_usd": "In a batch",
    "instead": "Instead",
    "less_usd": "Less",
    "max_tokens": "max_tokens",
    "most_of_one": "Most of one",
    "output_p50_tokens": "Output, P50",
    "output_p99_tokens": "Output, P99",
    "prompt_fingerprint": "Prompt",
    "ratio": "Share",
    "reads_each_write": "Reads for each write",
    "same_line": "Same line",
    "saves_usd": "Saves",
    "shared_tokens_at_most": "Shared tokens, at most",
    "should_be": "Should be",
    "timed_out": "Timed out",
    "times_what_is_used": "Times what is used",
    "truncated_ratio": "Cut off",
    "truncated_usd": "Cost of the cut",
    "ttl": "Best life",
    "ttl_now": "Life now",
    "wasted_tokens": "Not read again",
    "what": "What",
    "with_user_ratio": "With a user",
    "within_1_hour_ratio": "Within 1 hour",
    "within_5_minutes_ratio": "Within 5 minutes",
    "would_cost_usd": "Would cost",
}

BOUNDS: Mapping[str, str] = {"exact": "", "at_most": "Up to ", "at_least": "At least "}
"""What stands before an amount that is known from one side only."""

_CALLS = "calls"
CALLS_COLUMN = "_calls"
"""Where a row of evidence leads."""


def show(finding: Finding, per_month: Decimal | None) -> None:
    """A line that opens to evidence, assumptions, steps and links. `per_month` is what it saves in 30 days."""
    with st.expander(f"**{worth(finding, per_month)}** · {finding.title}", key=f"finding-{finding.name}"):
        st.text(finding.said)
        if per_month is None and finding.why_unknown:
            st.caption(finding.why_unknown)
        if finding.evidence.num_rows:
            _evidence(finding)
        if finding.left_out:
            calls = f"{formats.count(finding.left_out)} {'call' if finding.left_out == 1 else 'calls'}"
            st.caption(f"Not in it: {calls} that {finding.why_left_out}.")
        if finding.found:
            _listed("What to do", finding.steps, numbered=True)
            _listed("What this takes for granted", finding.assumptions, numbered=False)
        with st.container(horizontal=True):
            for link in finding.links:
                st.link_button(link.words, address(link.page, link.parameters), icon=":material/arrow_forward:")


def worth(finding: Finding, per_month: Decimal | None) -> str:
    """What it is worth a month, in words that Markdown leaves alone."""
    if not finding.found:
        return "Nothing" if per_month is not None or finding.kind != "saving" else "Not known"
    if finding.kind == "what_if":
        return "What if"
    if per_month is None:
        return "No dollars of its own" if finding.kind == "hint" else "Not known"
    return plain(f"{BOUNDS[finding.bound]}{formats.usd(per_month)} a month")


def address(page: str, narrowed: Mapping[str, str]) -> str:
    """The address of another page with the filters of this one, and those of `narrowed`."""
    kept = ("range", "from", "to", "tz", *filters.LABELS, *filters.MORE_LABELS)
    asked = {name: str(st.query_params[name]) for name in kept if name in st.query_params}
    pairs = [*(asked | dict(narrowed)).items(), *(("tag", tag) for tag in st.query_params.get_all("tag"))]
    # The first page has no name in its address.
    path = "./" if page == "overview" else page
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _evidence(finding: Finding) -> None:
    rows = finding.evidence
    config = {name: _column(name, rows) for name in rows.column_names}
    shown = _as_percent(rows)
    links = _links(rows)
    if links is not None:
        shown = shown.append_column(CALLS_COLUMN, pa.array(links, pa.string()))
        config[CALLS_COLUMN] = st.column_config.LinkColumn("Calls", display_text="See them", width=90)
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        shown,
        hide_index=True,
        column_config=config,
        placeholder=formats.UNKNOWN,
        height="content",
        key=f"evidence-{finding.name}",
    )
    export.offer(rows, finding.name)


def _links(rows: pa.Table) -> list[str] | None:
    """For each row the address of its calls, where it names a feature or a model. A foreign name is part of a query
    there and nothing else."""
    labels = {"feature": "feature", "model": "model", "service": "service", "prompt_fingerprint": "fingerprint"}
    named = {column: name for column, name in labels.items() if column in rows.column_names}
    if not named:
        return None
    return [
        address(_CALLS, {name: row[column] for column, name in named.items() if row[column] is not None})
        for row in rows.to_pylist()
    ]


def _column(name: str, rows: pa.Table) -> Any:
    title = _TITLES.get(name) or tables.titled(name)
    kind: pa.DataType = rows.column(name).type
    if pa.types.is_boolean(kind):
        return st.column_config.CheckboxColumn(title)
    if pa.types.is_string(kind):
        return st.column_config.TextColumn(title)
    if name.endswith("_usd"):
        known = [value for value in rows.column(name).to_pylist() if value is not None]
        return st.column_config.NumberColumn(title, format="$%,.2f" if max(known, default=0) >= 1 else "$%.6f")
    if name.endswith("ratio"):
        return st.column_config.NumberColumn(title, format="%.1f %%")
    if name.endswith("_ms"):
        return st.column_config.NumberColumn(title, format="%,d ms")
    decimals = pa.types.is_floating(kind) and not name.endswith("_tokens")
    return st.column_config.NumberColumn(title, format="%.2f" if decimals else "%,d")


def _as_percent(rows: pa.Table) -> pa.Table:
    """`rows` with shares as percentages: a format cannot multiply."""
    for place, name in enumerate(rows.column_names):
        if name.endswith("ratio"):
            shares = [None if value is None else value * 100 for value in rows.column(name).to_pylist()]
            rows = rows.set_column(place, name, pa.array(shares, pa.float64()))
    return rows


def _listed(title: str, sentences: tuple[str, ...], *, numbered: bool) -> None:
    if sentences:
        st.caption(f"**{title}**")
        lines = (f"{place}. {each}" if numbered else f"• {each}" for place, each in enumerate(sentences, start=1))
        st.text("\n".join(lines))
