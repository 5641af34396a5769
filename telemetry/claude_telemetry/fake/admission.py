"""What the API asks of a request before it answers, and how it says no."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.steps import Failure, failure

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_NEEDED: Mapping[str, tuple[str, ...]] = {
    MESSAGES: ("model", "messages", "max_tokens"),
    COUNT_TOKENS: ("model", "messages"),
}
_MOST_BYTES = 32 * 1024 * 1024


def json_of(body: bytes) -> Any:
    """Parsed, or `None` when it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def refusal(exchange: Exchange, path: str, body: object) -> Failure | None:
    """Why the request is turned away, in the order in which the API looks; `None` when it is not."""
    if path not in _NEEDED:
        return failure(404, message="Not Found")
    if exchange.command != "POST":
        return failure(405, message="Method Not Allowed")
    if not exchange.headers.get("x-api-key") and not exchange.headers.get("authorization"):
        return failure(401, message="x-api-key header is required")
    if not exchange.headers.get("anthropic-version"):
        return failure(400, message="anthropic-version: header is required")
    if len(exchange.body) > _MOST_BYTES:
        return failure(413, message="Request exceeds the maximum size")
    if not isinstance(body, dict):
        return failure(400, message="The request body is not valid JSON.")
    return _unfit(path, cast("dict[str, Any]", body))


def _unfit(path: str, body: Mapping[str, Any]) -> Failure | None:
    for name in _NEEDED[path]:
        if name not in body:
            return failure(400, message=f"{name}: Field required")
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        return failure(400, message="messages: at least one message is required")
    most = body.get("max_tokens")
    if path == MESSAGES and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        return failure(400, message="max_tokens: Input should be greater than or equal to 1")
    return None
