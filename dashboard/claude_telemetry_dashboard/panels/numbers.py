"""Headline numbers: a value, its change against the period before, and its course as a sparkline.

A colour is a judgement: red is worse, green is better, and grey is more or less of something that is neither, or a
change too small to mean anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import METRICS, Reading
from claude_telemetry_dashboard import formats

Judgement = Literal["normal", "inverse", "off"]
"""As `st.metric` has it: whether more is better, worse, or neither."""

MORE_IS: Mapping[str, Judgement] = {
    "requests": "off",
    "total_tokens": "off",
    "cost_usd": "inverse",
    "net_cost_usd": "inverse",
    "error_ratio": "inverse",
    "cache_hit_ratio": "normal",
    "duration_avg_ms": "inverse",
    "duration_p50_ms": "inverse",
    "duration_p95_ms": "inverse",
    "duration_p99_ms": "inverse",
    "ttft_p95_ms": "inverse",
}
"""The tiles of the overview, in their order. What is paid stands beside the list price, where the two differ."""

OF_OTHER_PAGES: Mapping[str, Judgement] = {
    "cost_per_request_usd": "inverse",
    "cost_per_1k_output_usd": "inverse",
    "cache_hit_calls_ratio": "normal",
    "cache_net_saving_usd": "normal",
    "cache_saved_usd": "normal",
    "cache_premium_usd": "inverse",
    "ttft_p50_ms": "inverse",
    "output_tokens_per_s": "normal",
    "stream_cut_ratio": "inverse",
    "failed_calls": "inverse",
    "limited_calls": "inverse",
    "retries": "inverse",
    "retry_ratio": "inverse",
    "refused_calls": "inverse",
    "truncated_ratio": "inverse",
}
"""The same of the tiles that only other pages have. What is in neither is neither better nor worse for being more."""

SUMS = ("requests", "total_tokens", "cost_usd", "net_cost_usd")
"""What comes to zero in a step without calls. Any other metric has no value there."""

SMALL_CHANGE = 0.05
"""Below it a change has no colour: five percent up and down is what one period differs from the next anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What one tile shows. All text, and all of it ours: nothing from a record goes in here."""

    title: str
    value: str
    delta: str | None
    judgement: Judgement
    help: str
    course: tuple[float, ...]


def tile(now: Reading, before: Reading, course: Sequence[object]) -> Tile:
    """The tile of a metric. `course` is its value at each step, `None` where there is none."""
    metric = METRICS[now.metric]
    delta, share = _change(now.value, before.value, metric.unit)
    notes = [metric.meaning, metric.unknowns] if now.unknown else [metric.meaning]
    if metric.is_money and now.unknown:
        notes.append(f"Of {formats.count(now.calls)} calls, {left_out(now.unknown, now.unpriced)}.")
    elif now.unknown:
        notes.append(f"Not known of {formats.count(now.unknown)} of {formats.count(now.calls)} calls.")
    notes.append(f"Before: {plain(formats.number(before.value, metric.unit))}.")
    return Tile(
        title=metric.title,
        value=plain(_value(now, metric.unit)),
        delta=delta,
        judgement=_more_is(now.metric) if abs(share) >= SMALL_CHANGE else "off",
        help=" ".join(notes),
        course=tuple(float(value) for value in course if isinstance(value, Decimal | float | int)),
    )


def figure(
    title: str,
    now: formats.Number | None,
    before: formats.Number | None,
    unit: str,
    meaning: str,
    *,
    more_is: Judgement = "off",
    course: Sequence[float] = (),
) -> Tile:
    """The tile of a number that is no metric of calls, in a unit as metrics have it. `meaning` is ours."""
    delta, share = _change(now, before, unit)
    return Tile(
        title=title,
        value=plain(formats.number(now, unit)),
        delta=delta,
        judgement=more_is if abs(share) >= SMALL_CHANGE else "off",
        help=f"{meaning} Before: {plain(formats.number(before, unit))}.",
        course=tuple(course),
    )


def tiles(
    now: Mapping[str, Reading], before: Mapping[str, Reading], course: pa.Table, names: Sequence[str] = tuple(MORE_IS)
) -> None:
    """The tiles of these metrics, as many in a row as there is room for. `course` is as `queries.series` gives it, with
    the metrics and with `requests`. The net cost is left out where it is the list price."""
    names = [name for name in names if name != "net_cost_usd" or has_discount(now)]
    show([tile(now[name], before[name], course_of(name, course)) for name in names])


def show(shown: Sequence[Tile], key: str = "tiles") -> None:
    """Tiles, as many in a row as there is room for."""
    columns = next((columns for columns in (5, 4, 3) if len(shown) % columns == 0), 6)
    with st.grid(columns, min_column_width=160, gap="small", key=key):
        for each in shown:
            _draw(each)


def course_of(name: str, course: pa.Table) -> Sequence[object]:
    """The course of a metric, step by step, as `queries.series` gives it. A sum over no calls is zero."""
    values: Sequence[object] = course.column(name).to_pylist()
    if name not in SUMS:
        return values
    calls: Sequence[object] = course.column("requests").to_pylist()
    return [0 if not number else value for number, value in zip(calls, values, strict=True)]


def has_discount(now: Mapping[str, Reading]) -> bool:
    """Whether what is paid is not the list price."""
    return now["net_cost_usd"].value != now["cost_usd"].value


def left_out(unknown: int, unpriced: int) -> str:
    """What a sum of money leaves out, as in `12 calls unpriced`. Empty when it leaves out nothing.

    A call without a price is missing from it, a call that was cut off is in it with its first part.
    """
    parts = [f"{calls(unpriced)} unpriced"] if unpriced else []
    if unknown > unpriced:
        parts.append(f"{calls(unknown - unpriced)} priced in part")
    return ", ".join(parts)


def money(cost: Reading) -> str:
    """A sum of money with what it leaves out: `at least $12.40, 3 calls unpriced`."""
    missing = left_out(cost.unknown, cost.unpriced)
    shown = formats.usd(cost.value)
    return f"{'' if cost.value is None else 'at least '}{shown}, {missing}" if missing else shown


def cost(now: Mapping[str, Reading]) -> str:
    """What calls cost, at list price and after discounts where there are any, with what that leaves out."""
    listed = now["cost_usd"]
    if not has_discount(now):
        return money(listed)
    bound = "" if _is_whole(listed) else "at least "
    return f"{bound}{formats.usd(listed.value)}, after discounts {money(now['net_cost_usd'])}"


def left_out_of(per_day: pa.Table) -> str:
    """What the costs of some days leave out, as a sentence; empty for nothing. `per_day` is as `queries.cost_per_day`
    gives it."""
    rows = per_day.to_pylist()
    missing = left_out(sum(row["unknown"] for row in rows), sum(row["unpriced"] for row in rows))
    return f"At least: {missing} in these days." if missing else ""


def status(now: Mapping[str, Reading], words: str) -> str:
    """What there is to know, in one sentence. `words` says when: `in the last hour`."""
    calls = now["requests"].value or 0
    sentence = f"{formats.count(calls)} {'call' if calls == 1 else 'calls'} {words}"
    errors = now["error_ratio"].value
    if errors is not None:
        sentence += ", none failed" if errors == 0 else f", {formats.ratio(errors)} failed"
    if now["duration_p95_ms"].value is not None:
        sentence += f", 95 of 100 done within {formats.ms(now['duration_p95_ms'].value)}"
    if now["cost_usd"].value is not None:
        bound = "" if _is_whole(now["cost_usd"]) else "at least "
        sentence += f", {bound}{formats.usd(now['cost_usd'].value)} spent"
        if has_discount(now):
            sentence += f" at list price, {bound}{formats.usd(now['net_cost_usd'].value)} after discounts"
    return sentence + "."


def _value(now: Reading, unit: str) -> str:
    shown = formats.number(now.value, unit)
    return shown if _is_whole(now) else f"≥ {shown}"


def _more_is(name: str) -> Judgement:
    return MORE_IS.get(name) or OF_OTHER_PAGES.get(name) or "off"


def _is_whole(cost: Reading) -> bool:
    """Whether nothing is missing from a sum, so that it is more than a lower bound."""
    return not METRICS[cost.metric].is_lower_bound or not cost.unknown or cost.value is None


def calls(number: int) -> str:
    return f"{formats.count(number)} {'call' if number == 1 else 'calls'}"


def _change(now: formats.Number | None, before: formats.Number | None, unit: str) -> tuple[str | None, float]:
    """The change in words, and as a share, by which its colour is chosen."""
    if unit == "ratio":
        if now is None or before is None:
            return None, 0.0
        # A share moves by points: from 1% to 2% errors is one point, and twice as many.
        return formats.points_change(now, before), (float(now) - float(before)) / max(float(before), 0.01)
    share = formats.change(now, before)
    return (None, 0.0) if share is None else (formats.percent_change(share), share)


def _draw(shown: Tile) -> None:
    flat = shown.delta is not None and shown.delta.lstrip("+-").split()[0].rstrip("%") in ("0", "0.0")
    st.metric(
        shown.title,
        shown.value,
        delta="no change" if flat else shown.delta,
        delta_arrow="off" if flat else "auto",
        delta_color="off" if flat else shown.judgement,
        help=shown.help,
        border=True,
        height="stretch",
        chart_data=shown.course if len(shown.course) > 1 else None,
        chart_type="area",
    )


def plain(text: str) -> str:
    """`text` of ours where Markdown is read, in which two dollar signs make a formula."""
    return text.replace("$", "\\$").replace("<", "\\<")
