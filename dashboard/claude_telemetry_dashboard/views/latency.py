"""How long calls take, how soon and how fast they answer, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import streamlit as st

from claude_telemetry.record import Call
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import Reading, Window
from claude_telemetry_collector.queries.latency import (
    STREAM_ENDS,
    Stalls,
    TimeSplit,
    slowest_calls,
    stalls,
    stream_ends,
    time_split,
)
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import (
    away,
    box,
    charts,
    export,
    grouped,
    latency_charts,
    nothing,
    numbers,
    tables,
)
from claude_telemetry_dashboard.panels.grouped import Amount

REFRESH_S = 15.0
"""Often enough to see a slow hour begin."""

TILES = (
    "duration_p50_ms",
    "duration_p95_ms",
    "duration_p99_ms",
    "ttft_p50_ms",
    "ttft_p95_ms",
    "output_tokens_per_s",
    "stream_cut_ratio",
    "error_ratio",
)
NAMES = ("requests", *TILES)
BY = ("requests", "duration_p50_ms", "duration_p95_ms", "duration_p99_ms", "ttft_p95_ms", "output_tokens_per_s")
ROWS = 50
LEAST_DAYS, MOST_DAYS = 7, 31
"""So many rows of hours show a rhythm, and are still read at a glance."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

_AMOUNTS: Mapping[str, Amount] = {
    "requests": Amount(title="Calls", help="All of them, whatever their outcome.", unit="{call}"),
    "duration_p50_ms": Amount(title="P50", help="Half of the calls took this long or less.", unit="ms"),
    "duration_p95_ms": Amount(title="P95", help="95 of 100 calls took this long or less.", unit="ms"),
    "duration_p99_ms": Amount(title="P99", help="99 of 100 calls took this long or less.", unit="ms"),
    "ttft_p95_ms": Amount(title="First token, P95", help="95 of 100 streams began within this time.", unit="ms"),
    "output_tokens_per_s": Amount(title="Tokens/s", help="Output tokens a second, over all streams.", unit="token/s"),
}

_ENDS: Mapping[str | None, tuple[str, str]] = {
    "read": ("Read to the end", ""),
    "closed": ("Closed early", "By the application"),
    "dropped": ("Dropped", "By the application, not closed"),
    "cut": ("Cut off", "By the connection or an error"),
    "cancelled": ("Cancelled", "With the task that read it"),
    None: (formats.UNKNOWN, "Not told"),
}

_SLOWEST = {
    "started_at": 120,
    "duration_ms": 88,
    "ttft_ms": 122,
    "output_tokens": 62,
    "attempts": 66,
    "status": 56,
    "error_type": 80,
    "model": 122,
    "feature": 100,
}


def show() -> None:
    """The page. It draws itself again now and then."""
    _live()


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    chosen = filters.chosen()
    found = data.overview(NAMES, NAMES, chosen.window, chosen.before, chosen.segment, chosen.step, chosen.zone)
    if not found.now["requests"].value:
        nothing.show(chosen)
        return
    st.text(sentence(found.now, found.before, chosen.words))
    numbers.tiles(found.now, found.before, found.course, TILES)
    with st.grid(2, min_column_width=420, gap="medium", key="charts"):
        _charts(chosen, found)
    _by(chosen)
    with st.grid(2, min_column_width=420, gap="medium", key="streams"):
        _ends(
            data.answer(stream_ends, chosen.window, chosen.segment), data.answer(stalls, chosen.window, chosen.segment)
        )
        _split(data.answer(time_split, chosen.window, chosen.segment))
    _slowest(chosen)


def sentence(now: Mapping[str, Reading], before: Mapping[str, Reading], words: str) -> str:
    """How fast it is, in a sentence. `words` says when: `in the last hour`."""
    p95 = now["duration_p95_ms"].value
    if p95 is None:
        return f"Of no call {words} is known how long it took."
    said = f"95 of 100 calls {words} were done within {formats.ms(p95)}"
    share = formats.change(p95, before["duration_p95_ms"].value)
    if share is not None and abs(share) >= numbers.SMALL_CHANGE:
        said += f", {formats.percent_change(share)} on the period before"
    first = now["ttft_p95_ms"].value
    return said + (f"; streams began within {formats.ms(first)}." if first is not None else ".")


