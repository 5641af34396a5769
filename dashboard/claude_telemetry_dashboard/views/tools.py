"""Which tools are asked for, what running them came to, and which agents go round in circles."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import tools
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, box, export, listing, nothing, numbers, to_calls, tools_charts

OUTCOMES = ("ok", "error", "cancelled")
MOST_RUNS = 200

_CANCELLED = "Cancelled runs are not part of it."
_TILES: Mapping[str, tuple[str, str, numbers.Judgement, str]] = {
    "uses": ("Asked for", "{use}", "off", "How often answers asked for a tool."),
    "runs": ("Runs", "{run}", "off", "Runs that the application recorded."),
    "failed_ratio": (
        "Failed runs",
        "ratio",
        "inverse",
        f"Runs that raised or said that they failed, over all that ended. {_CANCELLED}",
    ),
    "p95_ms": ("P95 run time", "ms", "inverse", f"95 of 100 runs took this long or less. {_CANCELLED}"),
    "never_run": (
        "Never run",
        "{use}",
        "inverse",
        "How much oftener tools were asked for than run, where runs are recorded. The newest may still run.",
    ),
}
"""By what it is called in the totals: title, unit, whether more is better, and what it counts."""


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    now = data.answer(tools.tool_totals, chosen.window, chosen.segment)
    if not now.uses and not now.runs:
        _without_tools(chosen)
        return
    before = data.answer_for_a_while(tools.tool_totals, chosen.before, chosen.segment)
    found = data.answer(tools.tools, chosen.window, chosen.segment)
    st.text(status(now, found, chosen.words))
    about = (chosen.window, chosen.segment, chosen.step, chosen.zone)
    asked = data.answer(tools.uses_over_time, *about)
    numbers.show(tiles(now, before, data.answer(tools.runs_course, *about)))
    _course(chosen, asked, data.answer(tools.runs_over_time, *about))
    _by_tool(found)
    _loops(chosen)
    _audit(chosen)


def _without_tools(chosen: filters.Chosen) -> None:
    if not data.readings(("requests",), chosen.window, chosen.segment)["requests"].value:
        nothing.show(chosen)
        return
    st.info(f"No answer asked for a tool {chosen.words}, and no tool was run.", icon=":material/build:")
    st.caption("Tools that answers ask for are recorded by themselves. To record what running one comes to:")
    st.code(
        "import claude_telemetry\n\n\n@claude_telemetry.tool\ndef find_order(number: int) -> str: ...",
        language="python",
    )


def status(now: tools.ToolTotals, found: pa.Table, words: str) -> str:
    """What there is to know, in a sentence or two. Plain text: the name of a tool is in it."""
    asked = f"Tools were asked for {_times(now.uses)} {words}"
    first = found.slice(0, 1).to_pylist()[0]
    said = f"{asked}, most often {formats.text(first['name'])}."
    if now.server_uses:
        said += f" Anthropic's servers ran {formats.count(now.server_uses)} of these themselves."
    if not now.runs:
        return f"{said} No run of one is recorded, so what became of it is not known."
    ran = f"{formats.count(now.runs)} runs are recorded"
    said += f" {ran}, none failed" if not now.failed else f" {ran}, {formats.ratio(now.failed_ratio)} failed"
    said += f", 95 of 100 done within {formats.ms(now.p95_ms)}." if now.p95_ms is not None else "."
    if now.never_run:
        said += f" {formats.count(now.never_run)} were asked for and not run."
    return said


def tiles(now: tools.ToolTotals, before: tools.ToolTotals, course: pa.Table) -> list[numbers.Tile]:
    """The headline numbers. `course` is as `queries.tools.runs_course` gives it."""
    return [
        numbers.figure(
            title,
            getattr(now, name),
            getattr(before, name),
            unit,
            meaning,
            more_is=more_is,
            course=listing.numbers_of(course, name) if name in course.column_names else (),
        )
        for name, (title, unit, more_is, meaning) in _TILES.items()
    ]


def _course(chosen: filters.Chosen, asked: pa.Table, runs: pa.Table) -> None:
    with st.grid(2, min_column_width=420, gap="medium", key="charts"):
        box.chart(
            "Asked for",
            "Uses by tool, by when the call started that asked for them.",
            tools_charts.uses_over_time(asked, chosen.on_clocks, chosen.step),
            f"No answer asked for a tool {chosen.words}.",
        )
        box.chart(
            "Runs by outcome",
            "Runs that the application recorded, by when they began.",
            tools_charts.runs_over_time(runs, chosen.on_clocks, chosen.step),
            "No run is recorded. Decorate tools with `@claude_telemetry.tool`, or use the SDK's tool runner.",
        )


def _by_tool(found: pa.Table) -> None:
    with box.box("By tool", "What answers asked for, and what the application ran. — is not known, never zero."):
        columns = {
            "name": listing.text("Tool", "Its name, as the application gave it.", 170),
            "type": listing.text("Kind", "Who runs it: server_tool_use is run by Anthropic's servers.", 110),
            "uses": listing.count("Asked for", "Blocks of answers that ask for it."),
            "runs": listing.count("Runs", "That the application recorded.", 64),
            "failed_ratio": listing.bar("Failed", "Over all runs that ended.", 120),
            "p50_ms": listing.ms("P50", "Half of its runs took this long or less.", 84),
            "p95_ms": listing.ms("P95", "95 of 100 runs took this long or less.", 84),
            "never_run": listing.count(
                "Never run", "How much oftener it was asked for than run; — where no run is recorded.", 84
            ),
        }
        row = listing.show(found, columns, key="by-tool")
        with st.container(horizontal=True):
            if row is not None:
                to_calls.link_to_one("The last call with it", row["trace_id"], row["span_id"])
            export.offer(found, "tools")
        listing.say_more(found, "tools")


def _loops(chosen: filters.Chosen) -> None:
    with box.box(
        "Round in circles?",
        f"One tool asked for at least {tools.TIMES} times within {tools.MINUTES} minutes of one session, or of one "
        "trace. What it was asked with is not kept, so it may be work as well as a loop.",
    ):
        found = data.answer(tools.loops, chosen.window, chosen.segment)
        if not found.num_rows:
            st.caption(f"No tool was asked for that often at once {chosen.words}.")
            return
        columns = {
            "name": listing.text("Tool", "Its name.", 170),
            "session_id": listing.text("Session", "Where it was asked for; — where only the trace is known.", 150),
            "at_once": listing.count("At once", f"The most within {tools.MINUTES} minutes.", 72),
            "uses": listing.count("In all", "How often that session asked for it.", 64),
            "calls": listing.count("Calls", "That asked for it.", 56),
            "cost_usd": listing.usd("Cost", "Of those calls, at list price."),
            "unpriced": listing.count("Unpriced", "Calls without a price: they add nothing.", 76),
            "last_at": listing.moment("Last", "When the last of those calls started.", chosen.zone),
        }
        row = listing.show(found, columns, key="loops")
        with st.container(horizontal=True):
            if row is not None:
                if row["session_id"] is not None:
                    to_calls.link("All calls of the session", session=row["session_id"])
                to_calls.link_to_one("The last call", row["trace_id"], row["span_id"])
            export.offer(found, "tool-loops")


def _audit(chosen: filters.Chosen) -> None:
    with box.box(
        "Every run",
        "Newest first. What a tool was run with, and what it gave, is content and not kept.",
    ):
        outcome, search = _narrowed()
        found = data.answer(
            tools.tool_runs, chosen.window, chosen.segment, outcome=outcome, search=search, limit=MOST_RUNS
        )
        if not found.num_rows:
            st.caption("No run is like that." if outcome or search else f"No run is recorded {chosen.words}.")
            return
        columns = {
            "started_at": listing.moment("Began", "When the tool began to run.", chosen.zone),
            "name": listing.text("Tool", "Its name.", 130),
            "outcome": listing.text("Outcome", "ok, error or cancelled.", 76),
            "error_type": listing.text("Error", "The type of the exception, or the application's word.", 110),
            "duration_ms": listing.ms("Took", "Until it returned, raised or was stopped.", 84),
            "user_id": listing.text("User", "For whom it was run.", 100),
            "session_id": listing.text("Session", "The session it belongs to.", 120),
            "tool_use_id": listing.text("Use", "The id of the block that asked for it.", 100),
        }
        row = listing.show(found, columns, key="tool-runs")
        with st.container(horizontal=True, vertical_alignment="center"):
            if row is not None:
                to_calls.link_to_one("The call that asked for it", row["call_trace_id"], row["call_span_id"])
            export.offer(found, "tool-runs")
            listing.say_more(found, "found")


def _narrowed() -> tuple[str | None, str | None]:
    with st.container(horizontal=True, vertical_alignment="center", key="run-filters"):
        outcome = st.segmented_control(
            "Outcome", OUTCOMES, key="run-outcome", bind="query-params", label_visibility="collapsed"
        )
        search = st.text_input(
            "Search",
            key="run-search",
            bind="query-params",
            placeholder="Tool, id, user, session or error",
            label_visibility="collapsed",
            width=320,
        )
    return outcome, (search or "").strip() or None


def _times(number: int) -> str:
    return "once" if number == 1 else f"{formats.count(number)} times"
