"""The calls whose prompts had cache marks, as far as they are looked at.

A *mark* is a cache breakpoint; its fingerprint stands for the whole prompt up to there (`cache_fingerprints`). The
*head* of a prompt is its first mark: what is most often the same, such as tools and system prompt.

Looking for what was read again compares calls with each other, so only the newest are looked at, and it is said since
when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from claude_telemetry.pricing import Book
from claude_telemetry.pricing.counts import MOST_TOKENS
from claude_telemetry_collector.queries.rates import PLAIN, terms_sql
from claude_telemetry_collector.queries.window import PRICE_ID, Condition, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

MOST_CALLS = 50_000
"""That many are compared in a fraction of a second."""

TTL_5M_US, TTL_1H_US = 300_000_000, 3_600_000_000

_WRITTEN_1H = "least(coalesce(cache_write_1h_tokens, 0), coalesce(cache_write_tokens, 0))"
"""What a call wrote for an hour, as SQL. All else that it wrote lives five minutes."""

_LONGEST_LIFE = timedelta(hours=1)
_SLICES = 300
_HAS_MARKS = "cache_fingerprints IS NOT NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """The calls with cache marks that were compared."""

    window: Window
    """Where they are; shorter than what was asked for when there are too many."""
    calls: int
    """How many, of those that were asked for."""
    of_calls: int
    """How many there are in all of the window that was asked for."""


def looked_at(reader: Reader, window: Window, segment: Segment) -> LookedAt:
    """The newest part of `window` that has no more than `MOST_CALLS` calls with cache marks."""
    where, parameters = calls_in(window, segment)
    slice_us = max(window.length // timedelta(microseconds=1) // _SLICES, 1)
    rows = reader.ask(
        "SELECT (epoch_us(started_at) - $slice_origin) // $slice AS slice, count(*) AS calls FROM calls"  # noqa: S608
        f" WHERE {where} AND {_HAS_MARKS} GROUP BY slice ORDER BY slice DESC",
        parameters | {"slice_origin": microseconds(window.start), "slice": slice_us},
    ).to_pylist()
    calls, first = 0, None
    for row in rows:
        if calls and calls + row["calls"] > MOST_CALLS:
            break
        calls, first = calls + row["calls"], row["slice"]
    start = window.start if first is None or first == rows[-1]["slice"] else _start_of(window, first, slice_us)
    return LookedAt(window=Window(start, window.end), calls=calls, of_calls=sum(row["calls"] for row in rows))


def marked(window: Window, segment: Segment, book: Book) -> Condition:
    """A table of these calls, as SQL, and its parameters. `asked` says which of them began in `window`; the others
    began up to an hour before or after: the longest that anything in the cache lives."""
    scanned = Window(window.start - _LONGEST_LIFE, window.end + _LONGEST_LIFE)
    where, parameters = calls_in(scanned, segment)
    parameters |= {"asked_from": microseconds(window.start), "asked_until": microseconds(window.end)}
    sql = (
        f"SELECT row_number() OVER () AS id, {terms_sql(book)}, {PLAIN} AS plain,"  # noqa: S608
        " started_at >= make_timestamp($asked_from) AND started_at < make_timestamp($asked_until) AS asked,"
        " started_at, started_at + to_milliseconds(greatest(least(coalesce(ttft_ms, duration_ms, 0), 3600000), 0))"
        " AS answered_at, service, session_id, feature, prompt_name, tools_fingerprint, system_fingerprint,"
        " string_split(cache_fingerprints, ',') AS marks, marks[1] AS head,"
        # A cache is one model's, on one platform, in one workspace.
        f" hash({PRICE_ID}, platform, region, workspace_id) AS place, hash(marks[1], place) AS prefix,"
        f" hash(marks[-1], place) AS deepest, {_sane('cache_read_tokens')} AS read,"
        f" {_sane(_WRITTEN_1H)} AS written_1h, {_sane('cache_write_tokens')} - written_1h AS written_5m,"
        " written_5m + written_1h AS written, input_tokens IS NOT NULL AS told"
        f" FROM calls WHERE {where} AND cache_fingerprints <> ''"
    )
    return sql, parameters


def _start_of(window: Window, number: int, slice_us: int) -> datetime:
    return window.start + timedelta(microseconds=number * slice_us)


def _sane(count: str) -> str:
    # A count beyond this is no count, and no sum of two may overflow.
    return f"least(coalesce({count}, 0), {MOST_TOKENS})"
