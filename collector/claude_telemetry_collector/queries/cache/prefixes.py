"""What each cached prefix is worth: what it saves, what is written for nothing, how long it should live.

*Waste* is what writing cost on top of plain input, for tokens that nobody read again while they lived. Written tokens
count as read again when a later call with the same prompt up to the same mark read from the cache, or one with the same
head read just as many tokens as this call had there. What may still be read is not counted.

*Advice* compares the two lives that a prefix can have. A longer life would have turned those writes into reads that
came between 5 minutes and an hour after the last use, and made all others dearer; a shorter life the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from claude_telemetry.pricing import Book, the_book
from claude_telemetry.pricing.book import Rates
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.cache.marked import TTL_1H_US, TTL_5M_US, LookedAt, looked_at, marked
from claude_telemetry_collector.queries.rates import TERMS_COLUMNS, Terms, token_rates
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

Life = Literal["5m", "1h"]

_MOST_PREFIXES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """Calls of one model whose prompts began alike, up to their first cache mark. USD at list price."""

    head: str
    """The fingerprint of what they share."""
    model: str | None
    feature: str | None
    """That of most of its calls, as is the prompt."""
    prompt_name: str | None
    calls: int
    reading: int
    """Those of them that read anything from the cache."""
    read_tokens: int
    written_tokens: int
    net_usd: Decimal
    wasted_usd: Decimal
    """What writing cost more than plain input, where nobody read it again."""
    wasted_tokens: int
    undecided_tokens: int
    """What was written so lately that it may still be read."""
    reads_needed: Decimal | None
    """How often a token has to be read for each time it is written, to break even. `None` where nothing was written."""
    gaps_5m: int
    """Uses that came within 5 minutes of the one before."""
    gaps_1h: int
    """Between 5 minutes and an hour."""
    gaps_longer: int
    life: Life | None
    """How long what is written lives now; `None` for both or neither."""
    other_life_saves_usd: Decimal | None
    """What the other life would have saved; negative where it would have cost more. `None` without a `life`."""
    unknown: int
    """Calls whose rates are not known: they are in no amount."""

    @property
    def reads_had(self) -> Decimal | None:
        """How often a token was read for each time it was written. `None` where nothing was written."""
        return Decimal(self.read_tokens) / self.written_tokens if self.written_tokens else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefixes:
    """The prefixes of which most tokens were cached first, and what all of them come to."""

    shown: tuple[Prefix, ...]
    in_all: int
    wasted_usd: Decimal
    wasted_tokens: int
    written_tokens: int
    undecided_tokens: int
    unknown: int
    looked_at: LookedAt


def prefixes(reader: Reader, window: Window, segment: Segment, *, limit: int = _MOST_PREFIXES) -> Prefixes:
    """The cached prefixes of the newest calls with cache marks in `window`."""
    book, seen = the_book(), looked_at(reader, window, segment)
    sums: dict[tuple[object, ...], _Sums] = {}
    for row in _rows(reader, seen.window, segment, book):
        sums.setdefault((row["head"], row["price_id"], row["platform"]), _Sums(row)).add(row, book)
    ranked = sorted(sums.values(), key=lambda each: (-(each.read + each.written), each.head))
    return Prefixes(
        shown=tuple(each.prefix() for each in ranked[:limit]),
        in_all=len(ranked),
        wasted_usd=usd(sum(each.wasted_premium for each in ranked)),
        wasted_tokens=sum(each.wasted for each in ranked),
        written_tokens=sum(each.written for each in ranked),
        undecided_tokens=sum(each.undecided for each in ranked),
        unknown=sum(each.unknown for each in ranked),
        looked_at=seen,
    )


_MID_GAP = f"gap_us > {TTL_5M_US} AND gap_us <= {TTL_1H_US}"

_SUMS = (
    "count(*) AS calls, count(*) FILTER (WHERE read > 0) AS reading, sum(read) AS read,"
    " sum(written_5m) AS written_5m, sum(written_1h) AS written_1h,"
    " coalesce(sum(written_5m) FILTER (WHERE fate = 'wasted'), 0) AS wasted_5m,"
    " coalesce(sum(written_1h) FILTER (WHERE fate = 'wasted'), 0) AS wasted_1h,"
    " coalesce(sum(written) FILTER (WHERE fate = 'undecided'), 0) AS undecided,"
    f" count(*) FILTER (WHERE gap_us <= {TTL_5M_US}) AS gaps_5m, count(*) FILTER (WHERE {_MID_GAP}) AS gaps_1h,"
    f" count(*) FILTER (WHERE gap_us > {TTL_1H_US}) AS gaps_longer,"
    f" coalesce(sum(least(written_5m, shared)) FILTER (WHERE {_MID_GAP}), 0) AS written_again,"
    f" coalesce(sum(least(read, shared)) FILTER (WHERE {_MID_GAP}), 0) AS read_late,"
    " mode(feature) AS feature, mode(prompt_name) AS prompt_name"
)


_USED = (
    " wrote AS (SELECT id, prefix, deepest, started_at, read + written AS cached FROM marked"
    " WHERE asked AND written > 0),"
    # The first later call that has the same prompt up to this mark and read from the cache.
    " marks_read AS (SELECT hash(unnest(marks), place) AS mark, started_at FROM marked WHERE read > 0),"
    " by_mark AS (SELECT id, later.started_at AS at FROM wrote ASOF JOIN marks_read AS later"
    " ON deepest = mark AND wrote.started_at < later.started_at),"
    # Where the mark moves on with the conversation, the next turn reads just what this one had there.
    " lengths_read AS (SELECT prefix, read, started_at FROM marked WHERE read > 0),"
    " by_length AS (SELECT id, later.started_at AS at FROM wrote ASOF JOIN lengths_read AS later"
    " ON wrote.prefix = later.prefix AND cached = later.read AND wrote.started_at < later.started_at)"
)
"""When what a call wrote was first used again."""

_LIFE = f"CASE WHEN written_1h > 0 THEN {TTL_1H_US} ELSE {TTL_5M_US} END"

_FATES = (
    "SELECT marked.* EXCLUDE (marks),"  # noqa: S608 - constants
    " epoch_us(started_at) - lag(epoch_us(started_at)) OVER alike AS gap_us,"
    " min(CASE WHEN read + written > 0 THEN read + written END) OVER (PARTITION BY prefix) AS shared,"
    f" CASE WHEN epoch_us(least(by_mark.at, by_length.at)) - epoch_us(started_at) <= {_LIFE} THEN 'read'"
    f" WHEN epoch_us(started_at) + {_LIFE} > $known_until THEN 'undecided' ELSE 'wasted' END AS fate"
    " FROM marked LEFT JOIN by_mark USING (id) LEFT JOIN by_length USING (id)"
    " WINDOW alike AS (PARTITION BY prefix ORDER BY started_at, id)"
)
"""What became of what each call wrote, and how long after the last use of its prefix it came."""


def _rows(reader: Reader, window: Window, segment: Segment, book: Book) -> list[dict[str, Any]]:
    calls, parameters = marked(window, segment, book)
    known_until = reader.ask("SELECT epoch_us(max(started_at)) AS at FROM calls").to_pylist()[0]["at"]
    return reader.ask(
        f"WITH marked AS MATERIALIZED ({calls}),{_USED}, fates AS ({_FATES})"  # noqa: S608
        f" SELECT head, {TERMS_COLUMNS}, plain, {_SUMS} FROM fates WHERE asked GROUP BY head, {TERMS_COLUMNS}, plain",
        parameters | {"known_until": known_until or 0},
    ).to_pylist()


@dataclass(slots=True)
class _Sums:
    """A prefix in the making: tokens and picodollars."""

    row: Mapping[str, Any]
    calls: int = 0
    reading: int = 0
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    wasted: int = 0
    undecided: int = 0
    unknown: int = 0
    gaps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("gaps_5m", "gaps_1h", "gaps_longer"), 0))
    saved: int = 0
    premium: int = 0
    wasted_premium: int = 0
    least: int = 0
    """What one read of every written token would save."""
    longer_saves: int = 0
    shorter_saves: int = 0

    @property
    def head(self) -> str:
        return str(self.row["head"])

    @property
    def written(self) -> int:
        return self.written_5m + self.written_1h

    def add(self, row: Mapping[str, Any], book: Book) -> None:
        self.calls += row["calls"]
        self.reading += row["reading"]
        self.read += int(row["read"])
        self.written_5m += int(row["written_5m"])
        self.written_1h += int(row["written_1h"])
        self.wasted += int(row["wasted_5m"]) + int(row["wasted_1h"])
        self.undecided += int(row["undecided"])
        for name in self.gaps:
            self.gaps[name] += row[name]
        rates = token_rates(Terms.of(row), book) if row["plain"] else None
        if rates is None:
            self.unknown += row["calls"]
        else:
            self._price(row, rates)

    def _price(self, row: Mapping[str, Any], rates: Rates) -> None:
        read, written_5m, written_1h = (int(row[name]) for name in ("read", "written_5m", "written_1h"))
        again, late = int(row["written_again"]), int(row["read_late"])
        self.saved += read * (rates.input - rates.cache_read)
        self.premium += _premium(rates, written_5m, written_1h)
        self.wasted_premium += _premium(rates, int(row["wasted_5m"]), int(row["wasted_1h"]))
        self.least += (written_5m + written_1h) * (rates.input - rates.cache_read)
        dearer = rates.cache_write_1h - rates.cache_write_5m
        self.longer_saves += again * (rates.cache_write_5m - rates.cache_read) - (written_5m - again) * dearer
        self.shorter_saves += written_1h * dearer - late * (rates.cache_write_5m - rates.cache_read)

    def prefix(self) -> Prefix:
        life: Life | None = None
        if self.written_5m and not self.written_1h:
            life = "5m"
        elif self.written_1h and not self.written_5m:
            life = "1h"
        other = {"5m": self.longer_saves, "1h": self.shorter_saves, None: None}[life]
        return Prefix(
            head=self.head,
            model=self.row["price_id"],
            feature=self.row["feature"],
            prompt_name=self.row["prompt_name"],
            calls=self.calls,
            reading=self.reading,
            read_tokens=self.read,
            written_tokens=self.written,
            net_usd=usd(self.saved - self.premium),
            wasted_usd=usd(self.wasted_premium),
            wasted_tokens=self.wasted,
            undecided_tokens=self.undecided,
            reads_needed=Decimal(self.premium) / self.least if self.least else None,
            life=life,
            other_life_saves_usd=None if other is None else usd(other),
            unknown=self.unknown,
            **self.gaps,
        )


def _premium(rates: Rates, written_5m: int, written_1h: int) -> int:
    """Picodollars by which writing cost more than sending the same tokens uncached."""
    return written_5m * (rates.cache_write_5m - rates.input) + written_1h * (rates.cache_write_1h - rates.input)
