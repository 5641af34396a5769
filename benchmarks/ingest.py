"""How much the collector takes: acknowledged, durable and visible, beside the simplest thing that could work.

    python -m benchmarks.ingest [--spans 400000] [--rates 10000 30000] [--seconds 20] [--phoenix PYTHON]

Each line is a collector of its own on an empty folder, as `claude-telemetry collect` starts it, and the same load:
gzipped protobuf as our own delivery sends it (`benchmarks.bodies`). How many calls are visible is asked through the
read API twenty times a second; in the lines with a rate, a dashboard asks as well. *Landed* is what was acknowledged,
divided by the time from the first request until the last call is visible. CPU and memory are of the receiver and of the
store; the share of one core that the sending process took is told beside them. Machines differ and are busy: the ratios
say more than any number.

Arize Phoenix is measured as well where the Python of an environment is given that it is installed in.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.bodies import SPANS_A_BODY
from benchmarks.sending import Load, Sending, Sent
from benchmarks.watching import MIB, Seen, Watching, cpu_s, quantile, rss_bytes, size_of
from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.queries import Segment, Window, connect, readings, series
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until

NAIVE_SPANS = 10_000
"""A thousand a second land there; more would only take longer."""
PHOENIX_SPANS = 3_072
ONE_SPAN_REQUESTS = 30_000
NAIVE_ONE_SPAN_REQUESTS = 2_000
_ASK_S = 0.05
_REFRESH_S = 2.0
"""As often as an open dashboard asks anew."""
_LONGEST_S = 900.0
"""Landing that takes longer than this has come to a halt."""

COUNT = "SELECT count(*) AS calls FROM calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one load came to."""

    name: str
    sent: Sent
    seen: Seen
    visible_at: float
    cpu_s: Mapping[str, float]
    """By process, the one that sends included."""
    peak_rss: Mapping[str, int]
    largest_wal: int
    bytes_a_call: float | None
    """On disk, after the log is folded into the file."""

    @property
    def acknowledged_a_second(self) -> float:
        return self.sent.spans / (self.sent.ended - self.sent.began)

    @property
    def landed_a_second(self) -> float:
        return self.sent.spans / (self.visible_at - self.sent.began)

    def cpu_us_a_span(self) -> str:
        """Of each of the collector's processes."""
        spent = [1e6 * cpu / self.sent.spans for process, cpu in self.cpu_s.items() if process != "sender"]
        return "+".join(f"{cpu:.1f}" for cpu in spent)

    def lags_s(self) -> list[float]:
        """From each request's being due until its calls can be seen, shortest first.

        Bodies land in the order in which they were acknowledged, or nearly so: at `n` calls visible, the first `n`
        that were acknowledged are.
        """
        lags: list[float] = []
        for number, (due, _) in enumerate(self.sent.acknowledged, 1):
            seen_at = self.seen.when(number * self.sent.spans_a_body)
            lags.append((seen_at if seen_at is not None else self.visible_at) - due)
        return sorted(lags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A collector that runs."""

    port: int
    processes: Mapping[str, int]
    count: Callable[[], int]
    wal: Path
    check: Callable[[int], None]
    """Raises when not exactly so many calls are there, each once."""


def measured(name: str, collector: Measured, load: Load) -> Line:
    """Sends `load` and waits until all of it is visible. Raises `SystemExit` when something was lost or doubled."""
    sending = Sending(load)
    before = {process: cpu_s(pid) for process, pid in collector.processes.items()}
    with Watching(collector.count, {"wal": lambda: size_of(collector.wal)}, every_s=_ASK_S) as watching:
        sending.go()
        sent = sending.outcome()
        visible_at = _visible(watching.seen, sent.spans)
    cpu = {process: cpu_s(pid) - before[process] for process, pid in collector.processes.items()}
    collector.check(sent.spans)
    return Line(
        name=name,
        sent=sent,
        seen=watching.seen,
        visible_at=visible_at,
        cpu_s={**cpu, "sender": sent.cpu_s},
        peak_rss={process: rss_bytes(pid, peak=True) for process, pid in collector.processes.items()},
        largest_wal=watching.largest["wal"],
        bytes_a_call=None,
    )


def _visible(seen: Seen, spans: int) -> float:
    deadline = time.monotonic() + _LONGEST_S
    while time.monotonic() < deadline:
        at = seen.when(spans)
        if at is not None:
            return at
        time.sleep(_ASK_S)
    raise SystemExit(f"{seen.counts[-1]} of {spans} acknowledged spans are visible: the rest is lost or stuck")


# Whom it is measured on


def ours(name: str, load: Callable[[int], Load], *, watched: bool = False) -> Line:
    """A line of our collector."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with Collecting(data, CLAUDE_TELEMETRY_SPOOL=f"{folder}/spool") as collector:
            measures = our_processes(collector)
            with dashboard(data) if watched else nullcontext():
                line = measured(name, measures, load(collector.port))
            if collector.stop() != 0:
                raise SystemExit(f"the collector did not stop well: {collector.said()}")
        size = size_of(data / "calls.duckdb")
    return replace(line, bytes_a_call=size / line.sent.spans)


def our_processes(collector: Collecting) -> Measured:
    """What is to be measured of a collector that runs."""
    reader = connect(collector.data)
    processes = {name: collector.child(name) for name in ("receiver", "store")}

    def check(spans: int) -> None:
        asked = "SELECT count(*) AS calls, count(DISTINCT trace_id || span_id) AS different FROM calls"
        there = reader.ask(asked).to_pylist()[0]
        if there != {"calls": spans, "different": spans}:
            raise SystemExit(f"{spans} spans were acknowledged, and there are {there}")

    return Measured(
        port=collector.port,
        processes={name: process for name, process in processes.items() if process is not None},
        count=lambda: int(reader.ask(COUNT).to_pylist()[0]["calls"]),
        wal=collector.data / "calls.duckdb.wal",
        check=check,
    )


def naive(name: str, load: Callable[[int], Load]) -> Line:
    """A line of the naive collector."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.duckdb"
        command = [sys.executable, "-m", "benchmarks.naive", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline())

                def count() -> int:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/count") as answer:
                        return int(answer.read())

                def check(spans: int) -> None:
                    if count() != spans:
                        raise SystemExit(f"{spans} spans were acknowledged, and {count()} are there")

                measures = Measured(
                    port=port,
                    processes={"naive": process.pid},
                    count=count,
                    wal=Path(f"{path}.wal"),
                    check=check,
                )
                line = measured(name, measures, load(port))
            finally:
                process.kill()
        with duckdb.connect(path) as folded:
            folded.execute("CHECKPOINT")
        return replace(line, bytes_a_call=size_of(path) / line.sent.spans)


def phoenix(python: Path, load: Callable[[int], Load]) -> Line:
    """A line of Arize Phoenix on SQLite, which is what it uses unless told otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "phoenix.db"
        ports = [_free_port(), _free_port()]
        environment = {
            **os.environ,
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(ports[0]),
            "PHOENIX_GRPC_PORT": str(ports[1]),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        command = [str(python), "-m", "phoenix.server.main", "serve"]
        with subprocess.Popen(  # noqa: S603 - as the user says
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_until(lambda: process.poll() is not None or _answers(ports[0]), "Phoenix answers")
                if process.poll() is not None:
                    raise SystemExit(f"Phoenix does not start: try {' '.join(command)}")

                def count() -> int:
                    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
                        return int(opened.execute("SELECT count(*) FROM spans").fetchone()[0])

                def check(spans: int) -> None:
                    if count() != spans:
                        raise SystemExit(f"{spans} spans were acknowledged, and {count()} are there")

                measures = Measured(
                    port=ports[0],
                    processes={"phoenix": process.pid},
                    count=count,
                    wal=Path(f"{file}-wal"),
                    check=check,
                )
                line = measured("Phoenix, closed", measures, load(ports[0]))
            finally:
                process.kill()
        return replace(line, bytes_a_call=size_of(file) / line.sent.spans)


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def dashboard(data: Path) -> Generator[None]:
    """What the overview asks, again and again."""
    stop = threading.Event()

    def asks() -> None:
        reader = connect(data)
        while not stop.wait(_REFRESH_S):
            day = Window.last(timedelta(days=1))
            metrics = ["requests", "cost_usd", "duration_p95_ms", "error_ratio"]
            try:
                readings(reader, metrics, day, Segment())
                series(reader, metrics, day, Segment(), timedelta(hours=1))
            except CollectorError as error:
                print(f"the dashboard got no answer: {error}", file=sys.stderr)

    thread = threading.Thread(target=asks)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# The table


def main(spans: int, rates: list[float], seconds: float, phoenix_python: Path | None) -> None:
    """Prints a line for each load, as it comes, and the ratios."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
    print(
        f"{'':26}{'acked/s':>9}{'landed/s':>9}{'ack ms p50':>11}{'p99':>8}{'visible s p50':>14}{'p99':>7}"
        f"{'CPU us/span':>14}{'sender':>8}{'RSS MiB':>14}{'WAL MiB':>8}{'B/call':>8}"
    )

    def all_at_once(spans: int, spans_a_body: int = SPANS_A_BODY) -> Callable[[int], Load]:
        connections = 8 if spans_a_body > 1 else 32
        return lambda port: Load(port=port, spans=spans, spans_a_body=spans_a_body, connections=connections)

    def at(rate: float) -> Callable[[int], Load]:
        return lambda port: Load(port=port, spans=round(rate * seconds), spans_a_second=rate)

    plain = naive("naive, closed", all_at_once(NAIVE_SPANS))
    show(plain)
    plain_ones = naive("naive, one-span requests", all_at_once(NAIVE_ONE_SPAN_REQUESTS, 1))
    show(plain_ones)
    peer = phoenix(phoenix_python, all_at_once(PHOENIX_SPANS)) if phoenix_python is not None else None
    if peer is not None:
        show(peer)
    closed = ours("closed", all_at_once(spans))
    show(closed)
    ones = ours("one-span requests", all_at_once(ONE_SPAN_REQUESTS, 1))
    show(ones)
    for rate in rates:
        show(ours(f"{rate:,.0f}/s", at(rate), watched=True))
    bytes_a_span = f"{closed.sent.plain_bytes_a_span:.0f} bytes a span, {closed.sent.zipped_bytes_a_span:.0f} gzipped"
    print(f"{SPANS_A_BODY} spans a request unless said, {bytes_a_span}")
    print(f"landed beside naive: {closed.landed_a_second / plain.landed_a_second:.1f} times")
    if peer is not None:
        print(f"landed beside Phoenix: {closed.landed_a_second / peer.landed_a_second:.1f} times")
    else:
        print("Phoenix was not measured: --phoenix names the Python of an environment that it is installed in")
    print(f"one-span requests, acknowledged: {ones.acknowledged_a_second / plain_ones.acknowledged_a_second:.1f} times")


def show(line: Line) -> None:
    """Prints a line of the table."""
    waits, lags = line.sent.waits_ms(), line.lags_s()
    cpu, sender = line.cpu_us_a_span(), 100 * line.cpu_s["sender"] / (line.sent.ended - line.sent.began)
    rss = "+".join(f"{size / MIB:.0f}" for size in line.peak_rss.values())
    print(
        f"{line.name:26}{line.acknowledged_a_second:9,.0f}{line.landed_a_second:9,.0f}{quantile(waits, 0.5):11.1f}"
        f"{quantile(waits, 0.99):8.1f}{quantile(lags, 0.5):14.2f}{quantile(lags, 0.99):7.2f}{cpu:>14}{sender:7.0f}%"
        f"{rss:>14}{line.largest_wal / MIB:8.0f}{line.bytes_a_call or float('nan'):8.0f}"
        + (f"  {line.sent.put_off} put off" if line.sent.put_off else ""),
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spans", type=int, default=400_000, help="in the line without a rate")
    parser.add_argument("--rates", type=float, nargs="*", default=[10_000, 30_000], help="spans a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each rate lasts")
    parser.add_argument("--phoenix", type=Path, metavar="PYTHON", help="of an environment with arize-phoenix")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    main(given.spans, given.rates, given.seconds, given.phoenix)
