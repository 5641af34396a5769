"""Tables of what calls come to by model, feature, tag or anything else: names as text, numbers that can be sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from claude_telemetry_collector.queries.dimensions import TAG
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import export

TITLES: Mapping[str, str] = {
    "model": "Model",
    "feature": "Feature",
    "user_id": "User",
    "session_id": "Session",
    "tenant": "Tenant",
    "prompt_name": "Prompt",
    "prompt_version": "Prompt version",
    "service": "Service",
    "environment": "Environment",
    "platform": "Platform",
    "region": "Region",
    "workspace_id": "Workspace",
    "api_key_alias": "API key",
    "framework": "Framework",
    "service_tier": "Service tier",
    "speed": "Speed",
    "operation": "Operation",
    "status": "Status",
    "stop_reason": "Stop reason",
    "effort": "Effort",
    "stream": "Streamed",
}
"""What calls can be told apart by on these pages, and what it is called."""

_DOLLARS, _CENTS = 1.0, 0.01
"""From which amounts on a column does without fractions of a cent, or of a hundredth of one."""
_ROWS_SHOWN = 15
_HEIGHT_PX = 560
"""A longer table scrolls in itself, so that what comes below stays near."""
_FORMATS: Mapping[str, str] = {"ms": "%,.2f s", "ratio": "percent", "times": "%.2f", "token/s": "%.1f"}
"""Of Streamlit; times are shown in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A column of numbers."""

    title: str
    help: str
    unit: str
    """As units are named in the metrics, and `times`."""
    width: int | None = None
    """In pixels."""


def titled(by: str) -> str:
    """What a dimension is called, a tag by its own name. Text, of which a tag's is from outside."""
    return TITLES.get(by) or by.removeprefix(TAG)


def table(
    rows: pa.Table,
    labels: Mapping[str, str],
    amounts: Mapping[str, Amount],
    *,
    name: str,
    note: str = "",
    widths: Mapping[str, int] | None = None,
) -> None:
    """The columns `labels` (with their titles) and `amounts` of `rows`, and an export of all of `rows`.

    `rows` may have `groups`, how many there are in all: then it is said how many are not shown. `name` is ours, and the
    only one of its kind on the page. `widths` are of labels, in pixels.
    """
    shown = _in_seconds(rows.select([*labels, *amounts]), amounts)
    config: dict[str, Any] = {
        label: st.column_config.TextColumn(title, width=(widths or {}).get(label)) for label, title in labels.items()
    }
    config |= {column: _number(amount, rows.column(column)) for column, amount in amounts.items()}
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        shown,
        hide_index=True,
        column_config=config,
        placeholder=formats.UNKNOWN,
        height="content" if rows.num_rows <= _ROWS_SHOWN else _HEIGHT_PX,
        key=f"table-{name}",
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(" ".join(part for part in (_more(rows), note) if part) or "All are shown.")
        export.offer(rows, name)


def _more(rows: pa.Table) -> str:
    if "groups" not in rows.column_names or not rows.num_rows:
        return ""
    more = rows.column("groups")[0].as_py() - rows.num_rows
    return f"{formats.count(more)} more are not listed." if more > 0 else ""


def _number(amount: Amount, values: Any) -> Any:
    how = _format(amount.unit, values)
    return st.column_config.NumberColumn(amount.title, help=amount.help, format=how, width=amount.width)


def _format(unit: str, values: Any) -> str:
    if unit == "USD":
        known = [abs(float(value)) for value in values.to_pylist() if value is not None]
        largest = max(known, default=0.0)
        return "$%,.2f" if largest >= _DOLLARS else "$%.4f" if largest >= _CENTS else "$%.6f"
    return _FORMATS.get(unit, "localized")


def _in_seconds(rows: pa.Table, amounts: Mapping[str, Amount]) -> pa.Table:
    """`rows` with times in seconds: a format cannot divide."""
    for name in [name for name, amount in amounts.items() if amount.unit == "ms"]:
        seconds = pc.divide(rows.column(name).cast(pa.float64()), 1000.0)
        rows = rows.set_column(rows.column_names.index(name), name, seconds)
    return rows


def choose_two(tags: Sequence[str]) -> tuple[str, str | None]:
    """What to tell calls apart by, and by what else if anything, kept in the URL as `by` and `then`. `tags` are the
    names of those that there are."""
    options = [*TITLES, *(f"{TAG}{name}" for name in tags)]
    with st.container(horizontal=True, vertical_alignment="bottom", key="dimensions"):
        by = _choose("by", "By", options, index=0)
        then = _choose("then", "And by", options, index=None)
    by = by or options[0]
    return by, then if then != by else None


def labels(by: str, then: str | None) -> dict[str, str]:
    """The titles of the columns of what was chosen."""
    return {name: titled(name) for name in (by, then) if name is not None}


def _choose(key: str, title: str, options: Sequence[str], *, index: int | None) -> str | None:
    chosen = st.selectbox(
        title,
        options,
        index=index,
        placeholder="Nothing else",
        format_func=titled,
        key=key,
        bind="query-params",
        # A link may name a tag that the last days do not have.
        accept_new_options=True,
        width=190,
    )
    # It may also name what nothing can be told apart by.
    return chosen if chosen is not None and (chosen in TITLES or chosen.startswith(TAG)) else None
