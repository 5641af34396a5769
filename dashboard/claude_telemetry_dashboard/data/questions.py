"""Questions about landed calls, whose answers hold for as long as nothing else has landed.

A page that is watched draws itself again every second. What it asks each time is how many calls there are and when the
newest came in: a matter of a millisecond. Only when that has changed, or another window begun, are the numbers asked
anew. Several people who look at one page ask the store once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import streamlit as st

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import (
    CallDetail,
    Cursor,
    Freshness,
    Incident,
    Page,
    Reading,
    Reconciliation,
    RuleState,
    Segment,
    UnpricedModel,
    Window,
)
from claude_telemetry_dashboard.data.place import asked, place


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """Which calls an answer is about: those of one collector, up to what had landed."""

    folder: Path
    landed: Freshness


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the headline numbers are made of."""

    now: Mapping[str, Reading]
    before: Mapping[str, Reading]
    course: pa.Table
    """`bucket` and one column a metric: their values at each step."""


_at_present = st.cache_data(ttl=0.5, max_entries=20, show_spinner=False)
_until_more_lands = st.cache_data(ttl=60, max_entries=50, show_spinner=False)
_for_a_while = st.cache_data(ttl=15, max_entries=200, show_spinner=False)
"""For what hardly changes: the period before, the values to filter by."""


def latest_call_at() -> datetime | None:
    """When the newest of all landed calls started. `None` before the first call."""
    return _landed(place().data).started_at


def overview(
    names: Sequence[str], courses: Sequence[str], window: Window, before: Window, segment: Segment, step: timedelta
) -> Overview:
    """The readings of `names` in both windows, and the course of `courses` over the first."""
    as_of = _as_of()
    return Overview(
        now=_readings(as_of, tuple(names), window, segment),
        before=_earlier_readings(as_of.folder, tuple(names), before, segment),
        course=_series(as_of, tuple(courses), window, segment, step),
    )


def cost_per_day(window: Window, segment: Segment) -> pa.Table:
    """See `queries.cost_per_day`, by model."""
    return _cost_per_day(_as_of(), window, segment)


def readings(names: Sequence[str], window: Window, segment: Segment) -> Mapping[str, Reading]:
    """See `queries.readings`."""
    return _readings(_as_of(), tuple(names), window, segment)


def unpriced_models(window: Window, segment: Segment) -> tuple[tuple[UnpricedModel, ...], int]:
    """See `queries.unpriced_models`."""
    return _unpriced_models(_as_of(), window, segment)


def errors_by_type(window: Window, segment: Segment, step: timedelta) -> pa.Table:
    """See `queries.errors_by_type`."""
    return _errors_by_type(_as_of(), window, segment, step)


def choices(window: Window, column: str) -> list[str]:
    """The values of a label to filter by. Empty while the collector is away: the page itself says that it is."""
    try:
        return _choices(place().data, window, column)
    except CollectorError:
        return []


def calls(
    window: Window,
    segment: Segment,
    *,
    status: str | None = None,
    error_type: str | None = None,
    before: Cursor | None = None,
    limit: int = 50,
) -> Page:
    """One page of single calls, newest first."""
    return _calls(_as_of(), window, segment, status, error_type, before, limit)


def call(trace_id: str, span_id: str) -> CallDetail | None:
    """Everything about one call, or `None` when it has not landed."""
    return asked(place().data, lambda reader: queries.call(reader, trace_id, span_id))


def alert_rules() -> tuple[RuleState, ...]:
    """The rules with their last readings. Empty until the collector has looked once."""
    return _rules(place().data)


def open_incidents() -> tuple[Incident, ...]:
    """The incidents that are open just now, newest first."""
    return tuple(incident for incident in _incidents(place().data, None) if incident.closed_at is None)


def incidents(window: Window) -> tuple[Incident, ...]:
    """The incidents that were open in some part of `window`: open ones first, each kind newest first."""
    return _incidents(place().data, window)


def reconciliation(since: date, until: date) -> Reconciliation:
    """See `queries.reconciliation`. Calls that landed in the last minutes may not be in it."""
    folder = place().data
    return _reconciliation(folder, since, until, _pulled(folder))


def _as_of() -> AsOf:
    folder = place().data
    return AsOf(folder=folder, landed=_landed(folder))


# Below, one function a question, since Streamlit remembers by a function and its arguments.


@_at_present
def _landed(folder: Path) -> Freshness:
    return asked(folder, queries.freshness)


@_until_more_lands
def _readings(as_of: AsOf, names: tuple[str, ...], window: Window, segment: Segment) -> dict[str, Reading]:
    return asked(as_of.folder, lambda reader: queries.readings(reader, names, window, segment))


@_for_a_while
def _earlier_readings(folder: Path, names: tuple[str, ...], window: Window, segment: Segment) -> dict[str, Reading]:
    return asked(folder, lambda reader: queries.readings(reader, names, window, segment))


@_until_more_lands
def _series(as_of: AsOf, names: tuple[str, ...], window: Window, segment: Segment, step: timedelta) -> pa.Table:
    return asked(as_of.folder, lambda reader: queries.series(reader, names, window, segment, step))


@_until_more_lands
def _cost_per_day(as_of: AsOf, window: Window, segment: Segment) -> pa.Table:
    return asked(as_of.folder, lambda reader: queries.cost_per_day(reader, window, segment))


@_until_more_lands
def _unpriced_models(as_of: AsOf, window: Window, segment: Segment) -> tuple[tuple[UnpricedModel, ...], int]:
    return asked(as_of.folder, lambda reader: queries.unpriced_models(reader, window, segment))


@_until_more_lands
def _errors_by_type(as_of: AsOf, window: Window, segment: Segment, step: timedelta) -> pa.Table:
    return asked(as_of.folder, lambda reader: queries.errors_by_type(reader, window, segment, step))


@_for_a_while
def _choices(folder: Path, window: Window, column: str) -> list[str]:
    return asked(folder, lambda reader: queries.choices(reader, window, column))


@_until_more_lands
def _calls(
    as_of: AsOf,
    window: Window,
    segment: Segment,
    status: str | None,
    error_type: str | None,
    before: Cursor | None,
    limit: int,
) -> Page:
    return asked(
        as_of.folder,
        lambda reader: queries.calls(
            reader, window, segment, status=status, error_type=error_type, before=before, limit=limit
        ),
    )


@_at_present
def _rules(folder: Path) -> tuple[RuleState, ...]:
    return asked(folder, queries.rules)


@_at_present
def _incidents(folder: Path, window: Window | None) -> tuple[Incident, ...]:
    return asked(folder, lambda reader: queries.incidents(reader, window))


@_at_present
def _pulled(folder: Path) -> tuple[int, datetime | None]:
    return asked(folder, queries.pulled)


# Seconds of work for a month of calls; the bill itself changes only when it is pulled.
@st.cache_data(ttl=600, max_entries=10, show_spinner="Holding the calls against the bill …")
def _reconciliation(
    folder: Path,
    since: date,
    until: date,
    pulled: tuple[int, datetime | None],  # noqa: ARG001 - part of what is remembered
) -> Reconciliation:
    return asked(folder, lambda reader: queries.reconciliation(reader, since, until))
