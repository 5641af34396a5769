"""Which rules the settings ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import settle
from claude_telemetry_collector.alerts import Rule, default_rules
from claude_telemetry_collector.queries import Window
from tests.support.calls import NOON

FIVE_MINUTES = timedelta(minutes=5)

ALERT_SETTINGS = (
    "alert_daily_cost_usd",
    "alert_error_ratio",
    "alert_p95_ms",
    "alert_call_cost_usd",
    "alert_call_tokens",
    "alert_no_data_minutes",
)


def rules_with(**environ: str) -> tuple[Rule, ...]:
    return default_rules(
        settle("collect", environ={f"CLAUDE_TELEMETRY_{key.upper()}": v for key, v in environ.items()})
    )


def test_without_any_setting_six_rules_watch() -> None:
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
            name="no_data",
            title="No calls",
            metric="requests",
            threshold=Decimal(1),
            window=timedelta(hours=1),
            direction="below",
            silence=True,
        ),
    )


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
    above, *_, below = rules_with()
    assert [above.is_beyond(Decimal(value)) for value in (99, 100, 101)] == [False, False, True]
    assert [below.is_beyond(Decimal(value)) for value in (0, 1, 2)] == [True, False, False]


def test_the_days_cost_starts_anew_at_midnight_in_utc() -> None:
    day, errors, *_ = rules_with()
    assert day.window_at(NOON) == Window(datetime(2026, 11, 20, tzinfo=UTC), NOON)
    assert day.clock == "started"
    assert errors.window_at(NOON) == Window(NOON - FIVE_MINUTES, NOON)
    assert errors.clock == "ended"
