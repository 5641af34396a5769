"""Every rule by which usage becomes money, with numbers worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest

from claude_telemetry.pricing import Cost, cost_of, price_version, session_cost_of
from claude_telemetry.record.attributes import picodollars, usd

NOW = datetime(2026, 11, 12, 8, tzinfo=UTC)
MILLION = {"input_tokens": 1_000_000, "output_tokens": 0, "inference_geo": "global"}


def cost(
    usage: dict[str, Any] = MILLION, model: str | None = "claude-opus-5-5", at: datetime = NOW, **more: Any
) -> Cost:
    return cost_of({"inference_geo": "global", **usage}, model=model, at=at, **more)


def on(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def unknown(*flags: str) -> Cost:
    return Cost(usd=None, status="unknown", breakdown={}, flags=flags, price_version=price_version())


def test_a_call_is_priced_line_by_line() -> None:
    usage = {
        "input_tokens": 1_000,
        "output_tokens": 200,
        "cache_creation_input_tokens": 700,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 400},
        "cache_read_input_tokens": 5_000,
        "server_tool_use": {"web_search_requests": 2},
    }
    assert cost(usage) == Cost(
        usd=Decimal("0.0337"),
        status="priced",
        breakdown={
            "input": Decimal("0.004"),
            "output": Decimal("0.004"),
            "cache_write_5m": Decimal("0.0015"),
            "cache_write_1h": Decimal("0.0032"),
            "cache_read": Decimal("0.001"),
            "web_search": Decimal("0.02"),
        },
        flags=(),
        price_version=price_version(),
        net_usd=Decimal("0.0337"),
    )


def test_a_cost_of_nothing_is_zero_and_not_unknown() -> None:
    nothing = cost({"input_tokens": 0, "output_tokens": 0})
    assert (str(nothing.usd), nothing.status) == ("0", "priced")


# Which model


@pytest.mark.parametrize("model", ["claude-opus-5-9", "claude-opus-5-5-20260922", "claude-opus", "Claude-Opus-5-5", ""])
def test_an_id_that_is_not_in_the_book_gets_no_other_models_price(model: str) -> None:
    assert cost(model=model) == unknown("model_unknown")


def test_no_model_has_no_price() -> None:
    assert cost(model=None) == unknown("model_unknown")


def test_an_alias_and_its_dated_id_cost_the_same() -> None:
    assert cost(model="claude-sonnet-4-5").usd == cost(model="claude-sonnet-4-5-20250929").usd == 3


@pytest.mark.parametrize("platform", ["bedrock", "vertex"])
def test_a_first_party_id_is_unknown_to_a_cloud_platform(platform: str) -> None:
    assert cost(model="claude-opus-4-5-20251101", platform=platform, region="global") == unknown("model_unknown")


def test_a_platform_that_is_not_known_has_no_prices() -> None:
    assert cost(platform="openrouter") == unknown("platform_unknown")


# When


def test_a_price_changes_at_midnight_utc() -> None:
    reads = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 1_000_000}
    before, after = datetime.fromisoformat("2026-10-07T01:59+02:00"), datetime.fromisoformat("2026-10-07T02:00+02:00")
    assert cost(reads, "claude-sonnet-5-5", before).usd == Decimal("0.2")
    assert cost(reads, "claude-sonnet-5-5", after).usd == Decimal("0.1")


def test_a_time_without_a_zone_is_utc() -> None:
    assert cost(model="claude-haiku-5-5", at=datetime(2026, 10, 7)).usd == Decimal("0.5")  # noqa: DTZ001 - the point
    assert cost(model="claude-haiku-5-5", at=datetime(2026, 10, 6, 23)) == unknown("day_unknown")  # noqa: DTZ001


def test_a_day_before_the_model_came_out_has_no_price() -> None:
    assert cost(model="claude-fable-5-2", at=on("2026-11-08")) == unknown("day_unknown")


def test_a_retired_model_keeps_its_price() -> None:
    assert cost(model="claude-3-haiku-20240307").usd == Decimal("0.25")


# Prompt caches


@pytest.mark.parametrize(
    ("split", "five", "hour"),
    [
        (None, "0.0050", None),
        ({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "0.0050", None),
        ({"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 0}, "0.0050", None),
        ({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 400}, None, "0.0080"),
        ({"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 100}, "0.0045", "0.0008"),
    ],
)
def test_writes_that_the_split_does_not_explain_live_as_long_as_the_others(
    split: dict[str, int] | None, five: str | None, hour: str | None
) -> None:
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1_000, "cache_creation": split}
    written = cost(usage)
    assert written.flags == ("ttl_assumed",)
    assert written.breakdown.get("cache_write_5m") == (Decimal(five) if five else None)
    assert written.breakdown.get("cache_write_1h") == (Decimal(hour) if hour else None)


def test_a_split_of_the_writes_needs_no_total() -> None:
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_creation": {"ephemeral_1h_input_tokens": 1_000}}
    assert (cost(usage).usd, cost(usage).flags) == (Decimal("0.008"), ())


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("claude-fable-5-1", "0.25"),
        ("claude-fable-5", "1"),
        ("claude-opus-5", "0.5"),
        ("claude-3-haiku-20240307", "0.03"),
    ],
)
def test_reading_a_cache_has_each_models_own_discount(model: str, usd: str) -> None:
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 1_000_000}
    assert cost(usage, model).usd == Decimal(usd)


# Long prompts


@pytest.mark.parametrize(("cached", "usd"), [(99_999, "0.00100009"), (100_000, "0.0050005")])
def test_a_prompt_over_the_limit_pays_more_for_the_whole_request(cached: int, usd: str) -> None:
    """99,999 at 0.01 and 1 at 0.1 a million; or 100,000 at 0.05 and 1 at 0.5."""
    usage = {"input_tokens": 1, "output_tokens": 0, "cache_read_input_tokens": cached}
    assert cost(usage, "claude-haiku-5-5").usd == Decimal(usd)


def test_written_tokens_count_towards_the_limit() -> None:
    """100,000 at 0.625 and 1 at 0.5 a million."""
    usage = {"input_tokens": 1, "output_tokens": 0, "cache_creation": {"ephemeral_5m_input_tokens": 100_000}}
    assert cost(usage, "claude-haiku-5-5").usd == Decimal("0.0625005")


def test_output_pays_for_a_long_prompt_too() -> None:
    usage = {"input_tokens": 150_000, "output_tokens": 1_000}
    assert cost(usage, "claude-haiku-5-5").breakdown == {"input": Decimal("0.075"), "output": Decimal("0.0025")}


def test_a_long_prompt_in_a_batch_pays_half_of_the_higher_price() -> None:
    usage = {"input_tokens": 250_000, "output_tokens": 1_000, "service_tier": "batch"}
    assert cost(usage, "claude-sonnet-4-6", on("2026-03-01")).usd == Decimal("0.76125")  # (1.5 + 0.0225) / 2


def test_counts_that_server_tools_summed_up_are_flagged_when_the_limit_decides() -> None:
    usage = {"output_tokens": 0, "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}}
    short = cost({**usage, "input_tokens": 100_000}, "claude-haiku-5-5")
    long = cost({**usage, "input_tokens": 100_001}, "claude-haiku-5-5")
    assert (short.flags, long.flags) == ((), ("tier_on_sum",))


def test_each_iteration_is_held_against_the_limit_by_itself() -> None:
    half = {"type": "message", "input_tokens": 60_000, "output_tokens": 0}
    usage = {"input_tokens": 120_000, "output_tokens": 0, "iterations": [half, half]}
    two = cost(usage, "claude-haiku-5-5")
    assert (two.usd, two.flags) == (Decimal("0.012"), ())


# The terms of a request


@pytest.mark.parametrize("tier", [None, "standard", "batch"])
def test_a_batch_result_costs_half_once(tier: str | None) -> None:
    assert cost({**MILLION, "service_tier": tier}, batch=True).usd == 2


@pytest.mark.parametrize("platform", ["bedrock", "vertex"])
def test_batches_of_the_cloud_platforms_have_no_published_price(platform: str) -> None:
    name = "global.anthropic.claude-opus-5-5" if platform == "bedrock" else "claude-opus-5-5"
    assert cost(model=name, platform=platform, region="global", batch=True) == unknown("batch_price_unknown")


def test_priority_is_shown_at_list_price_and_paid_by_contract() -> None:
    prepaid = cost({**MILLION, "service_tier": "priority"})
    assert (prepaid.usd, prepaid.status) == (Decimal(4), "contract")


@pytest.mark.parametrize("tier", ["flex", "flex_discount", "priority_on_demand", "auto", 1, ["batch"]])
def test_a_service_tier_without_a_published_price_is_unknown(tier: object) -> None:
    assert cost({**MILLION, "service_tier": tier}) == unknown("service_tier_unknown")


def test_the_fast_mode_has_its_own_price_whatever_the_length_of_the_prompt() -> None:
    usage = {"input_tokens": 300_000, "output_tokens": 1_000, "cache_read_input_tokens": 1_000, "speed": "fast"}
    fast = cost(usage, "claude-opus-4-6", on("2026-02-20"))
    # 30 and 150 a million; reads at 0.5 times 30/5
    assert fast.breakdown == {"input": Decimal(9), "output": Decimal("0.15"), "cache_read": Decimal("0.003")}


def test_what_was_asked_fast_and_ran_as_standard_costs_the_standard_price() -> None:
    assert cost({**MILLION, "speed": "standard"}, "claude-opus-4-6", on("2026-07-01")).usd == 5


@pytest.mark.parametrize(
    ("model", "day", "more"),
    [
        ("claude-opus-4-6", "2026-02-06", {}),  # the day before it came
        ("claude-opus-4-6", "2026-06-29", {}),  # the day it went
        ("claude-opus-4-7", "2026-07-24", {}),
        ("claude-sonnet-5-5", "2026-11-12", {}),
        ("claude-opus-5-5", "2026-11-12", {"platform": "claude_platform_aws"}),
        ("claude-opus-5", "2026-11-12", {"platform": "foundry", "deployment_type": "GlobalStandard"}),
        ("claude-opus-5-5", "2026-11-12", {"batch": True}),
    ],
)
def test_the_fast_mode_has_no_price_where_it_does_not_exist(model: str, day: str, more: dict[str, Any]) -> None:
    assert cost({**MILLION, "speed": "fast"}, model, on(day), **more) == unknown("fast_price_unknown")


def test_foundry_serves_opus_5_5_fast() -> None:
    fast = cost({**MILLION, "speed": "fast"}, platform="foundry", deployment_type="GlobalStandard")
    assert (fast.usd, fast.flags) == (Decimal(8), ())


def test_a_speed_that_is_not_known_is_unknown() -> None:
    assert cost({**MILLION, "speed": "turbo"}) == unknown("speed_unknown")


def test_us_only_stacks_with_fast_and_one_hour_writes() -> None:
    usage = {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation": {"ephemeral_1h_input_tokens": 1_000},
        "speed": "fast",
        "inference_geo": "us",
    }
    assert cost(usage).usd == Decimal("0.0176")  # 8 * 8/4 * 1.1 a million


@pytest.mark.parametrize(
    ("model", "platform", "usd"),
    [
        ("claude-opus-5-5", "anthropic", "4.4"),
        ("claude-opus-5-5", "claude_platform_aws", "4.4"),
        ("claude-opus-5-5", "foundry", "4"),
        ("claude-haiku-4-5", "anthropic", "1"),  # before 4.6 there is no such choice
        ("claude-mythos-preview", "anthropic", "25"),
    ],
)
def test_computing_in_the_us_only_costs_a_tenth_more_where_that_is_a_choice(
    model: str, platform: str, usd: str
) -> None:
    assert cost({**MILLION, "inference_geo": "us"}, model, platform=platform).usd == Decimal(usd)


def test_a_place_that_is_not_reported_is_flagged_where_it_would_matter() -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "inference_geo": None}
    assert (cost(usage).usd, cost(usage).flags) == (Decimal(4), ("geo_unreported",))
    assert cost(usage, "claude-haiku-4-5").flags == ()
    assert cost({**usage, "inference_geo": "not_available"}).flags == ()


def test_a_place_that_has_no_published_price_is_unknown() -> None:
    assert cost({**MILLION, "inference_geo": "eu"}) == unknown("geo_unknown")


def test_searches_cost_the_same_in_a_batch_and_fetches_nothing() -> None:
    usage = {**MILLION, "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 7}}
    assert cost(usage, batch=True).breakdown["web_search"] == Decimal("0.03")


def test_searches_on_google_cloud_have_no_published_price() -> None:
    usage = {**MILLION, "server_tool_use": {"web_search_requests": 1}}
    assert cost(usage, platform="vertex", region="global") == unknown("search_price_unknown")


def test_container_time_is_not_in_the_cost_and_is_flagged() -> None:
    usage = {**MILLION, "server_tool_use": {"code_execution_requests": 1}}
    assert (cost(usage).usd, cost(usage).flags) == (Decimal(4), ("container_time_excluded",))


# Cloud platforms


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        *[(f"{prefix}.anthropic.claude-opus-5-5", "4.4") for prefix in ("us", "eu", "jp", "au", "apac")],
        ("global.anthropic.claude-opus-5-5", "4"),
        ("us.anthropic.claude-opus-4-6-v1", "5.5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "15"),  # before 4.5 every endpoint costs the same
        ("anthropic.claude-opus-4-1-20250805-v1:0", "15"),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5-5", "4.4"),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/global.anthropic.claude-opus-5-5", "4"),
    ],
)
def test_a_bedrock_id_says_which_endpoint_it_is(model: str, usd: str) -> None:
    assert cost(model=model, platform="bedrock").usd == Decimal(usd)


@pytest.mark.parametrize(
    ("model", "flag"),
    [
        ("anthropic.claude-opus-5-5", "region_unknown"),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5-5", "region_unknown"),
        ("us-gov.anthropic.claude-opus-5-5", "region_unknown"),
        ("us-gov.anthropic.claude-opus-4-1-20250805-v1:0", "region_unknown"),
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.anthropic.claude-opus-5-5",
            "region_unknown",
        ),
        ("arn:aws-cn:bedrock:cn-north-1:123456789012:inference-profile/us.anthropic.claude-opus-5-5", "region_unknown"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", "model_opaque"),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc123", "model_opaque"),
        ("arn:aws:bedrock", "model_opaque"),
        ("us.anthropic.claude-opus-5-5-v1:0", "model_unknown"),
        ("us.us.anthropic.claude-opus-5-5", "model_unknown"),
        ("claude-opus-5-5", "model_unknown"),
    ],
)
def test_a_bedrock_id_that_does_not_say_its_price_is_unknown(model: str, flag: str) -> None:
    assert cost(model=model, platform="bedrock") == unknown(flag)


def test_govcloud_has_no_published_price_whatever_the_id() -> None:
    name = "us.anthropic.claude-opus-5-5"
    assert cost(model=name, platform="bedrock", region="us-gov-west-1") == unknown("region_unknown")


@pytest.mark.parametrize(
    ("model", "region", "usd"),
    [
        ("claude-opus-5-5", "global", "4"),
        ("claude-opus-5-5", "us", "4.4"),
        ("claude-opus-5-5", "europe-west1", "4.4"),
        ("claude-haiku-4-5@20251001", "us-east5", "1.1"),
        ("claude-opus-4-1@20250805", "us-east5", "15"),
        ("claude-opus-4-1@20250805", None, "15"),
    ],
)
def test_a_google_cloud_location_is_part_of_the_price(model: str, region: str | None, usd: str) -> None:
    assert cost(model=model, platform="vertex", region=region).usd == Decimal(usd)


def test_google_cloud_without_a_location_has_no_price() -> None:
    assert cost(platform="vertex") == unknown("region_unknown")


@pytest.mark.parametrize(
    ("deployment", "usd", "flags"),
    [
        ("GlobalStandard", "4", ()),
        ("DataZoneStandard", "4.4", ()),
        ("US Data Zone Standard", "4.4", ()),
        (None, "4", ("deployment_unreported",)),
    ],
)
def test_a_foundry_data_zone_costs_a_tenth_more(deployment: str | None, usd: str, flags: tuple[str, ...]) -> None:
    served = cost(platform="foundry", deployment_type=deployment)
    assert (served.usd, served.flags) == (Decimal(usd), flags)


def test_a_foundry_data_zone_changes_nothing_before_4_6() -> None:
    assert cost(model="claude-haiku-4-5", platform="foundry", deployment_type="DataZoneStandard").usd == 1


def test_a_foundry_deployment_of_another_type_has_no_published_price() -> None:
    assert cost(platform="foundry", deployment_type="ProvisionedManaged") == unknown("region_unknown")


# Answers in several iterations


def iteration(kind: str, input_tokens: int, output_tokens: int, model: str | None = None) -> dict[str, Any]:
    return {"type": kind, "input_tokens": input_tokens, "output_tokens": output_tokens, "model": model}


def looped(*iterations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input_tokens": 7, "output_tokens": 7, "iterations": list(iterations), **more}


def test_no_iterations_is_as_good_as_none() -> None:
    assert cost({**MILLION, "iterations": []}).usd == 4


def test_searches_are_charged_once_for_all_iterations() -> None:
    part = iteration("message", 1_000_000, 0)
    both = cost(looped(part, part, server_tool_use={"web_search_requests": 2}))
    assert both.breakdown == {"input": Decimal(8), "output": Decimal(0), "web_search": Decimal("0.02")}
    assert sum(part.usd for part in both.iterations) == 8


def test_an_advisor_takes_the_terms_of_the_request_at_its_own_models_price() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0),
        iteration("advisor_message", 1_000_000, 0, "claude-haiku-4-5"),
        inference_geo="us",
        service_tier="batch",
    )
    # Opus 5.5 in the US 4.4, halved; Haiku 4.5 knows no US-only price: 1, halved
    assert [part.usd for part in cost(usage).iterations] == [Decimal("2.2"), Decimal("0.5")]


def test_an_iteration_of_an_unknown_model_makes_the_whole_cost_unknown() -> None:
    usage = looped(iteration("message", 100, 100), iteration("advisor_message", 100, 100, "claude-opus-6"))
    assert cost(usage) == unknown("iteration_unknown")


def test_an_iteration_of_an_unknown_kind_makes_the_whole_cost_unknown() -> None:
    assert cost(looped(iteration("rehearsal", 100, 100))) == unknown("iteration_unknown")


def test_an_attempt_that_declined_after_it_began_is_charged_at_its_own_price() -> None:
    usage = looped(
        iteration("message", 1_000_000, 100_000, "claude-fable-5-1"),
        iteration("fallback_message", 1_000_000, 1, "claude-opus-5-5"),
    )
    declined, served = cost(usage, model="claude-opus-5-5").iterations
    assert (declined.usd, declined.billed) == (Decimal(15), True)  # 10 + 0.1 * 50
    assert (served.usd, served.billed) == (Decimal("4.00002"), True)


def test_a_streamed_fallback_is_charged_at_the_model_that_answered() -> None:
    """The stream's first event names the model that was asked; the iterations say who answered."""
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-fable-5-1"),
        iteration("fallback_message", 1_000_000, 1_000, "claude-opus-5"),
    )
    assert cost(usage, model="claude-fable-5-1", declined={"claude-fable-5-1": "cyber"}).usd == Decimal("5.025")


