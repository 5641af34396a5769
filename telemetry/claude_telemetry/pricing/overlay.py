"""A user's own prices laid over the price book: new models, other prices on some days, names, discounts.

What they say of each other and of the book is checked here: an id that is taken, a model that nobody knows, two prices
for one day, two discounts of which neither is the more specific.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations
from typing import Any

from claude_telemetry.errors import PriceBookError
from claude_telemetry.pricing.book import FOREVER, Alias, Book, Discount, Model, Source, Span
from claude_telemetry.pricing.edition import index_of, spans_of
from claude_telemetry.pricing.endpoint import UnpricedError, offer_of
from claude_telemetry.pricing.own_file import OwnAlias, OwnDiscount, OwnModel, OwnPrice, OwnPrices

STATED = "stated"
"""The certainty of a price that is the user's."""

_OWN = "own"


def laid_over(book: Book, own: OwnPrices, version: str) -> Book:
    """`book` with a user's `own` prices over it. Raises `PriceBookError` for what contradicts itself or the book."""
    models = (*(_new_model(book, model) for model in own.models), *book.models)
    by_id = _index(models, own.models)
    families = _families(models, by_id)
    spans = _own_spans(book, own.prices, families, version)
    for model in own.models:
        if model.family not in spans:
            raise PriceBookError(f'{model.at}: it has no price; give one in [[prices]] with model = "{model.family}"')
    priced = {model.family: _repriced(model, spans.get(model.family, ())) for model in models}
    with_models = replace(
        book,
        version=version,
        models=tuple(priced.values()),
        by_id={
            platform: {name: priced[model.family] for name, model in ids.items()} for platform, ids in by_id.items()
        },
    )
    return replace(
        with_models,
        aliases={alias.name: _checked(with_models, alias) for alias in own.aliases},
        discounts=_discounts(own.discounts, families),
    )


# Models


def _new_model(book: Book, own: OwnModel) -> Model:
    if any(model.family == own.family for model in book.models):
        raise PriceBookError(f"{own.at}: the price book holds {own.family}; give its price in [[prices]] alone")
    for name in own.ids["bedrock"]:
        prefix = name.partition(".")[0]
        if prefix in book.bedrock_prefixes | book.global_names:
            bare = name.partition(".")[2]
            raise PriceBookError(f"{own.at}, ids, bedrock: {name!r} says where it runs; give {bare!r}, for all places")
    return Model(
        family=own.family,
        name=own.name,
        released=date.max,
        retired=None,
        ids=own.ids,
        us_only=own.us_only,
        regional_premium=own.regional_premium,
        spans=(),
    )


def _index(models: Sequence[Model], new: Sequence[OwnModel]) -> dict[str, dict[str, Model]]:
    at = {model.family: model.at for model in new}
    by_id: dict[str, dict[str, Model]] = {}
    for platform in ("anthropic", "bedrock", "vertex"):
        try:
            by_id[platform] = index_of(models, platform)
        except ValueError as error:
            name = str(error).partition(" ")[0]
            holder = next(model.family for model in new if name in model.ids[platform])
            raise PriceBookError(f"{at[holder]}, ids: {name!r} is another model's id already; leave it out") from None
    return by_id


def _families(models: Sequence[Model], by_id: Mapping[str, Mapping[str, Model]]) -> dict[str, str]:
    """Each name that a user can give a model: its family, and its ids on every platform."""
    named = {name: model.family for ids in by_id.values() for name, model in ids.items()}
    return named | {model.family: model.family for model in models}


def _family(at: str, name: str, families: Mapping[str, str]) -> str:
    if name not in families:
        near = difflib.get_close_matches(name, families, n=1)
        hint = f"did you mean {near[0]}?" if near else "give an id of the price book, or of your own [models]"
        raise PriceBookError(f"{at}, model: {name!r} is no model that is known; {hint}")
    return families[name]


# Prices


def _own_spans(
    book: Book, prices: Sequence[OwnPrice], families: Mapping[str, str], version: str
) -> dict[str, list[Span]]:
    by_family: dict[str, list[tuple[OwnPrice, Span]]] = {}
    sources = {_OWN: Source(name=_OWN, path="your price file", as_of=version.rpartition("+")[2], kind="stated by you")}
    for price in prices:
        others = by_family.setdefault(_family(price.at, price.model, families), [])
        for other, span in others:
            if price.first_day < span.day_after and span.first_day < price.day_after:
                raise PriceBookError(
                    f"{price.at}: {_days(price)} of {price.model} overlap {other.at}; give one price a day"
                )
        try:
            (span,) = spans_of(_as_entry(price), book.multipliers, sources)
        except ValueError as error:
            raise PriceBookError(f"{price.at}, fast: {error}; give the rates of its cache too") from None
        others.append((price, span))
    return {family: [span for _, span in stated] for family, stated in by_family.items()}


