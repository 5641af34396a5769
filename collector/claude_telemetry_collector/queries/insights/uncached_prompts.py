"""Large prompts that are sent again and again, and never read from the cache.

Telemetry without content does not hold how long a system prompt is. What it holds is that calls had the *same* system
prompt and tools (their fingerprint), and how long each whole prompt was. The shortest of these prompts is at least as
long as what they share, so the saving is an upper bound: exact in its arithmetic, and at most that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
from claude_telemetry_collector.queries.metrics.conditions import INPUT
from claude_telemetry_collector.queries.rates import PLAIN, TERMS_COLUMNS, Terms, terms_sql, token_rates
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

LEAST_TOKENS = 4096
"""No model asks for a longer prompt before it caches one: 512 to 4,096 tokens, by model.
Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (cache limitations), as several gateways
repeat it, read 2026-11-20."""
ENOUGH_CALLS = 10
"""Fewer calls in a window are no habit, and save no more than a few reads."""
_MOST_PROMPTS = 50

_TTL_US = {"5m": 300_000_000, "1h": 3_600_000_000}
_NEVER_CACHED = (
    f"({PLAIN} AND prompt_fingerprint IS NOT NULL AND coalesce(cache_fingerprints, '') = ''"
    " AND coalesce(cache_read_tokens, 0) = 0 AND coalesce(cache_write_tokens, 0) = 0 AND custom_id IS NULL"
    f" AND {INPUT} >= {LEAST_TOKENS})"
)
_SCHEMA = columns(
    feature=TEXT,
    model=TEXT,
    prompt_fingerprint=TEXT,
    calls=COUNT,
    shared_tokens_at_most=COUNT,
    within_5_minutes_ratio=NUMBER,
    within_1_hour_ratio=NUMBER,
    ttl=TEXT,
    saves_usd=USD,
)


def uncached_prompts(reader: Reader, window: Window, segment: Segment) -> Finding:
    """Prompts of 4,096 tokens or more that came ten times or more and were neither written to the cache nor read."""
    book = the_book()
    rows = _rows(reader, window, segment, book)
    prompts: dict[tuple[object, ...], _Prompt] = {}
    for row in rows:
        key = (row["prompt_fingerprint"], row["price_id"], row["platform"], row["region"])
        prompts.setdefault(key, _Prompt(row=row)).add(row, book)
    found = sorted((each for each in prompts.values() if each.saved > 0), key=lambda each: -each.saved)
    saved = sum(each.saved for each in found)
    return Finding(
        name="uncached_prompts",
        title="Large prompts that are never cached",
        said=(
            f"{counted(len(found), 'prompt', 'prompts')} of {LEAST_TOKENS:,} tokens or more went out in full each time."
            if found
            else "No large prompt was sent again and again without the cache."
        ),
        found=bool(found),
        saved_usd=usd(saved),
        bound="at_most",
        evidence=rows_as_table([each.as_row() for each in found], _SCHEMA),
        assumptions=(
            "What the calls share is as long as the shortest of their prompts: it can be shorter, never longer.",
            "A call finds what the one before it wrote if it began within the life of the cache; each read renews it.",
            "The better of the two lives, 5 minutes or 1 hour, is taken for each prompt.",
        ),
        steps=(
            "Put what never changes first: tools, then the system prompt; what changes goes into the messages.",
            'Mark the last block of it with cache_control {"type": "ephemeral"}; add "ttl": "1h" where it says so.',
            "See on the Cache page that reads follow.",
        ),
        left_out=sum(each.unpriced for each in prompts.values()),
        why_left_out="have no rate in the price book",
        links=(Link(page="cache", words="Cache", parameters={}),),
    )


@dataclass(slots=True, kw_only=True)
class _Prompt:
    """One prompt at one model, over all days and terms."""

    row: Mapping[str, Any]
    calls: int = 0
    within_5m: int = 0
    within_1h: int = 0
    for_5m: int = 0
    """Picodollars that a cache of five minutes would save; less than zero where writing costs more."""
    for_1h: int = 0
    unpriced: int = 0

    def add(self, row: Mapping[str, Any], book: Book) -> None:
        rates = token_rates(Terms.of(row), book)
        if rates is None:
            self.unpriced += row["calls"]
            return
        tokens, calls, five, hour = row["shared"], row["calls"], row["within_5m"], row["within_1h"]
        a_read = rates.input - rates.cache_read
        self.for_5m += tokens * (five * a_read - (calls - five) * (rates.cache_write_5m - rates.input))
        self.for_1h += tokens * (hour * a_read - (calls - hour) * (rates.cache_write_1h - rates.input))
        self.calls += calls
        self.within_5m += five
        self.within_1h += hour

    @property
    def ttl(self) -> Literal["5m", "1h"]:
        return "5m" if self.for_5m >= self.for_1h else "1h"

    @property
    def saved(self) -> int:
        return max(self.for_5m, self.for_1h)

    def as_row(self) -> dict[str, object]:
        return {
            "feature": self.row["feature"],
            "model": self.row["price_id"],
            "prompt_fingerprint": self.row["prompt_fingerprint"],
            "calls": self.calls,
            "shared_tokens_at_most": self.row["shared"],
            "within_5_minutes_ratio": self.within_5m / self.calls,
            "within_1_hour_ratio": self.within_1h / self.calls,
            "ttl": self.ttl,
            "saves_usd": usd(self.saved),
        }


def _rows(reader: Reader, window: Window, segment: Segment, book: Book) -> list[dict[str, Any]]:
    """A row for each prompt and its terms. Only the prompts with most tokens are looked at call by call."""
    where, parameters = calls_in(window, segment)
    key = "prompt_fingerprint, price_id, platform, region"
    same = " AND ".join(f"c.{name} IS NOT DISTINCT FROM p.{name}" for name in key.split(", "))
    sql = (
        f"WITH asked AS (SELECT {terms_sql(book)}, prompt_fingerprint, feature, started_at, workspace_id,"  # noqa: S608
        f" {INPUT} AS prompt FROM calls WHERE {where} AND {_NEVER_CACHED}),"
        f" prompts AS (SELECT {key}, min(prompt)::BIGINT AS shared, count(*) AS many, any_value(feature) AS feature"
        f" FROM asked GROUP BY {key} HAVING many >= {ENOUGH_CALLS} ORDER BY shared * many DESC LIMIT {_MOST_PROMPTS}),"
        " timed AS (SELECT c.* EXCLUDE (feature, prompt), p.feature, p.shared,"
        " epoch_us(c.started_at) - epoch_us(lag(c.started_at) OVER (PARTITION BY c.prompt_fingerprint, c.price_id,"
        " c.platform, c.region, c.workspace_id ORDER BY c.started_at)) AS gap_us"
        f" FROM asked c JOIN prompts p ON {same})"
        f" SELECT prompt_fingerprint, feature, shared, {TERMS_COLUMNS}, count(*) AS calls,"
        f" count(*) FILTER (WHERE gap_us <= {_TTL_US['5m']}) AS within_5m,"
        f" count(*) FILTER (WHERE gap_us <= {_TTL_US['1h']}) AS within_1h"
        " FROM timed GROUP BY ALL ORDER BY ALL"
    )
    return reader.ask(sql, parameters).to_pylist()