@pytest.mark.parametrize(
    ("category", "day", "usd"),
    [
        ("cyber", "2026-11-12", "4.002"),
        (None, "2026-11-12", "4.002"),
        ("bio", "2026-11-12", "14.002"),
        ("frontier_llm", "2026-09-24", "14.002"),
        ("frontier_llm", "2026-09-23", "4.002"),
    ],
)
def test_an_attempt_that_declined_at_once_is_charged_in_some_categories(
    category: str | None, day: str, usd: str
) -> None:
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-fable-5-1"),
        iteration("fallback_message", 1_000_000, 100, "claude-opus-5-5"),
    )
    assert cost(usage, at=on(day), declined={"claude-fable-5-1": category}).usd == Decimal(usd)


def test_a_declined_attempt_without_a_known_category_counts_as_free_and_is_flagged() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-fable-5-1"),
        iteration("fallback_message", 1_000_000, 100, "claude-opus-5-5"),
    )
    assert (cost(usage).usd, cost(usage).flags) == (Decimal("4.002"), ("decline_assumed_free",))


def test_a_declined_attempt_of_a_model_without_a_price_is_still_free() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-fable-9"),
        iteration("fallback_message", 1_000_000, 100, "claude-opus-5-5"),
    )
    assert cost(usage, declined={"claude-fable-9": "cyber"}).usd == Decimal("4.002")


