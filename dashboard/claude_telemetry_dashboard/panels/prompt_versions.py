"""The versions of a prompt: a table with the error of each number, and two of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries.prompt_verdict import ENOUGH_CALLS, TITLES, Comparison, Measure, factor_in_words
from claude_telemetry_collector.queries.prompts import Share, Version
from claude_telemetry_collector.queries.statistics import Interval, Sample, mean_interval, share_interval
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import export, tables

_FINGERPRINT = 8
"""Digits of a fingerprint that tell versions apart on a page; two alike are one in four billion."""

_WRITTEN: Mapping[str, Callable[[float | None], str]] = {
    "cost": formats.usd,
    "input": formats.count,
    "output": formats.count,
    "latency": formats.ms,
}


def named(version: Version) -> str:
    """What a page calls it. Foreign: show it as text."""
    return version.name if version.is_named else f"text {version.name[:_FINGERPRINT]}"


def table(found: Sequence[Version], in_all: int) -> None:
    """A row for each version, oldest first, each number with its interval."""
    rows = [_row(version) for version in found]
    tables.table(rows)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        more = in_all - len(found)
        st.caption(
            "In brackets: the interval that the true value lies in, 95 times of 100; of means by Student, of shares by "
            "Wilson." + (f" {formats.count(more)} versions of fewer calls are not listed." if more else "")
        )
        export.offer(_exported(found), "prompt-versions")


def comparison(compared: Comparison) -> None:
    """The verdict, what else could be the reason, and measure by measure what it rests on."""
    st.text(compared.verdict)
    rows = [_measured(measure, compared) for measure in compared.measures]
    tables.table(rows)
    for caveat in compared.caveats:
        st.text(caveat)
    st.caption(
        "Means are compared as factors between typical calls (Welch's test on logarithms), shares by the score test or "
        "Fisher's. p is corrected for the seven comparisons (Holm); below 0.05 a difference counts as sure. "
        f"At least {ENOUGH_CALLS} calls on each side."
    )


def _row(version: Version) -> dict[str, str]:
    return {
        "Version": named(version),
        "Calls": formats.count(version.calls),
        "Cost per call": _mean("cost", version.means["cost"]),
        "Input tokens": _mean("input", version.means["input"]),
        "Output tokens": _mean("output", version.means["output"]),
        "Latency": _mean("latency", version.means["latency"]),
        "Errors": _share(version.shares["errors"]),
        "Refusals": _share(version.shares["refusals"]),
        "Cut off": _share(version.shares["truncations"]),
        "Cost": formats.usd(version.cost_usd),
        "Unpriced": formats.count(version.unpriced),
        "Model": formats.text(version.model)
        + ("" if version.model_ratio == 1 else f" ({formats.ratio(version.model_ratio)})"),
        "Texts": formats.count(version.texts or None),
        "First (UTC)": formats.moment(version.first_at),
        "Last (UTC)": formats.moment(version.last_at),
    }


def _exported(found: Sequence[Version]) -> pa.Table:
    """The same as numbers."""
    return pa.Table.from_pylist(
        [
            {
                "version": version.name,
                "named": version.is_named,
                "first_at": version.first_at,
                "last_at": version.last_at,
                "calls": version.calls,
                "cost_usd": version.cost_usd,
                "unpriced": version.unpriced,
                "model": version.model,
                "texts": version.texts,
                **{f"{name}_calls": sample.n for name, sample in version.means.items()},
                **{f"{name}_mean": sample.mean if sample.n else None for name, sample in version.means.items()},
                **{f"{name}_variance": sample.variance for name, sample in version.means.items()},
                **{f"{name}_of": share.n for name, share in version.shares.items()},
                **{name: share.hits for name, share in version.shares.items()},
            }
            for version in found
        ]
    )


def _measured(measure: Measure, compared: Comparison) -> dict[str, str]:
    first, second = compared.first, compared.second
    if measure.name in first.means:
        values = [_mean(measure.name, version.means[measure.name]) for version in (first, second)]
    else:
        values = [_share(version.shares[measure.name]) for version in (first, second)]
    return {
        "Measure": TITLES[measure.name].capitalize(),
        "Before": values[0],
        "After": values[1],
        "Difference": _difference(measure),
        "p": formats.UNKNOWN if measure.p is None else "< 0.001" if measure.p < 0.001 else f"{measure.p:.3f}",
        "Sure": _sure(measure),
    }


def _sure(measure: Measure) -> str:
    if measure.p is None:
        return f"too few calls ({formats.count(min(measure.calls))})"
    return "yes" if measure.is_sure else "no"


def _difference(measure: Measure) -> str:
    if measure.interval is None:
        return formats.UNKNOWN
    low, high = measure.interval.low, measure.interval.high
    if measure.points is not None:
        return f"{measure.points * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f})"
    return f"{factor_in_words(measure.factor or 1.0)} (×{low:.2f} to ×{high:.2f})"


def _mean(name: str, sample: Sample) -> str:
    if not sample.n:
        return formats.UNKNOWN
    written = _WRITTEN[name]
    return written(sample.mean) + _between(mean_interval(sample), written)


def _share(share: Share) -> str:
    if not share.n:
        return formats.UNKNOWN
    return formats.ratio(share.hits / share.n) + _between(share_interval(share.hits, share.n), formats.ratio)


def _between(interval: Interval | None, written: Callable[[float | None], str]) -> str:
    return "" if interval is None else f" ({written(max(interval.low, 0.0))} – {written(interval.high)})"
