"""`claude-telemetry report --since 7d`: a period beside the one before, for a terminal, a pull request or a mail.

The numbers are the pages' and the alerts': the same questions are asked.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from claude_telemetry.errors import ClaudeTelemetryError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.commands import asked
from claude_telemetry_collector.commands.sheet import Sheet, Table, as_html, as_markdown, as_text
from claude_telemetry_collector.commands.values import UNKNOWN, Number, figure, told
from claude_telemetry_collector.queries import METRICS, Reading, connect
from claude_telemetry_collector.queries.report import GROUPED, Report, report
from claude_telemetry_collector.terminal import counted_calls, failed

_FORMATS: Mapping[str, Callable[[Sheet], Iterable[str]]] = {"text": as_text, "md": as_markdown, "html": as_html}


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or with a sentence on standard error 1 when nobody could be asked and 2 when the question was
    not understood."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    window = asked.window(parser, given, datetime.now(UTC))
    try:
        found = report(
            connect(settle("query", given)["data"]), window, asked.segment(given), given["by"] or ("model", "feature")
        )
    except ClaudeTelemetryError as error:
        return failed("report", error)
    if given["format"] == "json":
        print(json.dumps(as_object(found), ensure_ascii=False))
    else:
        print("\n".join(_FORMATS[given["format"]](sheet(found))))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry report",
        usage="%(prog)s [--since WHEN] [OPTION ...]",
        description="What a period came to: calls, cost, errors, latency, tokens, each beside the period before.",
        epilog="The exit code: 0 it is printed, 1 no collector could be asked, 2 the question was not understood. "
        "Example: claude-telemetry report --since 7d --by feature --md",
    )
    asked.add_window(parser, since="7d")
    parser.add_argument(
        "--by",
        action="append",
        type=asked.by_given,
        metavar="LABEL",
        help="break it down by this label; can be repeated (default model and feature)",
    )
    formats = parser.add_mutually_exclusive_group()
    for name, meaning in (
        ("json", "print one JSON object; amounts are exact, as text"),
        ("md", "print Markdown"),
        ("html", "print one HTML page"),
    ):
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=meaning)
    parser.set_defaults(format="text")
    asked.add_segment(parser)
    add_flags(parser, "query")
    return parser


def as_object(found: Report) -> dict[str, Any]:
    """The report for programs: exact, what is not known `null`."""
    return {
        "since": told(found.window.start),
        "until": told(found.window.end),
        "compared_with": {"since": told(found.before.start), "until": told(found.before.end)},
        "only": found.segment.labels() | {f"tag:{name}": value for name, value in found.segment.tags},
        "metrics": {
            name: {**_reading(now), "unit": METRICS[name].unit, "before": _reading(found.earlier[name])}
            for name, now in found.now.items()
        },
        "by": {name: [_object(row) for row in rows.to_pylist()] for name, rows in found.groups.items()},
        "errors": [_object(row) for row in found.errors.to_pylist()],
    }


def sheet(found: Report) -> Sheet:
    """The report for people."""
    return Sheet(
        title=f"Claude calls from {_when(found.window.start)} to {_when(found.window.end)} UTC",
        said=tuple(_sentences(found)),
        tables=(
            _headlines(found),
            *(_group(name, rows) for name, rows in found.groups.items()),
            *_errors(found.errors),
        ),
    )


def change(now: Number | None, before: Number | None, unit: str) -> str:
    """How `now` differs from `before`: in percent, of a share in points. A dash where there is nothing to compare."""
    if now is None or before is None:
        return UNKNOWN
    if unit == "ratio":
        return f"{(float(now) - float(before)) * 100:+.1f} pts"
    return UNKNOWN if not before else f"{(float(now) / float(before) - 1) * 100:+.1f} %"


def _sentences(found: Report) -> Iterator[str]:
    only = found.segment.labels() | {f"tag:{name}": value for name, value in found.segment.tags}
    if only:
        yield f"Only calls with {', '.join(f'{name} {value}' for name, value in only.items())}."
    yield f"Compared with {_when(found.before.start)} to {_when(found.before.end)} UTC."
    if not found.now["requests"].value:
        yield "There were no calls."
    for name, reading in found.now.items():
        if reading.unknown and name != "net_cost_usd":
            yield f"{METRICS[name].title}: {_missing(reading)}."


def _missing(reading: Reading) -> str:
    if not METRICS[reading.metric].is_money:
        return f"not known of {reading.unknown:,} of {counted_calls(reading.calls)}"
    partly = reading.unknown - reading.unpriced
    parts = [f"{counted_calls(reading.unpriced)} unpriced"] if reading.unpriced else []
    parts += [f"{counted_calls(partly)} priced in part"] if partly else []
    return f"at least what is shown, {' and '.join(parts)}"


def _headlines(found: Report) -> Table:
    has_discount = any(
        period["net_cost_usd"].value != period["cost_usd"].value for period in (found.now, found.earlier)
    )
    rows = [
        (METRICS[name].title, _figure(now), _figure(before), change(now.value, before.value, METRICS[name].unit))
        for name, now in found.now.items()
        if (before := found.earlier[name]) and (name != "net_cost_usd" or has_discount)
    ]
    return Table(title="In all", head=("", "this period", "before", "change"), rows=tuple(rows))


def _figure(reading: Reading) -> str:
    metric = METRICS[reading.metric]
    bound = "≥ " if metric.is_money and reading.unknown and reading.value is not None else ""
    return bound + figure(reading.value, metric.unit)


def _group(name: str, rows: pa.Table) -> Table:
    found = rows.to_pylist()
    hidden = found[0]["groups"] - len(found) if found else 0
    return Table(
        title=f"By {name}",
        head=(name, *(METRICS[metric].title for metric in GROUPED)),
        rows=tuple((row[name] or UNKNOWN, *(_cell(row, metric) for metric in GROUPED)) for row in found),
        note=f"{hidden:,} more are not shown." if hidden else "",
    )


def _cell(row: Mapping[str, Any], name: str) -> str:
    metric = METRICS[name]
    bound = "≥ " if metric.is_money and row[f"{name}_unknown"] and row[name] is not None else ""
    return bound + figure(row[name], metric.unit)


def _errors(rows: pa.Table) -> tuple[Table, ...]:
    if not rows.num_rows:
        return ()
    told_rows = tuple((row["error_type"] or UNKNOWN, f"{row['requests']:,}") for row in rows.to_pylist())
    return (Table(title="Failed calls", head=("error_type", "calls"), rows=told_rows),)


def _reading(reading: Reading) -> dict[str, object]:
    facts = {name: told(value) for name, value in asdict(reading).items() if name != "metric"}
    return facts if METRICS[reading.metric].is_money else {n: v for n, v in facts.items() if n != "unpriced"}


def _object(row: Mapping[str, Any]) -> dict[str, object]:
    return {name: told(value) for name, value in row.items() if name != "groups"}


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
