"""An incident as a Slack message, through an incoming webhook.

The address of the webhook is a secret: who knows it can post. It is in no log, no error and no table.

Limits and escaping: https://docs.slack.dev/reference/block-kit/blocks and .../messaging/formatting-message-text
(read 2026-11-20).
"""

from __future__ import annotations

import ipaddress
import logging
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from slack_sdk.webhook import WebhookClient, WebhookResponse

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.alerts.notify import NotToldError, wording
from claude_telemetry_collector.store.incidents import Notice

TIMEOUT_S = 5

HEADER_CHARACTERS = 150
SECTION_CHARACTERS = 3000
TEXT_CHARACTERS = 3000

_OPENED, _CLOSED = "\N{LARGE RED CIRCLE}", "\N{LARGE GREEN CIRCLE}"
_MOST_ANSWER_BYTES = 64 * 1024


class SlackNotifier:
    """Posts to an incoming webhook. `dashboard_url` is where people who read the message find the dashboard."""

    name = "slack"

    def __init__(self, webhook_url: str, *, dashboard_url: str, timeout_s: int = TIMEOUT_S) -> None:
        if urlsplit(webhook_url).scheme not in ("http", "https") or not urlsplit(webhook_url).hostname:
            raise SettingsError(
                "CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL is set, but is no web address: "
                "give what Slack shows for an incoming webhook, https://hooks.slack.com/services/…"
            )
        self._client = _DirectClient(webhook_url, timeout=timeout_s, logger=_silence(), retry_handlers=[])
        self._dashboard_url = dashboard_url

    def tell(self, notice: Notice) -> None:
        """Posts `notice`; when Slack does not like its form, as plain text. Raises `NotToldError`."""
        message = message_of(notice, self._dashboard_url)
        answer = self._post(message)
        if answer.status_code == 400:
            # A broken layout must not cost the news.
            answer = self._post({"text": message["text"]})
        if answer.status_code != 200:
            raise NotToldError(
                f"status {answer.status_code}",
                retry_after=_retry_after(answer.headers),
                only_this=answer.status_code == 400,
            )

    def _post(self, message: Mapping[str, Any]) -> WebhookResponse:
        try:
            return self._client.send_dict(dict(message))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            # The type only: what the client says may quote the address.
            raise NotToldError(type(getattr(error, "reason", error)).__name__) from None


def message_of(notice: Notice, dashboard_url: str) -> dict[str, Any]:
    """The webhook's payload: blocks for Slack, and `text` for notifications and screen readers."""
    sign = _OPENED if notice.told == "opened" else _CLOSED
    headline = f"{sign} {wording.headline(notice)}"
    facts = wording.facts(notice)
    alerts, call = wording.alerts_page(dashboard_url), wording.call_page(dashboard_url, notice.incident)
    links = [f"<{escaped(alerts)}|Open the alerts>", *([f"<{escaped(call)}|Open the call>"] if call else [])]
    text = "\n".join(
        [
            headline,
            wording.reading(notice),
            *(f"{name}: {fact}" for name, fact in facts.items()),
            *([call] if call else []),
            alerts,
        ]
    )
    return {
        "text": capped(escaped(text), TEXT_CHARACTERS),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": headline[:HEADER_CHARACTERS]}},
            _section(f"*{escaped(wording.reading(notice))}*"),
            _section("\n".join(f"*{name}:* {escaped(fact)}" for name, fact in facts.items())),
            _section(" · ".join(links)),
        ],
    }


def escaped(text: str) -> str:
    """`text` as Slack shows it literally: nothing in it is a link, a mention or a command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def capped(text: str, most: int) -> str:
    """`text`, cut to what Slack takes, and never within an escaped character."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    start = cut.rfind("&", len(cut) - 5)
    return (cut[:start] if start >= 0 and ";" not in cut[start:] else cut) + "…"


def _section(text: str) -> dict[str, Any]:
    # `verbatim`: Slack would otherwise turn what looks like an address or a channel in a label into a link.
    return {"type": "section", "text": {"type": "mrkdwn", "text": capped(text, SECTION_CHARACTERS), "verbatim": True}}


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    for name, value in headers.items():
        if name.lower() == "retry-after" and value.strip().isdigit():
            return timedelta(seconds=int(value))
    return None


class _DirectClient(WebhookClient):
    """Posts without a proxy to this machine, and follows no redirect: a redirected POST arrives as an empty GET."""

    def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
        # `slack_sdk` takes HTTPS_PROXY for every address, whatever NO_PROXY says. `ProxyHandler()` heeds both.
        proxies = urllib.request.ProxyHandler({}) if _is_loopback(url) else urllib.request.ProxyHandler()
        opener = urllib.request.build_opener(proxies, _NoRedirect)
        with opener.open(req, timeout=self.timeout) as answer:
            body = answer.read(_MOST_ANSWER_BYTES).decode("utf-8", "replace")
            return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _silence() -> logging.Logger:
    """A logger that says nothing: `slack_sdk` writes the address and every message into its debug log, and takes an
    unset level for debug."""
    logger = logging.Logger("claude_telemetry_collector.alerts.slack_sdk", logging.CRITICAL + 1)
    logger.disabled = True
    return logger
