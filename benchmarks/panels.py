"""How long what the pages ask takes: every question of every page, as the page asks it, on a store of many calls.

    python -m benchmarks.many_calls --calls 10000000 --data /tmp/many
    python -m benchmarks.panels --data /tmp/many --range 30d

Each page is drawn once, and what it asks is noted; then each of its questions is asked again and again, warm, of the
store in this process: what HTTP adds is the same for all. It opens the store as a collector does, so none may run on
that folder, and rolls up what is stale before it begins.
"""

from __future__ import annotations

import argparse
import inspect
import logging
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import streamlit as st
from pytest import MonkeyPatch  # noqa: PT013 - it is all that is wanted of it

from claude_telemetry.settings import Address
from claude_telemetry_collector.queries import Reader
from claude_telemetry_collector.queries.metrics.rolled import SHAPE
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import Limits, LocalReader, open_database
from claude_telemetry_collector.store.database import close_database
from claude_telemetry_collector.store.rollups import Rollups
from claude_telemetry_dashboard import app, data
from claude_telemetry_dashboard.data import questions
from tests.support.pages import Pages

GOAL_MS = 50.0
_SLOW_S = 2.0
"""What takes longer is asked three times only."""
_NOWHERE = Address("127.0.0.1", 9)

Question = Callable[[Reader], Any]


@dataclass(frozen=True, slots=True)
class Timed:
    """One question of a page. Milliseconds."""

    page: str
    question: str
    p50: float
    p95: float
    cpu: float
    """Of all threads, at the median: what it takes where nobody else is at work, times the cores that it uses."""


@contextmanager
def noting(reader: Reader, noted: dict[str, Question]) -> Generator[None]:
    """Answers what pages ask, and keeps each question under its name and number."""

    def asked(_: object, question: Question) -> Any:
        about = inspect.getclosurevars(question).nonlocals.get("_question", question)
        noted[f"{about.__module__.rpartition('.')[2]}.{about.__qualname__} {len(noted) + 1}"] = question
        return question(reader)

    # All that pages ask goes through here.
    with MonkeyPatch.context() as patch:
        patch.setattr(questions, "asked", asked)
        yield


def timed(page: str, name: str, question: Question, reader: Reader, runs: int) -> Timed:
    """How long the question takes, after a first time that does not count."""
    took: list[float] = []
    busy: list[float] = []
    for number in range(runs + 1):
        began, cpu = time.perf_counter(), time.process_time()
        question(reader)
        took.append(time.perf_counter() - began)
        busy.append(time.process_time() - cpu)
        if number == 3 and took[-1] > _SLOW_S:
            break
    counted = sorted(took[1:])
    return Timed(
        page=page,
        question=name,
        p50=statistics.median(counted) * 1000,
        p95=counted[math.ceil(0.95 * len(counted)) - 1] * 1000,
        cpu=statistics.median(busy[1:]) * 1000,
    )


def measured(reader: Reader, range_: str, runs: int, only: str | None) -> Iterator[Timed]:
    """Every question of every page, page by page."""
    for entry in (entry for group in app.GROUPS.values() for entry in group):
        if only is not None and entry.url_path != only:
            continue
        st.cache_data.clear()
        noted: dict[str, Question] = {}
        with noting(reader, noted):
            Pages(entry.url_path, range=range_)
        for name, question in noted.items():
            yield timed(entry.url_path, name, question, reader, runs)


def roll_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Everything that is over."""
    rollups = Rollups(connection, SHAPE)
    began = time.monotonic()
    while rollups.roll(datetime.now(UTC)):
        pass
    rollups.close()
    print(f"rolled up in {time.monotonic() - began:.0f} s")


def main() -> None:
    """Prints a line for each question, with a mark beside what misses the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.panels", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--range", default="30d", help="as in the URL of a page")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--page", help="only this one, by its name in the URL")
    asked = parser.parse_args()
    connection = open_database(database_path(asked.data), memory_limit="4GB")
    calls = connection.execute("SELECT count(*) FROM calls").fetchall()[0][0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, DuckDB {duckdb.__version__}, {calls:,} calls, {asked.range}")
    roll_up(connection)
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    data.configure(data.Place(data=asked.data, otlp_http=_NOWHERE))
    reader = LocalReader(connection, Limits(seconds=600))
    try:
        late = 0
        for one in measured(reader, asked.range, asked.runs, asked.page):
            late += one.p95 > GOAL_MS
            mark = "  *" if one.p95 > GOAL_MS else ""
            times = f"p50 {one.p50:8.1f}  p95 {one.p95:8.1f}  CPU {one.cpu:8.1f} ms"
            print(f"{one.page:16} {one.question:44} {times}{mark}", flush=True)
        print(f"{late} beyond {GOAL_MS:.0f} ms; load {os.getloadavg()[0]:.1f}")
    finally:
        close_database(connection)


if __name__ == "__main__":
    main()
