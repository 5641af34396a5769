"""Windows of one length, side by side, on the clocks of a zone.

They are counted from a fixed Monday at midnight there, so that they stay where they are while a window moves on. A
bucket of a day is the day that people have there, also when it has 23 or 25 hours; so are those of a week. A bucket of
an hour or less is always that long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.queries.window import BUCKET_ORIGIN, Window, microseconds
from claude_telemetry_collector.queries.zones import UTC_NAME, offset_us

MOST_BUCKETS = 10_000

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_US = _HOUR // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """The buckets that touch a window, as SQL and its parameters."""

    number: str
    """The number of the bucket that a call is in, as SQL on `started_at`."""
    every: str
    """A table of all of them, as SQL: `number` and `bucket`, what clocks there show when it starts."""
    parameters: dict[str, object] = field(hash=False)
    of_whole_hours: bool
    """Whether each of them, but for the window's ends, is made of whole hours in UTC."""
    of_whole_days: bool
    """The same of days in UTC."""

    def only_number(self) -> dict[str, object]:
        """The parameters that `number` needs."""
        return {name: value for name, value in self.parameters.items() if name not in ("buckets", "bucket_starts")}


def buckets(window: Window, step: timedelta, zone: str = UTC_NAME) -> Buckets:
    """The buckets of length `step` that touch `window`. Raises `ValueError` for more than 10,000 of them, and for a
    zone that there is not."""
    length = step // timedelta(microseconds=1)
    if length <= 0:
        raise ValueError(f"a bucket of {step} has no length: give a step above zero")
    offsets = _offsets(window, step, zone)
    first = (microseconds(window.start) + offsets[0][1] - BUCKET_ORIGIN) // length
    # Half-open: a window that ends where a bucket starts does not reach into it.
    end = -((BUCKET_ORIGIN - offsets[-1][1] - microseconds(window.end)) // length)
    if end - first > MOST_BUCKETS:
        raise ValueError(f"{window.length} in steps of {step} makes {end - first} buckets: give a longer step")
    numbers = list(range(first, end))
    return Buckets(
        number=f"({_local(len(offsets))} - $bucket_origin) // $bucket_step",
        every="(SELECT unnest($buckets) AS number, make_timestamp(unnest($bucket_starts)) AS bucket)",
        parameters={
            "bucket_origin": BUCKET_ORIGIN,
            "bucket_step": length,
            "buckets": numbers,
            "bucket_starts": [_start(number * length + BUCKET_ORIGIN, offsets[0][1], step, zone) for number in numbers],
            **{f"offset_{place}": offset for place, (_, offset) in enumerate(offsets)},
            **{f"change_{place}": change for place, (change, _) in enumerate(offsets) if place},
        },
        of_whole_hours=length % _HOUR_US == 0 and all(offset % _HOUR_US == 0 for _, offset in offsets),
        of_whole_days=step % _DAY == timedelta(0) and all(offset == 0 for _, offset in offsets),
    )


def _local(changes: int) -> str:
    """The time on the clocks, in microseconds, as SQL."""
    if changes == 1:
        return "epoch_us(started_at) + $offset_0"
    later = " ".join(
        f"WHEN epoch_us(started_at) >= $change_{place} THEN $offset_{place}" for place in range(changes - 1, 0, -1)
    )
    return f"epoch_us(started_at) + CASE {later} ELSE $offset_0 END"


def _offsets(window: Window, step: timedelta, zone: str) -> Sequence[tuple[int, int]]:
    """How far clocks are ahead of UTC, and since when: once at the window's start, and at each change within it."""
    offsets = [(microseconds(window.start), offset_us(window.start, zone))]
    # On its own clock an hour would be skipped, or last two: what is that short goes on as it began.
    if zone == UTC_NAME or step <= _HOUR:
        return offsets
    at = window.start
    while at < window.end:
        following = min(at + _DAY, window.end)
        if offset_us(following, zone) != offsets[-1][1]:
            changed = _change_between(at, following, zone)
            offsets.append((microseconds(changed), offset_us(changed, zone)))
        at = following
    return offsets


def _change_between(before: datetime, after: datetime, zone: str) -> datetime:
    """The first second in which clocks show another offset than at `before`."""
    old = offset_us(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        before, after = (middle, after) if offset_us(middle, zone) == old else (before, middle)
    return after.replace(microsecond=0)


def _start(local_us: int, offset: int, step: timedelta, zone: str) -> int:
    """What clocks show when a bucket starts, of which it is known what they would show with `offset`."""
    if zone == UTC_NAME or step > _HOUR:
        return local_us
    return local_us - offset + offset_us(_EPOCH + timedelta(microseconds=local_us - offset), zone)