@pytest.mark.parametrize("empty", [True, False])
def test_when_every_model_declines_the_call_is_known_to_be_free(empty: bool) -> None:
    """The answer may hold the blocks that tell of the hops, so that it is not empty."""
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-fable-5-1"),
        iteration("message", 1_000_000, 0, "claude-opus-5"),
        iteration("fallback_message", 1_000_000, 0, "claude-opus-5-5"),
    )
    refused = cost(usage, empty_refusal=empty, declined={"claude-fable-5-1": None, "claude-opus-5": None})
    assert (refused.usd, refused.status, refused.flags) == (Decimal(0), "priced", ())
    assert [part.billed for part in refused.iterations] == [False, False, False]


def test_an_earlier_iteration_of_the_model_that_answered_is_charged() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-opus-5-5"),
        iteration("fallback_message", 1_000_000, 100, "claude-opus-5-5"),
    )
    assert cost(usage).usd == Decimal("8.002")


def test_an_alias_of_the_model_that_answered_is_that_model() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-haiku-4-5"),
        iteration("fallback_message", 1_000_000, 100, "claude-haiku-4-5-20251001"),
    )
    assert cost(usage, model="claude-haiku-4-5-20251001").usd == Decimal("2.0005")


def test_iterations_on_bedrock_run_where_the_call_runs() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0, "claude-opus-5-5"),
        iteration("compaction", 1_000_000, 0),
    )
    assert cost(usage, model="eu.anthropic.claude-opus-5-5", platform="bedrock").usd == Decimal("8.8")


