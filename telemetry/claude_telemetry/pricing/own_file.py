"""A user's own prices, as written in their TOML file: models, prices, aliases, discounts.

What a key means and which it may be is told in `docs/pricing.md`. Here is only how it is read: strictly, since a typo
that passed silently would be a wrong price.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from claude_telemetry.errors import PriceBookError
from claude_telemetry.pricing.book import FOREVER, Alias, Rates
from claude_telemetry.pricing.endpoint import PLATFORMS
from claude_telemetry.pricing.own_table import Table

_CACHE_LINES = Rates._fields[2:]
STANDARD_CACHE: Mapping[str, Decimal] = dict(
    zip(_CACHE_LINES, (Decimal("1.25"), Decimal(2), Decimal("0.1")), strict=True)
)
"""What cache tokens cost for one of input, where a user says that it is as for most models: the multiples of
https://platform.claude.com/docs/en/about-claude/pricing, read 2026-08-21."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """A model that the book does not hold."""

    at: str
    """Where in the file it is, for people."""
    family: str
    name: str
    ids: Mapping[str, tuple[str, ...]]
    us_only: bool
    regional_premium: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    """What a model costs from a day on."""

    at: str
    model: str
    first_day: int
    day_after: int
    rates: Mapping[str, Decimal]
    over_prompt_tokens: int | None
    over_rates: Mapping[str, Decimal] | None
    fast_rates: Mapping[str, Decimal] | None
    """Input and output, and maybe those of the cache; else these keep their ratio to the input's."""
    fast_platforms: tuple[str, ...]
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAlias:
    """What a name stands for."""

    at: str
    name: str
    stands_for: Alias


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDiscount:
    """What is paid of the list price."""

    at: str
    multiplier: Fraction
    model: str | None
    platform: str | None
    workspace_id: str | None
    first_day: int
    day_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrices:
    """All that a file says."""

    models: Sequence[OwnModel]
    prices: Sequence[OwnPrice]
    aliases: Sequence[OwnAlias]
    discounts: Sequence[OwnDiscount]


