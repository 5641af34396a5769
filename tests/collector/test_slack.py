"""An incident as a Slack message: what it says, what it never does, and how it ends when Slack is unwell."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.fake import FakeSlack
from claude_telemetry_collector.alerts.notify import NotToldError, wording
from claude_telemetry_collector.alerts.notify.slack import (
    HEADER_CHARACTERS,
    SECTION_CHARACTERS,
    SlackNotifier,
    capped,
    escaped,
    message_of,
)
from claude_telemetry_collector.store.incidents import Incident, Notice
from tests.support.incidents import DEAR_CALL, NAMELESS, SPIKE, opened

DASHBOARD = "http://dash.example:8501"


def closed(incident: Incident, **facts: Any) -> Notice:
    ended = {"closed_at": incident.opened_at + timedelta(minutes=12, seconds=30), "closed_why": "within", **facts}
    return replace(opened(replace(incident, **ended)), told="closed")


def strings_of(message: object) -> list[str]:
    if isinstance(message, str):
        return [message]
    parts: list[Any] = []
    if isinstance(message, dict):
        parts = list(message.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    elif isinstance(message, list):
        parts = message  # pyright: ignore[reportUnknownVariableType]
    return [text for part in parts for text in strings_of(part)]


def test_an_opened_incident_as_people_read_it() -> None:
    assert message_of(opened(DEAR_CALL), DASHBOARD) == {
        "text": (
            "🔴 Cost of one call is above $5.00\n"
            "at least $12.50, the most of 41 calls, 3 calls unpriced\n"
            "Threshold: above $5.00\n"
            "Window: the last 5 minutes\n"
            "Calls: all\n"
            "Since: 2026-11-20 12:00:00 UTC\n"
            f"http://dash.example:8501/calls?call={'ab' * 16}-{'cd' * 8}\n"
            "http://dash.example:8501/alerts"
        ),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "🔴 Cost of one call is above $5.00"}},
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "*at least $12.50, the most of 41 calls, 3 calls unpriced*",
                    "verbatim": True,
                },
            },
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": (
                        "*Threshold:* above $5.00\n"
                        "*Window:* the last 5 minutes\n"
                        "*Calls:* all\n"
                        "*Since:* 2026-11-20 12:00:00 UTC"
                    ),
                    "verbatim": True,
                },
            },
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": (
                        "<http://dash.example:8501/alerts|Open the alerts> · "
                        f"<http://dash.example:8501/calls?call={'ab' * 16}-{'cd' * 8}|Open the call>"
                    ),
                    "verbatim": True,
                },
            },
        ],
    }


def test_a_closed_incident_says_how_long_and_how_bad() -> None:
    assert message_of(closed(SPIKE, last_value=Decimal("0.0125"), last_calls=80), DASHBOARD)["text"] == (
        "🟢 Error rate was above 5 %: over\n"
        "1.25 % over 80 calls\n"
        "Threshold: above 5 %\n"
        "Window: the last 5 minutes\n"
        'Calls: feature = chat, model = it\'s "quoted"\n'
        "Since: 2026-11-20 12:00:00 UTC\n"
        "Until: 2026-11-20 12:12:30 UTC (12 minutes 30 seconds)\n"
        "Worst: 25 %\n"
        "http://dash.example:8501/alerts"
    )


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"closed_why": "no_calls"}, "There are no more calls to judge by."),
        ({"closed_why": "rule_off"}, "The rule was turned off while it was broken."),
    ],
)
def test_a_closed_incident_says_why(facts: dict[str, Any], says: str) -> None:
    assert wording.reading(closed(SPIKE, **facts)) == says


DAY = replace(
    SPIKE, metric="cost_usd", segment={}, window_s=None, threshold=Decimal(100), value=Decimal("100.5"), calls=4000
)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"unpriced": 0}, "$100.50 over 4,000 calls"),
        ({"unknown": 12, "unpriced": 12}, "at least $100.50 over 4,000 calls, 12 calls unpriced"),
        ({"unknown": 1, "unpriced": 1}, "at least $100.50 over 4,000 calls, 1 call unpriced"),
        (
            {"unknown": 5, "unpriced": 3},
            "at least $100.50 over 4,000 calls, 3 calls unpriced, 2 calls priced in part",
        ),
        ({"unknown": 2, "unpriced": 0}, "at least $100.50 over 4,000 calls, 2 calls priced in part"),
        # As it was kept before unpriced calls were counted apart.
        ({"unknown": 2}, "at least $100.50 over 4,000 calls; 2 of them not fully known"),
        (
            {"unknown": 12, "unpriced": 12, "unpriced_usd": Decimal(6)},
            "counted as $100.50 over 4,000 calls: $94.50, and 12 unpriced calls at $0.50 each",
        ),
        (
            {"unknown": 13, "unpriced": 12, "unpriced_usd": Decimal(6)},
            "counted as $100.50 over 4,000 calls: at least $94.50, and 12 unpriced calls at $0.50 each",
        ),
        (
            {"calls": 201, "unknown": 201, "unpriced": 201, "unpriced_usd": Decimal("100.5")},
            "counted as $100.50 over 201 calls: 201 unpriced calls at $0.50 each",
        ),
    ],
)
def test_a_budget_says_what_it_makes_of_unpriced_calls(facts: dict[str, Any], says: str) -> None:
    day = replace(DAY, **facts)
    assert wording.reading(opened(day)) == says
    last = {f"last_{name}": value for name, value in {"value": DAY.value, "calls": DAY.calls, **facts}.items()}
    assert wording.reading(closed(day, **last)) == says


def test_a_budget_that_unpriced_calls_add_nothing_to_says_so() -> None:
    told = wording.facts(opened(replace(DAY, unknown=12, unpriced=12)))
    assert told["Unpriced calls"] == "add nothing to it"
    for facts in ({"unpriced": 0}, {"unpriced": 12, "unpriced_usd": Decimal(6)}, {"unpriced": None}):
        assert "Unpriced calls" not in wording.facts(opened(replace(DAY, **facts)))


def test_a_model_without_a_price_is_named() -> None:
    assert message_of(opened(NAMELESS), DASHBOARD)["text"] == (
        "🔴 A model has no price\n"
        "1 call to claude-foo-9 has no price, and costs are at least what is shown.\n"
        "Threshold: above 0 calls\n"
        "Window: the last 30 days\n"
        "Calls: model = claude-foo-9\n"
        "Since: 2026-11-20 12:00:00 UTC\n"
        "What to do: give it a price: the alerts page has the lines for your price file\n"
        "http://dash.example:8501/alerts"
    )


@pytest.mark.parametrize(
    ("why", "headline", "reading"),
    [
        ("within", "A model has its price now", "Every call to claude-foo-9 has a price now."),
        ("no_calls", "A model without a price: over", "There are no more calls to judge by."),
        ("rule_off", "A model without a price: over", "The rule was turned off while it was broken."),
    ],
)
def test_a_model_that_has_its_price_is_told_of_too(why: str, headline: str, reading: str) -> None:
    notice = closed(NAMELESS, closed_why=why)
    assert (wording.headline(notice), wording.reading(notice)) == (headline, reading)
    assert "What to do" not in wording.facts(notice)


def test_a_price_that_is_missing_from_several_calls_is_missing_from_all() -> None:
    said = wording.reading(opened(replace(NAMELESS, value=Decimal(1200))))
    assert said == "1,200 calls to claude-foo-9 have no price, and costs are at least what is shown."


def test_silence_has_words_of_its_own() -> None:
    silence = replace(
        SPIKE,
        metric="requests",
        direction="below",
        threshold=Decimal(1),
        window_s=3600,
        value=Decimal(0),
        last_value=Decimal(3),
        segment={},
    )
    assert wording.headline(opened(silence)) == "No calls are coming in"
    assert wording.reading(opened(silence)) == "0 calls in the last 1 hour"
    assert wording.headline(closed(silence)) == "Calls are coming in again"
    assert wording.reading(closed(silence)) == "3 calls in the last 1 hour"


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("cost_usd", "1234.5", "$1,234.50"),
        ("cost_usd", "0", "$0.00"),
        ("cost_usd", "0.000250000000", "$0.00025"),
        ("duration_p95_ms", "31234.5", "31,234.5 ms"),
        ("error_ratio", "0.050505050505", "5.05 %"),
        ("error_ratio", "1", "100 %"),
        ("call_tokens_max", "512345", "512,345 tokens"),
        ("call_tokens_max", "1", "1 token"),
        ("requests", "3", "3 calls"),
    ],
)
def test_numbers_have_units(metric: str, value: str, shown: str) -> None:
    assert wording.number(metric, Decimal(value)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 seconds"), (1, "1 second"), (300, "5 minutes"), (3661, "1 hour 1 minute"), (90000, "1 day 1 hour")],
)
def test_lengths_of_time_are_said_in_their_largest_units(seconds: int, shown: str) -> None:
    assert wording.span(timedelta(seconds=seconds)) == shown


EVIL = (
    "<!channel>",
    "<!everyone> & <@U123|you>",
    "<https://evil.example|Open the alerts>",
    "a\nThreshold: none\r\n\x00\x1b[31m\u2028b",
    "&lt;!here&gt;",
    "x" * 100_000,
    "&" * 10_000,
)


@pytest.mark.parametrize(
    ("incident", "lines"), [(replace(SPIKE, segment={"feature": ""}), 6), (NAMELESS, 7)], ids=["label", "model"]
)
@pytest.mark.parametrize("label", EVIL)
def test_a_label_can_neither_call_people_nor_link_nor_add_lines(label: str, incident: Incident, lines: int) -> None:
    segment = dict.fromkeys(incident.segment, label)
    message = message_of(opened(replace(incident, segment=segment)), DASHBOARD)
    strings = strings_of(message)
    for text in strings:
        assert "<!" not in text
        assert "<@" not in text
        assert text.count("<") == text.count("<http://dash.example:8501/")
    assert message["text"].count("\n") == lines
    assert all(len(text) <= SECTION_CHARACTERS for text in strings)
    assert len(message["blocks"][0]["text"]["text"]) <= HEADER_CHARACTERS
    assert sum(map(len, strings)) <= 10_000


def test_many_labels_do_not_make_a_message_too_long() -> None:
    segment = {f"label{number}": "&" * 200 for number in range(40)}
    message = message_of(opened(replace(SPIKE, segment=segment)), DASHBOARD)
    assert all(len(text) <= SECTION_CHARACTERS for text in strings_of(message))


def test_text_is_cut_between_characters_and_not_within_an_escaped_one() -> None:
    assert capped(escaped("ab&cd"), 9) == "ab&amp;cd"
    assert capped(escaped("ab&cd&e"), 9) == "ab&amp;c…"
    assert capped(escaped("ab&cd"), 8) == "ab&amp;…"
    assert capped(escaped("ab&cd"), 7) == "ab…"


def test_a_notice_is_posted_once(slack: FakeSlack) -> None:
    SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert slack.messages == [message_of(opened(SPIKE), DASHBOARD)]


@pytest.mark.parametrize("status", [302, 403, 404, 410, 429, 500, 503])
def test_an_answer_other_than_ok_is_told_to_the_sender_at_once(slack: FakeSlack, status: int) -> None:
    slack.fail(status)
    with pytest.raises(NotToldError) as caught:
        SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert (caught.value.why, caught.value.only_this) == (f"status {status}", False)
    # One try only: trying again is the outbox's affair.
    assert slack.refusals == [status]


def test_slack_says_when_to_come_back(slack: FakeSlack) -> None:
    slack.fail(429, retry_after=37)
    with pytest.raises(NotToldError) as caught:
        SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert caught.value.retry_after == timedelta(seconds=37)


def test_a_layout_that_slack_does_not_take_becomes_plain_text(slack: FakeSlack) -> None:
    slack.fail(400)
    SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert slack.messages == [{"text": message_of(opened(SPIKE), DASHBOARD)["text"]}]


def test_a_text_that_slack_does_not_take_is_that_notices_own_trouble(slack: FakeSlack) -> None:
    slack.fail(400, times=2)
    with pytest.raises(NotToldError) as caught:
        SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert caught.value.only_this


def test_nobody_at_the_other_end_is_trouble_and_no_crash() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/services/T/B/secret"
    with pytest.raises(NotToldError, match="ConnectionRefusedError"):
        SlackNotifier(url, dashboard_url=DASHBOARD).tell(opened(SPIKE))


def test_a_slack_that_says_nothing_is_given_up_on() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/services/T/B/secret"
        with pytest.raises(NotToldError, match="TimeoutError"):
            SlackNotifier(url, dashboard_url=DASHBOARD, timeout_s=1).tell(opened(SPIKE))


def test_this_machine_is_reached_without_a_proxy(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert len(slack.messages) == 1


def test_a_redirect_is_not_followed_and_not_taken_for_success() -> None:
    visits: list[str] = []
    with elsewhere(visits) as target, pytest.raises(NotToldError, match="status 302"):
        SlackNotifier(f"{target}/moved", dashboard_url=DASHBOARD).tell(opened(SPIKE))
    assert visits == ["POST /moved"]


def test_the_address_is_in_no_log_and_no_error(slack: FakeSlack, caplog: pytest.LogCaptureFixture) -> None:
    secret = slack.url.rsplit("/", 1)[1]
    slack.fail(500, times=1)
    with caplog.at_level(logging.DEBUG), pytest.raises(NotToldError) as caught:
        SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    with caplog.at_level(logging.DEBUG):
        SlackNotifier(slack.url, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    unusable = "http://127.0.0.1:1/services/with space and\ncontrol/secret"
    with caplog.at_level(logging.DEBUG), pytest.raises(NotToldError) as refused:
        SlackNotifier(unusable, dashboard_url=DASHBOARD).tell(opened(SPIKE))
    said = caplog.text + repr(caught.value) + repr(refused.value) + json.dumps(slack.messages)
    assert secret not in said
    assert "/services" not in said


@pytest.mark.parametrize("url", ["hooks.slack.com/services/T/B/secret", "file:///etc/secret", "https://", "secret"])
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="SLACK_WEBHOOK_URL is set, but is no web address") as caught:
        SlackNotifier(url, dashboard_url=DASHBOARD)
    assert "secret" not in str(caught.value)


@contextmanager
def elsewhere(visits: list[str]) -> Generator[str]:
    """A server whose `/moved` points to its `/new`, which says ok to everything."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def do_GET(self) -> None:
            visits.append(f"{self.command} {self.path}")
            self.send_response(302 if self.path == "/moved" else 200)
            if self.path == "/moved":
                self.send_header("location", "/new")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
