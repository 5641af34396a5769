"""`claude-telemetry price`: what a model costs on a day, and what so many tokens of it come to, line by line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from claude_telemetry.pricing import Cost, cost_of

_LINES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
_PLATFORMS = ("anthropic", "claude_platform_aws", "bedrock", "vertex", "foundry")

_SOME = 1_000
_LONG_PROMPT = 1_000_000
"""Surely beyond the length from which some models cost more."""


def main(argv: Sequence[str]) -> int:
    """Prints the price, and the cost of the tokens that were given. 1 when there is no price."""
    options = _parser().parse_args(argv)

    def cost(tokens: Mapping[str, int]) -> Cost:
        at = datetime.combine(options.at, time(12), UTC)
        return cost_of(_usage(tokens), model=options.model, at=at, platform=options.platform, region=options.region)

    known = cost({"input": _SOME})
    where = f"on {options.platform} on {options.at} (price book {known.price_version})"
    if known.usd is None:
        why = f" ({', '.join(known.flags)})" if known.flags else ""
        print(f"{options.model} has no known price {where}{why}: its calls are counted, their cost stays unknown")
        return 1
    print(f"{options.model} {where}\n\nUSD per million tokens")
    for line in _LINES:
        usual = cost({line: _SOME}).usd
        print(
            _price_line(line, usual, _more(cost({"input": _LONG_PROMPT}), cost(_with({"input": _LONG_PROMPT}, line))))
        )
    tokens = {line: getattr(options, line) for line in _LINES if getattr(options, line) is not None}
    if tokens:
        print("\nUSD for these tokens")
        print("\n".join(_cost_lines(tokens, cost(tokens))))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry price",
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


def _with(tokens: Mapping[str, int], line: str) -> dict[str, int]:
    return {**tokens, line: tokens.get(line, 0) + _SOME}


def _more(less: Cost, more: Cost) -> Decimal | None:
    return None if less.usd is None or more.usd is None else more.usd - less.usd


def _price_line(line: str, usual: Decimal | None, in_long: Decimal | None) -> str:
    longer = f"   {_per_million(in_long)} when the prompt is long" if in_long != usual else ""
    return f"  {line.replace('_', ' '):<16}{_per_million(usual):>12}{longer}"


def _cost_lines(tokens: Mapping[str, int], cost: Cost) -> list[str]:
    lines = [
        f"  {line.replace('_', ' '):<16}{_plain(cost.breakdown.get(line, Decimal(0))):>16}   {count:,} tokens"
        for line, count in tokens.items()
    ]
    lines.append(f"  {'all':<16}{_plain(cost.usd or Decimal(0)):>16}")
    return lines + ([f"  assumed: {', '.join(cost.flags)}"] if cost.flags else [])


def _per_million(of_some: Decimal | None) -> str:
    return "unknown" if of_some is None else _plain(of_some * (1_000_000 // _SOME))


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
