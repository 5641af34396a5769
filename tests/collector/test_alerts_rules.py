"""Which rules the settings ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import settle
from claude_telemetry_collector.alerts import Rule, default_rules
from claude_telemetry_collector.queries import Segment, Window
from tests.support.calls import NOON

FIVE_MINUTES = timedelta(minutes=5)

ALERT_SETTINGS = (
    "alert_daily_cost_usd",
    "alert_error_ratio",
    "alert_p95_ms",
    "alert_call_cost_usd",
    "alert_call_tokens",
    "alert_no_data_minutes",
    "alert_unpriced_calls",
    "alert_coverage_ratio",
    "alert_price_error_ratio",
)


def rules_with(**environ: str) -> tuple[Rule, ...]:
    return default_rules(
        settle("collect", environ={f"CLAUDE_TELEMETRY_{key.upper()}": v for key, v in environ.items()})
    )


def test_without_any_setting_nine_rules_watch() -> None:
    assert rules_with() == (
        Rule(name="daily_cost", title="Cost of the day", metric="cost_usd", threshold=Decimal(100), window=None),
        Rule(
            name="error_ratio",
            title="Error rate",
            metric="error_ratio",
            threshold=Decimal("0.05"),
            window=FIVE_MINUTES,
            min_calls=20,
        ),
        Rule(
            name="p95_latency",
            title="P95 latency",
            metric="duration_p95_ms",
            threshold=Decimal(30000),
            window=FIVE_MINUTES,
            min_calls=20,
        ),
        Rule(
            name="call_cost",
            title="Cost of one call",
            metric="call_cost_max_usd",
            threshold=Decimal(5),
            window=FIVE_MINUTES,
        ),
        Rule(
            name="call_tokens",
            title="Tokens of one call",
            metric="call_tokens_max",
            threshold=Decimal(500000),
            window=FIVE_MINUTES,
        ),
        Rule(
            name="bill_coverage",
            title="Share of the bill seen",
            metric="bill_coverage_ratio",
            threshold=Decimal("0.95"),
            window=timedelta(days=7),
            direction="below",
        ),
        Rule(
            name="bill_prices",
            title="Price error against the bill",
            metric="bill_price_error_ratio",
            threshold=Decimal("0.001"),
            window=timedelta(days=7),
        ),
        Rule(
            name="no_data",
            title="No calls",
            metric="requests",
            threshold=Decimal(1),
            window=timedelta(hours=1),
            direction="below",
            silence=True,
        ),
        Rule(
            name="unpriced_model",
            title="Model without a price",
            metric="no_price_calls",
            threshold=Decimal(0),
            window=timedelta(days=30),
            by="price_id",
        ),
    )


def test_a_model_may_have_some_calls_without_a_price() -> None:
    assert rules_with(alert_unpriced_calls="100")[-1].threshold == 99


def test_what_an_unpriced_call_counts_is_the_budgets_alone() -> None:
    day, *others = rules_with(alert_unpriced_call_usd="0.25")
    assert (day.name, day.unpriced_call_usd) == ("daily_cost", Decimal("0.25"))
    assert {rule.unpriced_call_usd for rule in others} == {0}
    with pytest.raises(SettingsError, match=r"ALERT_UNPRICED_CALL_USD is 'some': give an amount in USD"):
        rules_with(alert_unpriced_call_usd="some")


def test_a_rule_that_tells_calls_apart_is_about_some_of_them() -> None:
    rule = rules_with()[-1]
    assert rule.about("claude-foo-9").segment == Segment(price_id="claude-foo-9")
    with pytest.raises(ValueError, match="rule 'x': calls cannot be told apart by 'coffee'"):
        Rule(name="x", title="X", metric="requests", threshold=Decimal(1), window=None, by="coffee")


def test_money_is_taken_to_the_picodollar() -> None:
    assert rules_with(alert_daily_cost_usd="0.100000000001")[0].threshold == Decimal("0.100000000001")


@pytest.mark.parametrize("setting", ALERT_SETTINGS)
def test_zero_turns_a_rule_off(setting: str) -> None:
    assert len(rules_with(**{setting: "0"})) == len(rules_with()) - 1


def test_all_rules_can_be_off() -> None:
    assert rules_with(**dict.fromkeys(ALERT_SETTINGS, "0")) == ()


@pytest.mark.parametrize("text", ["lots", "-1", "nan", "inf", "1e99", "$5", "5 USD"])
def test_a_threshold_that_is_no_amount_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_TELEMETRY_ALERT_DAILY_COST_USD is "):
        rules_with(alert_daily_cost_usd=text)


@pytest.mark.parametrize("text", ["5", "1", "5%"])
def test_an_error_ratio_is_a_share(text: str) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_TELEMETRY_ALERT_ERROR_RATIO is"):
        rules_with(alert_error_ratio=text)


def test_a_rule_about_no_metric_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="rule 'x': there is no metric 'coffee'"):
        Rule(name="x", title="X", metric="coffee", threshold=Decimal(1), window=None)


def test_the_threshold_itself_is_within() -> None:
    above, *_, below, _ = rules_with()
    assert [above.is_beyond(Decimal(value)) for value in (99, 100, 101)] == [False, False, True]
    assert [below.is_beyond(Decimal(value)) for value in (0, 1, 2)] == [True, False, False]


def test_the_days_cost_starts_anew_at_midnight_in_utc() -> None:
    day, errors, *_ = rules_with()
    assert day.window_at(NOON) == Window(datetime(2026, 11, 20, tzinfo=UTC), NOON)
    assert day.clock == "started"
    assert errors.window_at(NOON) == Window(NOON - FIVE_MINUTES, NOON)
    assert errors.clock == "ended"
