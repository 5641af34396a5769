"""`claude-telemetry price check`: the price book beside genai-prices, model by model, line by line, on one day.

Two books that were written apart seldom make the same mistake: where they differ, one of them is to be corrected. The
other one is never used to price a call.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_telemetry.errors import MissingExtraError
from claude_telemetry.price.explain import day, usd
from claude_telemetry.pricing import Evidence, Model, Price, known_models, price_of, price_version, use_prices
from claude_telemetry.settings import add_flags, settle
from claude_telemetry.shadow import DISTRIBUTION

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

_KEYS: Mapping[str, str] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
"""Our lines, and what genai-prices 0.2.3 calls them."""
_SEARCHES_KEY, _SEARCHES = "web_searches_kcount", 1000
_NONE = "no price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line of one model on which the books do not agree."""

    line: str
    ours: str
    theirs: str
    evidence: Evidence | None
    """Who says ours."""


def main(argv: Sequence[str]) -> int:
    """Prints the differences. 1 when there are any.

    Raises `MissingExtraError` without genai-prices, `PriceBookError` for a file of own prices that cannot be used.
    """
    options = _parser().parse_args(argv)
    use_prices(settle("price", vars(options))["prices"])
    their_version, provider = _their_book()
    at = datetime.combine(options.at, time(12), UTC)
    print(f"price book {price_version()} and genai-prices {their_version}, Claude API on {options.at}\n")
    compared, differing = 0, 0
    for model in known_models():
        if model.released > options.at or not model.ids["anthropic"]:
            continue
        compared += 1
        differences = list(_differences(model, provider, at))
        differing += bool(differences)
        _tell(model.ids["anthropic"][0], differences)
    missing = _unknown_here(provider)
    for name in missing:
        print(f"{name}\n  only genai-prices has it\n")
    print(f"{compared - differing} of {compared} models agree on every line")
    return 1 if differing or missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry price check",
        usage="%(prog)s [OPTION ...]",
        description="Where the price book and genai-prices differ, line by line. Exit code 1 when they do.",
        epilog=f'It needs genai-prices: pip install "{DISTRIBUTION}[genai]". Nothing is fetched: as installed.',
    )
    parser.add_argument("--at", type=day, default=datetime.now(UTC).date(), metavar="DATE", help="default today")
    add_flags(parser, "price")
    return parser


def _their_book() -> tuple[str, Provider]:
    try:
        import genai_prices
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        raise MissingExtraError(
            f'needs the package genai_prices, which is not installed: run `pip install "{DISTRIBUTION}[genai]"`'
        ) from None
    snapshot = get_snapshot()
    return genai_prices.__version__, next(provider for provider in snapshot.providers if provider.id == "anthropic")


def _differences(model: Model, provider: Provider, at: datetime) -> Iterator[Difference]:
    ids = model.ids["anthropic"]
    ours, theirs = price_of(ids[0], at), next(filter(None, map(provider.find_model, ids)), None)
    if ours is None:
        if theirs is not None:
            yield Difference(line="on that day", ours=_NONE, theirs="a price", evidence=None)
    elif theirs is None:
        yield Difference(line="the model", ours="a price", theirs=_NONE, evidence=ours.evidence)
    else:
        for line, here, there, evidence in _lines(ours, theirs, at):
            if here != there:
                yield Difference(line=line, ours=_shown(here), theirs=_shown(there), evidence=evidence)


def _lines(
    ours: Price, theirs: ModelInfo, at: datetime
) -> Iterator[tuple[str, Decimal | None, Decimal | None, Evidence | None]]:
    """Each line on each of the terms that both can tell: ours, theirs, and who says ours."""
    usual, over = _rates_and_over(theirs.get_prices(at))
    for line, key in _KEYS.items():
        yield line, ours.rates[line], usual[key], ours.evidence
    limit = ours.over_prompt_tokens or next((start for _, start in over.values()), None)
    if limit is not None:
        ours_over = ours.over_rates or ours.rates
        for line, key in _KEYS.items():
            there = over[key][0] if key in over else usual[key]
            yield f"{line}, prompt over {limit:,}", ours_over[line], there, ours.evidence
    batch, _ = _rates_and_over(theirs.get_prices(at, {"processing": "batch"}))
    if ours.batch_multiplier is not None and batch != usual:
        for line, key in _KEYS.items():
            yield f"{line}, in a batch", ours.rates[line] * ours.batch_multiplier, batch[key], ours.evidence
    fast, _ = _rates_and_over(theirs.get_prices(at, {"speed": "fast"}))
    if ours.fast_rates is not None or fast != usual:
        for line, key in _KEYS.items():
            here = None if ours.fast_rates is None else ours.fast_rates[line]
            there = None if fast == usual else fast[key]
            yield f"{line}, in the fast mode", here, there, ours.fast_evidence
    searches: Any = getattr(theirs.get_prices(at), _SEARCHES_KEY)
    if searches is not None and ours.web_search_usd is not None:
        yield "web search", ours.web_search_usd, searches / _SEARCHES, None


def _rates_and_over(prices: Any) -> tuple[dict[str, Decimal | None], dict[str, tuple[Decimal, int]]]:
    """Their rates by key; and those for long prompts with the limit, where a key has some."""
    usual: dict[str, Decimal | None] = {}
    over: dict[str, tuple[Decimal, int]] = {}
    for key in _KEYS.values():
        price = getattr(prices, key)
        usual[key] = getattr(price, "base", price)
        for tier in getattr(price, "tiers", ()):
            over[key] = tier.price, tier.start
    return usual, over


def _unknown_here(provider: Provider) -> list[str]:
    """Their models that no id of ours stands for."""
    ours = {id(provider.find_model(name)) for model in known_models() for name in model.ids["anthropic"]}
    return [theirs.id for theirs in provider.models if id(theirs) not in ours]


def _tell(name: str, differences: Sequence[Difference]) -> None:
    if not differences:
        return
    print(name)
    for one in differences:
        print(f"  {one.line.replace('_', ' '):<36}ours {one.ours:<12}genai-prices {one.theirs}")
    evidences = {one.evidence: None for one in differences if one.evidence is not None}
    for evidence in evidences:
        sources = "; ".join(f"{source.path} ({source.as_of})" for source in evidence.sources)
        print(f"  our source, {evidence.certainty} certainty: {sources}")
    print()


def _shown(rate: Decimal | None) -> str:
    return _NONE if rate is None else usd(rate)
