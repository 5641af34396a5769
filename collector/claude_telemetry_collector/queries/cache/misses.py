"""Why calls that asked for the cache read nothing from it, or less: what of the prompt was new, or that it was late.

A *miss* is a call with cache marks that read nothing. It is compared with the call before it that had the same head,
and where there is none, with the call before it of the same service and prompt, or feature. A call that read something
missed a part if the call before it in its session had more in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from claude_telemetry.pricing import Book, the_book
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.cache.marked import TTL_1H_US, TTL_5M_US, LookedAt, looked_at, marked
from claude_telemetry_collector.queries.rates import TERMS_COLUMNS, Terms, token_rates
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

CAUSES: Mapping[str, str] = {
    "too_late": "the same was there, but its time had passed",
    "meanwhile": "the call that writes the same had not been answered yet",
    "another_model": "the same prompt was cached by another model, platform or workspace",
    "tools_changed": "other tools than in the call before",
    "system_changed": "another system prompt than in the call before",
    "messages_changed": "the same tools and system prompt, but other messages before the first mark",
    "rest_changed": "the beginning was read, but what follows is not what the call before it in the session had",
    "first": "the first of its prompt or feature in the time looked at, or it names neither",
    "not_cached": "nothing was written either: too short to be cached, or not answered",
    "unexplained": "the same was there and in time: it was dropped early",
}
"""Why a call read nothing, or less than was there, in words."""

PARTIAL = frozenset({"rest_changed"})
"""The causes of calls that read something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The misses of one kind."""

    name: str
    """A key of `CAUSES`."""
    calls: int
    written_tokens: int
    """What they wrote anew."""
    usd: Decimal
    """What that cost more than to read it, at list price."""
    unknown: int
    """Calls whose rates are not known: they add nothing to the amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misses:
    """The calls that read nothing, or less than was there, by why; the dearest cause first."""

    causes: tuple[Cause, ...]
    calls: int
    """The calls with cache marks that were looked at, of which the input is known."""
    looked_at: LookedAt


def cache_misses(reader: Reader, window: Window, segment: Segment) -> Misses:
    """Why the newest calls with cache marks in `window` read nothing from the cache, or less than was there."""
    book, seen = the_book(), looked_at(reader, window, segment)
    rows = _rows(reader, seen.window, segment, book)
    tallies: dict[str, _Tally] = {}
    for row in rows:
        if row["cause"] is not None:
            tallies.setdefault(row["cause"], _Tally()).add(row, book)
    causes = [tally.cause(name) for name, tally in tallies.items()]
    causes.sort(key=lambda each: (-each.usd, -each.calls, each.name))
    return Misses(causes=tuple(causes), calls=sum(row["calls"] for row in rows), looked_at=seen)


def _rows(reader: Reader, window: Window, segment: Segment, book: Book) -> list[dict[str, Any]]:
    calls, parameters = marked(window, segment, book)
    return reader.ask(
        f"WITH marked AS ({calls}), compared AS (SELECT *, {_BEFORE} FROM marked)"  # noqa: S608
        f" SELECT {_CAUSE} AS cause, {TERMS_COLUMNS}, plain, count(*) AS calls,"
        f" sum(CASE WHEN read = 0 THEN written_5m WHEN written_1h = 0 THEN {_LOST} ELSE 0 END) AS written_5m,"
        f" sum(CASE WHEN read = 0 THEN written_1h WHEN written_1h > 0 THEN {_LOST} ELSE 0 END) AS written_1h"
        f" FROM compared WHERE asked AND told GROUP BY cause, {TERMS_COLUMNS}, plain",
        parameters,
    ).to_pylist()


@dataclass(slots=True)
class _Tally:
    """A cause in the making: tokens and picodollars."""

    calls: int = 0
    written: int = 0
    cost: int = 0
    unknown: int = 0

    def add(self, row: Mapping[str, Any], book: Book) -> None:
        written_5m, written_1h = int(row["written_5m"]), int(row["written_1h"])
        self.calls += row["calls"]
        self.written += written_5m + written_1h
        rates = token_rates(Terms.of(row), book) if row["plain"] else None
        if rates is None:
            self.unknown += row["calls"]
        else:
            self.cost += written_5m * (rates.cache_write_5m - rates.cache_read)
            self.cost += written_1h * (rates.cache_write_1h - rates.cache_read)

    def cause(self, name: str) -> Cause:
        return Cause(name=name, calls=self.calls, written_tokens=self.written, usd=usd(self.cost), unknown=self.unknown)


_SAME = "OVER (PARTITION BY prefix ORDER BY started_at, id)"
_ALIKE = "OVER (PARTITION BY service, coalesce(prompt_name, feature) ORDER BY started_at, id)"

_SESSION = "OVER (PARTITION BY session_id, place ORDER BY started_at, id)"
_LIFE = f"CASE WHEN written_1h > 0 THEN {TTL_1H_US} ELSE {TTL_5M_US} END"

_BEFORE = (
    f"lag(read + written) {_SESSION} AS session_cached, lag(answered_at) {_SESSION} AS session_answered_at,"
    f" lag({_LIFE}) {_SESSION} AS session_life, lag(started_at) {_SESSION} AS session_at,"
    f" lag(started_at) {_SAME} AS same_at, lag(answered_at) {_SAME} AS same_answered_at,"
    f" lag({_LIFE}) {_SAME} AS same_life,"
    " lag(id) OVER (PARTITION BY head ORDER BY started_at, id) AS elsewhere,"
    f" lag(id) {_ALIKE} AS alike, lag(tools_fingerprint) {_ALIKE} AS alike_tools,"
    f" lag(system_fingerprint) {_ALIKE} AS alike_system"
)
"""What came before a call."""

_CAUSE = (
    "CASE WHEN read > 0 AND session_id IS NOT NULL AND written > 0 AND session_cached > read"
    " AND started_at >= session_answered_at AND epoch_us(started_at) - epoch_us(session_at) <= session_life"
    " THEN 'rest_changed' WHEN read > 0 THEN NULL WHEN written = 0 THEN 'not_cached'"
    " WHEN same_at IS NOT NULL AND started_at < same_answered_at THEN 'meanwhile'"
    " WHEN epoch_us(started_at) - epoch_us(same_at) > same_life THEN 'too_late'"
    " WHEN same_at IS NOT NULL THEN 'unexplained'"
    " WHEN elsewhere IS NOT NULL THEN 'another_model'"
    " WHEN alike IS NULL OR coalesce(prompt_name, feature) IS NULL THEN 'first'"
    " WHEN tools_fingerprint IS DISTINCT FROM alike_tools THEN 'tools_changed'"
    " WHEN system_fingerprint IS DISTINCT FROM alike_system THEN 'system_changed'"
    " ELSE 'messages_changed' END"
)

_LOST = "least(written, session_cached - read)"
"""Of a call that read something: what it wrote again that had been there."""