def own_prices_from(text: bytes) -> OwnPrices:
    """What `text` says, each part for itself. Raises `PriceBookError` that says where, what stands there, and what to
    give."""
    try:
        # Numbers as they are written: a float would have changed them before they are looked at.
        data: dict[str, Any] = tomllib.loads(text.decode(), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceBookError(f"it is no TOML: {error}") from None
    table = Table("", data)
    table.only("models", "prices", "aliases", "discounts")
    return OwnPrices(
        models=[_model(name, entry) for name, entry in table.tables("models")],
        prices=[_price(entry) for entry in table.entries("prices")],
        aliases=[_alias(name, entry) for name, entry in table.tables("aliases")],
        discounts=[_discount(entry) for entry in table.entries("discounts")],
    )


def _model(family: str, table: Table) -> OwnModel:
    table.only("name", "ids", "us_only", "regional")
    ids: dict[str, tuple[str, ...]] = {"anthropic": (family,), "bedrock": (), "vertex": ()}
    listed = table.table("ids")
    if listed is not None:
        listed.only(*ids)
        ids |= {platform: (*ids[platform], *listed.texts(platform)) for platform in ids}
    us_only, regional = table.switch("us_only"), table.switch("regional")
    return OwnModel(
        at=table.at,
        family=family,
        name=table.text("name") or family,
        ids=ids,
        # What is so for every model since Sonnet 4.6, and Sonnet 4.5.
        us_only=True if us_only is None else us_only,
        regional_premium=True if regional is None else regional,
    )


def _price(table: Table) -> OwnPrice:
    table.only("model", "from", "until", *Rates._fields, "cache", "over_prompt_tokens", "over", "fast", "note")
    first_day, day_after = _days(table)
    limit, over, fast = table.tokens("over_prompt_tokens"), table.table("over"), table.table("fast")
    if (limit is None) != (over is None):
        raise table.error("over_prompt_tokens and over", "only one of them is given", "give both, or none")
    if over is not None:
        over.only(*Rates._fields, "cache")
    if fast is not None:
        fast.only(*Rates._fields, "platforms")
    platforms = () if fast is None else fast.texts("platforms") or ("anthropic",)
    for platform in platforms:
        _known_platform(table if fast is None else fast, "platforms", platform)
    return OwnPrice(
        at=table.at,
        model=table.needed_text("model", "the model's id, such as claude-opus-5-5"),
        first_day=first_day,
        day_after=day_after,
        rates=_rates(table),
        over_prompt_tokens=limit,
        over_rates=None if over is None else _rates(over),
        fast_rates=None if fast is None else _fast_rates(fast),
        fast_platforms=platforms,
        note=table.text("note"),
    )


def _rates(table: Table) -> dict[str, Decimal]:
    """All five rates. Those of the cache are given too, or said to be in the standard proportion."""
    rates = {line: table.needed_rate(line) for line in Rates._fields[:2]}
    given = [line for line in _CACHE_LINES if table.has(line)]
    rule = table.text("cache")
    if rule is None:
        return rates | {line: table.needed_rate(line) for line in _CACHE_LINES}
    if rule != "standard":
        raise table.error("cache", repr(rule), 'give cache = "standard", or each rate of the cache')
    if given:
        raise table.error("cache", f"'standard', and {given[0]} is given too", "give one or the other")
    derived = {line: rates["input"] * STANDARD_CACHE[line] for line in _CACHE_LINES}
    return rates | {line: table.fine(line, rate) for line, rate in derived.items()}


def _fast_rates(table: Table) -> dict[str, Decimal]:
    lines = Rates._fields if any(table.has(line) for line in _CACHE_LINES) else Rates._fields[:2]
    return {line: table.needed_rate(line) for line in lines}


def _alias(name: str, table: Table) -> OwnAlias:
    table.only("id", "platform", "region", "deployment_type")
    platform = table.text("platform") or ("bedrock" if name.startswith("arn:") else "anthropic")
    _known_platform(table, "platform", platform)
    stands_for = Alias(
        platform=platform,
        id=table.needed_text("id", "the id that it stands for, as that platform knows it"),
        region=table.text("region"),
        deployment_type=table.text("deployment_type"),
    )
    return OwnAlias(at=table.at, name=name, stands_for=stands_for)


def _discount(table: Table) -> OwnDiscount:
    table.only("percent", "multiplier", "model", "platform", "workspace", "from", "until")
    percent, multiplier = table.number("percent"), table.number("multiplier")
    if (percent is None) == (multiplier is None):
        found = "neither is given" if percent is None else "both are given"
        raise table.error("percent or multiplier", found, "give one: percent = 10 is multiplier = 0.9")
    if percent is not None and not 0 <= percent <= 100:
        raise table.error("percent", str(percent), "give what is taken off, from 0 to 100")
    if multiplier is not None and not 0 <= multiplier <= 1:
        raise table.error("multiplier", str(multiplier), "give what is left of the list price, from 0 to 1")
    platform = table.text("platform")
    if platform is not None:
        _known_platform(table, "platform", platform)
    first_day, day_after = _days(table)
    return OwnDiscount(
        at=table.at,
        multiplier=Fraction(multiplier) if multiplier is not None else 1 - Fraction(percent or 0) / 100,
        model=table.text("model"),
        platform=platform,
        workspace_id=table.text("workspace"),
        first_day=first_day,
        day_after=day_after,
    )


def _known_platform(table: Table, key: str, platform: str) -> None:
    if platform not in PLATFORMS:
        raise table.error(key, repr(platform), f"give one of {', '.join(sorted(PLATFORMS))}")


def _days(table: Table) -> tuple[int, int]:
    first, after = table.day("from"), table.day("until")
    if first is None:
        raise table.error("from", "missing", "give the first UTC day, such as 2026-12-01")
    if after is not None and after <= first:
        raise table.error("until", str(after), f"give a day after {first}: the first that it no longer holds on")
    return first.toordinal(), FOREVER if after is None else after.toordinal()
