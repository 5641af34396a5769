"""Questions about landed calls, whose answers hold for as long as nothing else has landed.

A page that is watched draws itself again every second. What it asks each time is how many calls there are and when the
newest came in: a matter of a millisecond. Only when that has changed, or another window begun, are the numbers asked
anew. Several people who look at one page ask the store once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import pyarrow as pa
import streamlit as st

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import (
    TAG,
    UTC_NAME,
    CallDetail,
    Incident,
    Reader,
    Reading,
    Reconciliation,
    RuleState,
    Segment,
    UnpricedModel,
    Window,
)
from claude_telemetry_collector.queries.landed import Landed, landed
from claude_telemetry_dashboard.data.place import Line, asked, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the headline numbers are made of."""

    now: Mapping[str, Reading]
    before: Mapping[str, Reading]
    course: pa.Table
    """`bucket` and one column a metric: their values at each step."""


P = ParamSpec("P")
T = TypeVar("T")


def answer(question: Callable[Concatenate[Reader, P], T], *args: P.args, **named: P.kwargs) -> T:
    """What the collector says to `question`, a function of `queries`. Remembered until more calls have landed.

    What it is asked with has to be plain: texts, numbers, times, tuples and frozen dataclasses of them.
    """
    over = line()
    return cast("T", _until_more_lands(_name(question), args, named, over, _landed(over), question))


def answer_for_a_while(question: Callable[Concatenate[Reader, P], T], *args: P.args, **named: P.kwargs) -> T:
    """As `answer`, for what hardly changes, such as the period before: remembered for 15 s, whatever lands."""
    return cast("T", _for_a_while(_name(question), args, named, line(), question))


def answer_at_present(question: Callable[Concatenate[Reader, P], T], *args: P.args, **named: P.kwargs) -> T:
    """As `answer`, for what changes without a call: asked again after half a second."""
    return cast("T", _at_present(_name(question), args, named, line(), question))


def later(question: Callable[Concatenate[Reader, P], T], *args: P.args, **named: P.kwargs) -> Callable[[], T]:
    """What asks `question` when it is called, in the role of whoever looks now: for what happens outside of a page."""
    over = line()
    return lambda: asked(over, lambda reader: question(reader, *args, **named))


def _name(question: Callable[..., object]) -> str:
    return f"{question.__module__}.{question.__qualname__}"


# Streamlit remembers by a function and those of its arguments that do not begin with a line.


@st.cache_data(ttl=60, max_entries=400, show_spinner=False)
def _until_more_lands(
    name: str,  # noqa: ARG001 - part of what is remembered
    args: tuple[Any, ...],
    named: dict[str, Any],
    over: Line,
    landed: Landed,  # noqa: ARG001 - part of what is remembered
    _question: Callable[..., Any],
) -> Any:
    return asked(over, lambda reader: _question(reader, *args, **named))


@st.cache_data(ttl=15, max_entries=400, show_spinner=False)
def _for_a_while(
    name: str,  # noqa: ARG001 - part of what is remembered
    args: tuple[Any, ...],
    named: dict[str, Any],
    over: Line,
    _question: Callable[..., Any],
) -> Any:
    return asked(over, lambda reader: _question(reader, *args, **named))


@st.cache_data(ttl=0.5, max_entries=50, show_spinner=False)
def _at_present(
    name: str,  # noqa: ARG001 - part of what is remembered
    args: tuple[Any, ...],
    named: dict[str, Any],
    over: Line,
    _question: Callable[..., Any],
) -> Any:
    return asked(over, lambda reader: _question(reader, *args, **named))


def _landed(over: Line) -> Landed:
    return cast("Landed", _at_present("landed", (), {}, over, landed))


def latest_call_at() -> datetime | None:
    """When the newest of all landed calls started. `None` before the first call."""
    return answer(queries.freshness).started_at


def overview(
    names: Sequence[str],
    courses: Sequence[str],
    window: Window,
    before: Window,
    segment: Segment,
    step: timedelta,
    zone: str = UTC_NAME,
) -> Overview:
    """The readings of `names` in both windows, and the course of `courses` over the first."""
    return Overview(
        now=readings(names, window, segment),
        before=answer_for_a_while(queries.readings, tuple(names), before, segment),
        course=answer(queries.series, tuple(courses), window, segment, step, zone),
    )


def cost_per_day(window: Window, segment: Segment, zone: str = UTC_NAME) -> pa.Table:
    """See `queries.cost_per_day`, by model."""
    return answer(queries.cost_per_day, window, segment, zone=zone)


def readings(names: Sequence[str], window: Window, segment: Segment) -> Mapping[str, Reading]:
    """See `queries.readings`."""
    return answer(queries.readings, tuple(names), window, segment)


def unpriced_models(window: Window, segment: Segment) -> tuple[tuple[UnpricedModel, ...], int]:
    """See `queries.unpriced_models`."""
    return answer(queries.unpriced_models, window, segment)


def errors_by_type(window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME) -> pa.Table:
    """See `queries.errors_by_type`."""
    return answer(queries.errors_by_type, window, segment, step, zone)


def choices(window: Window, column: str) -> list[str]:
    """The values of a label to filter by; for `TAG` the tags, each as `name:value`. Empty while the collector is away:
    the page itself says that it is."""
    try:
        if column == TAG:
            return [f"{name}:{value}" for name, value in answer_for_a_while(queries.tag_choices, window)]
        return answer_for_a_while(queries.choices, window, column)
    except CollectorError:
        return []


def call(trace_id: str, span_id: str) -> CallDetail | None:
    """Everything about one call, or `None` when it has not landed."""
    return asked(line(), lambda reader: queries.call(reader, trace_id, span_id))


def alert_rules() -> tuple[RuleState, ...]:
    """The rules with their last readings. Empty until the collector has looked once."""
    return answer_at_present(queries.rules)


def open_incidents() -> tuple[Incident, ...]:
    """The incidents that are open just now, newest first."""
    return tuple(incident for incident in answer_at_present(queries.incidents, None) if incident.closed_at is None)


def incidents(window: Window) -> tuple[Incident, ...]:
    """The incidents that were open in some part of `window`: open ones first, each kind newest first."""
    return answer_at_present(queries.incidents, window)


def reconciliation(since: date, until: date) -> Reconciliation:
    """See `queries.reconciliation`. Calls that landed in the last minutes may not be in it."""
    return _reconciliation(line(), since, until, answer_at_present(queries.pulled))


# Seconds of work for a month of calls; the bill itself changes only when it is pulled.
@st.cache_data(ttl=600, max_entries=10, show_spinner="Holding the calls against the bill …")
def _reconciliation(
    over: Line,
    since: date,
    until: date,
    pulled: tuple[int, datetime | None],  # noqa: ARG001 - part of what is remembered
) -> Reconciliation:
    return asked(over, lambda reader: queries.reconciliation(reader, since, until))
