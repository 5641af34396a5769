"""What a token costs on the terms of many calls at once, so that questions about money need no look at each call.

Calls on the same *terms* (model, platform, place, day, tier, speed, and on which side of a limit on the prompt) pay the
same rate for each kind of token. A *cell* is such calls with their tokens summed up, so its cost is exact: rate times
tokens, by the same price book that prices a call.

Only *plain* calls are in cells: those whose cost is their counts at one model's rates. A call with several answers, cut
off, or refused for free is not, and is counted beside. `Cell.is_exact` says whether the rates come to what was
recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import lru_cache
from operator import mul
from typing import Any

from claude_telemetry.pricing import Book, charge_of
from claude_telemetry.pricing.book import Rates
from claude_telemetry.record.attributes import picodollars
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.queries.metrics.conditions import INPUT
from claude_telemetry_collector.queries.window import PRICE_ID

PLAIN = (
    "(cost_usd IS NOT NULL AND cost_status = 'priced' AND hops IS NULL AND usage_partial IS NOT TRUE"
    " AND empty_refusal IS NOT TRUE AND input_tokens IS NOT NULL AND output_tokens IS NOT NULL"
    f" AND coalesce(operation, '') <> '{AGENT_MODEL_REQUEST}')"
)
"""The calls that are in cells, as SQL."""

TOKENS = (
    "sum(input_tokens::HUGEINT) AS input, sum(output_tokens::HUGEINT) AS output,"
    " sum(coalesce(cache_write_tokens, 0)::HUGEINT - coalesce(cache_write_1h_tokens, 0)) AS cache_write_5m,"
    " sum(coalesce(cache_write_1h_tokens, 0)::HUGEINT) AS cache_write_1h,"
    " sum(coalesce(cache_read_tokens, 0)::HUGEINT) AS cache_read,"
    " sum(coalesce(web_search_requests, 0)::HUGEINT) AS searches,"
    " count(*) AS calls, sum(cost_usd) AS cost_usd"
)
"""The sums of a cell, as a select list."""

_FAMILY = ("price_id", "platform", "region", "day", "service_tier", "speed", "inference_geo", "in_batch", "over")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a rate depends on."""

    price_id: str | None
    platform: str
    region: str | None
    day: date
    service_tier: str | None
    speed: str | None
    inference_geo: str | None
    in_batch: bool
    over: int
    """The prompts are longer than this many tokens: a limit of the price book, or 0."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Terms:
        """Those of a row of `terms_sql`."""
        return cls(**{name: row[name] for name in _FAMILY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Calls on the same terms, and their tokens."""

    terms: Terms
    tokens: Rates
    """Tokens, by the lines of a cost."""
    searches: int
    calls: int
    recorded: int
    """What the calls were recorded to cost, in picodollars."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Cell:
        """That of a row of `terms_sql` and `TOKENS`."""
        return cls(
            terms=Terms.of(row),
            tokens=Rates(*(int(row[line]) for line in Rates._fields)),
            searches=int(row["searches"]),
            calls=row["calls"],
            recorded=picodollars(row["cost_usd"]),
        )

    def cost(self, book: Book, terms: Terms | None = None) -> int | None:
        """What its tokens and searches cost in picodollars, on its own terms or on others. `None` without a price."""
        rates = token_rates(terms or self.terms, book)
        if rates is None:
            return None
        cost: int = sum(map(mul, self.tokens, rates)) + self.searches * book.web_search
        return cost

    def is_exact(self, book: Book) -> bool:
        """Whether the book's rates come to the picodollar to what was recorded. They do not where prices changed since
        the calls were recorded, or where a call was more than its counts."""
        return self.cost(book) == self.recorded


def terms_sql(book: Book) -> str:
    """The select list of what rates depend on. Group by these columns, named in `TERMS_COLUMNS`."""
    limits = sorted({span.over_prompt_tokens or 0 for model in book.models for span in model.spans}, reverse=True)
    over = " ".join(f"WHEN {INPUT} > {limit} THEN {limit}" for limit in limits if limit)
    return (
        f"{PRICE_ID} AS price_id, coalesce(platform, 'anthropic') AS platform, region, started_at::DATE AS day,"
        " service_tier, speed, inference_geo, custom_id IS NOT NULL AS in_batch,"
        f" {f'CASE {over} ELSE 0 END' if over else '0'} AS over"
    )


TERMS_COLUMNS = ", ".join(_FAMILY)


@lru_cache(maxsize=16_384)
def token_rates(terms: Terms, book: Book) -> Rates | None:
    """Picodollars per token on `terms`. `None` where the book has no price for that."""
    usage = {
        "service_tier": terms.service_tier,
        "speed": terms.speed,
        "inference_geo": terms.inference_geo,
        # One token of each kind, and as many of input as it takes to be beyond the limit.
        "input_tokens": terms.over + 1,
        "output_tokens": 1,
        "cache_read_input_tokens": 1,
        "cache_creation_input_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1},
    }
    charge = charge_of(
        usage,
        model=terms.price_id,
        at=datetime.combine(terms.day, time()),
        platform=terms.platform,
        region=terms.region,
        batch=terms.in_batch,
        book=book,
    )
    if charge.picodollars is None:
        return None
    first, *rest = charge.amounts[: len(Rates._fields)]
    return Rates(first // (terms.over + 1), *rest)


def in_batch(terms: Terms) -> Terms:
    """The same calls, asked in a batch."""
    return replace(terms, in_batch=True)
