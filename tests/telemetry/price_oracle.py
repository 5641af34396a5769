"""A second opinion on what a call costs: the published rules in fractions, without a line of the package's own code.

It reads the reference table as it was handed over (`tests/data/claude_prices.json`), not the book that the package
ships, and it is slow and plain on purpose. `None` is an unknown cost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

TABLE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "claude_prices.json").read_text())

DIRECT = {"anthropic", "claude_platform_aws", "foundry"}
KINDS = {"message", "compaction", "advisor_message", "fallback_message"}
MILLION = Fraction(10**6)
TENTH_MORE = Fraction(11, 10)


class Unknown(Exception):  # noqa: N818 - an answer, not an error
    """There is no price."""


@dataclass
class Question:
    """What `cost_of` is asked."""

    usage: Any
    model: str | None
    at: datetime
    platform: str = "anthropic"
    region: str | None = None
    deployment_type: str | None = None
    batch: bool = False
    empty_refusal: bool = False
    refusal_category: str | None = None
    declined: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    incomplete: bool = False


def lines_of(question: Question) -> dict[str, Fraction] | None:
    """USD by line, lines of zero included."""
    try:
        return _lines(question)
    except Unknown:
        return None


def session_lines_of(question: Question, running_ms: int) -> dict[str, Fraction] | None:
    """The same of a session, whose usage has no iterations, and which ran for so long: 8 cents an hour."""
    usage = {name: value for name, value in question.usage.items() if name != "iterations"}
    if usage.get("service_tier") == "batch":
        return None
    lines = lines_of(Question(usage=usage, model=question.model, at=question.at, platform=question.platform))
    hours = Fraction(running_ms, 3_600_000)
    return None if lines is None else {**lines, "session_runtime": hours * Fraction("0.08")}


def net_of(cost: Fraction, multiplier: Fraction) -> Fraction:
    """What is left of `cost`, to the picodollar: half of one goes to the even neighbour."""
    exact = cost * multiplier * 10**12
    below = exact.numerator // exact.denominator
    rest = exact - below
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1)
    return Fraction(below + up, 10**12)


def _lines(question: Question) -> dict[str, Fraction]:
    usage, platform = question.usage, question.platform
    entry, premium = named(platform, question.model, question.region, question.deployment_type)
    day = question.at.astimezone(UTC).date().isoformat()
    if usage.get("service_tier") not in {None, "standard", "batch", "priority"}:
        raise Unknown
    if usage.get("speed") not in {None, "standard", "fast"}:
        raise Unknown
    geo_matters = platform in {"anthropic", "claude_platform_aws"}
    if geo_matters and usage.get("inference_geo") not in {None, "global", "not_available", "us"}:
        raise Unknown
    batch = question.batch or usage.get("service_tier") == "batch"
    fast = usage.get("speed") == "fast"
    if batch and (platform not in DIRECT or fast):
        raise Unknown
    if usage.get("service_tier") == "priority" and not batch and platform not in {"anthropic", "claude_platform_aws"}:
        raise Unknown
    searches = _number(_object(usage.get("server_tool_use")).get("web_search_requests"))
    if searches and platform not in DIRECT:
        raise Unknown

    lines = dict.fromkeys(
        ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "web_search"], Fraction(0)
    )
    for tokens, part_entry, part_premium, own in _billed_parts(question, entry, premium, day):
        rates = _rates(part_entry, day, sum(tokens.values()) - tokens["output"], fast, platform, own)
        factor = Fraction(1, 2) if batch else Fraction(1)
        if geo_matters:
            if usage.get("inference_geo") == "us" and part_entry["us_only_multiplier"]:
                factor *= TENTH_MORE
        elif part_entry["us_only_multiplier" if platform == "foundry" else "regional_premium"]:
            if part_premium is None:
                raise Unknown
            factor *= part_premium
        for line, count in tokens.items():
            lines[line] += count * rates[line] / MILLION * factor
    if question.incomplete and not (_free_refusal(question, day) and not usage.get("iterations")):
        del lines["output"]
    lines["web_search"] = searches * Fraction("0.01")
    return lines


def named(
    platform: str, name: str | None, region: str | None, deployment_type: str | None
) -> tuple[dict[str, Any], Fraction | None]:
    """The table's entry, and what the endpoint multiplies the price of models with a premium by (`None`: not known)."""
    if platform == "bedrock":
        return _on_bedrock(name or "", region)
    if platform == "vertex":
        return _listed("vertex", name), (None if not region else Fraction(1) if region == "global" else TENTH_MORE)
    if platform not in DIRECT:
        raise Unknown
    zone = platform == "foundry" and deployment_type == "DataZoneStandard"
    return _listed("anthropic", name), (TENTH_MORE if zone else Fraction(1))


