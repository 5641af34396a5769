"""What an application has to be ready in: items that data tells about, and items that only people can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Dimension = Literal["Security", "Reliability", "Cost control", "Observability", "Scalability"]
State = Literal["met", "partly", "open", "unknown"]

DIMENSIONS: tuple[Dimension, ...] = ("Security", "Reliability", "Cost control", "Observability", "Scalability")

BY_HAND: Mapping[Dimension, Mapping[str, str]] = {
    "Security": {
        "keys_kept_secret": "API keys lie in a secret store, one for each environment, and are rotated",
        "retention_agreed": "How long Anthropic keeps what is sent is agreed (zero retention, where it has to be)",
        "usage_policy_read": "The usage policy was read, and the feature is one that it allows",
        "disclosed": "People know that they talk to an AI",
        "injection_tested": "What tools may do was tried with hostile input",
    },
    "Reliability": {
        "timeouts_set": "Timeouts are set, 60 to 120 s, and streams are used for what takes longer",
        "works_without": "What the application does while the API is away was tried out",
    },
    "Cost control": {
        "spend_limit_set": "A spend limit is set in the Claude Console",
        "budget_owner": "Somebody owns the budget, and reads the alerts",
    },
    "Observability": {
        "weekly_review": "Somebody looks at errors, costs and findings once a week",
        "samples_read": "10 to 15 answers are read by people after each change of a prompt",
    },
    "Scalability": {
        "load_tested": "The expected peak was tried out",
        "limits_raised": "The rate limits hold for the expected peak, or higher ones were asked for",
    },
}
"""What only people can say, by its name in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to be ready in. All words are ours."""

    name: str
    dimension: Dimension
    title: str
    state: State
    said: str
    """What the data says to it."""
    page: str
    """Where to see more: the name of a page in its URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """An item by hand."""

    name: str
    dimension: Dimension
    title: str
    done: bool
    at: datetime | None
    """When it was last ticked, or unticked, UTC."""
