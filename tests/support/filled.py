"""A made-up week of a shop: enough of everything for each page to have something to show."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from claude_telemetry.record import Attempt, ToolUse
from claude_telemetry_collector.decode import LandedCall
from tests.support.calls import a_call

WEEK_S = 7 * 86_400

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
FEATURES = ("chat", "search", "summarise", "translate")
PROMPTS = (("greeting", "v1"), ("greeting", "v2"), ("ranking", "v7"))
FAILURES = ((429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error"))
TOOLS = ("get_weather", "search_docs", "run_sql")


def calls(number: int, *, now: datetime | None = None, names: tuple[str, ...] = ()) -> Iterator[LandedCall]:
    """`number` calls, evenly over the week before `now`. The same ones each time, but for their times and ids.

    With `names`, every label, model, tool and tag has one of them.
    """
    dice = random.Random(20261120)
    end = now or datetime.now(UTC)
    for index in range(number):
        yield _call(dice, end - timedelta(seconds=5 + index * WEEK_S / number), index, names)


def _call(dice: random.Random, started_at: datetime, index: int, names: tuple[str, ...]) -> LandedCall:
    def named(usual: str) -> str:
        return names[dice.randrange(len(names))] if names else usual

    failure = dice.choice(FAILURES) if dice.random() < 0.06 else None
    read = dice.choice((0, 4_000, 12_000))
    duration_ms = int(dice.lognormvariate(7, 0.6))
    prompt, version = dice.choice(PROMPTS)
    output = dice.randrange(20, 900)
    cost = None if dice.random() < 0.01 else Decimal(3 * 900 + read * 3 // 10 + 15 * output) / 1_000_000
    return a_call(
        started_at=started_at,
        duration_ms=duration_ms,
        ttft_ms=duration_ms // 4 if index % 2 and failure is None else None,
        stream=bool(index % 2),
        model=None if failure else named(dice.choice(MODELS)),
        request_model=named(dice.choice(MODELS)),
        service=named(dice.choice(("shop", "back-office"))),
        environment=named(dice.choice(("production", "staging"))),
        feature=named(dice.choice(FEATURES)),
        user_id=named(f"user-{dice.randrange(40)}"),
        session_id=named(f"session-{dice.randrange(200)}"),
        tenant=named(dice.choice(("acme", "globex"))),
        prompt_name=named(prompt),
        prompt_version=named(version),
        tags=json.dumps({named("tier"): named(dice.choice(("gold", "silver")))}),
        attributes={named("http.request.method"): named("POST")},
        api_key_alias=named("production"),
        run_name=named("answer"),
        framework=named("langchain"),
        platform=named("anthropic"),
        price_version=named("made-up"),
        status="error" if failure else "ok",
        http_status=failure[0] if failure else 200,
        error_type=named(failure[1]) if failure else None,
        stop_reason=None if failure else dice.choice(("end_turn", "end_turn", "tool_use", "max_tokens")),
        billed=failure is None,
        input_tokens=None if failure else 900,
        output_tokens=None if failure else output,
        cache_read_tokens=None if failure else read,
        cache_write_tokens=None if failure else (0 if read else 2_000),
        max_tokens=1_024,
        cost_usd=None if failure else cost,
        cost_status="unbilled" if failure else "priced" if cost is not None else "unpriced",
        service_tier="batch" if index % 9 == 0 else "standard",
        batch_id=f"msgbatch_{index // 90}" if index % 9 == 0 else None,
        attempt_rows=[Attempt(started_at=started_at, duration_ms=duration_ms, http_status=200)],
        tool_uses=[ToolUse(tool_use_id=f"toolu_{index}", name=named(dice.choice(TOOLS)))] if index % 3 == 0 else [],
    )
