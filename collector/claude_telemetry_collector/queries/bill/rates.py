"""What a token of a group costs by the price book that this process uses, as pricing itself says it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any, NamedTuple

from claude_telemetry.pricing import charge_of, known_models
from claude_telemetry.record.attributes import PICODOLLARS_PER_USD
from claude_telemetry_collector.queries.bill.kinds import NO_PLACE, SEARCHES

_ORDER = (
    "uncached_input_tokens",
    "output_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "cache_read_input_tokens",
    SEARCHES,
)
"""In which `Charge.amounts` has the kinds."""

_PROMPTS: dict[str | None, tuple[int, int]] = {"0-200k": (1, 200_000), "200k-1M": (200_001, 1_000_000)}
"""The shortest and the longest prompt of each context window, as the bill words them."""
_ANY_PROMPT = (1, 1_000_000)


class Part(NamedTuple):
    """What a price depends on."""

    day: date
    model: str
    kind: str
    tier: str
    speed: str
    geo: str | None
    context_window: str | None


class Rate(NamedTuple):
    """USD per token: for short prompts and for long ones, which is the same for most models."""

    short: Fraction
    long: Fraction

    @property
    def is_one(self) -> bool:
        return self.short == self.long


class BookRates:
    """Looks rates up, each once. For one report: the book in use may change after it."""

    def __init__(self) -> None:
        self._names = {name: model.ids["anthropic"][0] for model in known_models() for name in model.ids["anthropic"]}
        self._rates: dict[Part, Rate | None] = {}
        self._billed_refusals: dict[tuple[date, str, str], bool] = {}

    def name_of(self, model: str) -> str:
        """One name for a model that has several, such as one with a date and one without."""
        return self._names.get(model, model)

    def rate_of(self, part: Part) -> Rate | None:
        """`None` where the book has no price."""
        if part not in self._rates:
            self._rates[part] = self._looked_up(part)
        return self._rates[part]

    def bills_refusals(self, day: date, model: str, category: str) -> bool:
        """Whether a refusal without output is charged for in this category. Taken as so where nobody knows."""
        asked = (day, model, category)
        if asked not in self._billed_refusals:
            charge = charge_of(
                {"input_tokens": 1, "output_tokens": 0},
                model=model,
                at=_noon(day),
                empty_refusal=True,
                refusal_category=category or None,
            )
            self._billed_refusals[asked] = charge.picodollars != 0
        return self._billed_refusals[asked]

    def _looked_up(self, part: Part) -> Rate | None:
        rates = [_rate(part, prompt) for prompt in _PROMPTS.get(part.context_window, _ANY_PROMPT)]
        short, long = rates
        return None if short is None or long is None else Rate(short, long)


def _rate(part: Part, prompt: int) -> Fraction | None:
    """With a prompt of so many tokens, all of the kind if that is one of the prompt's."""
    counts: dict[str, int] = dict.fromkeys(_ORDER, 0)
    of_prompt = part.kind not in ("output_tokens", SEARCHES)
    counts[part.kind] = prompt if of_prompt else 1
    if not of_prompt:
        counts["uncached_input_tokens"] = prompt
    five, hour = counts["cache_creation.ephemeral_5m_input_tokens"], counts["cache_creation.ephemeral_1h_input_tokens"]
    usage: dict[str, Any] = {
        "input_tokens": counts["uncached_input_tokens"],
        "output_tokens": counts["output_tokens"],
        "cache_read_input_tokens": counts["cache_read_input_tokens"],
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "server_tool_use": {"web_search_requests": counts[SEARCHES]},
        "service_tier": part.tier,
        "speed": part.speed,
        "inference_geo": part.geo or NO_PLACE,
    }
    charge = charge_of(usage, model=part.model, at=_noon(part.day))
    if charge.picodollars is None:
        return None
    return Fraction(charge.amounts[_ORDER.index(part.kind)], counts[part.kind] * PICODOLLARS_PER_USD)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
