"""Calls that nobody seems to wait for, which a batch answers at its own price within a day.

Whether somebody waits is not in the data. What is: that a feature never streams, and *when* its calls come. People come
at any time; a clock comes at one beat, a job works a list off and is silent until the next. That is told apart by the
burstiness of the gaps between calls, B = (s - m) / (s + m), of their mean m and standard deviation s: -1 for a clock,
0 for people who come independently of each other, towards 1 for bursts
(Goh and Barabasi, "Burstiness and memory in complex systems", 2008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claude_telemetry.pricing import Book, the_book
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    NUMBER,
    TEXT,
    USD,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.rates import PLAIN, TOKENS, Cell, in_batch, terms_sql
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

ENOUGH_CALLS = 50
"""Of fewer calls, the gaps say little about what makes them."""
A_CLOCK = -0.5
BURSTS = 0.6
"""Thresholds of our own. Calls that come independently of each other, 30 times as often by day as by night, stay below
0.5; a list worked off once an hour is above 0.7."""
_LOOKED_AT = 5_000
"""Calls of a feature whose gaps are looked at: the last ones, by as much of the window as holds about so many."""

_CAN_WAIT = (
    "(custom_id IS NULL AND coalesce(service_tier, '') NOT IN ('batch', 'priority') AND coalesce(speed, '') <> 'fast')"
)
_SCHEMA = columns(
    service=TEXT,
    feature=TEXT,
    calls=COUNT,
    arrive=TEXT,
    burstiness=NUMBER,
    with_user_ratio=NUMBER,
    costs_usd=USD,
    in_batch_usd=USD,
    saves_usd=USD,
)


def batchable(reader: Reader, window: Window, segment: Segment) -> Finding:
    """Features that never stream and whose calls come as from a clock or a job, at the price of a batch."""
    book = the_book()
    jobs = {(row["service"], row["feature"]): _Job(row=row) for row in _arrivals(reader, window, segment)}
    for row in _cells(reader, window, segment, book):
        job = jobs.get((row["service"], row["feature"]))
        if job is not None:
            job.add(Cell.of(row), book)
    by_saving = sorted(jobs.values(), key=lambda job: -job.saved)
    found = [job for job in by_saving if job.nobody_waits and job.saved > 0]
    others = sum(job.saved for job in by_saving if not job.nobody_waits)
    return Finding(
        name="batchable",
        title="Calls that could have been batched",
        said=(
            f"{counted(len(found), 'feature asks', 'features ask')} as a clock or a job does, and nobody reads along."
            if found
            else "No feature asks as a clock or a job does."
        )
        + (
            f" The other features that never stream would save ${usd(others):,.2f}, if they can wait." if others else ""
        ),
        found=bool(found),
        saved_usd=usd(sum(job.saved for job in found)),
        evidence=rows_as_table(
            [job.as_row() for job in [*found, *(each for each in by_saving if each not in found)]], _SCHEMA
        ),
        assumptions=(
            "That nobody waits is read off the arrivals: these calls can wait up to a day for their answer.",
            "The same tokens are used, and a batch misses no more of the cache.",
        ),
        steps=(
            "Ask whoever owns the feature whether its answers may come within a day.",
            "Collect its requests and hand them to client.messages.batches.create; one batch takes up to 100,000.",
            "Read the results when the batch has ended; its custom_id says which is which.",
        ),
        left_out=sum(job.left_out for job in jobs.values()),
        why_left_out="cost more than their counts at one rate, or have no batch price where they ran",
        links=(Link(page="batches", words="Batches", parameters={}),),
    )


@dataclass(slots=True, kw_only=True)
class _Job:
    """One feature of one service."""

    row: Mapping[str, Any]
    now: int = 0
    then: int = 0
    left_out: int = 0

    def add(self, cell: Cell, book: Book) -> None:
        then = cell.cost(book, in_batch(cell.terms))
        if then is None or not cell.is_exact(book):
            self.left_out += cell.calls
            return
        self.now += cell.recorded
        self.then += then

    @property
    def saved(self) -> int:
        return self.now - self.then

    @property
    def burstiness(self) -> float | None:
        mean, deviation = self.row["gap_mean"], self.row["gap_deviation"]
        return None if not mean and not deviation else (deviation - mean) / (deviation + mean)

    @property
    def arrive(self) -> str:
        burstiness = self.burstiness
        if burstiness is None or burstiness >= BURSTS:
            return "in bursts"  # without a gap all came at one moment
        return "like a clock" if burstiness <= A_CLOCK else "as people do"

    @property
    def nobody_waits(self) -> bool:
        return self.arrive != "as people do"

    def as_row(self) -> dict[str, object]:
        return {
            **{name: self.row[name] for name in ("service", "feature", "calls")},
            "arrive": self.arrive,
            "burstiness": self.burstiness,
            "with_user_ratio": self.row["with_user"] / self.row["calls"],
            "costs_usd": usd(self.now),
            "in_batch_usd": usd(self.then),
            "saves_usd": usd(self.saved),
        }


def _arrivals(reader: Reader, window: Window, segment: Segment) -> list[dict[str, Any]]:
    """The features that never stream, with the mean and the deviation of the gaps between their calls, in µs."""
    where, parameters = calls_in(window, segment)
    sql = (
        "WITH features AS (SELECT service, feature, count(*) AS calls, count(user_id) AS with_user,"  # noqa: S608
        " epoch_us(max(started_at)) - (epoch_us(max(started_at)) - epoch_us(min(started_at)))"
        f" * least(1, {_LOOKED_AT} / count(*)) AS look_from"
        f" FROM calls WHERE {where} AND {_CAN_WAIT} GROUP BY service, feature"
        f" HAVING count(*) >= {ENOUGH_CALLS} AND bool_and(stream IS NOT TRUE AND ttft_ms IS NULL)),"
        " gaps AS (SELECT f.*, epoch_us(c.started_at) - epoch_us(lag(c.started_at) OVER"
        " (PARTITION BY f.service, f.feature ORDER BY c.started_at)) AS gap"
        f" FROM (SELECT service, feature, started_at FROM calls WHERE {where} AND {_CAN_WAIT}) c"
        " JOIN features f ON c.service IS NOT DISTINCT FROM f.service AND c.feature IS NOT DISTINCT FROM f.feature"
        " AND epoch_us(c.started_at) >= f.look_from)"
        " SELECT service, feature, calls, with_user, avg(gap) AS gap_mean, stddev_samp(gap) AS gap_deviation"
        " FROM gaps GROUP BY ALL ORDER BY calls DESC, service, feature"
    )
    return reader.ask(sql, parameters).to_pylist()


def _cells(reader: Reader, window: Window, segment: Segment, book: Book) -> list[dict[str, Any]]:
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT service, feature, {terms_sql(book)}, {TOKENS} FROM calls"  # noqa: S608
        f" WHERE {where} AND {PLAIN} AND {_CAN_WAIT} AND stream IS NOT TRUE GROUP BY ALL"
    )
    return reader.ask(sql, parameters).to_pylist()
