"""The sample application: what it asks is known, and all of it is recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from claude_telemetry.demo.features import FEATURES, question
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.weather import Weather
from claude_telemetry.pricing import price_version
from tests.support.otlp import OtlpReceiver


def text(value: str) -> str:
    """Of an attribute's value as the receiver keeps it."""
    return value.strip().removeprefix("string_value: ").strip('"')


def test_the_same_seed_asks_the_same_questions() -> None:
    assert [question(number, 1) for number in range(50)] == [question(number, 1) for number in range(50)]
    assert [question(number, 1) for number in range(50)] != [question(number, 2) for number in range(50)]


def test_it_does_what_an_application_does() -> None:
    asked = [question(number, 1) for number in range(1, 1001)]
    assert {each.feature.name for each in asked} == {feature.name for feature in FEATURES}
    assert len({each.user for each in asked}) > 10
    assert any(each.request["max_tokens"] == 0 for each in asked)
    assert any(each.stops_after_events for each in asked)
    assert any(not each.feature.stream for each in asked)
    assert any("tools" in each.request for each in asked)
    assert {block["cache_control"]["ttl"] for each in asked for block in each.request.get("system", ())} == {"5m", "1h"}


def test_every_model_that_it_uses_has_a_price(capsys: pytest.CaptureFixture[str]) -> None:
    from claude_telemetry.price import main

    for model in sorted({model for feature in FEATURES for model in feature.models}):
        assert main([model]) == 0, f"{model} is not in the price book {price_version()}"


def test_a_run_of_known_length_ends_by_itself_with_everything_delivered() -> None:
    with FakeClaude(behaviour=Weather(seed=1, pace=0)) as claude, OtlpReceiver() as receiver:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "claude_telemetry.demo.app", "--calls=60", "--seed=3", "--pause=0"),
                *(f"--base-url={claude.url}", f"--endpoint={receiver.url}"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        served, recorded = claude.ledger, receiver.attributes
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("60 calls: ")
    assert len(recorded) == 60
    answered = Counter(one.message_id for one in served if one.message_id)
    assert Counter(text(one["gen_ai.response.id"]) for one in recorded if "gen_ai.response.id" in one) == answered
    assert {text(one["claude.feature"]) for one in recorded} <= {feature.name for feature in FEATURES}
    assert "parcel" not in json.dumps(recorded)  # a word of the questions and of the answers
