"""The models whose calls used tokens and have no price: which, how many calls, since when, and why.

What used nothing that anybody saw, such as a call that ran out of time, is unpriced too, and no price would help it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from claude_telemetry_collector.queries.metrics import NO_PRICE_THOUGH_USED
from claude_telemetry_collector.queries.window import PRICE_ID, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

WHY: Mapping[str, str] = {
    "model_unknown": "not in the price book",
    "model_opaque": "the ARN does not say which model is behind it",
    "platform_unknown": "no price list for the platform",
    "day_unknown": "no price for that day",
    "time_unknown": "the time is not known",
    "region_unknown": "where it runs is part of the price, and not known",
    "tokens_unknown": "a count of tokens is missing",
    "too_large": "more than a call can cost",
    "service_tier_unknown": "no price for that service tier",
    "speed_unknown": "no price for that speed",
    "geo_unknown": "no price for that place",
    "batch_price_unknown": "no batch price there",
    "search_price_unknown": "no price for web searches there",
    "fast_price_unknown": "no price for the fast mode there",
    "iteration_unknown": "a part of the answer has no price",
    "refusal_billing_unknown": "whether the refusal was charged for is not known",
}
"""In words, each flag of a cost that is unknown."""

OF_THE_MODEL = frozenset({"model_unknown", "model_opaque"})
"""The reasons that a line for the model in a user's price file removes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedModel:
    """One id on one platform that has calls without a price. Times are UTC; `None` means not known."""

    model: str | None
    """The id that the price book was asked for. From outside: it may be any text."""
    platform: str | None
    reasons: tuple[str, ...]
    """Flags, keys of `WHY`. Empty when whoever recorded the calls did not say."""
    calls: int
    first_at: datetime
    last_at: datetime
    input_tokens: int | None
    """Uncached input only."""
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None


def unpriced_models(
    reader: Reader, window: Window, segment: Segment, *, limit: int = 20
) -> tuple[tuple[UnpricedModel, ...], int]:
    """Those with most calls first, at most `limit`, and how many there are in all."""
    where, parameters = calls_in(window, segment)
    parameters["most"] = limit
    tokens = ", ".join(f"try_cast(sum({name}::HUGEINT) AS BIGINT) AS {name}" for name in _TOKENS)
    sql = (
        f"SELECT {PRICE_ID} AS price_id, platform, count(*) AS calls,"  # noqa: S608
        f" min(started_at) AS first_at, max(started_at) AS last_at, {tokens},"
        " (list(DISTINCT cost_flags) FILTER (WHERE cost_flags IS NOT NULL))[:100] AS flags, count(*) OVER () AS models"
        f" FROM calls WHERE {where} AND {NO_PRICE_THOUGH_USED}"
        " GROUP BY ALL ORDER BY calls DESC, price_id NULLS LAST, platform NULLS LAST LIMIT $most"
    )
    rows = reader.ask(sql, parameters).to_pylist()
    return tuple(map(_model, rows)), rows[0]["models"] if rows else 0


_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")


def _model(row: Mapping[str, Any]) -> UnpricedModel:
    told = {flag for flags in row["flags"] or () for flag in flags.split(",")}
    return UnpricedModel(
        model=row["price_id"],
        platform=row["platform"],
        # In the order of the words above, and none that others made up.
        reasons=tuple(flag for flag in WHY if flag in told),
        calls=row["calls"],
        first_at=_utc(row["first_at"]),
        last_at=_utc(row["last_at"]),
        **{name: row[name] for name in _TOKENS},
    )


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
