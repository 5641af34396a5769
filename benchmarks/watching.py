"""What processes take of the machine, and how many calls can be seen, while something is sent to them."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024


def cpu_s(process: int) -> float:
    """What it has used so far, its threads included."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def rss_bytes(process: int, *, peak: bool = False) -> int:
    """Resident memory now, or the most there ever was."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.partition("VmHWM:" if peak else "VmRSS:")[2].split()[0])


def size_of(path: Path) -> int:
    """Of a file; 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@dataclass(slots=True)
class Seen:
    """How many calls could be seen, and when."""

    moments: list[float] = field(default_factory=list[float])
    counts: list[int] = field(default_factory=list[int])

    def when(self, count: int) -> float | None:
        """When that many could be seen for the first time."""
        place = bisect_left(self.counts, count)
        return self.moments[place] if place < len(self.counts) else None


class Watching:
    """Asks now and then, in a thread, until the block ends."""

    def __init__(self, count: Callable[[], int], sizes: Mapping[str, Callable[[], int]], *, every_s: float) -> None:
        """`sizes`: of what the largest is kept, by name."""
        self.seen = Seen()
        self.largest = dict.fromkeys(sizes, 0)
        self.cpu_s = 0.0
        """Of this thread: what the asking takes here."""
        self._count = count
        self._sizes = sizes
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            count = self._count()
            # Taken after the answer: a call is not called visible before anybody has seen it.
            self.seen.moments.append(time.monotonic())
            self.seen.counts.append(max(count, self.seen.counts[-1] if self.seen.counts else 0))
            for name, size in self._sizes.items():
                self.largest[name] = max(self.largest[name], size())
        self.cpu_s = time.thread_time()


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of `ordered` do not exceed; nan for none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
