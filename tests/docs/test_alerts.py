"""The guide to alerts says what the code does."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from claude_telemetry.settings import SETTINGS, settle
from claude_telemetry_collector.alerts import default_rules
from claude_telemetry_collector.alerts.delivery import FIRST_PAUSE, GIVE_UP_AFTER, LONGEST_PAUSE
from claude_telemetry_collector.alerts.incidents import LOOKS_TO_CLOSE
from claude_telemetry_collector.alerts.notify import wording
from claude_telemetry_collector.alerts.notify.slack import TIMEOUT_S, message_of
from claude_telemetry_collector.alerts.rules import ENOUGH_CALLS, MONTH, RECENT
from claude_telemetry_collector.alerts.watch import MOST_TOLD_APART
from claude_telemetry_collector.queries import MEASURES
from tests.support.incidents import DEAR_CALL, opened

PAGE = (Path(__file__).parents[2] / "docs/alerts.md").read_text(encoding="utf-8")


def test_every_default_rule_is_a_row_with_its_threshold_and_setting() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| `--([\w-]+)` \|$", PAGE, re.MULTILINE)
    rules = default_rules(settle("collect", environ={}))
    assert [row[0] for row in rows] == [rule.name for rule in rules]
    assert {row[3] for row in rows} <= {setting.flag.removeprefix("--") for setting in SETTINGS}
    for rule, (_, broken, over, _) in zip(rules, rows, strict=True):
        if not rule.silence:
            shown = rule.threshold * 100 if MEASURES[rule.metric].unit == "ratio" else rule.threshold
            assert f" {shown.normalize():,f}" in broken
        assert ("UTC day" in over) == (rule.window is None)
        assert (f"at least {ENOUGH_CALLS} calls" in over) == (rule.min_calls == ENOUGH_CALLS)
        if rule.window is not None:
            days, minutes = rule.window.days, rule.window // timedelta(minutes=1)
            assert (f"{days} days" if days else f"{minutes} minutes") in over
        assert ("each model" in over) == (rule.by is not None)


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    assert timedelta(minutes=5) == RECENT
    assert (LOOKS_TO_CLOSE, TIMEOUT_S, MOST_TOLD_APART) == (2, 5, 10)
    assert timedelta(days=30) == MONTH
    assert [FIRST_PAUSE.total_seconds(), LONGEST_PAUSE.total_seconds(), GIVE_UP_AFTER.total_seconds()] == [
        2,
        300,
        86400,
    ]


def test_what_the_page_says_of_unpriced_calls_is_what_is_told() -> None:
    day = replace(
        opened(DEAR_CALL).incident,
        metric="cost_usd",
        calls=4000,
        value=Decimal("100.50"),
        unknown=12,
        unpriced=12,
    )
    counted = replace(day, value=Decimal("106.50"), unpriced_usd=Decimal(6), unknown=13)
    text = " ".join(PAGE.split())
    for incident in (day, counted):
        assert f"`{wording.reading(opened(incident))}`" in text


def test_the_message_on_the_page_is_the_message_that_is_sent() -> None:
    block = PAGE.split("```text\n")[1].split("\n```")[0]
    assert block == message_of(opened(DEAR_CALL), "http://127.0.0.1:8501")["text"]
