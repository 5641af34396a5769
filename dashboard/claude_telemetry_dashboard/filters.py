"""Which calls a page is about: a range of time and labels, kept in the URL, so that a link shows the same view.

A *range* ends now (`1h`, `7d`), is today, or is given by its ends (`custom`). Its window is cut on whole *steps*, the
widths of its charts' points: so a page that refreshes itself every few seconds asks about the same window until the
next step begins, and points do not wander.

Times are UTC, as Anthropic's days are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from claude_telemetry_collector.queries import Segment, Window

DEFAULT_RANGE = "24h"

CUSTOM, TODAY = "custom", "today"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One choice of how far to look back."""

    name: str
    """As in the URL."""
    words: str
    """As in a sentence: `in the last hour`."""
    length: timedelta
    step: timedelta


RANGES: Mapping[str, Range] = {
    range_.name: range_
    for range_ in (
        Range(name="15m", words="in the last 15 minutes", length=timedelta(minutes=15), step=timedelta(seconds=15)),
        Range(name="1h", words="in the last hour", length=timedelta(hours=1), step=timedelta(minutes=1)),
        Range(name="6h", words="in the last 6 hours", length=timedelta(hours=6), step=timedelta(minutes=5)),
        Range(name="24h", words="in the last 24 hours", length=_DAY, step=timedelta(minutes=30)),
        Range(name="7d", words="in the last 7 days", length=7 * _DAY, step=timedelta(hours=3)),
        Range(name="30d", words="in the last 30 days", length=30 * _DAY, step=timedelta(hours=12)),
        Range(name=TODAY, words="today", length=_DAY, step=timedelta(minutes=30)),
    )
}

_STEPS: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
)
_MOST_POINTS = 75

LABELS: Mapping[str, tuple[str, str, str]] = {
    "model": ("model", "Model", "All models"),
    "feature": ("feature", "Feature", "All features"),
    "user": ("user_id", "User", "All users"),
    "prompt": ("prompt_version", "Prompt version", "All prompts"),
}
"""The label filters, by their name in the URL: the column, its title, and what is shown when nothing is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a page is about."""

    window: Window
    before: Window
    """The period that numbers are compared with: as long as what has passed of `window`, one range earlier."""
    segment: Segment
    step: timedelta
    words: str
    """When it is about, as in a sentence: `in the last hour`."""

    @property
    def is_everyone(self) -> bool:
        """Whether no label narrows the calls."""
        return self.segment == Segment()


def bar(choices: Callable[[str], Sequence[str]], *, labels_apply: bool = True) -> None:
    """The row of filters on top of a page. `choices` gives the values of a column to choose from.

    Drawn on every page, also where the labels do not apply: a filter that is not drawn is forgotten.
    """
    row = st.container(horizontal=True, vertical_alignment="center", key="filters")
    row.segmented_control(
        "Time range, UTC",
        [*RANGES, CUSTOM],
        default=DEFAULT_RANGE,
        required=True,
        key="range",
        bind="query-params",
        label_visibility="collapsed",
    )
    # The ends come below the row, and are asked before the labels: those to choose from are the ones of the range.
    if st.session_state.get("range") == CUSTOM:
        with st.container(horizontal=True, key="custom-range"):
            _end("From, UTC", "from")
            _end("To, UTC", "to")
    for name, (column, title, everything) in LABELS.items():
        row.selectbox(
            title,
            with_chosen(name, choices(column) if labels_apply else ()),
            index=None,
            placeholder=everything,
            key=name,
            bind="query-params",
            # A shared link may name a value that the last days do not have.
            accept_new_options=True,
            label_visibility="collapsed",
            width=145,
            disabled=not labels_apply,
        )


def chosen(now: datetime | None = None) -> Chosen:
    """The view that the URL asks for, as of now. Asked anew at each refresh: a range that ends now moves on."""
    now = now or datetime.now(UTC)
    state = st.session_state
    segment = Segment(**{column: _label(state.get(name)) for name, (column, _, _) in LABELS.items()})
    name = state.get("range") or DEFAULT_RANGE
    if name == CUSTOM:
        return between(_moment(state.get("from")), _moment(state.get("to")), now, segment)
    return looking_back(RANGES.get(name, RANGES[DEFAULT_RANGE]), now, segment)


def asked_for() -> tuple[object, ...]:
    """What the URL asks for, which stays the same while time goes on. For a page to see that it has changed."""
    return tuple(st.session_state.get(name) for name in ("range", "from", "to", *LABELS))


def looking_back(range_: Range, now: datetime, segment: Segment) -> Chosen:
    """`range_` as of `now`."""
    if range_.name == TODAY:
        start = _floor(now, _DAY)
        window = Window(start, start + _DAY)
    else:
        end = _ceil(now, range_.step)
        window = Window(end - range_.length, end)
    return _compared(window, range_.step, range_.words, now, segment)


def between(start: datetime | None, end: datetime | None, now: datetime, segment: Segment) -> Chosen:
    """A range given by its ends. Without a start it is a day long; without an end it ends now."""
    end = end or _ceil(now, timedelta(minutes=1))
    start = start if start is not None and start < end else end - _DAY
    step = next((step for step in _STEPS if (end - start) / step <= _MOST_POINTS), None)
    step = step or _ceil_to_days((end - start) / _MOST_POINTS)
    return _compared(Window(start, end), step, f"from {start:%d %b %H:%M} to {end:%d %b %H:%M} UTC", now, segment)


def whole_days(window: Window, at_least: int) -> Window:
    """`window` widened to whole UTC days, and to at least so many of them."""
    end = _ceil(window.end, _DAY)
    return Window(min(_floor(window.start, _DAY), end - at_least * _DAY), end)


def with_chosen(name: str, values: Sequence[str]) -> list[str]:
    """`values`, and what is chosen at present in the filter `name`, so that it stays chosen where nothing has it."""
    current = _label(st.session_state.get(name)) or _label(st.query_params.get(name))
    return list(values) if current is None or current in values else [current, *values]


def _compared(window: Window, step: timedelta, words: str, now: datetime, segment: Segment) -> Chosen:
    length = window.end - window.start
    # A part of the last step is still to come, so the period before is cut at the same place: half a day is compared
    # with half a day. In tenths of a step, since each other window is another question to the store.
    passed = min(max(_ceil(now, step / 10), window.start + step / 10), window.end)
    before = Window(window.start - length, passed - length)
    return Chosen(window=window, before=before, segment=segment, step=step, words=words)


def _end(title: str, key: str) -> None:
    st.datetime_input(title, value=None, key=key, bind="query-params", step=timedelta(minutes=5), width=220)


def _label(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None


def _ceil_to_days(length: timedelta) -> timedelta:
    return -(-length // _DAY) * _DAY


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - _EPOCH) % step


def _ceil(at: datetime, step: timedelta) -> datetime:
    over = (at - _EPOCH) % step
    return at if not over else at + (step - over)
