"""pydantic-ai: which run of an agent a call is part of.

pydantic-ai keeps the context of the current run for whoever is below, so that nothing has to be hooked. It counts there
how often the agent's output was asked for again. What an agent's tool asks Claude by itself is part of the run, too.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from claude_telemetry.bridges.runs import Labels, look_at, run_labels


def run_here() -> Labels | None:
    context = _current() if _current is not None else None
    if context is None:
        return None
    agent = getattr(context, "agent", None)
    return run_labels("pydantic-ai", getattr(agent, "name", None), context.run_id, context.retry)


def lay(module: ModuleType) -> None:
    """Labels the calls of all agents. `module` has `get_current_run_context` (pydantic-ai 1.40 and newer)."""
    global _current
    _current = module.get_current_run_context
    # As the last: what another framework asks within an agent's tool is a run of that framework.
    look_at(run_here, last=True)


_current: Callable[[], Any] | None = None