def test_another_models_speed_is_assumed() -> None:
    usage = looped(
        iteration("message", 1_000_000, 0),
        iteration("advisor_message", 1_000_000, 0, "claude-sonnet-5-5"),
        speed="fast",
    )
    assert (cost(usage).usd, cost(usage).flags) == (Decimal(10), ("speed_assumed",))


# Refusals


@pytest.mark.parametrize(
    ("day", "category", "usd"),
    [
        ("2026-06-01", None, 5),
        ("2026-06-02", None, 0),
        ("2026-09-23", "bio", 0),
        ("2026-09-24", "bio", 5),
        ("2026-09-24", "reasoning_extraction", 5),
        ("2026-09-24", "cyber", 0),
        ("2026-09-24", "general_harms", 0),
        ("2026-09-24", None, 0),
    ],
)
def test_a_refusal_without_a_word_is_free_since_june_but_for_some_categories_since_september(
    day: str, category: str | None, usd: int
) -> None:
    refused = cost(model="claude-opus-4-7", at=on(day), empty_refusal=True, refusal_category=category)
    assert (refused.usd, refused.status) == (Decimal(usd), "priced")
    assert refused.breakdown == {"input": usd, "output": 0}
    assert refused.flags == (() if usd else ("refusal_not_billed",))


def test_refusals_of_the_cloud_platforms_are_known_since_september() -> None:
    name = "global.anthropic.claude-opus-5"
    assert cost(model=name, platform="bedrock", at=on("2026-09-23"), empty_refusal=True) == unknown(
        "refusal_billing_unknown"
    )
    assert cost(model=name, platform="bedrock", at=on("2026-09-24"), empty_refusal=True).usd == 0


