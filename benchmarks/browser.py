"""How long a page takes in a real browser: from the address to the last tile and chart, over a store of any size.

    python -m benchmarks.many_calls --calls 10000000 --days 90 --data /tmp/many
    python -m benchmarks.browser --data /tmp/many [--rounds 5] [--range 24h 30d] [--pictures docs/pictures]

Chromium opens every page of the navigation, as often as asked, in one window; the real collector and the real dashboard
are processes of their own on the same machine. The first round is told apart: there nothing is remembered yet. With
`--pictures`, each page is kept as a PNG, in light and in dark, on a desk and on a phone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from claude_telemetry_dashboard.app import Entry
from tests.support.browser import Browser
from tests.support.browsing import DESKTOP, ENTRIES, PHONE, Visitor
from tests.support.collecting import Collecting
from tests.support.dashboard import Dashboard

LOOKS: Mapping[str, tuple[int, bool]] = {
    "light": (DESKTOP, False),
    "dark": (DESKTOP, True),
    "phone": (PHONE, False),
    "phone-dark": (PHONE, True),
}
"""By what a picture's name ends with: the width, and whether it is dark."""


def main(argv: Sequence[str]) -> int:
    """The exit code: 1 when something was wrong with a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the data folder, of which no collector runs")
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is opened (default 5)")
    parser.add_argument("--range", nargs="+", default=["24h", "30d"], help="the ranges to open it with")
    parser.add_argument("--pictures", type=Path, help="keep a picture of each page in this folder")
    asked = parser.parse_args(argv)
    with Collecting(asked.data) as collector:
        served = Dashboard(collector.data, f"--otlp-http=127.0.0.1:{collector.port}")
        with served as dashboard, Browser() as browser:
            visitor = Visitor(browser, dashboard.url)
            visitor.open(ENTRIES[0])
            browser.console_errors()
            wrong = [line for name in asked.range for line in _measured(visitor, name, asked.rounds)]
            if asked.pictures is not None:
                _take_pictures(visitor, asked.range[0], asked.pictures)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def _measured(visitor: Visitor, name: str, rounds: int) -> Iterator[str]:
    """Prints a line for each page; what is wrong with one."""
    print(f"\n{name}: milliseconds until a page is complete\n{'':<18}{'first':>8}{'p50':>8}{'p95':>8}")
    for entry in ENTRIES:
        times = [_time_of(visitor, entry, name) for _ in range(1 + rounds)]
        again = sorted(times[1:]) or times
        print(f"{entry.title:<18}{times[0]:>8.0f}{_rank(again, 0.5):>8.0f}{_rank(again, 0.95):>8.0f}", flush=True)
        yield from visitor.complaints()


def _time_of(visitor: Visitor, entry: Entry, name: str) -> float:
    began = time.perf_counter()
    visitor.open(entry, range=name)
    return (time.perf_counter() - began) * 1000


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _take_pictures(visitor: Visitor, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for look, (width, dark) in LOOKS.items():
        visitor.browser.resize(width, dark=dark)
        for entry in ENTRIES:
            visitor.open(entry, range=name)
            visitor.complaints()  # waits until what was resized has settled
            visitor.browser.picture(folder / f"{entry.url_path}-{look}.png")
    visitor.browser.resize(DESKTOP, dark=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
