"""What calls cost, to the picodollar: each number worked out by hand from the published prices.

USD per million tokens, input / output / 5-minute write / 1-hour write / cache read:
Opus 5.5: 4 / 20 / 5 / 8 / 0.2, fast 8 / 40 and its cache prices twice as high. Haiku 4.5: 1 / 5 / 1.25 / 2 / 0.1.
Haiku 5.5: 0.1 / 0.5 / 0.125 / 0.2 / 0.01, and five times that when the prompt has over 100,000 tokens.
Fable 5.2: 8 / 40 / 10 / 16 / 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.scenarios.app import App
from tests.scenarios.asking import ASK, FABLE, HAIKU, HAIKU_55, OPUS
from tests.scenarios.expected import ANYTHING, FREE, Expected, answered
from tests.scenarios.scenario import scenario


def _asked(app: App, usage: Mapping[str, Any], asked: str = OPUS, **answer: Any) -> None:
    """Asks model `asked` the same question for a whole answer and for a stream."""
    app.claude.answer(usage=usage, times=2, **answer)
    client = app.client()
    app.saw(client.messages.create(**{**ASK, "model": asked}))
    app.saw([event.type for event in client.messages.create(**{**ASK, "model": asked}, stream=True)])


def _both(app: App, cost: Decimal | None, **facts: Any) -> Sequence[Expected]:
    return [answered(served, cost, **facts) for served in app.served]


@scenario()
def one_token(app: App) -> Sequence[Expected]:
    _asked(app, {"input_tokens": 1, "output_tokens": 0, "inference_geo": "global"}, HAIKU_55)
    return _both(app, Decimal("0.0000001"))


@scenario()
def fast_in_the_us_with_an_hour_of_cache(app: App) -> Sequence[Expected]:
    usage = {
        "input_tokens": 7,
        "cache_creation_input_tokens": 1001,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1001},
        "cache_read_input_tokens": 333,
        "output_tokens": 19,
        "service_tier": "standard",
        "inference_geo": "us",
        "speed": "fast",
    }
    _asked(app, usage)
    # 7 * 8 + 1001 * 16 + 333 * 0.4 + 19 * 40 = 56 + 16016 + 133.2 + 760 = 16965.2 millionths, times 1.1.
    return _both(app, Decimal("0.01866172"), speed="fast", inference_geo="us")


@scenario()
def a_prompt_over_the_limit(app: App) -> Sequence[Expected]:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 100_000, "output_tokens": 3, "inference_geo": "global"}
    _asked(app, usage, HAIKU_55)
    # 1 * 0.5 + 100000 * 0.05 + 3 * 2.5 = 0.5 + 5000 + 7.5 millionths.
    return _both(app, Decimal("0.005008"))


@scenario()
def a_prompt_at_the_limit(app: App) -> Sequence[Expected]:
    usage = {"input_tokens": 0, "cache_read_input_tokens": 100_000, "output_tokens": 3, "inference_geo": "global"}
    _asked(app, usage, HAIKU_55)
    # 100000 * 0.01 + 3 * 0.5 = 1001.5 millionths.
    return _both(app, Decimal("0.0010015"))


@scenario()
def web_searches(app: App) -> Sequence[Expected]:
    usage = {
        "input_tokens": 10, "output_tokens": 10, "inference_geo": "global",
        "server_tool_use": {"web_search_requests": 7, "web_fetch_requests": 3},
    }  # fmt: skip
    _asked(app, usage, HAIKU)
    # 10 * 1 + 10 * 5 = 60 millionths, and 7 searches at 0.01.
    return _both(app, Decimal("0.07006"), web_search_requests=7)


@scenario()
def thinking_is_output(app: App) -> Sequence[Expected]:
    usage = {
        "input_tokens": 0, "output_tokens": 1000, "output_tokens_details": {"thinking_tokens": 900},
        "inference_geo": "global",
    }  # fmt: skip
    _asked(app, usage, HAIKU, thinking="Let me think about it for a while.")
    return _both(app, Decimal("0.005"), thinking_tokens=900)


@scenario()
def the_batch_tier(app: App) -> Sequence[Expected]:
    _asked(app, {"input_tokens": 5, "output_tokens": 1, "service_tier": "batch", "inference_geo": "global"}, HAIKU)
    # (5 * 1 + 1 * 5) / 2 = 5 millionths.
    return _both(app, Decimal("0.000005"), service_tier="batch")


@scenario()
def the_priority_tier(app: App) -> Sequence[Expected]:
    """Paid by contract: the list price is what it is worth."""
    _asked(app, {"input_tokens": 5, "output_tokens": 1, "service_tier": "priority", "inference_geo": "global"}, HAIKU)
    return _both(app, Decimal("0.00001"), service_tier="priority", cost_status="contract")


@scenario()
def a_model_without_a_price(app: App) -> Sequence[Expected]:
    _asked(app, {"input_tokens": 5, "output_tokens": 1}, "claude-opus-9-9")
    return _both(app, None, cost_status="unknown", request_model="claude-opus-9-9")


@scenario()
def another_model_than_the_one_asked(app: App) -> Sequence[Expected]:
    """The one that answers is the one that is paid."""
    _asked(app, {"input_tokens": 1000, "output_tokens": 10}, f"{HAIKU}-latest", model=HAIKU)
    return _both(app, Decimal("0.00105"), request_model=f"{HAIKU}-latest")


@scenario()
def compaction(app: App) -> Sequence[Expected]:
    """What it used is not in the counts at the top."""
    iterations = [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1000},
    ]
    usage = {"input_tokens": 23_000, "output_tokens": 1000, "iterations": iterations, "inference_geo": "global"}
    _asked(app, usage, HAIKU)
    # 203000 * 1 + 4500 * 5 = 225500 millionths.
    return _both(app, Decimal("0.2255"))


@scenario()
def an_advisor_of_another_model(app: App) -> Sequence[Expected]:
    iterations = [
        {"type": "message", "input_tokens": 100, "output_tokens": 10},
        {"type": "advisor_message", "model": OPUS, "input_tokens": 500, "output_tokens": 40},
        {"type": "message", "input_tokens": 200, "output_tokens": 30},
    ]
    usage = {"input_tokens": 300, "output_tokens": 40, "iterations": iterations, "inference_geo": "global"}
    _asked(app, usage, HAIKU)
    # Haiku: 300 * 1 + 40 * 5 = 500. Opus: 500 * 4 + 40 * 20 = 2800. Together 3300 millionths.
    return _both(app, Decimal("0.0033"))


def _handover(category: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "fallback",
            "from": {"model": FABLE},
            "to": {"model": OPUS},
            "trigger": {"type": "refusal", "category": category},
        },
        {"type": "text", "text": "Yes."},
    ]


@scenario()
def a_decline_before_any_output(app: App) -> Sequence[Expected]:
    """Its tokens are told and not charged."""
    iterations = [
        {"type": "message", "model": FABLE, "input_tokens": 2050, "output_tokens": 0},
        {"type": "fallback_message", "model": OPUS, "input_tokens": 1900, "output_tokens": 220},
    ]
    usage = {"input_tokens": 1900, "output_tokens": 220, "iterations": iterations, "inference_geo": "global"}
    _asked(app, usage, FABLE, content=_handover("cyber"), model=OPUS)
    # 1900 * 4 + 220 * 20 = 12000 millionths.
    return _both(app, Decimal("0.012"), ttft_known=ANYTHING)


@scenario()
def a_decline_after_some_output(app: App) -> Sequence[Expected]:
    """It is charged, at its own model's price."""
    iterations = [
        {"type": "message", "model": FABLE, "input_tokens": 2050, "output_tokens": 10},
        {"type": "fallback_message", "model": OPUS, "input_tokens": 1900, "output_tokens": 220},
    ]
    usage = {"input_tokens": 1900, "output_tokens": 220, "iterations": iterations, "inference_geo": "global"}
    _asked(app, usage, FABLE, content=_handover("cyber"), model=OPUS)
    # 2050 * 8 + 10 * 40 = 16800, and the 12000 of the answer.
    return _both(app, Decimal("0.0288"), ttft_known=ANYTHING)


@scenario()
def a_refusal_without_content(app: App) -> Sequence[Expected]:
    _asked(app, {"input_tokens": 3300, "output_tokens": 0}, text="", stop_reason="refusal")
    return _both(app, FREE, billed=False, ttft_known=False)


@scenario()
def a_refusal_in_a_charged_category(app: App) -> Sequence[Expected]:
    told = {"type": "refusal", "category": "bio"}
    usage = {"input_tokens": 3300, "output_tokens": 0, "inference_geo": "global"}
    _asked(app, usage, text="", stop_reason="refusal", stop_details=told)
    return _both(app, Decimal("0.0132"), refusal_category="bio", ttft_known=False)


@scenario()
def a_refusal_in_the_middle(app: App) -> Sequence[Expected]:
    usage = {"input_tokens": 1000, "output_tokens": 10, "inference_geo": "global"}
    _asked(app, usage, text="I would", stop_reason="refusal")
    return _both(app, Decimal("0.0042"))


@scenario()
def an_answer_without_usage(app: App) -> Sequence[Expected]:
    """Not known, rather than nothing."""
    app.claude.answer(usage={})
    app.saw(type(app.client().messages.create(**ASK)))
    return [answered(app.served[0], None, cost_status="unknown")]
