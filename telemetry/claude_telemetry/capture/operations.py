"""Which request is which operation, and whose price list holds.

At the client's `request` every platform's client still has the Claude API's own path and the model in the body; the
rewriting for Bedrock or Vertex is below it. That is why a call is named there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked for."""

    span_name: str
    """As the SDK's own tracing names it, so that a call has one name whatever made its span."""
    name: str
    """OpenTelemetry's `gen_ai.operation.name`."""
    route: str
    billed: bool


_OPERATIONS = {
    ("post", "/v1/messages"): Operation("anthropic.messages.create", "chat", "/v1/messages", True),
    ("post", "/v1/messages/count_tokens"): Operation(
        "anthropic.messages.count_tokens", "count_tokens", "/v1/messages/count_tokens", False
    ),
}


def operation_of(method: str, path: str) -> Operation | None:
    """The operation of a request of the SDK, or `None` for one that is not recorded."""
    return _OPERATIONS.get((method.lower(), path.partition("?")[0]))


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


def request_attributes(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What else of a request the SDK's own tracing records, by the same names. Never content."""
    thinking, effort = _inner(asked, "thinking"), _inner(asked, "output_config").get("effort")
    attributes: dict[str, Any] = {
        "gen_ai.request.reasoning.level": effort,
        "anthropic.request.service_tier": asked.get("service_tier"),
        "anthropic.thinking.type": thinking.get("type"),
        "anthropic.thinking.budget_tokens": thinking.get("budget_tokens"),
    }
    return {name: value for name, value in attributes.items() if isinstance(value, str | int)}


def _inner(asked: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = asked.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
