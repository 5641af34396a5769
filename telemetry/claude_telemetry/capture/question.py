"""What is known of a call when the application asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from claude_telemetry.bridges import framework_labels
from claude_telemetry.capture.fingerprint import Fingerprinter
from claude_telemetry.capture.operations import Operation, Platform, platform_of, region_of
from claude_telemetry.guard import guarded
from claude_telemetry.labels import current_labels


@dataclass(slots=True, kw_only=True)
class Question:
    """The question of one call."""

    operation: Operation
    platform: Platform
    region: str | None
    base_url: Any
    """The client's, as the HTTP library's URL."""
    stream: bool
    facts: dict[str, Any]
    """What is known of the call by the names of columns, labels among it."""
    beta: list[str] | None
    """The names of the beta features that the call asks for."""
    asks_for_json: bool
    batched_requests: int | None
    """How many requests the batch has that it creates."""

    @classmethod
    def of(cls, client: Any, options: Any, operation: Operation, *, stream: bool) -> Question:
        """The question that `client` is about to put with the SDK's `options`."""
        platform = platform_of(client.__class__)
        asked: object = options.json_data
        body = cast("Mapping[str, Any]", asked) if isinstance(asked, dict) else _NO_BODY
        facts: dict[str, Any] = {
            "provider": platform.provider,
            "platform": platform.name,
            "operation": operation.name,
        }
        region = None if platform.name == "anthropic" else region_of(client)
        if region is not None:
            facts["region"] = region
        beta, asks_for_json, batched_requests = None, False, None
        with guarded("take the labels of a call"):
            facts.update(_labels(body))
            facts.update(framework_labels())
        with guarded("look at what a call asks for"):
            ask(facts, body)
            if operation.name == "chat":
                beta, asks_for_json = _beta(options.headers), _asks_for_json(body)
            elif operation.name == "batch_create":
                batched_requests = _batched(body)
        if stream:
            facts["stream"] = True
        elif operation.billed:
            facts["stream"] = False
        if operation.subject is not None:
            facts["session_id" if operation.tells in ("session", "session_events") else "batch_id"] = operation.subject
        return cls(
            operation=operation,
            platform=platform,
            region=region,
            base_url=client.base_url,
            stream=stream,
            facts=facts,
            beta=beta,
            asks_for_json=asks_for_json,
            batched_requests=batched_requests,
        )

    def take_fingerprint(self, fingerprinter: Fingerprinter, body: object) -> None:
        """Adds keyed hashes of the prompt's parts in the request's `body`."""
        if isinstance(body, dict):
            found = fingerprinter.of(cast("Mapping[str, Any]", body))
            hashes = (
                ("prompt_fingerprint", found.prompt),
                ("system_fingerprint", found.system),
                ("tools_fingerprint", found.tools),
                ("cache_fingerprints", ",".join(found.cache_prefixes)),
            )
            for column, value in hashes:
                if value:
                    self.facts[column] = value

    @property
    def model(self) -> str | None:
        return self.facts.get("request_model")

    def first_attributes(self) -> dict[str, Any]:
        """What a span starts with, so that a sampler sees it. As the SDK's own tracing has it."""
        operation, url, facts = self.operation, self.base_url, self.facts
        attributes: dict[str, Any] = {
            "server.address": url.host,
            "server.port": url.port or (80 if url.scheme == "http" else 443),
            "gen_ai.provider.name": self.platform.provider,
            "http.request.method": operation.method,
            "http.route": operation.route,
        }
        if operation.billed:
            attributes["gen_ai.operation.name"] = operation.name
        if self.stream:
            attributes["gen_ai.request.stream"] = True
        if self.beta:
            attributes["anthropic.beta"] = self.beta
        if self.asks_for_json:
            attributes["gen_ai.output.type"] = "json"
        if self.batched_requests is not None:
            attributes["anthropic.message.batch.request_count"] = self.batched_requests
        if operation.subject is not None and "session_id" in facts:
            attributes["anthropic.session.id"] = operation.subject
        for column, name in _ON_START:
            value = facts.get(column)
            if value is not None:
                attributes[name] = value
        return attributes


LABEL_COLUMNS = (
    "user_id",
    "session_id",
    "feature",
    "prompt_name",
    "prompt_version",
    "tenant",
    "environment",
    "api_key_alias",
    "tags",
    "framework",
    "run_name",
    "run_id",
)
"""The columns that say whose a call is: what a batch's results have from its creation."""

# Column, field of the request's body, type.
_ASKED: tuple[tuple[str, str, type], ...] = (
    ("request_model", "model", str),
    ("max_tokens", "max_tokens", int),
    ("requested_service_tier", "service_tier", str),
)
_COUNTED = (("message_count", "messages"), ("tool_count", "tools"))
_ON_START = (("request_model", "gen_ai.request.model"), ("max_tokens", "gen_ai.request.max_tokens"))
_NO_BODY: Mapping[str, Any] = {}


def ask(facts: dict[str, Any], body: Mapping[str, Any]) -> None:
    """Puts into `facts` what the request's `body` asks for, by the names of columns. Never content.

    Only scalars are looked at, and how long lists are: other values can be iterators that can be read once, by the SDK.
    """
    for column, name, kind in _ASKED:
        value = body.get(name)
        if value.__class__ is kind:
            facts[column] = value
    temperature = body.get("temperature")
    if temperature.__class__ is float or temperature.__class__ is int:
        facts["temperature"] = float(cast("float", temperature))
    for column, name in _COUNTED:
        listed = body.get(name)
        if isinstance(listed, list | tuple):
            facts[column] = len(cast("list[object]", listed))
    thinking = body.get("thinking")
    if isinstance(thinking, dict):
        thinking = cast("Mapping[str, object]", thinking)
        if isinstance(kind_of := thinking.get("type"), str):
            facts["thinking"] = kind_of
        if (budget := thinking.get("budget_tokens")).__class__ is int:
            facts["thinking_budget_tokens"] = budget
    output = body.get("output_config")
    if isinstance(output, dict) and isinstance(effort := cast("Mapping[str, object]", output).get("effort"), str):
        facts["effort"] = effort


def _labels(body: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels that hold; without a user among them, the one that the request names in its `metadata`."""
    labels = current_labels()
    metadata = body.get("metadata")
    if "user_id" in labels or not isinstance(metadata, dict):
        return labels
    user = cast("Mapping[str, object]", metadata).get("user_id")
    return {**labels, "user_id": user} if isinstance(user, str) and user else labels


def _asks_for_json(body: Mapping[str, Any]) -> bool:
    output = body.get("output_config")
    formats = (
        cast("Mapping[str, object]", output).get("format") if isinstance(output, dict) else None,
        body.get("output_format"),
    )
    return any(isinstance(one, dict) and cast("Any", one).get("type") == "json_schema" for one in formats)


def _batched(body: Mapping[str, Any]) -> int | None:
    requests = body.get("requests")
    return len(cast("list[object]", requests)) if isinstance(requests, list) else None


def _beta(headers: Any) -> list[str] | None:
    """The value of the call's own `anthropic-beta` header, which is on the allow-list. No other header is read."""
    if not isinstance(headers, dict) or not headers:
        return None
    for name, value in cast("dict[object, object]", headers).items():
        if isinstance(name, str) and name.lower() == "anthropic-beta" and isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
    return None