def test_a_refusal_of_a_model_without_a_price_is_unknown() -> None:
    assert cost(model="claude-opus-6", empty_refusal=True) == unknown("model_unknown")


# Streams that were not read to their end


def test_an_unread_stream_costs_at_least_its_input() -> None:
    usage = {
        "input_tokens": 1_000_000,
        "output_tokens": 1,
        "cache_read_input_tokens": 1_000_000,
        "server_tool_use": {"web_search_requests": 1},
    }
    assert cost(usage, incomplete=True) == Cost(
        usd=Decimal("4.21"),
        status="partial",
        breakdown={"input": Decimal(4), "cache_read": Decimal("0.2"), "web_search": Decimal("0.01")},
        flags=("output_unknown",),
        price_version=price_version(),
        net_usd=Decimal("4.21"),
    )


def test_a_free_refusal_is_known_to_be_free_even_unread() -> None:
    refused = cost(empty_refusal=True, incomplete=True)
    assert (refused.usd, refused.status, refused.flags) == (Decimal(0), "priced", ("refusal_not_billed",))


def test_an_unread_stream_needs_no_output_count() -> None:
    assert cost({"input_tokens": 1_000_000}, incomplete=True).usd == 4
    assert cost({"input_tokens": 1_000_000}) == unknown("tokens_unknown")


