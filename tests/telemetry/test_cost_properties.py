"""What holds for every cost: it agrees with a second opinion, adds up, and never guesses."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from claude_telemetry.pricing import Book, Cost, book_from, cost_of, session_cost_of, shipped
from tests.telemetry.price_oracle import TABLE, Question, lines_of, net_of, session_lines_of

many = settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
some = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

IDS = {
    platform: [name for model in TABLE["models"] for name in model["ids"][platform]]
    for platform in ("anthropic", "bedrock", "vertex")
}
BEDROCK_PREFIXES = ["us.", "eu.", "jp.", "au.", "apac.", "global.", "global.", "global.", "us-gov.", ""]
NO_IDS = ["claude-opus-5-9", "claude-opus-5-5-latest", "Claude-Opus-5", "claude-opus", "", "gpt-5"]

tokens = st.one_of(st.integers(0, 5000), st.sampled_from([0, 1, 99_999, 100_000, 100_001, 200_000, 200_001, 900_000]))
maybe_tokens = st.none() | tokens
models = st.sampled_from(IDS["anthropic"])


EDGES = sorted(
    {
        row[key] for model in TABLE["models"] for row in model["prices"] for key in ("effective_from", "effective_to")
    }.union(
        row[key] for model in TABLE["models"] for row in model["fast"] for key in ("effective_from", "effective_to")
    )
    .union(["2026-06-02", "2026-09-24"])
    .difference([None])
)


@st.composite
def times(draw: st.DrawFn) -> datetime:
    """When every model had a price, around a day on which some price changed, or any time; in any time zone."""
    zone = timezone(timedelta(minutes=draw(st.sampled_from([0, -720, -330, 60, 840]))))
    kind = draw(st.sampled_from(["now", "now", "edge", "any"]))
    if kind == "now":
        return datetime(2026, 11, 12, 8, tzinfo=UTC).astimezone(zone)
    if kind == "edge":
        edge = datetime.fromisoformat(draw(st.sampled_from(EDGES))).replace(tzinfo=UTC)
        return (edge + timedelta(seconds=draw(st.sampled_from([0, -1, 1, 43_200])))).astimezone(zone)
    return datetime(2024, 2, 1, tzinfo=UTC).astimezone(zone) + timedelta(hours=draw(st.integers(0, 24_800)))


@st.composite
def counts(draw: st.DrawFn) -> dict[str, Any]:
    usage: dict[str, Any] = {"input_tokens": draw(tokens), "output_tokens": draw(tokens)}
    if draw(st.booleans()):
        usage["cache_creation_input_tokens"] = draw(maybe_tokens)
        usage["cache_read_input_tokens"] = draw(maybe_tokens)
        usage["cache_creation"] = draw(
            st.none()
            | st.fixed_dictionaries(
                {"ephemeral_5m_input_tokens": maybe_tokens, "ephemeral_1h_input_tokens": maybe_tokens}
            )
        )
    return usage


@st.composite
def iterations(draw: st.DrawFn, name: str) -> list[dict[str, Any]]:
    kinds = draw(
        st.sampled_from(
            [
                ["message"],
                ["message", "message"],
                ["compaction", "message"],
                ["message", "advisor_message", "message"],
                ["message", "fallback_message"],
                ["message", "message", "fallback_message"],
                ["fallback_message"],
                ["message", "banter"],
            ]
        )
    )
    parts: list[dict[str, Any]] = []
    for kind in kinds:
        part = {"type": kind, **draw(counts())}
        if kind in ("advisor_message", "fallback_message") or draw(st.booleans()):
            part["model"] = draw(st.none() | models | st.just(name) | st.sampled_from(["claude-opus-5-9"]))
        if draw(st.integers(0, 2)) == 0:
            part["output_tokens"] = 0
        parts.append(part)
    return parts


@st.composite
def endpoints(draw: st.DrawFn) -> dict[str, Any]:
    platform = draw(st.sampled_from(["anthropic", "anthropic", "claude_platform_aws", "bedrock", "vertex", "foundry"]))
    if platform == "bedrock":
        name = draw(st.sampled_from(BEDROCK_PREFIXES)) + draw(st.sampled_from(IDS["bedrock"]))
        kind = draw(
            st.sampled_from([*[""] * 5, "inference-profile", "application-inference-profile", "foundation-model"])
        )
        if kind:
            home = draw(st.sampled_from(["us-east-1", "eu-west-1", "us-gov-west-1"]))
            name = f"arn:aws:bedrock:{home}:123456789012:{kind}/{name}"
        return {"platform": platform, "model": name, "region": draw(st.sampled_from([None, "eu-west-1"]))}
    if platform == "vertex":
        region = draw(st.sampled_from(["global", "us", "europe-west1", "", None]))
        return {"platform": platform, "model": draw(st.sampled_from(IDS["vertex"])), "region": region}
    zone = draw(st.sampled_from([None, "GlobalStandard", "DataZoneStandard"])) if platform == "foundry" else None
    name = draw(models | st.sampled_from(NO_IDS)) if draw(st.integers(0, 9)) == 0 else draw(models)
    return {"platform": platform, "model": name, "deployment_type": zone}


@st.composite
def questions(draw: st.DrawFn, *, looping: bool = True) -> Question:
    endpoint = draw(endpoints())
    usage = draw(counts())
    if draw(st.booleans()):
        usage["service_tier"] = draw(
            st.sampled_from([None, "standard", "standard", "batch", "batch", "batch", "priority", "flex"])
        )
        usage["speed"] = draw(st.sampled_from([None, *["standard"] * 4, "fast", "fast", "turbo"]))
        usage["inference_geo"] = draw(st.sampled_from([None, "global", "us", "us", "us", "not_available", "eu"]))
    if draw(st.booleans()):
        usage["server_tool_use"] = draw(
            st.none() | st.fixed_dictionaries({"web_search_requests": st.none() | st.integers(0, 9)})
        )
    if looping and draw(st.booleans()):
        usage["iterations"] = draw(st.none() | st.just([]) | iterations(endpoint["model"]))
    refused = draw(st.integers(0, 3)) == 0
    categories = st.sampled_from([None, "bio", "cyber", "reasoning_extraction"])
    return Question(
        usage=usage,
        at=draw(times()),
        batch=draw(st.integers(0, 9)) == 0,
        incomplete=draw(st.integers(0, 9)) == 0,
        empty_refusal=refused,
        refusal_category=draw(categories) if refused else None,
        declined=draw(st.dictionaries(models, categories, max_size=2)),
        **endpoint,
    )


def cost(question: Question) -> Cost:
    return cost_of(**(asdict(question)))


@many
@given(questions(looping=False))
def test_a_cost_agrees_with_the_second_opinion(question: Question) -> None:
    assert_agrees(question)


@many
@given(questions())
def test_the_cost_of_an_answer_in_several_iterations_agrees_with_the_second_opinion(question: Question) -> None:
    assert_agrees(question)


def assert_agrees(question: Question) -> None:
    ours, theirs = cost(question), lines_of(question)
    if theirs is None:
        assert (ours.usd, ours.status, ours.breakdown) == (None, "unknown", {}), ours
        assert ours.flags, "an unknown cost says why"
        return
    assert ours.usd is not None, ours
    assert Fraction(ours.usd) == sum(theirs.values()), ours
    shown = {line: amount for line, amount in theirs.items() if amount or line in ("input", "output")}
    assert {line: Fraction(amount) for line, amount in ours.breakdown.items()} == shown


@some
@given(questions(looping=False), st.integers(0, 10**9))
def test_the_cost_of_a_session_agrees_with_the_second_opinion(question: Question, running_ms: int) -> None:
    question = replace(question, platform="claude_platform_aws" if question.batch else "anthropic")
    ours = session_cost_of(
        question.usage, model=question.model, at=question.at, running_ms=running_ms, platform=question.platform
    )
    theirs = session_lines_of(question, running_ms)
    assert (ours.usd is None) == (theirs is None), ours
    if ours.usd is None or theirs is None:
        assert ours.flags
        return
    # The time alone is rounded, to a picodollar.
    assert abs(Fraction(ours.usd) - sum(theirs.values())) <= Fraction(1, 2 * 10**12)
    assert sum(ours.breakdown.values()) == ours.usd


@some
@given(questions())
def test_the_lines_of_a_cost_add_up_to_it_and_none_is_negative(question: Question) -> None:
    ours = cost(question)
    if ours.usd is None:
        return
    assert sum(ours.breakdown.values()) == ours.usd >= 0
    assert all(amount >= 0 for amount in ours.breakdown.values())
    if ours.iterations:
        searches = ours.breakdown.get("web_search", Decimal(0))
        assert sum(part.usd for part in ours.iterations) + searches == ours.usd


COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def more_of(counts: dict[str, Any], name: str, more: int) -> dict[str, Any]:
    return {**counts, name: (counts.get(name) or 0) + more}


@some
@given(questions(), st.sampled_from(COUNTS), st.integers(1, 10**6), st.booleans())
def test_more_tokens_never_cost_less(question: Question, name: str, more: int, within: bool) -> None:
    usage = question.usage
    if within and usage.get("iterations"):
        last = usage["iterations"][-1]
        grown = {**usage, "iterations": [*usage["iterations"][:-1], more_of(last, name, more)]}
    else:
        grown = more_of(usage, name, more)
    before, after = cost(question), cost(replace(question, usage=grown))
    if before.usd is not None and after.usd is not None:
        assert after.usd >= before.usd
    # A declined attempt of a model without a price is free, until it has said something.
    assert (before.usd is None) == (after.usd is None) or (name == "output_tokens" and before.usd is not None)


@some
@given(questions(), st.integers(1, 100))
def test_a_web_search_costs_a_cent_whatever_the_terms(question: Question, more: int) -> None:
    used: dict[str, Any] = question.usage.get("server_tool_use") or {}
    grown = {**question.usage, "server_tool_use": more_of(used, "web_search_requests", more)}
    before, after = cost(question), cost(replace(question, usage=grown))
    if after.usd is not None:
        assert before.usd is not None
        assert after.usd - before.usd == more * Decimal("0.01")


@some
@given(questions(looping=False), questions(looping=False))
def test_two_calls_together_cost_what_they_cost_apart(question: Question, other: Question) -> None:
    """Where no limit on a prompt's length comes between: the same terms, and tokens added up."""
    names = ("input_tokens", "output_tokens")
    one = {name: question.usage[name] % 40_000 for name in names}
    two = {name: other.usage[name] % 40_000 for name in names}
    costs = [
        cost(replace(question, usage={**question.usage, "cache_creation": None, **dict.fromkeys(CACHE, 0), **usage}))
        for usage in (one, two, {name: one[name] + two[name] for name in names})
    ]
    if any(part.usd is None for part in costs):
        assert all(part.usd is None for part in costs)
        return
    searches = costs[0].breakdown.get("web_search", Decimal(0))
    apart, together = sum(part.usd or 0 for part in costs[:2]), costs[2].usd
    assert apart == (together or 0) + searches


