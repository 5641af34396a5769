"""Plays a scenario once in each mode, and keeps what came of it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import logging
import sys
import time
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind

from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from claude_telemetry.record import CallRecord
from claude_telemetry.record.attributes import SCOPE
from tests.scenarios.app import App, described
from tests.scenarios.delivered import Receiver
from tests.scenarios.expected import Expected
from tests.scenarios.scenario import Mode, Scenario, sdk_traces
from tests.support.recorded import record_of

_SDK_SCOPE = "com.anthropic.sdk.python"
_OUR_CONTEXT = ("claude_telemetry", "current_context")
"""How the names of our context variables and of OpenTelemetry's one begin."""
_MEANT_TO_STAY = "claude_telemetry_last_call"
"""What a tool or an event that follows is linked to."""


_DELIVERED: tuple[Mode, ...] = ("delivered", "unsampled", "alone")
"""The modes in which calls leave the process."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of one play."""

    expected: list[Expected]
    records: list[CallRecord]
    """Of calls, by start: from the application's spans, or as they were delivered."""
    names: list[str]
    """Of their spans."""
    spans: list[ReadableSpan]
    """The application's, of calls, by start."""
    seen: list[Any]
    """What the application got."""
    complaints: list[str]
    """Warnings, lines of the log from warning on, and exceptions that nobody could catch."""
    slips: Mapping[str, int]
    """Telemetry's own failures, by what it was doing."""
    leaked: Mapping[str, str]
    """Context variables that are not as they were, by name."""
    elapsed_ms: float


@functools.cache
def played(scenario: Scenario, mode: Mode) -> Played:
    """What came of playing `scenario` in `mode`. It is played once, whoever asks."""
    app = App(_claude(), partial(_tracing, mode), partial(_settings, mode), sampled=mode != "unsampled")
    slips_before, got_before = slips(), len(_receiver().got)
    try:
        with _complaints() as complaints:
            app.kept = scenario.prepare(app) if scenario.prepare is not None else None
            app.instrument()
            started = time.perf_counter()
            expected, leaked = _play(scenario, app)
            elapsed_ms = (time.perf_counter() - started) * 1000
            app.uninstrument()
    except BaseException:
        _claude.cache_clear()  # it may still have something to do that the scenario did not come to
        raise
    finally:
        app.uninstrument()
        app.close()
    spans = sorted(filter(_is_call, app.ended_spans()), key=lambda span: span.start_time or 0)
    calls = _receiver().got[got_before:] if mode in _DELIVERED else [(span.name, record_of(span)) for span in spans]
    calls.sort(key=lambda call: call[1].call.started_at)
    came = Played(
        expected=list(expected),
        records=[record for _, record in calls],
        names=[name for name, _ in calls],
        spans=spans,
        seen=app.seen,
        complaints=complaints,
        slips={doing: n - slips_before.get(doing, 0) for doing, n in slips().items() if n > slips_before.get(doing, 0)},
        leaked=leaked,
        elapsed_ms=elapsed_ms,
    )
    gc.freeze()  # it is kept, and a scenario that collects what it dropped need not look through it
    return came


def _play(scenario: Scenario, app: App) -> tuple[list[Expected], dict[str, str]]:
    """What is expected, and what has leaked into the context that it was played in."""

    def sync() -> tuple[list[Expected], dict[str, str]]:
        before = _context()
        expected = list(scenario.play(app))
        return expected, _differences(before, _context())

    async def in_a_task() -> tuple[list[Expected], dict[str, str]]:
        before = _context()
        expected = list(await scenario.play(app))
        return expected, _differences(before, _context())

    if not inspect.iscoroutinefunction(scenario.play):
        return contextvars.copy_context().run(sync)
    if scenario.backend == "trio":
        import trio

        return trio.run(in_a_task)
    return asyncio.run(in_a_task())


@functools.cache
def _claude() -> FakeClaude:
    """One stand-in for all, so that its address is the same in every mode. A daemon: it ends with the process."""
    claude = FakeClaude()
    claude.start()
    return claude


@functools.cache
def _receiver() -> Receiver:
    return Receiver()


def _tracing(mode: Mode, provider: TracerProvider) -> dict[str, Any]:
    """What a client is made with."""
    if mode == "alone" or not sdk_traces():
        return {}  # as most are: the SDK's tracing is on, and finds no provider
    return {"open_telemetry": {"traces": False} if mode in ("bare", "own") else {"tracer_provider": provider}}


def _settings(mode: Mode, provider: TracerProvider) -> dict[str, Any] | None:
    """What telemetry is switched on with."""
    if mode == "bare":
        return None
    given: dict[str, Any] = {} if mode == "alone" else {"tracer_provider": provider}
    return {**given, "endpoint": _receiver().url} if mode in _DELIVERED else {**given, "export": False}


def _is_call(span: ReadableSpan) -> bool:
    """Whether it counts as a call: one of ours, or one of the SDK's. Tool runs and the like are `INTERNAL`."""
    scope = span.instrumentation_scope
    ours = scope is not None and (scope.name == SCOPE or scope.name.startswith(_SDK_SCOPE))
    return ours and span.kind is SpanKind.CLIENT


def _context() -> dict[str, int]:
    """What our context variables and OpenTelemetry's hold, by name; one that holds `None` is as good as empty."""
    return {
        variable.name: id(value)
        for variable, value in contextvars.copy_context().items()
        if value is not None and variable.name.startswith(_OUR_CONTEXT) and variable.name != _MEANT_TO_STAY
    }


def _differences(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, str]:
    names = before.keys() | after.keys()
    return {name: f"{before.get(name)} → {after.get(name)}" for name in names if before.get(name) != after.get(name)}


class _Kept(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"log: {record.name}: {described(record.getMessage())}")


@contextmanager
def _complaints() -> Generator[list[str]]:
    """Keeps what would otherwise be written somewhere in the application's output."""
    kept: list[str] = []
    handler = _Kept(kept)
    root, hook = logging.getLogger(), sys.unraisablehook

    def unraisable(raised: sys.UnraisableHookArgs) -> None:
        kept.append(f"unraisable: {raised.exc_type.__name__}: {raised.exc_value}")

    root.addHandler(handler)
    sys.unraisablehook = unraisable
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield kept
        kept.extend(f"warning: {warning.category.__name__}: {described(str(warning.message))}" for warning in warned)
    finally:
        root.removeHandler(handler)
        sys.unraisablehook = hook
