"""Calls in the fast mode, at a price of its own, whose answer nobody reads along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from claude_telemetry.pricing import Book, the_book
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    TEXT,
    USD,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.rates import PLAIN, TOKENS, Cell, terms_sql
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

_SCHEMA = columns(feature=TEXT, model=TEXT, calls=COUNT, costs_usd=USD, would_cost_usd=USD, saves_usd=USD)


def fast_mode(reader: Reader, window: Window, segment: Segment) -> Finding:
    """Calls that were billed as fast and did not stream, at the standard price of the same tokens."""
    book = the_book()
    groups: dict[tuple[str | None, str | None], _Fast] = {}
    for row in _rows(reader, window, segment):
        groups.setdefault((row["feature"], row["price_id"]), _Fast(row=row)).add(Cell.of(row), book)
    found = sorted((each for each in groups.values() if each.saved > 0), key=lambda each: -each.saved)
    calls = sum(each.calls for each in found)
    return Finding(
        name="fast_mode",
        title="Fast mode where nobody reads along",
        said=(
            f"{counted(calls, 'call was', 'calls were')} billed as fast and not streamed."
            if found
            else "No call was billed as fast without being streamed."
        ),
        found=bool(found),
        saved_usd=usd(sum(each.saved for each in found)),
        evidence=rows_as_table([each.as_row() for each in found], _SCHEMA),
        assumptions=("Nobody waits for an answer that is not streamed, or can wait a little longer.",),
        steps=(
            "Ask whoever owns the feature what the seconds are worth.",
            "Leave speed out of these requests: the answer is the same model's.",
        ),
        left_out=sum(each.left_out for each in groups.values()),
        why_left_out="cost more than their counts at one rate",
        links=(Link(page="latency", words="Latency", parameters={}),),
    )


@dataclass(slots=True, kw_only=True)
class _Fast:
    """The fast calls of one feature at one model."""

    row: Mapping[str, Any]
    calls: int = 0
    now: int = 0
    then: int = 0
    left_out: int = 0

    def add(self, cell: Cell, book: Book) -> None:
        then = cell.cost(book, replace(cell.terms, speed="standard"))
        if then is None or not cell.is_exact(book):
            self.left_out += cell.calls
            return
        self.calls += cell.calls
        self.now += cell.recorded
        self.then += then

    @property
    def saved(self) -> int:
        return self.now - self.then

    def as_row(self) -> dict[str, object]:
        return {
            "feature": self.row["feature"],
            "model": self.row["price_id"],
            "calls": self.calls,
            "costs_usd": usd(self.now),
            "would_cost_usd": usd(self.then),
            "saves_usd": usd(self.saved),
        }


def _rows(reader: Reader, window: Window, segment: Segment) -> list[dict[str, Any]]:
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT feature, {terms_sql(the_book())}, {TOKENS} FROM calls"  # noqa: S608
        f" WHERE {where} AND {PLAIN} AND speed = 'fast' AND stream IS NOT TRUE AND ttft_ms IS NULL GROUP BY ALL"
    )
    return reader.ask(sql, parameters).to_pylist()