CACHE = ("cache_creation_input_tokens", "cache_read_input_tokens")

MULTIPLIERS = [Decimal(0), Decimal("0.1234567"), Decimal("0.5"), Decimal("0.85"), Decimal("0.999999999999"), Decimal(1)]


def discounted(multiplier: Decimal) -> Book:
    return book_from(shipped(), f"[[discounts]]\nmultiplier = {multiplier:f}\nfrom = 2000-01-01".encode())


BOOKS = {multiplier: discounted(multiplier) for multiplier in MULTIPLIERS}


@some
@given(questions(), st.sampled_from(MULTIPLIERS))
def test_what_a_discount_leaves_agrees_with_the_second_opinion(question: Question, multiplier: Decimal) -> None:
    listed, ours = cost(question), cost_of(**asdict(question), book=BOOKS[multiplier])
    assert (ours.usd, ours.breakdown, ours.status) == (listed.usd, listed.breakdown, listed.status)
    if ours.usd is None or ours.net_usd is None:
        assert (ours.usd, ours.net_usd) == (None, None)
        return
    assert Fraction(ours.net_usd) == net_of(Fraction(ours.usd), Fraction(multiplier))
    assert 0 <= ours.net_usd <= ours.usd
    if multiplier == 1:
        assert ours.net_usd == ours.usd == listed.net_usd
    if multiplier == 0:
        assert ours.net_usd == 0


