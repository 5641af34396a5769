"""Which request is which operation, and whose price list holds.

At the client's `request` every platform's client still has the Claude API's own path and the model in the body; the
rewriting for Bedrock or Vertex is below it. That is why a call is named there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Tells = Literal["answer", "batch", "batch_results", "session", "session_events", "nothing"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked for."""

    span_name: str
    """As the SDK's own tracing names it, so that a call has one name whatever made its span."""
    name: str
    """`gen_ai.operation.name`: OpenTelemetry's where it has one."""
    route: str
    method: str = "POST"
    billed: bool = False
    """Whether an answer to it can cost money by itself."""
    tells: Tells = "nothing"
    """What the body of the response tells of."""
    subject: str | None = None
    """The id in the path: of a batch, or of a session."""


_BATCHES, _SESSIONS = "/v1/messages/batches", "/v1/sessions"

_OPERATIONS = {
    ("post", "/v1/messages"): Operation(
        "anthropic.messages.create", "chat", "/v1/messages", billed=True, tells="answer"
    ),
    ("post", "/v1/messages/count_tokens"): Operation(
        "anthropic.messages.count_tokens", "count_tokens", "/v1/messages/count_tokens", tells="answer"
    ),
    ("post", "/v1/complete"): Operation(
        "anthropic.completions.create", "text_completion", "/v1/complete", billed=True, tells="answer"
    ),
    ("post", _BATCHES): Operation("anthropic.messages.batches.create", "batch_create", _BATCHES, tells="batch"),
    ("get", _BATCHES): Operation("anthropic.messages.batches.list", "batch_list", _BATCHES, "GET"),
    ("post", _SESSIONS): Operation("anthropic.sessions.create", "session_create", _SESSIONS, tells="session"),
}

_OF_A_BATCH: dict[tuple[str, str], tuple[str, Tells]] = {
    ("get", ""): ("retrieve", "batch"),
    ("delete", ""): ("delete", "nothing"),
    ("post", "/cancel"): ("cancel", "nothing"),
    ("get", "/results"): ("results", "batch_results"),
}
_OF_A_SESSION: dict[tuple[str, str], tuple[str, str, Tells]] = {
    ("get", ""): ("retrieve", "session_retrieve", "session"),
    ("get", "/events"): ("events.list", "session_events", "session_events"),
    ("get", "/events/stream"): ("events.stream", "session_events", "session_events"),
    ("get", "/threads/{thread_id}/events"): ("threads.events.list", "session_events", "session_events"),
    ("get", "/threads/{thread_id}/stream"): ("threads.events.stream", "session_events", "session_events"),
}

# A batch's results are at an address of their own, which the API gives whole.
_BATCH = re.compile(r"(?:https?://[^/]+)?(?:/.*)?/v1/messages/batches/([^/?]+)(/cancel|/results|)")
_SESSION = re.compile(r"/v1/sessions/([^/?]+)(/.*|)")
_THREAD = re.compile(r"^/threads/[^/]+")


@lru_cache(maxsize=4096)
def operation_of(method: str, url: str) -> Operation | None:
    """The operation of a request of the SDK, or `None` for one that is not recorded."""
    method, path = method.lower(), url.partition("?")[0]
    return _OPERATIONS.get((method, path)) or _of_a_batch(method, path) or _of_a_session(method, path)


def _of_a_batch(method: str, path: str) -> Operation | None:
    found = _BATCH.fullmatch(path)
    known = _OF_A_BATCH.get((method, found[2])) if found is not None else None
    if found is None or known is None:
        return None
    verb, tells = known
    return Operation(
        span_name=f"anthropic.messages.batches.{verb}",
        name=f"batch_{verb}",
        route=f"{_BATCHES}/{{message_batch_id}}{found[2]}",
        method=method.upper(),
        tells=tells,
        subject=found[1],
    )


def _of_a_session(method: str, path: str) -> Operation | None:
    found = _SESSION.fullmatch(path)
    if found is None:
        return None
    rest = _THREAD.sub("/threads/{thread_id}", found[2])
    known = _OF_A_SESSION.get((method, rest))
    if known is None:
        return None
    verb, name, tells = known
    return Operation(
        span_name=f"anthropic.sessions.{verb}",
        name=name,
        route=f"{_SESSIONS}/{{session_id}}{rest}",
        method=method.upper(),
        tells=tells,
        subject=found[1],
    )


@dataclass(frozen=True, slots=True)
class Platform:
    """Who serves, and whose prices hold."""

    name: str
    provider: str
    """OpenTelemetry's `gen_ai.provider.name`, as the SDK's own tracing gives it."""


_ANTHROPIC = Platform("anthropic", "anthropic")

# By the module that defines a client's class; the first that fits.
_PLATFORMS = (
    ("anthropic.lib.bedrock", Platform("bedrock", "aws.bedrock")),
    ("anthropic.lib.vertex", Platform("vertex", "gcp.vertex_ai")),
    ("anthropic.lib.google_cloud", Platform("google_cloud", "anthropic")),
    ("anthropic.lib.foundry", Platform("foundry", "anthropic")),
    ("anthropic.lib.aws", Platform("claude_platform_aws", "anthropic")),
)


@lru_cache(maxsize=64)
def platform_of(client_class: type) -> Platform:
    """The platform of a client, also of an application's own subclass."""
    for base in client_class.__mro__:
        for module, platform in _PLATFORMS:
            if base.__module__.startswith(module):
                return platform
    return _ANTHROPIC


def region_of(client: Any) -> str | None:
    """The region that a cloud's client was made for. `None` where there is none, or it is not known."""
    for name in ("region", "aws_region"):
        region = getattr(client, name, None)
        if isinstance(region, str) and region:
            return region
    return None
