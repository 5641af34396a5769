"""The stand-in for a Slack webhook, posted to by the real client."""

from __future__ import annotations

import pytest
from slack_sdk.webhook import WebhookClient

from claude_telemetry.fake import FakeSlack


def test_a_message_is_kept_as_it_was_posted(slack: FakeSlack) -> None:
    response = WebhookClient(slack.url).send(text="Error rate is 7 %")
    assert (response.status_code, response.body) == (200, "ok")
    assert slack.messages == [{"text": "Error rate is 7 %"}]


def test_it_can_refuse_for_a_while(slack: FakeSlack) -> None:
    slack.fail(429, times=1, retry_after=3)
    slack.fail(500, times=1)
    client = WebhookClient(slack.url)

    limited, broken, fine = (client.send(text="hello") for _ in range(3))

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert broken.status_code == 500
    assert fine.status_code == 200
    assert slack.refusals == [429, 500]
    assert slack.messages == [{"text": "hello"}]


def test_an_empty_message_or_a_wrong_path_is_refused_as_slack_does(slack: FakeSlack) -> None:
    assert WebhookClient(slack.url).send(text="").body == "no_text"
    assert WebhookClient(slack.url + "x").send(text="hello").body == "no_service"
    assert slack.messages == []


def test_an_echoing_one_prints_what_people_would_read(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeSlack(echo=True) as slack:
        WebhookClient(slack.url).send(text="P95 is 40 s\nsince 10:02")
    assert capsys.readouterr().out == "[slack] P95 is 40 s\n[slack] since 10:02\n"
