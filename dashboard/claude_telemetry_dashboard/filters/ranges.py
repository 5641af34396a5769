"""Ranges of time: how far a page looks back, and what that is compared with.

A *range* ends now (`1h`, `7d`), is today, or is given by its ends (`custom`). Its window is cut on whole *steps*, the
widths of its charts' points: so a page that refreshes itself every few seconds asks about the same window until the
next step begins, and points do not wander.

Days and steps are those of a zone, by its IANA name. In UTC they are Anthropic's days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.queries import UTC_NAME, Segment, Window, instant, local_day, midnight, zone_named

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
        Range(name="90d", words="in the last 90 days", length=90 * _DAY, step=_DAY),
        Range(name=TODAY, words="today", length=_DAY, step=timedelta(minutes=30)),
    )
}

_STEPS: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
)
_MOST_POINTS = 75


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
    zone: str = UTC_NAME
    """Whose clocks and days these are: an IANA name."""

    @property
    def is_everyone(self) -> bool:
        """Whether no label narrows the calls."""
        return self.segment == Segment()

    @property
    def on_clocks(self) -> Window:
        """What clocks of the zone show at the ends of the window, as charts have it."""
        return on_clocks(self.window, self.zone)


def looking_back(range_: Range, now: datetime, segment: Segment, zone: str = UTC_NAME) -> Chosen:
    """`range_` as of `now`."""
    if range_.name == TODAY:
        today = local_day(now, zone)
        window = Window(midnight(today, zone), midnight(today + _DAY, zone))
        earlier = midnight(today - _DAY, zone)
    else:
        end = _ceil(now, range_.step, zone)
        window = Window(end - range_.length, end)
        earlier = window.start - range_.length
    return _compared(window, earlier, range_.step, range_.words, now, segment, zone)


def between(
    start: datetime | None, end: datetime | None, now: datetime, segment: Segment, zone: str = UTC_NAME
) -> Chosen:
    """A range given by its ends. Without a start it is a day long; without an end it ends now."""
    end = end or _ceil(now, timedelta(minutes=1), zone)
    start = start if start is not None and start < end else end - _DAY
    window = Window(start, end)
    step = next((step for step in _STEPS if window.length / step <= _MOST_POINTS), None)
    step = step or -(-(window.length / _MOST_POINTS) // _DAY) * _DAY
    shown = on_clocks(window, zone)
    words = f"from {shown.start:%d %b %H:%M} to {shown.end:%d %b %H:%M} {zone}"
    return _compared(window, window.start - window.length, step, words, now, segment, zone)


def whole_days(window: Window, at_least: int, zone: str = UTC_NAME) -> Window:
    """`window` widened to whole days of `zone`, and to at least so many of them."""
    last = local_day(window.end - timedelta(microseconds=1), zone)
    first = min(local_day(window.start, zone), last - (at_least - 1) * _DAY)
    return Window(midnight(first, zone), midnight(last + _DAY, zone))


def on_clocks(window: Window, zone: str) -> Window:
    """What clocks of `zone` show at the ends of `window`, as charts have it: they draw what they are given as UTC."""
    start, end = (_clock(at, zone) for at in (window.start, window.end))
    # When clocks go back, an hour can end before it began.
    return Window(start, max(start, end))


def moment_in(local: object, zone: str) -> datetime | None:
    """The moment at which clocks of `zone` show `local`. `None` for what is no time."""
    return instant(local, zone) if isinstance(local, datetime) else None


def known_zone(name: object) -> str:
    """`name` if it is a zone's, else UTC: a link may say anything."""
    try:
        zone_named(str(name or UTC_NAME))
    except ValueError:
        return UTC_NAME
    return str(name or UTC_NAME)


def _compared(
    window: Window, earlier: datetime, step: timedelta, words: str, now: datetime, segment: Segment, zone: str
) -> Chosen:
    # A part of the last step is still to come, so the period before is cut at the same place: half a day is compared
    # with half a day. In tenths of a step, since each other window is another question to the store.
    passed = min(max(_ceil(now, step / 10, zone), window.start + step / 10), window.end)
    before = Window(earlier, min(earlier + (passed - window.start), window.start))
    return Chosen(window=window, before=before, segment=segment, step=step, words=words, zone=zone)


def _ceil(at: datetime, step: timedelta, zone: str) -> datetime:
    """The next moment at which a step begins on the clocks of `zone`."""
    shown = _clock(at, zone)
    over = (shown - _EPOCH) % step
    if not over:
        return at
    # What is short does not care about clocks that change; a day ends where they say that it does.
    return (
        at + (step - over)
        if step <= timedelta(hours=1)
        else instant((shown + (step - over)).replace(tzinfo=None), zone)
    )


def _clock(at: datetime, zone: str) -> datetime:
    return at.astimezone(zone_named(zone)).replace(tzinfo=UTC, fold=0)
