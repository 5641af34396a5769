"""Writes the reference pages that follow from the code: `make docs`. A test fails when they are stale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path

from claude_telemetry import instrument
from claude_telemetry.record import Attempt, Call, Fact, ToolUse, columns_of
from claude_telemetry.record.event import Event
from claude_telemetry.record.tool_run import ToolRun
from claude_telemetry.settings import SETTINGS, Setting
from claude_telemetry_collector.queries import BILL_MEASURES, DIMENSIONS, METRICS, BillMeasure, Metric
from claude_telemetry_collector.store.tables import ATTEMPTS, CALL_SOURCES, CALLS, EVENTS, TOOL_RUNS, TOOL_USES, Table

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Each generated page by its file name."""
    return {
        "settings.md": "\n".join(_settings()) + "\n",
        "calls.md": "\n".join(_calls()) + "\n",
        "metrics.md": "\n".join(_metrics()) + "\n",
    }


def _settings() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Each setting is an argument, an environment variable, and a line in a file. An argument beats the"
    yield "environment, the environment beats the file, the file beats the default. Settings are read once, when a part"
    yield "starts. `up` and `demo` take the settings of the parts that they start. OpenTelemetry's own variables keep"
    yield "their meaning."
    yield ""
    yield "The file is TOML. It is the one that `--config` (`CLAUDE_TELEMETRY_CONFIG`) names, else"
    yield "`claude-telemetry.toml` in `$XDG_CONFIG_HOME`, which is `~/.config` where it is not set. The folder that a"
    yield "program is started in is not looked at ([why](../decisions/settings-file.md)). A setting stands there by its"
    yield "variable's name in lower case without `CLAUDE_TELEMETRY_`; paths are relative to the file's folder; secrets"
    yield "cannot stand there."
    yield ""
    yield "```toml"
    yield from _EXAMPLE
    yield "```"
    yield ""
    yield "`claude-telemetry doctor --settings` shows what holds, and who says so."
    parts = dict.fromkeys(part for setting in SETTINGS for part in setting.parts)
    for part in parts:
        yield ""
        yield "## `instrument()`" if part == "instrument" else f"## `claude-telemetry {part}`"
        yield ""
        yield "| argument | environment variable | default | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from (_setting_row(setting, part) for setting in SETTINGS if part in setting.parts)


_EXAMPLE = (
    'data = "/var/lib/claude-telemetry"',
    'otlp_http = "127.0.0.1:4318"',
    "alert_daily_cost_usd = 40",
    "alert_error_ratio = 0.02",
    'prices = "prices.toml"               # beside this file',
    'baggage = ["user.id", "claude.*"]',
    "fingerprint = false",
)


def _setting_row(setting: Setting, part: str) -> str:
    argument = f"`{setting.flag}`"
    if setting.secret:
        argument = "none: it is a secret"
    elif part == "instrument":
        argument = f"`{setting.name}=`" if setting.name in signature(instrument).parameters else "none"
    default = f"`{setting.default}`" if setting.default is not None else "not set"
    return f"| {argument} | `{setting.variable}` | {default} | {setting.meaning} |"


def _calls() -> Iterator[str]:
    yield "# What is recorded"
    yield ""
    yield "The columns that `claude-telemetry query` reads, and the span attributes that carry them. What is not known"
    yield "is `NULL`, never zero. Times are UTC. The input counts do not overlap. Money is exact."
    for table, record, meaning in _TABLES:
        facts = {column.name: column.fact for column in columns_of(record)}
        yield from ("", f"## `{table.name}`", "", meaning, "")
        yield "| column | type | unit | attribute | meaning |"
        yield "| --- | --- | --- | --- | --- |"
        for column in table.columns:
            fact = facts.get(column.name) or Fact(None, None, _meaning_without_fact(table, column.name))
            attribute = f"`{fact.attribute}`" if fact.attribute else ""
            yield f"| `{column.name}` | `{column.sql_type}` | {fact.unit or ''} | {attribute} | {fact.meaning} |"


_TABLES: tuple[tuple[Table, type, str], ...] = (
    (CALLS, Call, "A call runs from the question until the application holds the answer, retries included."),
    (
        CALL_SOURCES,
        Call,
        (
            "A source is a span or a log record that told of a call. Most calls have one. Of a call that several told "
            "of, this says who, what each counted, and whose numbers the call has ([dialects](../dialects.md))."
        ),
    ),
    # A view over where they are kept.
    (replace(ATTEMPTS, name="attempts"), Attempt, "An attempt is each time a call's question went over the wire."),
    (TOOL_USES, ToolUse, "A tool use is a tool that a call's answer asks for."),
    (
        TOOL_RUNS,
        ToolRun,
        "A tool run is what the application did about it: under `@tool`, or with the SDK's tool runner.",
    ),
    (EVENTS, Event, "An event is what the application said has happened, with `claude_telemetry.event`."),
)


