"""What the API asks of a request before it answers, and how it says no."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.steps import Failure, failure

_MOST_BYTES = 32 * 1024 * 1024


def json_of(body: bytes) -> Any:
    """Parsed, or `None` when it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def unknown_client(exchange: Exchange, *, version_in_body: bool) -> Failure | None:
    """Why nothing is done for whoever sent the request, in the order in which the API looks; `None` when it is."""
    if not exchange.headers.get("x-api-key") and not exchange.headers.get("authorization"):
        return failure(401, message="x-api-key header is required")
    if not version_in_body and not exchange.headers.get("anthropic-version"):
        return failure(400, message="anthropic-version: header is required")
    if len(exchange.body) > _MOST_BYTES:
        return failure(413, message="Request exceeds the maximum size")
    return None


def unfit(exchange: Exchange, body: object, needs: Sequence[str]) -> Failure | None:
    """Why a question to a model is turned away, whose body `needs` these; `None` when it is not."""
    if exchange.command != "POST":
        return failure(405, message="Method Not Allowed")
    if not isinstance(body, dict):
        return failure(400, message="The request body is not valid JSON.")
    asked = cast("dict[str, Any]", body)
    missing = missing_in(asked, needs)
    if missing is not None:
        return failure(400, message=f"{missing}: Field required")
    messages = asked.get("messages", [None])
    if not isinstance(messages, list) or not messages:
        return failure(400, message="messages: at least one message is required")
    most = asked.get("max_tokens", 1)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        return failure(400, message="max_tokens: Input should be greater than or equal to 1")
    return None


def missing_in(body: Mapping[str, Any], needs: Sequence[str]) -> str | None:
    """The first of what a body needs that it does not have."""
    return next((name for name in needs if name not in body), None)


def object_in(value: object) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects_in(body: object, name: str) -> list[dict[str, Any]]:
    """The objects in the list that `body` has under `name`; none when it has no such list."""
    listed: object = object_in(body).get(name)
    items = cast("list[object]", listed) if isinstance(listed, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
