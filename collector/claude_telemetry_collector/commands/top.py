"""`claude-telemetry top`: what runs and what it costs, by model or any other label, as a table that keeps itself new.

In a pipe, or with `--once`, it is printed once.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from claude_telemetry.errors import ClaudeTelemetryError, CollectorError, QuestionRefusedError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.commands import asked
from claude_telemetry_collector.commands.values import UNKNOWN, figure
from claude_telemetry_collector.queries import METRICS, Reader, Reading, Segment, Window, breakdown, connect, readings
from claude_telemetry_collector.terminal import columns, counted_calls, cut, failed, printable

METRICS_SHOWN: Mapping[str, str] = {
    "requests": "calls",
    "error_ratio": "errors",
    "cost_usd": "cost",
    "duration_p50_ms": "p50",
    "duration_p95_ms": "p95",
    "ttft_p95_ms": "ttft p95",
    "total_tokens": "tokens",
    "cache_hit_ratio": "cache hit",
}
"""By metric, what its column is called."""

SORTS: Mapping[str, str] = {
    "cost": "cost_usd",
    "calls": "requests",
    "errors": "error_ratio",
    "p95": "duration_p95_ms",
    "tokens": "total_tokens",
}
MOST = 200
_WIDEST_LABEL = 40

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""To a screen of its own without a cursor, and back to what was there."""
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

Sleep = Callable[[float], None]


def main(argv: Sequence[str] | None = None, *, sleep: Sleep = time.sleep) -> int:
    """The exit code: 0, also when it was ended with Ctrl-C, or with a sentence on standard error 1 when nobody could be
    asked and 2 when the question was not understood. `sleep` waits so many seconds."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    if given["since"] <= timedelta(0):
        parser.error("argument --since: give a length above zero")
    try:
        top = _Top(connect(settle("query", given)["data"]), asked.segment(given), given)
        if given["once"] or not sys.stdout.isatty():
            print("\n".join(top.lines(datetime.now(UTC))))
        else:
            _keep_new(top, given["every"], sleep)
    except KeyboardInterrupt:
        return 0
    except ClaudeTelemetryError as error:
        return failed("top", error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry top",
        usage="%(prog)s [OPTION ...]",
        description="Calls, errors, cost and latency by model or another label, kept new. Ctrl-C ends it.",
        epilog="Example: claude-telemetry top --by feature --sort errors",
    )
    parser.add_argument(
        "--by",
        type=asked.by_given,
        default="model",
        metavar="LABEL",
        help="what to tell calls apart by: a column such as feature, user_id or tenant, or tag:NAME (default model)",
    )
    parser.add_argument(
        "--since",
        type=_length,
        default="15m",
        metavar="LENGTH",
        help="how far to look back, such as 5m, 1h or 7d (default 15m)",
    )
    parser.add_argument("--sort", choices=tuple(SORTS), default="cost", help="largest first of this (default cost)")
    parser.add_argument("--every", type=_seconds, default="2", metavar="SECONDS", help="how often (default 2)")
    parser.add_argument("--once", action="store_true", help="print it once, as in a pipe")
    asked.add_segment(parser)
    add_flags(parser, "query")
    return parser


def _length(text: str) -> timedelta:
    found = asked.moment_given(text)
    if not isinstance(found, timedelta):
        raise argparse.ArgumentTypeError(f"{text!r}: give a length of time, such as 15m")
    return found


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.2 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: give seconds from 0.2 to 3600")
    return seconds


class _Top:
    """What is asked each time, and what it says."""

    def __init__(self, reader: Reader, segment: Segment, given: Mapping[str, Any]) -> None:
        self._reader, self._segment = reader, segment
        self._by: str = given["by"]
        self._length: timedelta = given["since"]
        first = SORTS[given["sort"]]
        self._names = tuple(dict.fromkeys((first, *METRICS_SHOWN)))

    def lines(self, now: datetime, most: int = MOST) -> Iterator[str]:
        """As of `now`, with at most so many groups."""
        window = Window.last(self._length, now)
        whole = readings(self._reader, tuple(METRICS_SHOWN), window, self._segment)
        rows = breakdown(self._reader, self._names, window, self._segment, self._by, limit=most)
        yield from _head(whole, window)
        yield ""
        shown = [_row(row, self._by, whole["cost_usd"]) for row in rows.to_pylist()]
        yield from columns((printable(self._by), *METRICS_SHOWN.values(), "of cost"), shown, left=1)
        hidden = _hidden(rows)
        if hidden:
            yield f"{hidden:,} more"


def _head(whole: Mapping[str, Reading], window: Window) -> Iterator[str]:
    calls, minutes = int(whole["requests"].value or 0), window.length / timedelta(minutes=1)
    cost = whole["cost_usd"]
    bound = "at least " if cost.unknown and cost.value is not None else ""
    yield (
        f"{counted_calls(calls)} from {window.start:%H:%M:%S} to {window.end:%H:%M:%S} UTC, "
        f"{calls / minutes:,.1f} a minute, {figure(whole['error_ratio'].value, 'ratio')} failed, "
        f"{bound}{figure(cost.value, 'USD')}"
    )
    if cost.unpriced:
        yield f"{counted_calls(cost.unpriced)} unpriced"


def _row(row: Mapping[str, Any], by: str, cost: Reading) -> tuple[str, ...]:
    label = UNKNOWN if row[by] is None else cut(printable(row[by]), _WIDEST_LABEL)
    bound = "≥ " if row["cost_usd_unknown"] and row["cost_usd"] is not None else ""
    numbers = [(bound if name == "cost_usd" else "") + figure(row[name], METRICS[name].unit) for name in METRICS_SHOWN]
    share = UNKNOWN if not cost.value or row["cost_usd"] is None else figure(row["cost_usd"] / cost.value, "ratio")
    return (label, *numbers, share)


def _hidden(rows: pa.Table) -> int:
    return int(rows.column("groups")[0].as_py()) - rows.num_rows if rows.num_rows else 0


def _keep_new(top: _Top, every_s: float, sleep: Sleep) -> None:
    sys.stdout.write(_ENTER)
    try:
        while True:
            size = shutil.get_terminal_size()
            sys.stdout.write(_screen(_lines(top, size.lines), size.columns, size.lines))
            sys.stdout.flush()
            sleep(every_s)
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _lines(top: _Top, height: int) -> list[str]:
    """What is to be seen now. A collector that is away for a while does not end it."""
    try:
        # Above and below the groups stand up to seven lines.
        return list(top.lines(datetime.now(UTC), most=max(1, height - 7)))
    except QuestionRefusedError:
        raise
    except CollectorError as error:
        return [f"claude-telemetry top: {error}", "It goes on as soon as the collector is back."]


def _screen(lines: Sequence[str], width: int, height: int) -> str:
    """The lines as one writing, over what is there: clearing it first would flicker."""
    kept = [cut(line, width) + _REST_OF_LINE for line in lines[: max(1, height - 1)]]
    return _HOME + "\n".join(kept) + "\n" + _REST_OF_SCREEN
