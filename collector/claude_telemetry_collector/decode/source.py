"""A *source*: one kind of producer that tells of calls, and where in its spans and records the facts stand.

How each of them counts, and what it gets wrong, was seen with a stand-in for the API whose usage was always the same
(the table of dialects, 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from claude_telemetry_collector.decode.paths import Told

Basis = Literal["inclusive", "exclusive", "unknown"]
Says = Literal["call", "detail", "wrapper"]

Facts = dict[str, Any]
"""By column of `Call`, and by these words:

`told_input` (as the source counts it), `total_tokens`, `counted_apart` (this input leaves the cached parts out),
`cache_incomplete` (not all that was read and written is told), `compaction_input`, `compaction_output`, `searches`
(seen one by one), `reported_cost`, `conversation`, `ttft_s`, `retries`, `ran_s` (until it was told of) and
`maker_unknown` (it may be Claude, or another model).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One kind of producer."""

    name: str
    """As `calls.source` has it."""
    basis: Basis
    """Whether its count of the input holds the cached parts."""
    scopes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """What its instrumentation scopes are, or begin with."""
    says: Callable[[Told], Says | None]
    """What a span of such a scope is, or `None` for nothing of interest."""
    paths: Mapping[str, tuple[str, ...]]
    """By fact: where it stands, best first."""
    only_claude: bool = False
    """Whether whatever it tells of is a call to Claude, so that no name has to say so."""
    is_the_applications: bool = True
    """Whether the resource is that of the application that made the call."""
    mend: Callable[[Told, Facts], None] | None = None
    """What no path can say."""
    event_names: frozenset[str] = frozenset()
    """The log records that it tells calls with."""

    def has(self, scope: str) -> bool:
        """Whether it tells of calls in `scope`."""
        return scope in self.scopes or (bool(self.prefixes) and scope.startswith(self.prefixes))


GEN_AI: Mapping[str, tuple[str, ...]] = {
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "request_model": ("gen_ai.request.model",),
    "model": ("gen_ai.response.model",),
    "message_id": ("gen_ai.response.id",),
    "stream": ("gen_ai.request.stream",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "told_input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
    ),
    "thinking_tokens": ("gen_ai.usage.reasoning.output_tokens",),
    "stop_reason": ("gen_ai.response.finish_reasons",),
    "error_type": ("error.type",),
    "conversation": ("gen_ai.conversation.id",),
    "ttft_s": ("gen_ai.response.time_to_first_chunk",),
    "http_status": ("http.response.status_code", "http.status_code"),
    "effort": ("gen_ai.request.reasoning.level",),
    "request_id": ("anthropic.request.id",),
    "user_id": ("user.id", "enduser.id"),
    "session_id": ("session.id",),
    "prompt_name": ("gen_ai.prompt.name",),
    "prompt_version": ("gen_ai.prompt.version",),
    "region": ("cloud.region", "aws.region"),
    "temperature": ("gen_ai.request.temperature",),
}
"""The conventions, with what they were called before: 1.27 renamed the counts, 1.40 added the cache, August 2026
renamed its writes."""

LABELS = ("user_id", "session_id", "conversation", "feature", "prompt_name", "prompt_version")
"""What the calls below a wrapper have of it."""


def with_paths(**own: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """The conventions' paths, with those of `own` before them."""
    return {**GEN_AI, **{fact: (*paths, *GEN_AI.get(fact, ())) for fact, paths in own.items()}}