def _on_bedrock(name: str, region: str | None) -> tuple[dict[str, Any], Fraction | None]:
    arn = re.fullmatch(r"arn:aws:bedrock:([^:/]*):[^:/]*:(?:inference-profile|foundation-model)/(.*)", name)
    if arn:
        region, name = arn[1], arn[2]
    if (region or "").startswith("us-gov-"):
        raise Unknown
    if re.match(r"anthropic\.", name):
        return _listed("bedrock", name), None
    form = re.fullmatch(r"(us|eu|jp|au|apac|global)\.(anthropic\..*)", name)
    if not form:
        raise Unknown
    return _listed("bedrock", form[2]), Fraction(1) if form[1] == "global" else TENTH_MORE


def _listed(platform: str, name: str | None) -> dict[str, Any]:
    for entry in TABLE["models"]:
        if name in entry["ids"][platform]:
            return entry  # type: ignore[no-any-return]  # foreign data
    raise Unknown


def _billed_parts(
    question: Question, entry: dict[str, Any], premium: Fraction | None, day: str
) -> Iterator[tuple[dict[str, int], dict[str, Any], Fraction | None, bool]]:
    usage = question.usage
    iterations: list[dict[str, Any]] = usage.get("iterations") or []
    if not iterations:
        if not _free_refusal(question, day):
            yield _tokens(usage), entry, premium, True
        return
    if any(part["type"] not in KINDS for part in iterations):
        raise Unknown
    last_kind = "fallback_message" if any(part["type"] == "fallback_message" for part in iterations) else "message"
    served = [part for part in iterations if part["type"] == "fallback_message"][-1:]
    served_entry = _part_entry(served[0], question, entry, premium)[0] if served else None
    for part in iterations:
        part_entry, part_premium = _part_entry(part, question, entry, premium)
        if part["type"] == last_kind and _free_refusal(question, day):
            continue
        category: str | None = None
        declined = False
        if served and part["output_tokens"] == 0:
            if part is served[0]:
                declined, category = True, question.refusal_category
            elif part["type"] == "message" and part_entry is not served_entry:
                declined, category = True, question.declined.get(part.get("model") or str(question.model))
        if declined and not _charged(category, day):
            continue
        yield _tokens(part), _must(part_entry), part_premium, part_entry is entry


def _object(value: Any) -> dict[str, Any]:
    return value or {}


def _number(value: Any) -> int:
    return value or 0


def _must(entry: dict[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        raise Unknown
    return entry


def _part_entry(
    part: Mapping[str, Any], question: Question, entry: dict[str, Any], premium: Fraction | None
) -> tuple[dict[str, Any] | None, Fraction | None]:
    name = part.get("model")
    if name is None or name == question.model:
        return entry, premium
    try:
        return _listed("anthropic", name), premium
    except Unknown:
        pass
    try:
        if question.platform == "bedrock":
            return _on_bedrock(name, None)
        return _listed("vertex" if question.platform == "vertex" else "anthropic", name), premium
    except Unknown:
        return None, None


def _tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    split = _object(usage.get("cache_creation"))
    short, long = _number(split.get("ephemeral_5m_input_tokens")), _number(split.get("ephemeral_1h_input_tokens"))
    rest = max(_number(usage.get("cache_creation_input_tokens")) - short - long, 0)
    only_long = long > 0 and short == 0
    return {
        "input": usage["input_tokens"],
        "output": usage["output_tokens"],
        "cache_write_5m": short + (0 if only_long else rest),
        "cache_write_1h": long + (rest if only_long else 0),
        "cache_read": _number(usage.get("cache_read_input_tokens")),
    }


def _rates(
    entry: Mapping[str, Any], day: str, prompt: int, fast: bool, platform: str, own: bool
) -> dict[str, Fraction]:
    price = _on_day(entry["prices"], day)
    if price is None:
        raise Unknown
    base = {line: Fraction(rate) for line, rate in price["rates"].items()}
    fast_price = _on_day(entry["fast"], day)
    has_fast = fast_price is not None and (
        platform == "anthropic" or (platform == "foundry" and entry["family"] == "claude-opus-5-5")
    )
    if fast and own and not has_fast:
        raise Unknown
    if fast and fast_price is not None and has_fast:
        times = Fraction(fast_price["input"]) / base["input"]
        return {
            line: Fraction(fast_price[line]) if line in {"input", "output"} else rate * times
            for line, rate in base.items()
        }
    if prompt > price.get("over_prompt_tokens", prompt):
        return {line: Fraction(rate) for line, rate in price["over_rates"].items()}
    return base


def _on_day(rows: list[dict[str, Any]], day: str) -> dict[str, Any] | None:
    for row in rows:
        if row["effective_from"] <= day < (row["effective_to"] or "9999"):
            return row
    return None


def _free_refusal(question: Question, day: str) -> bool:
    if not question.empty_refusal:
        return False
    if day < "2026-09-24" and question.platform not in {"anthropic", "claude_platform_aws"}:
        raise Unknown
    return day >= "2026-06-02" and not _charged(question.refusal_category, day)


def _charged(category: str | None, day: str) -> bool:
    return day >= "2026-09-24" and category in {"bio", "frontier_llm", "reasoning_extraction"}
