"""LangChain: which run of a chain, an agent or a model a call is part of.

LangChain tells its callbacks when a run begins and ends. `register_configure_hook` is its way to have one at every run
without the application handing it over. A run of a model makes one call, which then finds its run waiting here; its
name and id are those of the outermost run, as LangSmith calls the trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final, cast

from claude_telemetry.bridges.runs import Labels, is_looked_at, look_at, run_labels
from claude_telemetry.guard import guarded

_MOST: Final = 10_000
"""Runs that are known at once: what an abandoned stream leaves behind is given up beyond it."""


class _Waiting:
    """A run of a model that has yet to make its call."""

    __slots__ = ("labels",)

    def __init__(self, labels: Labels) -> None:
        self.labels: Labels | None = labels
        """`None` once they are taken."""


# Changed in place, since a run may begin in one context and go on in copies of it.
_waiting: ContextVar[tuple[_Waiting, ...]] = ContextVar("claude_telemetry_langchain", default=())


def run_here() -> Labels | None:
    """The run of the model that makes the call that begins here: of several that wait, they go in order."""
    for run in _waiting.get():
        if run.labels is not None:
            labels, run.labels = run.labels, None
            return labels
    return None


class Runs:
    """What goes on, as LangChain tells it to a callback handler. Thread-safe."""

    run_inline = True
    """In the context of the run itself, and not beside it."""
    ignore_retry = ignore_custom_event = True

    def __init__(self) -> None:
        self._outermost: dict[object, tuple[object, object]] = {}
        """The id and the name of the outermost run, by the id of each that goes on."""
        self._models: dict[object, _Waiting] = {}

    @property
    def _ignores(self) -> bool:
        return not is_looked_at(run_here)

    # Tools go by `ignore_agent`.
    ignore_llm = ignore_chat_model = ignore_chain = ignore_agent = ignore_retriever = _ignores

    def on_chat_model_start(self, serialized: object, _: object, /, **run: Any) -> None:
        with guarded("begin a run of LangChain's"):
            run_id, name = self._began(serialized, run)
            waiting = _Waiting(run_labels("langchain", name, run_id))
            self._models[run["run_id"]] = waiting
            _waiting.set((*(other for other in _waiting.get() if other.labels is not None), waiting))

    on_llm_start = on_chat_model_start

    def on_llm_end(self, _: object, /, **run: Any) -> None:
        self._ended(run)

    on_llm_error = on_llm_end

    def on_chain_start(self, serialized: object, _: object, /, **run: Any) -> None:
        with guarded("begin a run of LangChain's"):
            self._began(serialized, run)

    def on_chain_end(self, _: object, /, **run: Any) -> None:
        self._ended(run)

    on_tool_start = on_retriever_start = on_chain_start
    on_tool_end = on_retriever_end = on_chain_end
    on_chain_error = on_tool_error = on_retriever_error = on_chain_end

    def _began(self, serialized: object, run: Mapping[str, Any]) -> tuple[object, object]:
        """The id and the name of the outermost run around one that begins, which is itself if none is known."""
        run_id = run["run_id"]
        outermost = self._outermost.get(run.get("parent_run_id")) or (run_id, run.get("name") or _name_of(serialized))
        while len(self._outermost) >= _MOST:
            oldest = next(iter(self._outermost))
            self._outermost.pop(oldest, None)
            self._models.pop(oldest, None)
        self._outermost[run_id] = outermost
        return outermost

    def _ended(self, run: Mapping[str, Any]) -> None:
        with guarded("end a run of LangChain's"):
            self._outermost.pop(run["run_id"], None)
            waiting = self._models.pop(run["run_id"], None)
            if waiting is not None:
                waiting.labels = None  # it had its answer from a cache, and makes no call any more


def lay(module: ModuleType) -> None:
    """Has LangChain tell its runs. `module` is `langchain_core.tracers.context`."""
    global _handler
    if _handler is None:
        from importlib import import_module

        base = import_module("langchain_core.callbacks.base").BaseCallbackHandler
        handler = type("ClaudeTelemetryRuns", (Runs, base), {})()
        _handler = ContextVar("claude_telemetry_langchain_handler", default=handler)
        module.register_configure_hook(_handler, inheritable=True)
    look_at(run_here)


_handler: ContextVar[Any] | None = None
"""One for the process, since LangChain keeps what it has registered."""


def _name_of(serialized: object) -> object:
    """The class of a model or chain, as LangChain writes it down."""
    if not isinstance(serialized, dict):
        return None
    written = cast("dict[str, Any]", serialized)
    path: Any = written.get("id")
    return written.get("name") or (path[-1] if path else None)
