"""`claude-telemetry calls`: single calls, as the page of calls lists them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from claude_telemetry.errors import ClaudeTelemetryError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.commands import asked, listing
from claude_telemetry_collector.commands.values import json_lines
from claude_telemetry_collector.queries import Cursor, Reader, Segment, Window, connect
from claude_telemetry_collector.queries.calls import MOST_EXTREME, calls, top_calls
from claude_telemetry_collector.queries.narrowed import Narrowed
from claude_telemetry_collector.terminal import counted_calls, failed

NEWEST = "newest"
_PAGE = 1000


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or with a sentence on standard error 1 when nobody could be asked and 2 when the question was
    not understood."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    window = asked.window(parser, given, datetime.now(UTC))
    try:
        reader = connect(settle("query", given)["data"])
        _print(_pages(reader, window, asked.segment(given), given), given)
    except ClaudeTelemetryError as error:
        return failed("calls", error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry calls",
        usage="%(prog)s [--since WHEN] [OPTION ...]",
        description="Single calls, newest first.",
        epilog="The exit code: 0 also when there are none, 1 no collector could be asked, 2 the question was not "
        "understood. Example: claude-telemetry calls --since 1h --status error",
    )
    asked.add_window(parser, since="24h")
    parser.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many (default 50)")
    parser.add_argument(
        "--order",
        choices=(NEWEST, *MOST_EXTREME),
        default=NEWEST,
        help="which come first: by start, cost, duration or tokens (default newest)",
    )
    parser.add_argument(
        "--find", metavar="ID", help="only what has this id: of a request, message, trace, span, session, batch or run"
    )
    asked.add_segment(parser)
    listing.add_columns(parser)
    add_flags(parser, "query")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number above zero")
    return int(text)


def _pages(reader: Reader, window: Window, segment: Segment, given: Mapping[str, Any]) -> Iterator[pa.Table]:
    narrowed, columns = Narrowed(named=given["find"]), listing.fetched(given)
    left: int = given["limit"]
    if given["order"] != NEWEST:
        yield top_calls(reader, given["order"], window, segment, narrowed, columns=columns, limit=left).rows
        return
    before: Cursor | None = None
    while left:
        page = calls(reader, window, segment, narrowed, columns=columns, before=before, limit=min(left, _PAGE))
        yield page.rows
        left, before = left - page.rows.num_rows, page.next
        if before is None:
            return


def _print(pages: Iterator[pa.Table], given: Mapping[str, Any]) -> None:
    columns, printed = listing.shown(given), 0
    if not given["json"]:
        print("\n".join(listing.head(columns)))
    for rows in pages:
        printed += rows.num_rows
        for line in json_lines(rows.select(list(columns))) if given["json"] else listing.lines(rows, columns):
            print(line)
    if not given["json"]:
        print(f"({counted_calls(printed)})")
