"""How much more the API will take, as the headers of an answer say it.

A limit belongs to an organization and a model, not to a call, so it is shown as a metric and is no part of `Call`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One kind of limit at the time of one answer. `None` means that the answer did not say it, or not readably."""

    kind: str
    """What is limited: `requests`, `input_tokens`, `priority_output_tokens`, …"""
    limit: int | None = None
    """How much a period allows in all."""
    remaining: int | None = None
    """How much of it is left. The API rounds tokens to thousands."""
    reset_at: datetime | None = None
    """When all of it is there again, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What one answer says about limits: one entry for each kind, at least one."""

    limits: tuple[RateLimit, ...]
