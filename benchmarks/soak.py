"""Whether memory, log and backlog stay flat under a load that goes on and on.

    python -m benchmarks.soak [MINUTES] [RATE]

Calls come at RATE a second as our own delivery sends them, a dashboard asks all the time, and every five seconds a look
is taken. The first third is warm-up; the slope is that of a straight line through the rest. The log (WAL) is a saw, and
the store's memory with it: it grows to its limit and is folded into the file. So of the log the largest is told, and of
memory the line goes through the looks soon after the log was folded in.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.ingest import COUNT, dashboard, our_processes
from benchmarks.sending import Load, Sending
from benchmarks.watching import MIB, cpu_s, quantile, rss_bytes, size_of
from claude_telemetry_collector.queries import connect
from tests.support.collecting import Collecting
from tests.support.receiving import ask
from tests.support.waiting import wait_until

_LOOK_S = 5.0
FLAT_MIB = 64.0
"""Growth of memory over the rest of the run that counts as none: DuckDB fills its cache, within its limit."""
FLAT_BACKLOG_S = 2.0
"""Growth of the backlog, as seconds of the load, that counts as none."""
WAL_MIB = 2 * 256
"""The log is folded in at 256 MB, and goes on growing meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    at_s: float
    receiver_mib: float
    store_mib: float
    wal_mib: float
    backlog_mib: float
    visible: int
    cpu_s: float


def main(minutes: float, rate: float) -> bool:
    """Prints what was seen. Whether all of it is flat, and all calls are there, once."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with Collecting(data, CLAUDE_TELEMETRY_SPOOL=f"{folder}/spool") as collector:
            measured = our_processes(collector)
            sending = Sending(Load(port=collector.port, spans=round(60 * minutes * rate), spans_a_second=rate))
            reader = connect(data)
            began = time.monotonic()

            def look() -> Look:
                return Look(
                    at_s=time.monotonic() - began,
                    receiver_mib=rss_bytes(measured.processes["receiver"]) / MIB,
                    store_mib=rss_bytes(measured.processes["store"]) / MIB,
                    wal_mib=size_of(measured.wal) / MIB,
                    backlog_mib=_backlog_bytes(collector.port) / MIB,
                    visible=int(reader.ask(COUNT).to_pylist()[0]["calls"]),
                    cpu_s=sum(cpu_s(process) for process in measured.processes.values()),
                )

            print(
                f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
                f"DuckDB {duckdb.__version__}, {rate:,.0f} spans/s for {minutes:g} minutes"
            )
            print(f"{'s':>6}{'receiver MiB':>14}{'store MiB':>11}{'WAL MiB':>9}{'backlog MiB':>13}{'visible':>13}")
            looks: list[Look] = []
            with dashboard(data):
                sending.go()
                while not sending.done():
                    time.sleep(_LOOK_S)
                    looks.append(look())
                    _show(looks[-1])
                sent = sending.outcome()
            wait_until(lambda: measured.count() >= sent.spans, "all that was acknowledged is visible")
            measured.check(sent.spans)
            waits = sent.waits_ms()
            collector.stop()
    cpu = 1e6 * (looks[-1].cpu_s - looks[0].cpu_s) / max(1, looks[-1].visible - looks[0].visible)
    print(
        f"{sent.spans:,} spans acknowledged, each there once; {sent.put_off} requests put off; ack ms p50 "
        f"{quantile(waits, 0.5):.1f}, p99 {quantile(waits, 0.99):.1f}; {cpu:.1f} us of CPU a span"
    )
    return _judged(looks, rate, sent.plain_bytes_a_span)


def _backlog_bytes(port: int) -> int:
    """What waits to be landed, as the receiver tells it."""
    told = ask(port, "GET", "/metrics").body.decode()
    found = re.search(r"^claude_telemetry_receiver_backlog_bytes (\S+)$", told, re.MULTILINE)
    if found is None:
        raise SystemExit("the receiver no longer tells its backlog_bytes")
    return int(float(found[1]))


def _judged(looks: Sequence[Look], rate: float, bytes_a_span: float) -> bool:
    rest = looks[len(looks) // 3 :]
    over_s = rest[-1].at_s - rest[0].at_s
    flat = True
    folded = [look for look in rest if look.wal_mib < WAL_MIB / 8]
    limits: dict[str, tuple[Sequence[Look], Callable[[Look], float], float]] = {
        "receiver MiB": (rest, lambda look: look.receiver_mib, FLAT_MIB),
        "store MiB": (folded or rest, lambda look: look.store_mib, FLAT_MIB),
        "backlog MiB": (rest, lambda look: look.backlog_mib, FLAT_BACKLOG_S * rate * bytes_a_span / MIB),
    }
    for name, (looks_at, value, most) in limits.items():
        grows = slope(looks_at, value)
        held = grows * over_s < most
        flat = flat and held
        print(f"{name:14}{60 * grows:+9.2f} a minute  {'flat' if held else 'GROWS'}")
    largest = max(look.wal_mib for look in looks)
    most_rss = max(look.receiver_mib + look.store_mib for look in looks)
    print(f"{'both MiB':14}{most_rss:9.0f} at the most")
    print(f"{'WAL MiB':14}{largest:9.0f} at the most  {'bounded' if largest < WAL_MIB else 'TOO MUCH'}")
    return flat and largest < WAL_MIB


def slope(looks: Sequence[Look], value: Callable[[Look], float]) -> float:
    """Of the straight line through `looks`, a second."""
    middle = sum(look.at_s for look in looks) / len(looks)
    mean = sum(map(value, looks)) / len(looks)
    spread = sum((look.at_s - middle) ** 2 for look in looks)
    return sum((look.at_s - middle) * (value(look) - mean) for look in looks) / spread if spread else 0.0


def _show(look: Look) -> None:
    print(
        f"{look.at_s:6.0f}{look.receiver_mib:14.0f}{look.store_mib:11.0f}{look.wal_mib:9.0f}"
        f"{look.backlog_mib:13.1f}{look.visible:13,}",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    parser.add_argument("rate", type=float, nargs="?", default=30_000.0, help="spans a second")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    sys.exit(0 if main(given.minutes, given.rate) else 1)