# Odd input


@pytest.mark.parametrize("tokens", [-1, True, "12", 1.0, [1], 10**30])
@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cache_read_input_tokens"])
def test_a_count_that_is_none_makes_the_cost_unknown(name: str, tokens: object) -> None:
    assert cost({**MILLION, name: tokens}) == unknown("tokens_unknown")


@pytest.mark.parametrize("category", [["bio"], {"category": "bio"}, 1])
def test_a_refusals_category_that_is_no_word_is_as_good_as_none(category: Any) -> None:
    assert cost(empty_refusal=True, refusal_category=category).usd == 0


def test_a_count_that_was_not_sent_makes_the_cost_unknown() -> None:
    assert cost({"input_tokens": None, "output_tokens": 1}) == unknown("tokens_unknown")
    assert cost({"output_tokens": 1}) == unknown("tokens_unknown")


def test_a_sum_that_no_call_can_cost_is_unknown() -> None:
    assert cost({"input_tokens": 10**12, "output_tokens": 0}) == unknown("too_large")


def test_money_keeps_every_picodollar_whatever_the_applications_decimal_context() -> None:
    with localcontext(prec=3):
        assert picodollars(Decimal("0.123456789012")) == 123_456_789_012
        assert str(usd(123_456_789_012)) == "0.123456789012"


