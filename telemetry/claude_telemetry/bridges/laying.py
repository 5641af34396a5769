"""Lays the bridge of each framework that the application imports, before `instrument` or after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType

from claude_telemetry.bridges.arrivals import Arrivals
from claude_telemetry.bridges.runs import look_at_none
from claude_telemetry.guard import guarded


def lay_bridges() -> None:
    """Lays the bridges of the frameworks that are imported, and of others when they are. Never raises."""
    with guarded("watch for frameworks"):
        for name in _BRIDGES:
            if name in sys.modules:
                _lay(name)
            else:
                _arrivals.expect(name, _lay)


def take_up_bridges() -> None:
    """No framework is asked any more, nor waited for. What hangs in one stays there, and does nothing."""
    _arrivals.expect_none()
    look_at_none()


def _langchain(module: ModuleType) -> None:
    from claude_telemetry.bridges.langchain import lay

    lay(module)


def _instructor(module: ModuleType) -> None:
    from claude_telemetry.bridges.instructor import lay

    lay(module)


def _pydantic_ai(module: ModuleType) -> None:
    from claude_telemetry.bridges.pydantic_ai import lay

    lay(module)


_BRIDGES: Mapping[str, Callable[[ModuleType], None]] = {
    # LangChain imports it when it first looks for callbacks, and looks into it for those only then.
    "langchain_core.tracers.context": _langchain,
    # Where the clients are defined, by version: 1.16 and newer, from 1.11, before.
    "instructor.v2.core.client": _instructor,
    "instructor.core.client": _instructor,
    "instructor.client": _instructor,
    "pydantic_ai._run_context": _pydantic_ai,
}
"""By the module that has to be there."""

_arrivals = Arrivals()


def _lay(name: str) -> None:
    with guarded(f"label the runs of {name.partition('.')[0]}"):
        _BRIDGES[name](sys.modules[name])
