"""What the application says has happened around its calls: a fallback, a circuit breaker that opens.

What it says with an event is allow-listed, by the same rule where it is said and where it is kept: numbers, flags, and
*words* (a name, an id, a state). A word has no spaces, so nothing that people wrote can pass as one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, Final

from claude_telemetry.record.field import Fact

EventValue = str | bool | int | float

PREFIX: Final = "claude.event.attributes."
"""Before the name of each attribute that the application gave."""

MOST: Final = 16
"""Attributes of an event that are kept: the first ones."""

_WORD = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_SECRET = re.compile(
    r"(.*_)?(apikey|auth|authorization|bearer|cookies?|credentials?|key|password|secrets?|token)(_.*)?", re.IGNORECASE
)
_KEY = "sk-"
"""What Anthropic's keys begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of `events`. `None` means not known."""

    happened_at: Annotated[datetime, Fact(None, None, "UTC.")]
    name: Annotated[str, Fact("claude.event.name", None, "What happened, in the application's word: `fallback`.")]

    service: Annotated[str | None, Fact("service.name", None, "The application, as OpenTelemetry names it.")] = None
    environment: Annotated[
        str | None, Fact("deployment.environment.name", None, "Where the application runs, such as `production`.")
    ] = None

    trace_id: Annotated[str, Fact(None, None, "Its own trace id, 32 hexadecimal digits.")]
    span_id: Annotated[str, Fact(None, None, "Its own span id, 16 hexadecimal digits.")]
    call_trace_id: Annotated[
        str | None, Fact("claude.event.call.trace_id", None, "The trace id of the call that it is about.")
    ] = None
    call_span_id: Annotated[
        str | None, Fact("claude.event.call.span_id", None, "The span id of the call that it is about.")
    ] = None

    user_id: Annotated[str | None, Fact("user.id", None, "On whose behalf the application worked.")] = None
    session_id: Annotated[str | None, Fact("session.id", None, "The conversation or session it belongs to.")] = None
    feature: Annotated[str | None, Fact("claude.feature", None, "The part of the application that said it.")] = None


def is_word(text: object) -> bool:
    """Whether `text` is one word of at most 128 letters, digits and `._:/@+-`, and no key of Anthropic's."""
    return isinstance(text, str) and _WORD.fullmatch(text) is not None and not text.startswith(_KEY)


def allowed(attributes: Mapping[str, object]) -> dict[str, EventValue]:
    """Those of `attributes` that an event may carry: 16 at most, none under the name of a secret."""
    kept = (
        (name, value)
        for name, value in attributes.items()
        if isinstance(value, str | bool | int | float) and _is_name(name) and _is_plain(value)
    )
    return dict(islice(kept, MOST))


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _SECRET.fullmatch(name) is None


def _is_plain(value: EventValue) -> bool:
    if isinstance(value, str):
        return is_word(value)
    return math.isfinite(value) and (isinstance(value, float) or -(2**63) <= value < 2**63)
