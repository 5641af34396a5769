"""A store full of made-up calls, as many as you like: what pages and questions are measured on.

    python -m benchmarks.many_calls --calls 10000000 --days 90 --data /tmp/many

Twenty features of five services ask eight models for fifty thousand users, by day and night, with new versions of their
prompts, hours of trouble, retries, streams, caches, batches, tools, tags; costs are what the price book says of the
counts. All of it follows from the seed. Rows are in the order of their arrival, as a collector lands them, which opens
the store like any other: `claude-telemetry collect --data /tmp/many`.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from claude_telemetry.pricing import price_of, price_version
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import open_database
from claude_telemetry_collector.store.database import close_database

SQL, ROWS = Path(__file__).with_suffix(".sql"), Path(__file__).with_name("many_calls_rows.sql")
_LOT = timedelta(days=6)
_SLOTS = 1000

TIERS = {
    "small": (("2026-10-14", "claude-haiku-5-5"), ("2025-10-15", "claude-haiku-4-5")),
    "middle": (
        ("2026-10-04", "claude-sonnet-5-5"),
        ("2026-06-30", "claude-sonnet-5"),
        ("2026-02-17", "claude-sonnet-4-6"),
    ),
    "large": (("2026-10-01", "claude-opus-5-5"), ("2026-07-24", "claude-opus-5")),
    "best": (("2026-06-09", "claude-fable-5"),),
}
"""The models of each price class, newest first, and since when people ask them."""

LINES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A part of an application: how often it asks, whom, and with how much."""

    name: str
    service: str
    weight: int
    tier: str
    input_middle: int
    output_middle: int
    prefix_tokens: int = 0
    """What it has in common with its other calls, and caches."""
    long_lived: bool = False
    stream_share: float = 0.0
    batch_share: float = 0.0
    tool_share: float = 0.0


FEATURES = (
    Feature(name="support-chat", service="helpdesk", weight=170, tier="middle", input_middle=900, output_middle=320,
            prefix_tokens=5200, stream_share=0.95, tool_share=0.25),
    Feature(name="ticket-triage", service="helpdesk", weight=130, tier="small", input_middle=420, output_middle=60,
            prefix_tokens=2100),
    Feature(name="ticket-summary", service="helpdesk", weight=60, tier="small", input_middle=2600, output_middle=210),
    Feature(name="reply-draft", service="helpdesk", weight=55, tier="middle", input_middle=1700, output_middle=380,
            prefix_tokens=3400, stream_share=0.9),
    Feature(name="product-search", service="shop", weight=120, tier="small", input_middle=260, output_middle=90,
            prefix_tokens=1500),
    Feature(name="recommendations", service="shop", weight=60, tier="small", input_middle=700, output_middle=160),
    Feature(name="review-moderation", service="shop", weight=70, tier="small", input_middle=310, output_middle=25),
    Feature(name="listing-copy", service="shop", weight=25, tier="middle", input_middle=520, output_middle=450),
    Feature(name="translation", service="shop", weight=40, tier="small", input_middle=640, output_middle=620,
            batch_share=0.4),
    Feature(name="code-review", service="devtools", weight=35, tier="large", input_middle=5200, output_middle=900,
            prefix_tokens=8800, long_lived=True, stream_share=0.5, tool_share=0.5),
    Feature(name="code-agent", service="devtools", weight=60, tier="large", input_middle=2100, output_middle=500,
            prefix_tokens=14200, stream_share=1.0, tool_share=0.8),
    Feature(name="commit-messages", service="devtools", weight=25, tier="small", input_middle=1900, output_middle=70),
    Feature(name="test-writer", service="devtools", weight=10, tier="large", input_middle=3900, output_middle=1600,
            stream_share=1.0, tool_share=0.4),
    Feature(name="document-extraction", service="documents", weight=35, tier="middle", input_middle=7800,
            output_middle=420, prefix_tokens=1900, batch_share=0.5, tool_share=0.9),
    Feature(name="contract-review", service="documents", weight=12, tier="large", input_middle=11800,
            output_middle=1300, prefix_tokens=4600, long_lived=True),
    Feature(name="nightly-digest", service="documents", weight=18, tier="small", input_middle=5200, output_middle=330),
    Feature(name="question-answering", service="documents", weight=30, tier="middle", input_middle=4200,
            output_middle=280, prefix_tokens=2400, stream_share=0.8),
    Feature(name="research-agent", service="research", weight=15, tier="best", input_middle=6200, output_middle=1500,
            prefix_tokens=9600, stream_share=1.0, tool_share=0.7),
    Feature(name="market-brief", service="research", weight=10, tier="best", input_middle=8600, output_middle=1900),
    Feature(name="data-labelling", service="research", weight=20, tier="small", input_middle=380, output_middle=30,
            batch_share=0.9),
)  # fmt: skip


