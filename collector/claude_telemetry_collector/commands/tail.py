"""`claude-telemetry tail`: calls as they come in, until Ctrl-C.

A call comes in when it is over, so that calls do not stand in the order of their starts. While the collector is away
it waits, and goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.commands import asked, listing
from claude_telemetry_collector.commands.values import json_lines
from claude_telemetry_collector.queries import Reader, Segment, Window, connect
from claude_telemetry_collector.queries.calls import arrived

LOOK_EVERY_S = 1.0
AT_ONCE = 5000
"""How many calls are printed of one look. Of more, the oldest are left out, and that is said."""

_LATE = timedelta(seconds=60)
"""How much later than another a call can be found that came in before it: what several tell of a call is put together
first."""
_LONGEST_CALL = timedelta(days=1)
_AHEAD = timedelta(days=1)
"""A clock that is ahead makes calls of tomorrow."""

Sleep = Callable[[float], None]


def main(argv: Sequence[str] | None = None, *, sleep: Sleep = time.sleep) -> int:
    """The exit code: 0 when it was ended with Ctrl-C, or with a sentence on standard error 1 when no collector could be
    asked to begin with, and 2 when the question was not understood. `sleep` waits so many seconds."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    try:
        _Tail(connect(settle("query", given)["data"]), asked.segment(given), given).follow(sleep)
    except KeyboardInterrupt:
        return 0
    except QuestionRefusedError as error:
        print(f"claude-telemetry tail: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry tail",
        usage="%(prog)s [OPTION ...]",
        description="Calls as they come in. Ctrl-C ends it.",
        epilog="Example: claude-telemetry tail --feature chat --json",
    )
    parser.add_argument(
        "--lines", type=int, default=10, metavar="N", help="begin with the last N that came in before (default 10)"
    )
    asked.add_segment(parser)
    listing.add_columns(parser)
    add_flags(parser, "query")
    return parser


class _Tail:
    """What has been printed, and what is to be printed next."""

    def __init__(self, reader: Reader, segment: Segment, given: Mapping[str, Any]) -> None:
        self._reader, self._segment = reader, segment
        self._json: bool = given["json"]
        self._fetched, self._columns = listing.fetched(given), listing.shown(given)
        self._lines: int = max(0, given["lines"])
        self._printed: dict[tuple[str, str], datetime] = {}
        self._since: datetime | None = None
        self._away = False

    def follow(self, sleep: Sleep) -> None:
        """Never ends by itself. Raises `CollectorError` when nobody can be asked at first, later it waits."""
        self._begin()
        while True:
            sleep(LOOK_EVERY_S)
            try:
                rows = self._asked(AT_ONCE, self._since)
            except QuestionRefusedError:
                raise
            except CollectorError as error:
                if not self._away:
                    print(f"claude-telemetry tail: {error}. Waiting …", file=sys.stderr, flush=True)
                self._away = True
                continue
            self._away = False
            self._tell(rows)

    def _begin(self) -> None:
        if not self._json:
            print("\n".join(listing.head(self._columns)), flush=True)
        # All that will be asked for again is known from here on, printed or not.
        newest = self._asked(AT_ONCE, None)
        self._tell(newest.slice(0, self._lines))
        self._note(newest)

    def _asked(self, limit: int, since: datetime | None) -> pa.Table:
        now = datetime.now(UTC)
        window = Window(now - _LONGEST_CALL - _LATE, now + _AHEAD)
        return arrived(self._reader, window, self._segment, columns=self._fetched, since=since, limit=limit)

    def _tell(self, rows: pa.Table) -> None:
        """Prints what has not been printed, first come first."""
        ids = rows.select(["trace_id", "span_id"]).to_pylist()
        new = [place for place, row in enumerate(ids) if (row["trace_id"], row["span_id"]) not in self._printed]
        fresh = rows.take(pa.array(list(reversed(new)), pa.int64()))
        if rows.num_rows == AT_ONCE and len(new) == AT_ONCE:
            print("claude-telemetry tail: too many at once, some are left out", file=sys.stderr)
        printed = json_lines(fresh.select(list(self._columns))) if self._json else listing.lines(fresh, self._columns)
        for line in printed:
            print(line)
        sys.stdout.flush()
        self._note(rows)

    def _note(self, rows: pa.Table) -> None:
        for row in rows.select(["trace_id", "span_id", "received_at"]).to_pylist():
            self._printed[row["trace_id"], row["span_id"]] = row["received_at"].replace(tzinfo=UTC)
        if self._printed:
            self._since = max(self._printed.values()) - _LATE
            # What is not asked for again need not be remembered.
            self._printed = {one: at for one, at in self._printed.items() if at >= self._since}
