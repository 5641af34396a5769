"""What the sample application does with Claude: a *feature* is one way of asking, for some users, with one prompt."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One part of the sample application."""

    name: str
    weight: int
    """How often it is used, beside the others."""
    models: Sequence[str]
    prompt: str
    versions: Sequence[str]
    max_tokens: int
    stream: bool = False
    handbook_words: int = 0
    """The length of a fixed text in front of each question, which the prompt cache keeps."""
    lifetime: str = "5m"
    tools: Sequence[str] = ()
    thinking: bool = False


FEATURES: Sequence[Feature] = (
    Feature(
        name="support chat",
        weight=40,
        models=("claude-sonnet-5-5", "claude-sonnet-5-5", "claude-sonnet-5"),
        prompt="support",
        versions=("v12", "v13"),
        max_tokens=600,
        stream=True,
        handbook_words=2600,
        tools=("find_order", "open_ticket"),
    ),
    Feature(
        name="ticket triage",
        weight=30,
        models=("claude-haiku-5-5", "claude-haiku-4-5-20251001"),
        prompt="triage",
        versions=("2026-10", "2026-11"),
        max_tokens=64,
    ),
    Feature(
        name="summaries",
        weight=18,
        models=("claude-haiku-5-5", "claude-sonnet-4-6"),
        prompt="summary",
        versions=("v3",),
        max_tokens=400,
    ),
    Feature(
        name="contract review",
        weight=9,
        models=("claude-opus-5-5",),
        prompt="contract-review",
        versions=("v1", "v2"),
        max_tokens=1200,
        stream=True,
        handbook_words=6500,
        lifetime="1h",
        thinking=True,
    ),
    Feature(
        name="weekly report",
        weight=3,
        models=("claude-fable-5-2",),
        prompt="report",
        versions=("v7",),
        max_tokens=800,
        stream=True,
        tools=("sales_figures",),
    ),
)

USERS: Sequence[str] = tuple(f"user-{number:02}" for number in range(1, 25))
TENANTS: Sequence[str] = ("acme", "globex", "initech")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call to be made."""

    feature: Feature
    user: str
    session: str
    tenant: str
    version: str
    request: dict[str, Any]
    """What the SDK is called with."""
    stops_after_events: int | None
    """A stream that the user leaves after so many events. `None`: it is read to its end."""


def question(number: int, seed: int) -> Question:
    """The question of this number: the same for the same `seed`, whoever asks it and when."""
    draw = random.Random(f"{seed}/{number}")  # noqa: S311 - made-up traffic, not secrets
    feature = draw.choices(FEATURES, [feature.weight for feature in FEATURES])[0]
    # A few users ask most of the questions.
    user = USERS[min(int(draw.expovariate(0.15)), len(USERS) - 1)]
    version = draw.choice(feature.versions)
    return Question(
        feature=feature,
        user=user,
        session=f"{user}/{number // 200}",
        tenant=TENANTS[sum(user.encode()) % len(TENANTS)],
        version=version,
        request=_request(feature, version, draw),
        stops_after_events=draw.randrange(4, 8) if feature.stream and draw.random() < 0.05 else None,
    )


def _request(feature: Feature, version: str, draw: random.Random) -> dict[str, Any]:
    # One in two hundred is a mistake of the application, which the API refuses.
    most = 0 if draw.random() < 0.005 else feature.max_tokens
    request: dict[str, Any] = {
        "model": draw.choice(feature.models),
        "max_tokens": most,
        "messages": _messages(feature, draw),
    }
    if feature.handbook_words:
        control = {"type": "ephemeral", "ttl": feature.lifetime}
        request["system"] = [{"type": "text", "text": _handbook(feature, version), "cache_control": control}]
    if feature.tools:
        request["tools"] = [
            {"name": name, "description": f"Calls {name}.", "input_schema": {"type": "object", "properties": {}}}
            for name in feature.tools
        ]
    if feature.thinking:
        request["thinking"] = {"type": "adaptive"}
    return request


def _messages(feature: Feature, draw: random.Random) -> list[dict[str, Any]]:
    asked = {"role": "user", "content": _words(draw, draw.randrange(20, 400))}
    if not feature.tools or draw.random() < 0.6:
        return [asked]
    # The second turn of a tool: what it found comes back with the question.
    tool_use = {"type": "tool_use", "id": "toolu_01demo", "name": feature.tools[0], "input": {"number": 7}}
    result = {"type": "tool_result", "tool_use_id": "toolu_01demo", "content": _words(draw, 60)}
    return [asked, {"role": "assistant", "content": [tool_use]}, {"role": "user", "content": [result]}]


def _handbook(feature: Feature, version: str) -> str:
    return _words(random.Random(f"{feature.name}/{version}"), feature.handbook_words)  # noqa: S311 - a fixed text


def _words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(_SAID.split(), k=count))


_SAID = (
    "please could you tell me where the parcel is and when our invoice will be sent because the customer asked again "
    "about delivery refund contract clause renewal notice period payment terms and the usual discount for large orders"
)
