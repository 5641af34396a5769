"""`event()`: what the application does about its calls that no call shows, such as a fallback to another model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from claude_telemetry.asked import CallRef, last_call
from claude_telemetry.guard import guarded
from claude_telemetry.tool_spans import label_attributes, link_to
from claude_telemetry.tools.source import is_recording, source

if TYPE_CHECKING:
    from claude_telemetry.record.event import EventValue

log = logging.getLogger("claude_telemetry")

_CALL: Final = ("claude.event.call.trace_id", "claude.event.call.span_id")
_TOLD_OF: Final = 64
"""Names of attributes that are warned of: enough for any application's mistakes, and a bound."""

_told: set[str] = set()


def event(name: str, /, *, call: CallRef | None = None, **attributes: EventValue | None) -> None:
    """Records that something has happened: `event("fallback", from_model="…", to_model="…", reason="overloaded")`.

    It belongs to `call`, else to `last_call()`: the one that goes on here, or went last. `attributes` may be numbers,
    flags, and single words of up to 128 characters; `None` is left out. Of others, of more than 16, and of secrets by
    their name, nothing is recorded, and a warning says so once.

    Does nothing unless the process is instrumented. Never raises.
    """
    if not is_recording():
        return
    with guarded("record an event"):
        _record(name, call or last_call(), {key: value for key, value in attributes.items() if value is not None})


def _record(name: str, call: CallRef | None, given: Mapping[str, EventValue]) -> None:
    from claude_telemetry.record.event import PREFIX, allowed, is_word

    here = source()
    if here is None:
        return
    if not is_word(name):
        _tell("an event is not recorded: its name is not one word such as fallback")
        return
    kept = allowed(given)
    for key in given.keys() - kept.keys():
        _tell(f"{key} of the event {name} is not recorded: give at most 16 numbers, flags or single words, no secrets")
    tracer, own_labels = here
    told: dict[str, Any] = {
        "claude.event.name": name,
        **(dict(zip(_CALL, (call.trace_id, call.span_id), strict=True)) if call is not None else {}),
        **label_attributes(own_labels),
        **{PREFIX + key: value for key, value in kept.items()},
    }
    links = [link_to(call)] if call is not None else None
    span = tracer.start_span(f"claude.event {name}", attributes=told, links=links)
    span.end(getattr(span, "start_time", None))  # it has no duration


def _tell(what: str) -> None:
    """A warning, once."""
    if what not in _told and len(_told) < _TOLD_OF:
        _told.add(what)
        log.warning("%s", what)