# Sessions


def test_a_session_costs_its_tokens_and_its_running_time() -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 100_000, "inference_geo": "global"}
    session = session_cost_of(usage, model="claude-sonnet-5-5", at=NOW, running_ms=90 * 60_000)
    assert session.breakdown == {"input": 2, "output": 1, "session_runtime": Decimal("0.12")}
    assert (session.usd, session.status) == (Decimal("3.12"), "priced")


def test_a_session_rounds_its_running_time_to_a_picodollar() -> None:
    usage = {"input_tokens": 0, "output_tokens": 0}
    one = session_cost_of(usage, model="claude-sonnet-5-5", at=NOW, running_ms=1)
    assert one.usd == Decimal("0.000000022222")


def test_a_sessions_counts_are_sums_so_a_limit_on_the_prompt_is_uncertain() -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "inference_geo": "global"}
    session = session_cost_of(usage, model="claude-haiku-5-5", at=NOW, running_ms=0)
    assert (session.usd, session.flags) == (Decimal("0.5"), ("tier_on_sum",))


FAR = [Decimal("1e999999999"), Decimal("1e-999999999"), Decimal("inf"), Decimal("nan")]


@pytest.mark.parametrize("running_ms", [-1, True, None, 1.5, *FAR])
def test_a_session_whose_running_time_is_not_known_has_no_cost(running_ms: Any) -> None:
    session = session_cost_of(MILLION, model="claude-sonnet-5-5", at=NOW, running_ms=running_ms)
    assert session == unknown("time_unknown")