def _meaning_without_fact(table: Table, column: str) -> str:
    return _WITHOUT_FACT.get(f"{table.name}.{column}") or _WITHOUT_FACT[column]


# What only the collector knows about a row.
_WITHOUT_FACT = {
    "events.attributes": "What the application said about it: numbers, flags and single words.",
    "source": "Who told of it: `claude_telemetry` (ours), `anthropic_sdk` (its own tracing), or another of the "
    "[dialects](../dialects.md).",
    "input_basis": "How the source counts input: `inclusive` of what was cached, `exclusive`; or, where nobody knows, "
    "`exclusive_by_count` (the numbers prove it) and `inclusive_assumed`. Of our own it is not asked.",
    "told_input_tokens": "The input as the source counted it.",
    "total_input_tokens": "The whole input, with what was read from the cache and written to it.",
    "reported_cost_usd": "What somebody else says that it cost. Not ours, and in no sum with it.",
    "compaction_input_tokens": "What was read to shorten the conversation: billed beside the other counts.",
    "compaction_output_tokens": "What was written to shorten the conversation: billed beside the other counts.",
    "instance": "The process that made the call, as its resource names it.",
    "server_ms": "How long the API took for it, where the API told of it.",
    "client_ms": "The rest of the duration, where both have told of it: waiting, earlier attempts, the way.",
    "lone_attempt_after_us": "Of a call with one attempt: how long after its start that was sent, in microseconds.",
    "lone_attempt_ms": "Of a call with one attempt: from sending to the response's headers, or to the failure.",
    "sources": "How many spans and records it was put together of, which are in `call_sources`. Not known for one that "
    "only its `source` has told of.",
    "call_trace_id": "The call's. Not known for what lies around calls, or within one that has not come yet.",
    "call_span_id": "The call's.",
    "role": "`call`: it tells of the call. `detail`: of a part of it. `wrapper`: it lies around calls, and is none.",
    "carries": "Whether the call has its numbers.",
    "call_sources.trace_id": "The source's own. That of a record in no trace is made of what names it.",
    "call_sources.span_id": "The source's own. That of a log record is made of what names it.",
    "attributes": "What else the span carried.",
    "whole": "Whether it came from our own delivery. Else it is a span of the application, which may know less.",
    "received_at": "When the collector received it, UTC.",
    "trace_id": "The call's.",
    "span_id": "The call's.",
    "attempt": "0 for the first.",
    "position": "0 for the first in the answer.",
}


def _metrics() -> Iterator[str]:
    yield "# Metrics"
    yield ""
    yield "A metric is a number with a unit over a window and a segment: what pages show, what alert rules watch,"
    yield "what Slack is told. Each is defined once, as an aggregate over rows of `calls`."
    yield ""
    yield "- A value over no calls is unknown (`None`, shown as —). Only a count over no calls is 0."
    yield "- A value says over how many calls it is, and for how many of them it is unknown."
    yield "- Percentiles lie between neighbours, on the line between them (`numpy.percentile`'s default). They are"
    yield "  exact; those of windows of more than two days are so to 1% ([why](../decisions/roll-ups.md))."
    yield "- Money is exact, to the picodollar."
    yield "- Calls that only count tokens (`operation` is `count_tokens`) are part of no metric."
    yield ""
    yield "| metric | title | unit | what it is | what becomes of unknowns |"
    yield "| --- | --- | --- | --- | --- |"
    yield from map(_metric_row, METRICS.values())
    yield ""
    yield "Each of them can be asked of the calls that share any labels and tags, over time in buckets of any length on"
    yield "the clocks of any time zone, and told apart by one or two of these:"
    yield ""
    yield "> " + ", ".join(f"`{name}`" for name in DIMENSIONS) + "; `tag:` and the name of a tag"
    yield ""
    yield "About [the bill](../reconciling.md), over its complete days:"
    yield ""
    yield "| measure | title | unit | what it is | what becomes of unknowns |"
    yield "| --- | --- | --- | --- | --- |"
    yield from map(_metric_row, BILL_MEASURES.values())
    yield ""
    yield "## In SQL"
    yield ""
    yield "`claude-telemetry query` reads the same tables. Put the line of a metric into"
    yield "`SELECT … FROM calls WHERE operation IS DISTINCT FROM 'count_tokens'`."
    yield ""
    yield "```sql"
    yield from (f"{metric.sql} AS {metric.name}" for metric in METRICS.values())
    yield "```"


def _metric_row(metric: Metric | BillMeasure) -> str:
    unit = _UNIT_WORDS.get(metric.unit, metric.unit)
    return f"| `{metric.name}` | {metric.title} | {unit} | {metric.meaning} | {metric.unknowns} |"


_UNIT_WORDS = {"{call}": "calls", "ratio": "0 to 1", "token": "tokens"}


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/reference/{name}")
