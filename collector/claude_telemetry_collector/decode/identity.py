"""Who tells of a call: what kind of source it is, and how much its word counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from claude_telemetry.record import BOOKKEEPING
from claude_telemetry_collector.decode import claude_code, claude_platform
from claude_telemetry_collector.decode.landed import LandedCall

OURS = "claude_telemetry"
SDK = "anthropic_sdk"

Nature = Literal["ours", "sdk", "api", "session", "code_event", "code_span", "library", "event"]
"""What kind of source told of a call."""

_NATURES: Mapping[str, Nature] = {
    OURS: "ours",
    SDK: "sdk",
    claude_platform.MESSAGES: "api",
    claude_platform.SESSIONS: "session",
    claude_code.EVENT: "code_event",
    claude_code.SPAN: "code_span",
}

_RANKS: Mapping[str, int] = {
    claude_platform.MESSAGES: 10,
    claude_platform.SESSIONS: 10,
    OURS: 15,
    SDK: 20,
    claude_code.EVENT: 30,
    claude_code.SPAN: 40,
    "openllmetry_langchain": 60,
    "openinference_langchain": 60,
    "openinference": 60,
    "openlit_anthropic": 60,
    "langsmith": 60,
    "spring_ai": 60,
    "langfuse": 70,
    "gen_ai_generic": 80,
}
_DIRECT, _EVENTS = 50, 80


def nature_of(source: str) -> Nature:
    return _NATURES.get(source) or ("event" if source.endswith("_event") else "library")


def rank_of_source(source: str) -> int:
    """Whose numbers count: the lower, the better."""
    return _RANKS.get(source) or (_EVENTS if source.endswith("_event") else _DIRECT)


def takes_part(call: LandedCall) -> bool:
    """Whether others may tell of `call` too: what asks no model, and a result of a batch, is told by nobody else."""
    return call.record.call.operation not in BOOKKEEPING and call.record.call.custom_id is None


def total_input(call: LandedCall) -> int | None:
    """The whole input of `call`, cached parts included."""
    facts = call.record.call
    if facts.input_tokens is None:
        return None
    return facts.input_tokens + (facts.cache_read_tokens or 0) + (facts.cache_write_tokens or 0)