@some
@given(questions())
def test_an_unread_stream_costs_at_most_what_the_read_one_does(question: Question) -> None:
    whole, part = cost(replace(question, incomplete=False)), cost(replace(question, incomplete=True))
    assert (whole.usd is None) == (part.usd is None)
    if whole.usd is not None and part.usd is not None:
        assert part.usd <= whole.usd
        assert part.status in ("partial", "contract") or "refusal_not_billed" in part.flags


nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "input_tokens",
    "output_tokens",
    "cache_creation",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "service_tier",
    "speed",
    "inference_geo",
    "server_tool_use",
    "iterations",
]


@some
@given(st.dictionaries(st.sampled_from(FIELDS), nonsense))
@example({"input_tokens": True, "output_tokens": 1})
@example({"input_tokens": 1, "output_tokens": 10**30})
@example({"input_tokens": 1, "output_tokens": 1, "iterations": {"type": "message"}})
def test_odd_input_never_raises_and_is_never_priced_by_accident(usage: dict[str, Any]) -> None:
    ours = cost_of(usage, model="claude-opus-5-5", at=datetime(2026, 11, 12, tzinfo=UTC))
    sane = all(
        isinstance(usage.get(name), int) and not isinstance(usage.get(name), bool) and 0 <= usage[name] <= 10**12
        for name in ("input_tokens", "output_tokens")
    )
    if not sane and not usage.get("iterations"):
        assert (ours.usd, ours.status) == (None, "unknown")
    assert (ours.usd is None) == (ours.status == "unknown")


@some
@given(nonsense, nonsense, nonsense, nonsense, nonsense)
def test_odd_arguments_never_raise(usage: Any, model: Any, at: Any, platform: Any, region: Any) -> None:
    ours = cost_of(usage, model=model, at=at, platform=platform, region=region)
    assert (ours.usd, ours.status) == (None, "unknown")


@some
@given(questions())
def test_an_application_with_its_own_decimal_precision_gets_the_same_cost(question: Question) -> None:
    expected = cost(question)
    with localcontext() as context:
        context.prec = 3
        context.traps = dict.fromkeys(context.traps, True)
        assert cost(question) == expected