def _as_entry(price: OwnPrice) -> dict[str, Any]:
    """`price` as `prices.json` would have it."""
    days = {
        "effective_from": date.fromordinal(price.first_day).isoformat(),
        "effective_to": None if price.day_after == FOREVER else date.fromordinal(price.day_after).isoformat(),
    }
    said = {"certainty": STATED, "sources": [_OWN], "note": price.note}
    over = {"over_prompt_tokens": price.over_prompt_tokens, "over_rates": price.over_rates}
    fast = {**days, **said, **(price.fast_rates or {}), "platforms": price.fast_platforms}
    return {
        "prices": [{**days, **said, "rates": price.rates, **(over if price.over_rates else {})}],
        "fast": [fast] if price.fast_rates else [],
    }


def _repriced(model: Model, own: Sequence[Span]) -> Model:
    """`model` with its `own` prices in place of the book's, on their days."""
    spans = [*own, *(piece for span in model.spans for piece in _outside(span, own))]
    spans.sort(key=lambda span: span.first_day, reverse=True)
    first = model.released if model.spans else date.fromordinal(spans[-1].first_day)
    return replace(model, spans=tuple(spans), released=first)


def _outside(span: Span, own: Sequence[Span]) -> Iterator[Span]:
    start = span.first_day
    for other in sorted(own, key=lambda one: one.first_day):
        if other.first_day >= span.day_after or other.day_after <= start:
            continue
        if other.first_day > start:
            yield replace(span, first_day=start, day_after=other.first_day)
        start = other.day_after
    if start < span.day_after:
        yield replace(span, first_day=start)


# Names


def _checked(book: Book, alias: OwnAlias) -> Alias:
    for platform, ids in book.by_id.items():
        if alias.name in ids:
            raise PriceBookError(
                f"{alias.at}: {alias.name} is an id on {platform} itself; give it another price in [[prices]]"
            )
    stands_for = alias.stands_for
    try:
        offer = offer_of(book, *stands_for)
        if offer.place is None and offer.model.regional_premium:
            raise UnpricedError("region_unknown")
    except UnpricedError as why:
        found = f"{stands_for.id!r} has no price on {stands_for.platform} ({why.flag})"
        raise PriceBookError(f"{alias.at}, id: {found}; {_WAY_OUT[why.flag]}") from None
    return stands_for


_WAY_OUT = {
    "model_unknown": "give an id that the price book, or your own [models], hold on that platform",
    "model_opaque": "give the id of the model behind it",
    "region_unknown": "say where it runs: by the prefix of a Bedrock id, by the region on Vertex",
}


# Discounts


def _discounts(own: Sequence[OwnDiscount], families: Mapping[str, str]) -> tuple[Discount, ...]:
    discounts = [
        Discount(
            multiplier=one.multiplier,
            family=None if one.model is None else _family(one.at, one.model, families),
            platform=one.platform,
            workspace_id=one.workspace_id,
            first_day=one.first_day,
            day_after=one.day_after,
            named=one.at,
        )
        for one in own
    ]
    for one, other in combinations(discounts, 2):
        if _meet(one, other) and _rank(one) == _rank(other) and not _settled(one, other, discounts):
            raise PriceBookError(
                f"{one.named} and {other.named} hold for the same calls, and neither is the more specific: "
                f"give other days, or one for {_both(one, other)}"
            )
    return tuple(sorted(discounts, key=_rank, reverse=True))


def _named(discount: Discount) -> tuple[str | None, ...]:
    return discount.family, discount.platform, discount.workspace_id


def _rank(discount: Discount) -> int:
    return sum(name is not None for name in _named(discount))


def _meet(one: Discount, other: Discount) -> bool:
    """Whether there can be a call that both hold for."""
    same = all(None in (a, b) or a == b for a, b in zip(_named(one), _named(other), strict=True))
    return same and one.first_day < other.day_after and other.first_day < one.day_after


def _settled(one: Discount, other: Discount, discounts: Sequence[Discount]) -> bool:
    """Whether a third one says what holds wherever these two do."""
    first, after = max(one.first_day, other.first_day), min(one.day_after, other.day_after)
    both = tuple(a or b for a, b in zip(_named(one), _named(other), strict=True))
    return any(
        _named(third) == both and _rank(third) > _rank(one) and third.first_day <= first and third.day_after >= after
        for third in discounts
    )


def _both(one: Discount, other: Discount) -> str:
    keys = ("model", "platform", "workspace")
    names = [a or b for a, b in zip(_named(one), _named(other), strict=True)]
    said = [f'{key} = "{name}"' for key, name in zip(keys, names, strict=True) if name]
    return " and ".join(said) if said and _named(one) != _named(other) else "each of these days"


def _days(price: OwnPrice) -> str:
    end = "on" if price.day_after == FOREVER else f"to {date.fromordinal(price.day_after)}"
    return f"the days from {date.fromordinal(price.first_day)} {end}"
