"""`claude-telemetry price MODEL`: what a model costs on a day, why, and what so many tokens of it come to."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from claude_telemetry.pricing import Cost, Evidence, Model, Price, cost_of, known_models, price_of, use_prices
from claude_telemetry.settings import add_flags, settle

LINES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
_PLATFORMS = ("anthropic", "claude_platform_aws", "google_cloud", "bedrock", "vertex", "foundry")
_PRICE_LISTS = {"bedrock": "bedrock", "vertex": "vertex"}
"""Platforms with ids of their own; the others name models as the Claude API does."""

_WHY = {
    "model_unknown": "the price book does not hold this id",
    "day_unknown": "the price book knows no price for that day",
    "region_unknown": "what it costs depends on where it runs, and that is not known",
    "model_opaque": "the ARN does not say which model is behind it",
    "fast_price_unknown": "the fast mode has no price there on that day",
    "batch_price_unknown": "batches have no published price there",
    "search_price_unknown": "web searches have no published price there",
}
_WHERE = {
    "bedrock": "give an id that says it, such as global.… or us.…",
    "vertex": "give --region, such as global or europe-west1",
}
_CERTAINTIES = {
    "high": "high: official text",
    "medium": "medium: inferred, or a third party",
    "stated": "stated: in your own price file",
}


def main(argv: Sequence[str]) -> int:
    """Prints the price, and the cost of the tokens that were given. 1 when there is no price.

    Raises `PriceBookError` for a file of own prices that cannot be used.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.region is not None and options.platform not in _WHERE:
        parser.error(f"argument --region: on {options.platform} the price does not depend on it")
    if options.deployment_type is not None and options.platform != "foundry":
        parser.error(f"argument --deployment-type: on {options.platform} the price does not depend on it")
    if options.batch and options.fast:
        parser.error("argument --fast: batches do not run in the fast mode")
    use_prices(settle("price", vars(options))["prices"])
    at = datetime.combine(options.at, time(12), UTC)

    def cost(usage: Mapping[str, Any]) -> Cost:
        return cost_of(
            usage,
            model=options.model,
            at=at,
            platform=options.platform,
            region=options.region,
            deployment_type=options.deployment_type,
            workspace_id=options.workspace,
        )

    usage = _usage(options)
    known = cost(usage)
    where = f"on {options.platform} on {options.at} (price book {known.price_version})"
    price = price_of(
        options.model, at, options.platform, options.region, options.deployment_type, workspace_id=options.workspace
    )
    if price is None or known.usd is None:
        flags = known.flags or cost(_usage(options, terms=False)).flags
        print(f"{options.model!r} has no known price {where}: its calls are counted, their cost stays unknown")
        print("\n".join(_why_unknown(options.model, options.platform, flags)))
        return 1
    print(f"{options.model} {where}\n\nUSD per million tokens")
    print("\n".join(_price_line(line, price) for line in LINES))
    if any(getattr(options, name) is not None for name in (*LINES, "web_searches")):
        print("\nUSD for these tokens")
        print("\n".join(_cost_lines(options, known)))
    print("\nAbout this price")
    print("\n".join(f"  {name:<16}{said}" for name, said in _about(price)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry price",
        usage="%(prog)s MODEL [OPTION ...]\n"
        "       %(prog)s --jsonl [OPTION ...] < CASES\n"
        "       %(prog)s check [OPTION ...]",
        description="What a model costs, as calls are priced here: list price, exact, by UTC day; why; and what is "
        "left of it after your discounts. --jsonl prices cases, one JSON object a line; check compares the price book "
        "with genai-prices. Each explains itself with --help.",
        epilog="Example: claude-telemetry price claude-sonnet-5-5 --input 1200 --cache-read 30000 --output 800",
    )
    parser.add_argument("model", help="the exact model id; none ever gets the price of another")
    for line in LINES:
        parser.add_argument(
            "--" + line.replace("_", "-"), type=_count, metavar="N", help=f"{line.replace('_', ' ')} tokens"
        )
    parser.add_argument("--web-searches", type=_count, metavar="N", help="web searches that the server made")
    parser.add_argument("--batch", action="store_true", help="in a batch")
    parser.add_argument("--fast", action="store_true", help="in the fast mode")
    parser.add_argument("--us-only", action="store_true", help="computed in the US only")
    parser.add_argument("--at", type=day, default=datetime.now(UTC).date(), metavar="DATE", help="default today")
    parser.add_argument(
        "--platform", choices=_PLATFORMS, default="anthropic", help="whose price list (default %(default)s)"
    )
    parser.add_argument("--region", help="where Bedrock or Vertex serves it, such as us-east-1 or global")
    parser.add_argument("--deployment-type", metavar="TYPE", help="of Foundry, such as GlobalStandard")
    parser.add_argument("--workspace", metavar="ID", help="the workspace, for a discount of yours that depends on it")
    add_flags(parser, "price")
    return parser


def _usage(options: argparse.Namespace, *, terms: bool = True) -> dict[str, Any]:
    """What the API would report; without the terms, to see whether the model has a price at all."""
    five, hour = options.cache_write_5m or 0, options.cache_write_1h or 0
    return {
        "input_tokens": options.input or 0,
        "output_tokens": options.output or 0,
        "cache_read_input_tokens": options.cache_read or 0,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "server_tool_use": {"web_search_requests": options.web_searches or 0},
        "inference_geo": "us" if terms and options.us_only else "global",
        "service_tier": "batch" if terms and options.batch else "standard",
        "speed": "fast" if terms and options.fast else "standard",
    }


def _why_unknown(model: str, platform: str, flags: Sequence[str]) -> list[str]:
    lines = [f"  {_WHY.get(flag, flag)}" for flag in flags]
    if "region_unknown" in flags and platform in _WHERE:
        lines.append(f"  {_WHERE[platform]}")
    if "day_unknown" in flags:
        lines += [f"  {known.name} has one from {first} on" for known, first in _first_days(model, platform)]
    if "model_unknown" in flags:
        lines += [f"  {other} knows it: --platform {other}" for other in _PLATFORMS if _knows(other, model)]
    if len(lines) == len(flags) and "model_unknown" in flags:
        ids = {name for known in known_models() for name in known.ids.get(_PRICE_LISTS.get(platform, "anthropic"), ())}
        near = difflib.get_close_matches(model, sorted(ids), n=3)
        lines += [f"  did you mean {' or '.join(near)}?"] if near else []
    return lines


def _first_days(model: str, platform: str) -> Iterator[tuple[Model, date]]:
    """The model that the book holds by just this id, and the first day that it has a price for."""
    price_list = _PRICE_LISTS.get(platform, "anthropic")
    for known in known_models():
        if model in known.ids.get(price_list, ()):
            yield known, date.fromordinal(known.spans[-1].first_day)


def _knows(platform: str, model: str) -> bool:
    flags = cost_of({}, model=model, at=datetime.now(UTC), platform=platform).flags
    return "model_unknown" not in flags


def _price_line(line: str, price: Price) -> str:
    usual = price.rates[line]
    more: list[str] = []
    if price.over_rates is not None and price.over_rates[line] != usual:
        more.append(f"{usd(price.over_rates[line])} when the prompt is over {price.over_prompt_tokens:,} tokens")
    if price.fast_rates is not None:
        more.append(f"{usd(price.fast_rates[line])} in the fast mode")
    return f"  {line.replace('_', ' '):<16}{usd(usual):>12}" + "".join(f"   {said}" for said in more)


def _cost_lines(options: argparse.Namespace, cost: Cost) -> Iterator[str]:
    for line in (*LINES, "web_searches"):
        count = getattr(options, line)
        if count is not None:
            unit = "search" if line == "web_searches" else "token"
            counted = f"{count:,} {unit if count == 1 else unit + ('es' if unit == 'search' else 's')}"
            amount = cost.breakdown.get("web_search" if line == "web_searches" else line, Decimal(0))
            yield f"  {line.replace('_', ' '):<16}{usd(amount):>16}   {counted}"
    total, net = cost.usd or Decimal(0), cost.net_usd or Decimal(0)
    yield f"  {'all':<16}{usd(total):>16}"
    if net != total:
        yield f"  {'after discount':<16}{usd(net):>16}"
    if cost.flags:
        yield f"  assumed: {', '.join(cost.flags)}"


def _about(price: Price) -> Iterator[tuple[str, str]]:
    """What there is to say, by name."""
    if price.stands_for is not None:
        yield "stands for", f"{price.stands_for.id} on {price.stands_for.platform}, as your price file says"
    yield "model", f"{price.model.name}, priced since {price.model.released}"
    yield "holds", f"from {price.since}, " + ("no end known" if price.until is None else f"until {price.until}")
    yield from _evidence("certainty", price.evidence)
    if price.fast_evidence is not None:
        yield from _evidence("fast mode", price.fast_evidence)
    if price.endpoint_multiplier is not None:
        yield "this endpoint", f"× {price.endpoint_multiplier}, which is in these prices"
    if price.batch_multiplier is not None:
        yield "in a batch", f"× {price.batch_multiplier} on tokens"
    if price.us_only_multiplier is not None:
        yield "US only", f"× {price.us_only_multiplier} on tokens"
    if price.web_search_usd is not None:
        yield "web search", f"${usd(price.web_search_usd)} each"
    if price.discount is not None:
        paid = Decimal(price.discount.multiplier.numerator) / Decimal(price.discount.multiplier.denominator)
        yield (
            "your discount",
            f"× {paid.normalize():f} on all of it ({price.discount.named}), which is not in these prices",
        )


def _evidence(name: str, evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield name, _CERTAINTIES[evidence.certainty]
    for source in evidence.sources:
        yield "", f"{source.path} ({source.kind}; {source.as_of})"
    if evidence.note is not None:
        yield "", evidence.note


def usd(value: Decimal) -> str:
    """`value` without exponent and trailing zeros, with two decimals at least."""
    text = f"{value.normalize():f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _count(text: str) -> int:
    digits = text.replace(",", "").replace("_", "")
    if not digits.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of tokens, such as 1200")
    return int(digits)


def day(text: str) -> date:
    """A UTC day, of a flag. Raises `ArgumentTypeError` that says what to give."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a day, such as 2026-11-20") from None
