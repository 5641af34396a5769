"""The usage objects of answers: worked out from request and answer, or made up of iterations.

An *iteration* is one run of a model within an answer: turns of a server-side tool loop, a compaction, an advisor's
word, an attempt that handed over to a fallback (`BetaUsage.iterations` in anthropic 2.10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from claude_telemetry.fake.prompt_cache import PromptCache, tokens_of
from claude_telemetry.fake.steps import Answer

_SUMMED = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_SPLIT = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


class Meter:
    """Knows the prompt cache. Thread-safe."""

    def __init__(self) -> None:
        self._cache = PromptCache()

    def usage_of(self, body: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
        """What `answer` says it used: what it was told to say, else what follows from the request and the content."""
        if answer.usage is not None:
            return dict(answer.usage)
        usage: dict[str, Any] = {
            **self._cache.input_usage(body),
            "output_tokens": sum(tokens_of(_written(block)) for block in answer.content) or 1,
            "service_tier": "standard",
            "inference_geo": body.get("inference_geo") or "global",
        }
        thinking = sum(tokens_of(block["thinking"]) for block in answer.content if block["type"] == "thinking")
        return {**usage, "output_tokens_details": {"thinking_tokens": thinking}} if thinking else usage


def iteration(
    kind: Literal["message", "compaction", "advisor_message", "fallback_message"],
    input_tokens: int,
    output_tokens: int,
    *,
    model: str | None = None,
    written_5m: int = 0,
    written_1h: int = 0,
    read: int = 0,
) -> dict[str, Any]:
    """One entry of `usage.iterations`, in tokens. Advisors and fallbacks say their model, others may."""
    named = {} if model is None else {"model": model}
    return {
        "type": kind,
        **named,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": written_5m + written_1h,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written_5m, "ephemeral_1h_input_tokens": written_1h},
    }


def usage_of_iterations(iterations: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A usage object with these iterations, and with the top level that the API would give it.

    That is the sum of the model's own runs: no compaction, no advisor, and of an answer by a fallback only its runs.
    """
    server = next((entry["model"] for entry in iterations if entry["type"] == "fallback_message"), None)
    own = [
        entry
        for entry in iterations
        if entry["type"] in ("message", "fallback_message") and (server is None or entry.get("model") == server)
    ]
    return {
        **{name: sum(entry[name] for entry in own) for name in _SUMMED},
        "cache_creation": {name: sum(entry["cache_creation"][name] for entry in own) for name in _SPLIT},
        "iterations": [dict(entry) for entry in iterations],
        **more,
    }


def _written(block: Mapping[str, Any]) -> object:
    """What of a block the model wrote."""
    return block.get("text") or block.get("thinking") or block.get("input") or block