def fill(connection: duckdb.DuckDBPyConnection, *, calls: int, days: int, until: datetime, seed: int) -> None:
    """Puts the calls of the `days` before `until` (a whole hour, UTC) into the store."""
    # So far apart that no two seeds have a number in common.
    connection.execute("SET VARIABLE seed = $seed", {"seed": seed << 50})
    connection.execute("SET VARIABLE version = $version", {"version": price_version()})
    hours = list(_hours(calls, days, until, seed))
    _table(connection, "hours", "hour TIMESTAMP, first BIGINT, calls BIGINT, trouble DOUBLE", hours)
    _table(
        connection,
        "features",
        "number INTEGER, feature VARCHAR, service VARCHAR, tier VARCHAR, input_middle INTEGER, output_middle INTEGER,"
        " prefix_tokens BIGINT, long_lived BOOLEAN, stream_share DOUBLE, batch_share DOUBLE, tool_share DOUBLE,"
        " prompt_name VARCHAR, tenant VARCHAR, token_ms DOUBLE, slowness DOUBLE, slot INTEGER",
        list(_slots()),
    )
    since = (until - timedelta(days=days)).date()
    dates = [since + timedelta(days=number) for number in range(days + 1)]
    _table(connection, "days", "day DATE, tier VARCHAR, newer VARCHAR, older VARCHAR", list(_models(dates)))
    rates = ", ".join(f"{line}_rate BIGINT" for line in LINES)
    _table(connection, "rates", f"model VARCHAR, day DATE, {rates}", list(_rates(dates)))
    connection.execute(SQL.read_text(encoding="utf-8"))
    at = hours[0][0]
    while at < until.replace(tzinfo=None):
        _land(connection, at, min(at + _LOT, until.replace(tzinfo=None)))
        at += _LOT


def _land(connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> None:
    # One lot at a time, so that none has to be kept in memory.
    connection.execute(
        "INSERT INTO placed_calls FROM placed($start::TIMESTAMP, $end::TIMESTAMP)",
        {"start": start, "end": end},
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE lot AS FROM made_up() ORDER BY i")
    connection.execute(ROWS.read_text(encoding="utf-8"))
    connection.execute("DELETE FROM placed_calls")


def _hours(calls: int, days: int, until: datetime, seed: int) -> Iterator[tuple[datetime, int, int, float]]:
    """Each hour, the number of its first call, how many there are, and the share of them that fails."""
    chances = random.Random(seed)  # noqa: S311 - made-up data
    starts = [until - timedelta(hours=number) for number in range(days * 24, 0, -1)]
    weights = [_weight(at) * chances.uniform(0.85, 1.15) * (1 + place / len(starts)) for place, at in enumerate(starts)]
    first, passed, whole = 0, 0.0, sum(weights)
    for at, weight in zip(starts, weights, strict=True):
        passed += weight
        following = round(calls * passed / whole)
        trouble = chances.uniform(0.05, 0.3) if chances.random() < 0.02 else chances.uniform(0.006, 0.016)
        yield at.replace(tzinfo=None), first, max(following - first, 1), trouble
        first = max(following, first + 1)


def _weight(at: datetime) -> float:
    """People work by day, and less at the weekend; some work is done by clocks."""
    day = 1 + math.cos((at.hour - 14) / 24 * 2 * math.pi)
    return 0.25 + day * (0.35 if at.weekday() >= 5 else 1)


def _slots() -> Iterator[tuple[object, ...]]:
    slot = 0
    per_token = {"small": 6.0, "middle": 13.0, "large": 21.0, "best": 27.0}
    for number, feature in enumerate(FEATURES):
        # Some teams name their prompts, and some are only known by their fingerprints.
        prompt = None if number % 5 == 4 else f"{feature.name}-prompt"
        tenant = None if number % 3 else f"tenant-{number}"
        row = (number, feature.name, feature.service, feature.tier, feature.input_middle, feature.output_middle,
               feature.prefix_tokens, feature.long_lived, feature.stream_share, feature.batch_share,
               feature.tool_share, prompt, tenant, per_token[feature.tier], 1 + number % 4 / 10)  # fmt: skip
        for _ in range(feature.weight):
            yield (*row, slot)
            slot += 1


def _models(dates: Sequence[date]) -> Iterator[tuple[date, str, str, str]]:
    for day in dates:
        for tier, models in TIERS.items():
            asked = [name for since, name in models if date.fromisoformat(since) <= day]
            yield day, tier, asked[0], asked[-1]


def _rates(dates: Sequence[date]) -> Iterator[tuple[object, ...]]:
    """Picodollars per token: dollars per million, times a million."""
    for name in {name for models in TIERS.values() for _, name in models}:
        for day in dates:
            price = price_of(name, datetime(day.year, day.month, day.day, tzinfo=UTC))
            if price is not None:
                yield name, day, *(int(price.rates[line] * Decimal(10**6)) for line in LINES)


def _table(connection: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    # As Arrow: thousands of rows one by one would take seconds.
    made = pa.table([pa.array(column) for column in zip(*rows, strict=True)], [f"c{n}" for n in range(len(rows[0]))])
    connection.register("made", made)
    connection.execute(f"INSERT INTO {name} FROM made")
    connection.unregister("made")


def main() -> None:
    """Makes the store that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", type=datetime.fromisoformat, help="a whole hour, UTC; now by default")
    parser.add_argument("--data", type=Path, required=True, help="a new folder")
    asked = parser.parse_args()
    path = database_path(asked.data)
    if path.exists():
        parser.error(f"{path} is there already: give a new folder")
    until = (asked.until or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    began = time.monotonic()
    connection = open_database(path, memory_limit="6GB")
    fill(connection, calls=asked.calls, days=asked.days, until=until, seed=asked.seed)
    close_database(connection)
    size = path.stat().st_size
    print(
        f"{asked.calls:,} calls of {asked.days} days before {until:%Y-%m-%d %H:%M} in {path}: "
        f"{size / 1e9:.2f} GB, {size / asked.calls:.0f} bytes a call, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
