"""`claude-telemetry price`: what a model costs on a day, and what so many tokens of it come to, line by line."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from claude_telemetry.pricing import Cost, Price, cost_of, known_models, price_of

_LINES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
_PLATFORMS = ("anthropic", "claude_platform_aws", "bedrock", "vertex", "foundry")
_PRICE_LISTS = {"bedrock": "bedrock", "vertex": "vertex"}
"""Platforms with ids of their own; the others name models as the Claude API does."""

_WHY = {
    "model_unknown": "the price book does not hold this id",
    "day_unknown": "the price book knows no price for that day",
    "region_unknown": "what it costs depends on where it runs, and that is not known",
    "model_opaque": "the ARN does not say which model is behind it",
}
_WHERE = {
    "bedrock": "give an id that says it, such as global.… or us.…",
    "vertex": "give --region, such as global or europe-west1",
}


def main(argv: Sequence[str]) -> int:
    """Prints the price, and the cost of the tokens that were given. 1 when there is no price."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.region is not None and options.platform not in _WHERE:
        parser.error(f"argument --region: on {options.platform} the price does not depend on it")

    def cost(tokens: Mapping[str, int]) -> Cost:
        at = datetime.combine(options.at, time(12), UTC)
        return cost_of(_usage(tokens), model=options.model, at=at, platform=options.platform, region=options.region)

    known = cost({})
    where = f"on {options.platform} on {options.at} (price book {known.price_version})"
    price = price_of(options.model, datetime.combine(options.at, time(12), UTC), options.platform, options.region)
    if price is None:
        print(f"{options.model!r} has no known price {where}: its calls are counted, their cost stays unknown")
        print("\n".join(_why_unknown(options.model, options.platform, known.flags)))
        return 1
    print(f"{options.model} {where}\n\nUSD per million tokens")
    print("\n".join(_price_line(line, price) for line in _LINES))
    tokens = {line: getattr(options, line) for line in _LINES if getattr(options, line) is not None}
    if tokens:
        print("\nUSD for these tokens")
        print("\n".join(_cost_lines(tokens, cost(tokens))))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry price",
        usage="%(prog)s MODEL [OPTION ...]",
        description="What a model costs, as calls are priced here: list price, exact, by UTC day.",
        epilog="Example: claude-telemetry price claude-sonnet-5-5 --input 1200 --cache-read 30000 --output 800",
    )
    parser.add_argument("model", help="the exact model id; none ever gets the price of another")
    for line in _LINES:
        parser.add_argument(
            "--" + line.replace("_", "-"), type=_tokens, metavar="N", help=f"{line.replace('_', ' ')} tokens"
        )
    parser.add_argument("--at", type=_day, default=datetime.now(UTC).date(), metavar="DATE", help="default today")
    parser.add_argument(
        "--platform", choices=_PLATFORMS, default="anthropic", help="whose price list (default %(default)s)"
    )
    parser.add_argument("--region", help="where Bedrock or Vertex serves it, such as us-east-1 or global")
    return parser


def _usage(tokens: Mapping[str, int]) -> dict[str, Any]:
    five, hour = tokens.get("cache_write_5m", 0), tokens.get("cache_write_1h", 0)
    return {
        "input_tokens": tokens.get("input", 0),
        "output_tokens": tokens.get("output", 0),
        "cache_read_input_tokens": tokens.get("cache_read", 0),
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "inference_geo": "global",
    }


def _why_unknown(model: str, platform: str, flags: Sequence[str]) -> list[str]:
    lines = [f"  {_WHY.get(flag, flag)}" for flag in flags]
    if "region_unknown" in flags and platform in _WHERE:
        lines.append(f"  {_WHERE[platform]}")
    if "model_unknown" in flags:
        lines += [f"  {other} knows it: --platform {other}" for other in _PLATFORMS if _knows(other, model)]
    if len(lines) == len(flags) and "model_unknown" in flags:
        ids = {name for known in known_models() for name in known.ids.get(_PRICE_LISTS.get(platform, "anthropic"), ())}
        near = difflib.get_close_matches(model, sorted(ids), n=3)
        lines += [f"  did you mean {' or '.join(near)}?"] if near else []
    return lines


def _knows(platform: str, model: str) -> bool:
    flags = cost_of({}, model=model, at=datetime.now(UTC), platform=platform).flags
    return "model_unknown" not in flags


def _price_line(line: str, price: Price) -> str:
    usual = price.rates[line]
    long = usual if price.over_rates is None else price.over_rates[line]
    more = f"   {_plain(long)} when the prompt is over {price.over_prompt_tokens:,} tokens" if long != usual else ""
    return f"  {line.replace('_', ' '):<16}{_plain(usual):>12}{more}"


def _cost_lines(tokens: Mapping[str, int], cost: Cost) -> list[str]:
    lines: list[str] = []
    for line, count in tokens.items():
        counted = f"{count:,} {'token' if count == 1 else 'tokens'}"
        lines.append(f"  {line.replace('_', ' '):<16}{_plain(cost.breakdown.get(line, Decimal(0))):>16}   {counted}")
    lines.append(f"  {'all':<16}{_plain(cost.usd or Decimal(0)):>16}")
    return lines + ([f"  assumed: {', '.join(cost.flags)}"] if cost.flags else [])


def _plain(value: Decimal) -> str:
    """Without exponent and trailing zeros, with two decimals at least."""
    text = f"{value.normalize():f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _tokens(text: str) -> int:
    digits = text.replace(",", "").replace("_", "")
    if not digits.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of tokens, such as 1200")
    return int(digits)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a day, such as 2026-11-20") from None
