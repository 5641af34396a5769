"""What an application does with the SDK, told once, with what has to be recorded of it.

A *scenario* is a function that plays an application: it makes calls through an `App`, shows with `saw` what it got, and
returns what must be recorded, one `Expected` for each call. It is played in several *modes*:

- `bare`: without us, to see what the application then gets;
- `own`: the application has a tracer provider, and the SDK's own tracing is off;
- `adopted`: it has one, and the SDK's tracing is on;
- `delivered`: the same, but it is looked at what leaves for the collector, and not at the application's spans;
- `unsampled`: the same, and a sampler says no to everything;
- `alone`: no tracer provider anywhere, and calls leave for the collector.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from anthropic import Anthropic

from tests.scenarios.app import App

Mode = Literal["bare", "own", "adopted", "delivered", "unsampled", "alone"]
Play = Callable[[App], Any]
"""Returns a sequence of `Expected`, or is a coroutine function that does."""
Need = Callable[[], bool]
"""Whether the installed SDK, or another package, has what a scenario is about."""

SCENARIOS: list[Scenario] = []


@dataclass(frozen=True, kw_only=True)
class Scenario:
    name: str
    play: Play
    prepare: Callable[[App], Any] | None
    """What the application does before telemetry is switched on; it finds the result in `App.kept`."""
    backend: Literal["asyncio", "trio"]
    modes: tuple[Mode, ...]
    """In which it is held against what is expected."""
    ordered: bool
    """Whether the calls begin in the order in which they are expected, and not in any."""
    same_shape: bool
    """Whether own and adopted spans are alike. They are not where the SDK ends its span in its own time."""


def scenario(
    *needs: Need,
    prepare: Callable[[App], Any] | None = None,
    backend: Literal["asyncio", "trio"] = "asyncio",
    only: Literal["own", "adopted"] | None = None,
    ordered: bool = True,
    same_shape: bool = True,
) -> Callable[[Play], Play]:
    """Adds a scenario, unless the installed SDK has no such thing: that is what `needs` find out."""

    def add(play: Play) -> Play:
        if all(need() for need in needs):
            modes: tuple[Mode, ...] = ("own", "alone", "unsampled")
            if sdk_traces():
                modes = (*modes, "adopted", "delivered")
            SCENARIOS.append(
                Scenario(
                    name=f"{play.__module__.rpartition('.')[2]}.{play.__name__}",
                    play=play,
                    prepare=prepare,
                    backend=backend,
                    modes=tuple(mode for mode in modes if only in (None, mode)),
                    ordered=ordered,
                    same_shape=same_shape and only is None,
                )
            )
        return play

    return add


def sdk_traces() -> bool:
    """Whether the SDK has tracing of its own (from anthropic 1.14 on)."""
    return "open_telemetry" in inspect.signature(Anthropic.__init__).parameters
