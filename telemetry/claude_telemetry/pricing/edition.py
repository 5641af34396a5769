"""Reading an edition of the price book: from `prices.json` to a `Book`.

Every price under every mixture of terms is worked out here, once, so that pricing a call is lookups and products of
whole numbers; a rate that would not be a whole number of picodollars is found here and not in somebody's call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

from claude_telemetry.errors import PriceBookError
from claude_telemetry.pricing.book import (
    BATCH,
    DATA_ZONE,
    FAST,
    FOREVER,
    OVER_LIMIT,
    REGIONAL,
    US_ONLY,
    Book,
    Evidence,
    Model,
    Rates,
    RefusalRule,
    Source,
    Span,
)
from claude_telemetry.record.attributes import PICODOLLARS_PER_USD

_TOKENS_PER_RATE = 10**6  # the book's rates are per million tokens


def edition_from(text: bytes) -> Book:
    """The book that `text`, in the format of `prices.json`, holds.

    Raises `PriceBookError` that says what is wrong with it.
    """
    try:
        return _book_of(json.loads(text), hashlib.sha256(text).hexdigest()[:8])
    except (KeyError, TypeError, ValueError) as error:
        raise PriceBookError(f"the price book cannot be read: {type(error).__name__}: {error}") from error


def _book_of(data: Mapping[str, Any], content_hash: str) -> Book:
    modifiers = data["modifiers"]
    multipliers = {
        BATCH: Decimal(modifiers["batch"]["multiplier"]),
        US_ONLY: Decimal(modifiers["us_only"]["multiplier"]),
        REGIONAL: Decimal(modifiers["regional_endpoint"]["multiplier"]),
        DATA_ZONE: Decimal(modifiers["foundry_us_data_zone"]["multiplier"]),
    }
    sources = {name: Source(name=name, **about) for name, about in data["sources"].items()}
    models = tuple(_model(entry, multipliers, sources) for entry in data["models"])
    return Book(
        version=f"{data['as_of']}.{content_hash}",
        models=models,
        by_id={platform: index_of(models, platform) for platform in ("anthropic", "bedrock", "vertex")},
        multipliers=multipliers,
        batch_platforms=frozenset(modifiers["batch"]["platforms"]),
        us_only_platforms=frozenset(modifiers["us_only"]["platforms"]),
        priority_platforms=frozenset(modifiers["priority"]["platforms"]),
        search_platforms=frozenset(modifiers["web_search"]["platforms"]),
        bedrock_prefixes=frozenset(modifiers["regional_endpoint"]["bedrock_prefixes"]),
        global_names=frozenset(modifiers["regional_endpoint"]["global_names"]),
        refusal_rules=tuple(
            RefusalRule(
                first_day=_day(rule["effective_from"]),
                platforms=frozenset(rule["platforms"]),
                billed_categories=frozenset(rule["billed_categories"]),
            )
            for rule in reversed(modifiers["refusal"]["history"])
        ),
        web_search=_whole(Fraction(modifiers["web_search"]["usd_each"]) * PICODOLLARS_PER_USD),
        session_hour=_whole(Fraction(modifiers["session_runtime"]["usd_per_hour"]) * PICODOLLARS_PER_USD),
    )


def index_of(models: Sequence[Model], platform: str) -> dict[str, Model]:
    """Id on `platform` to model. Raises `ValueError` that begins with an id that stands for two models."""
    index: dict[str, Model] = {}
    for model in models:
        for name in model.ids[platform]:
            if index.setdefault(name, model) is not model:
                raise ValueError(f"{name} stands for two models")
    return index


def _model(entry: Mapping[str, Any], multipliers: Mapping[int, Decimal], sources: Mapping[str, Source]) -> Model:
    retired = entry["retired_first_party"]
    return Model(
        family=entry["family"],
        name=entry["name"],
        released=date.fromisoformat(entry["released"]),
        retired=None if retired is None else date.fromisoformat(retired),
        ids={platform: tuple(ids) for platform, ids in entry["ids"].items()},
        us_only=entry["us_only_multiplier"],
        regional_premium=entry["regional_premium"],
        spans=tuple(reversed(tuple(spans_of(entry, multipliers, sources)))),
    )


def spans_of(
    entry: Mapping[str, Any], multipliers: Mapping[int, Decimal], sources: Mapping[str, Source]
) -> Iterator[Span]:
    """Each price of a model's `entry`, cut where its fast price begins or ends. Oldest first.

    Raises `ValueError` for a rate that is no whole number of picodollars on some terms.
    """
    cuts = sorted(edge for fast in entry["fast"] for edge in _edges(fast))
    for price in entry["prices"]:
        first, after = _edges(price)
        inside = [cut for cut in cuts if first < cut < after]
        for start, end in zip([first, *inside], [*inside, after], strict=True):
            yield _span(start, end, price, _in_force(entry["fast"], start), multipliers, sources)


def _span(
    start: int,
    end: int,
    price: Mapping[str, Any],
    fast: Mapping[str, Any] | None,
    multipliers: Mapping[int, Decimal],
    sources: Mapping[str, Source],
) -> Span:
    base = _fractions(price["rates"])
    bases = {0: base}
    if "over_rates" in price:
        bases[OVER_LIMIT] = _fractions(price["over_rates"])
    if fast is not None:
        bases[FAST] = _fast_rates(base, fast)
    return Span(
        first_day=start,
        day_after=end,
        over_prompt_tokens=price.get("over_prompt_tokens"),
        fast_platforms=frozenset(fast["platforms"] if fast else ()),
        rates=dict(_mixtures(bases, multipliers)),
        evidence=_evidence(price, sources),
        fast_evidence=_evidence(fast, sources) if fast else None,
    )


def _mixtures(
    bases: Mapping[int, Sequence[Fraction]], multipliers: Mapping[int, Decimal]
) -> Iterator[tuple[int, Rates]]:
    """The rates under every mixture of terms: a place at most once, and never a batch in the fast mode."""
    for (kind, rates), place, batch in product(bases.items(), (0, US_ONLY, REGIONAL, DATA_ZONE), (0, BATCH)):
        if not (kind == FAST and batch):
            factor = Fraction(multipliers.get(place, 1)) * Fraction(multipliers.get(batch, 1))
            yield kind | place | batch, Rates(*(_whole(rate * factor) for rate in rates))


def _fast_rates(base: Sequence[Fraction], fast: Mapping[str, Any]) -> tuple[Fraction, ...]:
    """Input and output become the fast prices; the cache keeps its ratio to the input price, unless it is given too."""
    if Rates._fields[-1] in fast:
        return _fractions(fast)
    fast_input, fast_output = _per_token(fast["input"]), _per_token(fast["output"])
    if not base[0]:
        raise ValueError("the cache has no ratio to an input price of zero")
    return fast_input, fast_output, *(rate * fast_input / base[0] for rate in base[2:])


def _fractions(rates: Mapping[str, Any]) -> tuple[Fraction, ...]:
    return tuple(_per_token(rates[line]) for line in Rates._fields)


def _per_token(usd_per_million: str | Decimal) -> Fraction:
    return Fraction(usd_per_million) * PICODOLLARS_PER_USD / _TOKENS_PER_RATE


def _whole(amount: Fraction) -> int:
    if amount.denominator != 1 or amount < 0:
        raise ValueError(f"{amount} picodollars is not a whole amount")
    return amount.numerator


def _in_force(prices: Sequence[Mapping[str, Any]], day: int) -> Mapping[str, Any] | None:
    for price in prices:
        first, after = _edges(price)
        if first <= day < after:
            return price
    return None


def _edges(price: Mapping[str, Any]) -> tuple[int, int]:
    after = price["effective_to"]
    return _day(price["effective_from"]), FOREVER if after is None else _day(after)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _evidence(price: Mapping[str, Any], sources: Mapping[str, Source]) -> Evidence:
    return Evidence(
        certainty=price["certainty"],
        sources=tuple(sources[name] for name in price["sources"]),
        note=price.get("note"),
    )
