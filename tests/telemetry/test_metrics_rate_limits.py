"""Rate limits as gauges: what the last answer said, as long as it may still hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from claude_telemetry.emit.metrics import CallMetrics, gauges
from claude_telemetry.record.rate_limit import RateLimit, RateLimits
from tests.support.metered import an_app

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def time(self) -> float:
        return START.timestamp() + self.passed_s

    def monotonic(self) -> float:
        return 1000 + self.passed_s


class Answers:
    """What the answers to an application say."""

    def __init__(self) -> None:
        self.app = an_app()

    def say(
        self, *limits: RateLimit, organization_id: str | None = "org_1", model: str | None = "claude-opus-5"
    ) -> None:
        self.app.metrics.rate_limits(RateLimits(limits=limits), organization_id=organization_id, model=model)

    def shown(self, name: str = "claude.rate_limit.remaining") -> list[tuple[Any, dict[str, Any]]]:
        return self.app.reader.points().get(name, [])

    def values(self) -> list[Any]:
        return [value for value, _ in self.shown()]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(gauges, "time", clock)
    return clock


@pytest.fixture
def answers(clock: Clock) -> Answers:
    return Answers()


def requests(remaining: int | None, reset_s: float | None = 1, limit: int | None = 4000) -> RateLimit:
    reset_at = None if reset_s is None else START + timedelta(seconds=reset_s)
    return RateLimit(kind="requests", limit=limit, remaining=remaining, reset_at=reset_at)


def test_a_limit_is_shown_by_organization_model_and_kind(answers: Answers) -> None:
    answers.say(requests(3999), RateLimit(kind="input_tokens", limit=2_000_000, remaining=0, reset_at=START))
    of = {"anthropic.organization.id": "org_1", "gen_ai.request.model": "claude-opus-5"}
    assert answers.shown("claude.rate_limit.remaining") == [
        (3999, {**of, "claude.rate_limit.type": "requests"}),
        (0, {**of, "claude.rate_limit.type": "input_tokens"}),
    ]
    assert answers.shown("claude.rate_limit.limit") == [
        (4000, {**of, "claude.rate_limit.type": "requests"}),
        (2_000_000, {**of, "claude.rate_limit.type": "input_tokens"}),
    ]


def test_the_last_answer_counts(answers: Answers) -> None:
    answers.say(requests(3999))
    answers.say(requests(12))
    answers.say(requests(500), model="claude-haiku-5")
    assert answers.values() == [12, 500]


def test_what_an_answer_did_not_say_is_not_shown(answers: Answers) -> None:
    tokens = RateLimit(kind="tokens", remaining=9000)
    answers.say(requests(None), tokens, organization_id=None, model=None)
    assert answers.shown() == [(9000, {"claude.rate_limit.type": "tokens"})]
    assert answers.shown("claude.rate_limit.limit") == [(4000, {"claude.rate_limit.type": "requests"})]


def test_a_limit_drops_out_after_its_reset(answers: Answers, clock: Clock) -> None:
    answers.say(requests(0, reset_s=300))
    clock.passed_s = 299
    assert answers.values() == [0]
    clock.passed_s = 301
    assert answers.values() == []


def test_a_limit_that_resets_at_once_is_shown_for_a_minute(answers: Answers, clock: Clock) -> None:
    answers.say(requests(3999, reset_s=0))
    clock.passed_s = 59
    assert answers.values() == [3999]
    clock.passed_s = 61
    assert answers.values() == []


def test_a_limit_without_a_reset_is_shown_for_a_minute(answers: Answers, clock: Clock) -> None:
    answers.say(requests(7, reset_s=None))
    clock.passed_s = 59
    assert answers.values() == [7]
    clock.passed_s = 61
    assert answers.values() == []


def test_a_clock_that_is_years_off_shows_a_limit_for_an_hour_at_most(answers: Answers, clock: Clock) -> None:
    answers.say(requests(7, reset_s=365 * 24 * 3600))
    clock.passed_s = 3599
    assert answers.values() == [7]
    clock.passed_s = 3601
    assert answers.values() == []


def test_organizations_are_bounded(answers: Answers) -> None:
    for number in range(60):
        answers.say(requests(number), organization_id=f"org_{number}")
    shown = answers.shown()
    assert len(shown) == 51
    assert [value for value, of in shown if of["anthropic.organization.id"] == "_other"] == [59]


def test_nothing_is_shown_after_stopping(answers: Answers) -> None:
    answers.say(requests(7))
    answers.app.metrics.stop()
    answers.say(requests(6))
    assert answers.values() == []


def test_nothing_is_kept_without_a_provider(clock: Clock) -> None:
    metrics = CallMetrics(environ={}, version="1")
    metrics.rate_limits(RateLimits(limits=(requests(7),)), organization_id="org_1", model=None)
    assert list(metrics.headroom.points()) == []