def _charts(chosen: filters.Chosen, found: data.Overview) -> None:
    box.chart(
        "Latency percentiles",
        "Calls that ended, by when they started. Retries are included.",
        charts.latency(found.course),
        f"No call ended {chosen.words}.",
    )
    box.chart(
        "Time to first token",
        "Of streamed answers: from asking to the first piece. Retries are included.",
        latency_charts.first_token(found.course),
        f"No streamed answer {chosen.words} says when it began.",
    )
    box.chart(
        "Output speed",
        "Output tokens for each second between the first token and the last, over all streams that were read to "
        "their end.",
        latency_charts.speed(found.course),
        f"No streamed answer {chosen.words} says how fast it was.",
    )
    days = last_days(filters.whole_days(chosen.window, LEAST_DAYS, chosen.zone))
    hours = data.answer(queries.series, ("requests", "duration_p95_ms"), days, chosen.segment, _HOUR, chosen.zone)
    box.chart(
        f"P95 by day and hour, {days.length.days} days",
        "The darker, the longer 95 of 100 calls took at most. Empty where no call ended.",
        latency_charts.by_hour(hours),
        "No call ended in these days.",
    )


def last_days(days: Window) -> Window:
    """The last of `days`, as many as are shown."""
    return Window(max(days.start, days.end - MOST_DAYS * _DAY), days.end)


def _by(chosen: filters.Chosen) -> None:
    by, then = grouped.choose_two(data.answer_for_a_while(queries.tag_names, chosen.window))
    rows = data.answer(queries.breakdown, BY, chosen.window, chosen.segment, by, then, limit=ROWS)
    with box.box("Who waits", "Most calls first. A row without a name is of calls without that label."):
        grouped.table(rows, grouped.labels(by, then), _AMOUNTS, name="latency")


def _ends(ends: Mapping[str | None, int], stalled: Stalls) -> None:
    with box.box("How streams ended", "Streamed calls, by how reading the answer came to its end."):
        if not ends:
            st.caption("No call was streamed.")
            return
        streams = sum(ends.values())
        rows = [
            {
                "Ended": _ENDS[end][0],
                "Streams": formats.count(ends[end]),
                "Share": formats.ratio(ends[end] / streams),
                "How": _ENDS[end][1],
            }
            for end in (*STREAM_ENDS, None)
            if end in ends
        ]
        tables.table(rows)
        if stalled.streams:
            st.caption(in_words(stalled))


def in_words(stalled: Stalls) -> str:
    """How many streams paused on the way, in a sentence."""
    of = f"{formats.count(stalled.streams)} streams that can be compared"
    if not stalled.stalled:
        return f"None of {of} stalled."
    return (
        f"{formats.count(stalled.stalled)} of {of} stalled: for ten seconds or more they wrote at less than a quarter "
        f"of their model's usual speed, and took {formats.ms(stalled.lost_ms)} longer in all."
    )


def _split(split: TimeSplit) -> None:
    with box.box(
        "At the API, and around it",
        "Of calls that both the application and the API told of. Around it is the rest: the client, the way, earlier "
        "attempts and the waits between them.",
    ):
        if not split.calls:
            st.caption(
                "The API has told of no call here: that needs an organization whose traces Anthropic exports to this "
                "collector."
            )
            return
        tables.table(
            [
                {"Time": title, "P50": formats.ms(p50), "P95": formats.ms(p95)}
                for title, p50, p95 in (
                    ("In all", split.duration_p50_ms, split.duration_p95_ms),
                    ("At the API", split.server_p50_ms, split.server_p95_ms),
                    ("Around it", split.client_p50_ms, split.client_p95_ms),
                )
            ]
        )
        st.caption(
            f"{formats.ratio(split.client_ratio)} of the time was spent around the API. Known of "
            f"{formats.count(split.calls)} of {numbers.calls(split.of_calls)}."
        )


def _slowest(chosen: filters.Chosen) -> None:
    rows = data.answer(slowest_calls, chosen.window, chosen.segment)
    with box.box("The slowest calls", "The twenty that took longest. Open one to see all that is known of it."):
        if not rows.num_rows:
            st.caption(f"Of no call {chosen.words} is known how long it took.")
            return
        links = [
            f"calls?call={trace}-{span}"
            for trace, span in zip(rows["trace_id"].to_pylist(), rows["span_id"].to_pylist(), strict=True)
        ]
        shown = rows.select(list(_SLOWEST)).add_column(0, "open", [links])
        config = tables.configured(Call, _SLOWEST) | {
            "open": st.column_config.LinkColumn("", display_text="Open", width=64)
        }
        st.dataframe(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
            shown, hide_index=True, column_config=config, placeholder=formats.UNKNOWN, height="content", key="slowest"
        )
        export.offer(rows, "slowest-calls")
